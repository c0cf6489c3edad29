// SPDX-License-Identifier: MIT OR Apache-2.0
//! The system timer that the engine's stamps are of, beside this program's clock.

use crate::{Result, clock};
use memmap2::{MmapOptions, MmapRaw};
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;

/// Where the ARM sees it; the engine's bus has it at 0x7e003000.
const ADDRESS: u64 = 0x3f00_3000;
const LOW: usize = 4;
const HIGH: usize = 8;
const NS_A_TICK: u64 = 1000;
/// The tightest of so many looks counts.
const LOOKS: u32 = 2000;

/// How the two clocks stand to each other. Both run at the rate of the board's one oscillator, and
/// of QEMU's one clock, so that a difference is all there is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Difference {
    /// What is to be added to a stamp in nanoseconds.
    ns: i64,
    /// Nanoseconds within which it was seen: the error is no more than half of it and a tick.
    pub(crate) within_ns: u64,
}

impl Difference {
    /// Looks at both.
    pub(crate) fn measure() -> Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_SYNC)
            .open("/dev/mem")
            .map_err(|error| format!("/dev/mem: {error}"))?;
        let registers = MmapOptions::new().offset(ADDRESS).len(4096).map_raw_read_only(&file)?;
        let mut best: Option<Self> = None;
        for _ in 0..LOOKS {
            let before = clock::monotonic_ns()?;
            let ticks = read(&registers);
            let within_ns = clock::monotonic_ns()? - before;
            if best.is_none_or(|best| within_ns < best.within_ns) {
                let ns =
                    (before + within_ns / 2) as i64 - (ticks * NS_A_TICK + NS_A_TICK / 2) as i64;
                best = Some(Self { ns, within_ns });
            }
        }
        best.ok_or_else(|| "no look at the system timer".into())
    }

    /// CLOCK_MONOTONIC in nanoseconds at a stamp: the middle of its tick.
    pub(crate) fn monotonic_ns(self, ticks: u64) -> u64 {
        (ticks * NS_A_TICK + NS_A_TICK / 2).wrapping_add_signed(self.ns)
    }
}

fn read(registers: &MmapRaw) -> u64 {
    let word = |offset: usize| {
        // SAFETY: `offset` is of an aligned word within the mapping; reading a counter changes
        // nothing.
        u64::from(unsafe { registers.as_ptr().add(offset).cast::<u32>().read_volatile() })
    };
    loop {
        let high = word(HIGH);
        let low = word(LOW);
        if word(HIGH) == high {
            return high << 32 | low;
        }
    }
}
