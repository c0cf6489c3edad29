// SPDX-License-Identifier: MIT OR Apache-2.0
//! The description: what is known of a recording when it begins.

use serde_json::{Value, json};
use std::time::{Duration, UNIX_EPOCH};

/// Longest name that a file keeps, in characters.
const NAME: usize = 100;
const SECOND: u128 = 1_000_000_000;

/// Both clocks at one moment, in nanoseconds. It turns [`published_ns`] into the time of day.
///
/// [`published_ns`]: dmaframe_abi::frame::Header::published_ns
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockPair {
    /// CLOCK_MONOTONIC, which the frames have.
    pub monotonic_ns: u64,
    /// CLOCK_REALTIME, counted from 1970.
    pub realtime_ns: u64,
}

impl ClockPair {
    /// The time of day at `published_ns`, in nanoseconds since 1970.
    pub fn wall_ns(self, published_ns: u64) -> u64 {
        self.realtime_ns.wrapping_add(published_ns.wrapping_sub(self.monotonic_ns))
    }

    /// The time of day at `published_ns`, as ISO 8601 in UTC.
    pub fn wall(self, published_ns: u64) -> String {
        let since = Duration::from_nanos(self.wall_ns(published_ns));
        humantime::format_rfc3339_nanos(UNIX_EPOCH + since).to_string()
    }
}

/// The stream that is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// The device, such as `/dev/dmaframe0`.
    pub device: String,
    /// Name of the source.
    pub source: String,
    /// Bytes of a word: what the engine reads at once.
    pub word_bytes: u32,
    /// Bytes of a frame's payload.
    pub frame_bytes: u32,
    /// Microseconds from one frame to the next; 0 is unpaced.
    pub interval_us: u32,
    /// Ticks per second of the device stamps.
    pub stamp_hz: u32,
    /// What gives the time of day. It was read when the recording began.
    pub clock: Option<ClockPair>,
}

/// What a file without a description may have been: words of 32 bits, stamped by a 1 MHz counter.
impl Default for Description {
    fn default() -> Self {
        Self {
            device: "unknown".to_owned(),
            source: "unknown".to_owned(),
            word_bytes: 4,
            frame_bytes: 0,
            interval_us: 0,
            stamp_hz: 1_000_000,
            clock: None,
        }
    }
}

impl Description {
    /// Whole words of a payload of `bytes`.
    pub(crate) fn words(&self, bytes: usize) -> u64 {
        bytes as u64 / u64::from(self.word_bytes.max(1))
    }

    /// Ticks of the device stamps in nanoseconds.
    pub(crate) fn ticks_ns(&self, ticks: u64) -> u64 {
        let ns = u128::from(ticks) * SECOND / u128::from(self.stamp_hz.max(1));
        u64::try_from(ns).unwrap_or(u64::MAX)
    }

    pub(crate) fn to_json(&self) -> Value {
        let short = |name: &str| name.chars().take(NAME).collect::<String>();
        let mut object = json!({
            "program": concat!("dmaframe ", env!("CARGO_PKG_VERSION")),
            "device": short(&self.device),
            "source": short(&self.source),
            "word_bytes": self.word_bytes,
            "frame_bytes": self.frame_bytes,
            "interval_us": self.interval_us,
            "stamp_hz": self.stamp_hz,
        });
        if let Some(clock) = self.clock {
            object["monotonic_ns"] = clock.monotonic_ns.into();
            object["realtime_ns"] = clock.realtime_ns.into();
        }
        object
    }

    /// `None` if `json` is no description, or one that no device can have.
    pub(crate) fn from_json(json: &Value) -> Option<Self> {
        let number = |name: &str| json[name].as_u64().and_then(|it| u32::try_from(it).ok());
        let name = |name: &str| json[name].as_str().map(str::to_owned);
        let clock = match (json["monotonic_ns"].as_u64(), json["realtime_ns"].as_u64()) {
            (Some(monotonic_ns), Some(realtime_ns)) => {
                Some(ClockPair { monotonic_ns, realtime_ns })
            }
            _ => None,
        };
        Some(Self {
            device: name("device")?,
            source: name("source")?,
            word_bytes: number("word_bytes").filter(|bytes| [1, 2, 4, 8, 16].contains(bytes))?,
            frame_bytes: number("frame_bytes")?,
            interval_us: number("interval_us")?,
            stamp_hz: number("stamp_hz").filter(|&hz| hz > 0)?,
            clock,
        })
    }
}

/// `json` in ASCII and on one line, for formats that are not UTF-8.
pub(crate) fn ascii(json: &Value) -> String {
    let mut text = String::new();
    for character in json.to_string().chars() {
        if character.is_ascii() {
            text.push(character);
        } else {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                text.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_survive_json() {
        let clock = Some(ClockPair { monotonic_ns: 5, realtime_ns: 1_700_000_000_000_000_000 });
        let given = Description { source: "gpio".to_owned(), clock, ..Description::default() };
        assert_eq!(Description::from_json(&given.to_json()), Some(given));
        let mut hostile = Description::default().to_json();
        hostile["word_bytes"] = 0.into();
        assert_eq!(Description::from_json(&hostile), None);
    }

    #[test]
    fn the_clock_pair_gives_the_time_of_day() {
        let clock = ClockPair { monotonic_ns: 2_000_000_000, realtime_ns: 1_000_000_000_000 };
        assert_eq!(clock.wall(2_500_000_000), "1970-01-01T00:16:40.500000000Z");
        assert_eq!(clock.wall(1_000_000_000), "1970-01-01T00:16:39.000000000Z");
    }

    #[test]
    fn json_in_ascii_is_the_same_json() {
        let value = json!({ "a": "é \u{1f600} \"" });
        let text = ascii(&value);
        assert!(text.is_ascii());
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }
}
