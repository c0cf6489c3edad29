// SPDX-License-Identifier: MIT OR Apache-2.0
//! The rate of words, for formats that have one rate for the whole file.

use crate::{Description, FrameRef};

/// Measures the mean rate of a run of frames by their device stamps.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Measure {
    /// Start of the first frame.
    first: Option<u64>,
    /// Start of the last frame, and words before it.
    last: (u64, u64),
    /// Words, and end of the last frame.
    words: u64,
    end: u64,
}

impl Measure {
    pub(crate) fn add(&mut self, frame: FrameRef<'_>, words: u64) {
        let start = frame.header.device_start.get();
        self.first.get_or_insert(start);
        self.last = (start, self.words);
        self.words += words;
        self.end = frame.header.device_end.get();
    }

    /// Words per second. Between the starts of the first and the last frame, if there are two.
    fn hz(&self, stamp_hz: u32) -> Option<u64> {
        let first = self.first?;
        let (ticks, words) = match self.last {
            (start, words) if words > 0 => (start.checked_sub(first)?, words),
            _ => (self.end.checked_sub(first)?, self.words),
        };
        if ticks == 0 {
            return None;
        }
        let hz = u128::from(words) * u128::from(stamp_hz) / u128::from(ticks);
        u64::try_from(hz).ok().filter(|&hz| hz > 0)
    }
}

/// Words per second that are known before the first frame: chosen, or those of a paced stream on
/// average.
pub(crate) fn known(chosen: Option<u64>, description: &Description) -> Option<u64> {
    let paced = || {
        let words = description.words(description.frame_bytes as usize);
        (words * 1_000_000).checked_div(u64::from(description.interval_us))
    };
    chosen.or_else(paced).filter(|&hz| hz > 0)
}

/// Words per second, measured if they are not known.
pub(crate) fn measured(
    chosen: Option<u64>,
    description: &Description,
    measure: &Measure,
) -> Option<u64> {
    known(chosen, description).or_else(|| measure.hz(description.stamp_hz))
}
