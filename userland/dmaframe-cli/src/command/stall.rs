// SPDX-License-Identifier: MIT OR Apache-2.0
//! A stream that gets nothing for far longer than its interval.

use std::time::{Duration, Instant};

/// Shortest silence that is reported.
const LEAST: Duration = Duration::from_secs(5);
/// Intervals without a frame that are reported.
const INTERVALS: u32 = 10;

/// Watches when frames come.
#[derive(Debug)]
pub(super) struct Stall {
    /// Zero for a stream without a pace.
    interval: Duration,
    last: Instant,
    reported: bool,
}

impl Stall {
    /// A stream that starts now, with a frame due every `interval`; zero is unpaced.
    pub(super) fn new(interval: Duration) -> Self {
        Self { interval, last: Instant::now(), reported: false }
    }

    /// A frame came.
    pub(super) fn frame(&mut self) {
        self.last = Instant::now();
        self.reported = false;
    }

    /// No frame came. Returns a message, once, when none has come for too long.
    pub(super) fn nothing(&mut self) -> Option<String> {
        let silence = self.last.elapsed();
        if self.reported || silence < LEAST.max(self.interval * INTERVALS) {
            return None;
        }
        self.reported = true;
        Some(if self.interval.is_zero() {
            format!(
                "no frame for {} s: does the source produce data, and does its DREQ run?",
                silence.as_secs()
            )
        } else {
            format!(
                "no frame for {} s, though one is due every {} us: see the kernel log (dmesg)",
                silence.as_secs(),
                self.interval.as_micros()
            )
        })
    }

    /// Whether frames that were due did not come, up to the end.
    pub(super) fn failed(&self) -> bool {
        self.reported && !self.interval.is_zero()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn silent(interval: Duration, silence: Duration) -> Stall {
        Stall { last: Instant::now().checked_sub(silence).unwrap(), ..Stall::new(interval) }
    }

    #[test]
    fn a_long_silence_is_reported_once() {
        let mut stall = silent(Duration::from_millis(1), LEAST);
        assert!(stall.nothing().unwrap().contains("due every 1000 us") && stall.failed());
        assert_eq!(stall.nothing(), None);
        stall.frame();
        assert!(stall.nothing().is_none() && !stall.failed());
    }

    #[test]
    fn a_slow_stream_is_not_stalled() {
        let mut stall = silent(Duration::from_secs(1), LEAST);
        assert_eq!(stall.nothing(), None);
        // A source without a pace may be silent: that is reported, and no failure.
        let mut stall = silent(Duration::ZERO, LEAST);
        assert!(stall.nothing().is_some() && !stall.failed());
    }
}
