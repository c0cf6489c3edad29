// SPDX-License-Identifier: MIT OR Apache-2.0
//! The time: of the day, and since boot.

use nix::time::{ClockId, clock_gettime};
use serde_json::{Map, Value};
use std::time::SystemTime;

/// One moment on both clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    wall: SystemTime,
    /// CLOCK_MONOTONIC, the clock of `published_ns` in a frame's header.
    monotonic_ns: u64,
}

impl Moment {
    pub(super) fn now() -> Self {
        Self { wall: SystemTime::now(), monotonic_ns: monotonic_ns() }
    }

    /// UTC as RFC 3339 has it, with microseconds.
    pub(super) fn text(self) -> String {
        humantime::format_rfc3339_micros(self.wall).to_string()
    }

    /// Adds both clocks to a JSON object.
    pub(super) fn add_to(self, object: &mut Map<String, Value>) {
        object.insert("time".to_owned(), self.text().into());
        object.insert("monotonic-ns".to_owned(), self.monotonic_ns.into());
    }
}

/// CLOCK_MONOTONIC in nanoseconds.
pub(super) fn monotonic_ns() -> u64 {
    clock_gettime(ClockId::CLOCK_MONOTONIC)
        .map_or(0, |now| now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_moment_is_utc_with_microseconds() {
        let wall = SystemTime::UNIX_EPOCH + Duration::from_micros(1_795_766_400_000_001);
        let moment = Moment { wall, monotonic_ns: 5 };
        assert_eq!(moment.text(), "2026-11-27T08:00:00.000001Z");
        let mut object = Map::new();
        moment.add_to(&mut object);
        assert_eq!((&object["time"], &object["monotonic-ns"]), (&moment.text().into(), &5.into()));
    }
}
