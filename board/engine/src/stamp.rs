// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0
//! Stamps: the low words of a counter of 64 bits, as the engine copies them, extended to all of it.
//!
//! The engine copies the counter's low word alone. Two words of a counter that runs cannot be
//! copied at the same instant.

use crate::register::{CHI, CLO};

/// Reads the counter of the system timer (page 172), whose registers `read` reads.
///
/// CHI is read before and after CLO, until CLO did not wrap between the two.
pub fn counter(read: impl Fn(usize) -> u32) -> u64 {
    let mut high = read(CHI);
    loop {
        let low = read(CLO);
        match read(CHI) {
            same if same == high => return u64::from(high) << 32 | u64::from(low),
            other => high = other,
        }
    }
}

/// What the driver writes in place of a stamp before a chain starts, when the counter is at
/// `reference`. A stamp of the chain has this value only if it is written 2^32 - 1 ticks later (71
/// minutes at 1 MHz), and then the frame counts as incomplete.
pub const fn unwritten(reference: u64) -> u32 {
    (reference as u32).wrapping_sub(1)
}

/// Extends the stamps of a chain in the order in which the engine wrote them.
///
/// Each stamp is the first moment at or after the one before that has its low word. This is exact
/// while less than 2^32 ticks lie between two stamps.
#[derive(Clone, Copy, Debug)]
pub struct Timeline {
    last: u64,
}

impl Timeline {
    /// A timeline that begins at `reference`: the counter, read before the chain was started.
    pub const fn new(reference: u64) -> Self {
        Self { last: reference }
    }

    /// The counter at the next stamp, whose low word is `low`.
    pub fn extend(&mut self, low: u32) -> u64 {
        let passed = low.wrapping_sub(self.last as u32);
        self.last = self.last.wrapping_add(passed.into());
        self.last
    }
}
