// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0
//! The shortest plausible duration of a frame from a source with a known rate.
//!
//! A DREQ that sticks lets the engine read one dead word after the other at bus speed. The frames
//! have the right size and no error, but their stamps are too close together.
//!
//! Reference: `driver/Documentation/userspace-api/dmaframe.rst`, "Frames that are too fast".

/// Lowest rate of a source, in reads a second.
pub const RATE_HZ_MIN: u32 = 1;
/// Highest rate of a source, in reads a second. More than the bus of the peripherals carries.
pub const RATE_HZ_MAX: u32 = 100_000_000;
/// Fewest reads of a frame that can be judged: four times the deepest FIFO of the BCM2835's
/// peripherals, the 64 words of I2S. The engine takes the words that have waited in a FIFO at bus
/// speed.
pub const READS_MIN: u32 = 256;
/// Fewest ticks of the shortest plausible duration: the difference of two stamps is up to one tick
/// off.
pub const TICKS_MIN: u64 = 2;

/// How long frames of one length take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Duration {
    /// Ticks that the source needs for a frame.
    pub expected: u64,
    /// Ticks of the shortest plausible frame: half of that.
    pub shortest: u64,
}

impl Duration {
    /// The duration of frames of `reads` reads from a source of `rate_hz`, in ticks of `stamp_hz`.
    /// `None` if such frames cannot be judged: the source has no rate (0), or the frames are too
    /// short.
    pub fn new(rate_hz: u32, reads: u32, stamp_hz: u32) -> Option<Self> {
        let ticks = u64::from(reads) * u64::from(stamp_hz);
        let expected = ticks.checked_div(rate_hz.into())?;
        let shortest = expected / 2;
        (reads >= READS_MIN && shortest >= TICKS_MIN).then_some(Self { expected, shortest })
    }

    /// Whether a frame with these stamps is too fast for its source.
    pub fn is_too_fast(&self, start: u64, end: u64) -> bool {
        end.saturating_sub(start) < self.shortest
    }
}
