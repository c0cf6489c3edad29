// SPDX-License-Identifier: MIT OR Apache-2.0
//! Converts the engine's stamps, which are of the system timer, to CLOCK_MONOTONIC.

use crate::{Result, clock};
use memmap2::{MmapOptions, MmapRaw};
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;

/// The timer's physical address for the CPU. Its bus address is 0x7e003000.
const ADDRESS: u64 = 0x3f00_3000;
const LOW: usize = 4;
const HIGH: usize = 8;
const NS_A_TICK: u64 = 1000;
/// Comparisons made; the one that took the shortest time counts.
const LOOKS: u32 = 2000;

/// The difference of the two clocks, which is constant: both run from the same oscillator of the
/// board, or the same clock of QEMU.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Difference {
    /// Added to a stamp in nanoseconds.
    ns: i64,
    /// The time, in nanoseconds, of the shortest comparison. The error is at most half of it and a
    /// tick.
    pub(crate) within_ns: u64,
}

impl Difference {
    /// Compares the two clocks.
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
        best.ok_or_else(|| "the system timer was not read".into())
    }

    /// CLOCK_MONOTONIC, in nanoseconds, in the middle of the tick of a stamp.
    pub(crate) fn monotonic_ns(self, ticks: u64) -> u64 {
        (ticks * NS_A_TICK + NS_A_TICK / 2).wrapping_add_signed(self.ns)
    }
}

fn read(registers: &MmapRaw) -> u64 {
    let word = |offset: usize| {
        // SAFETY: `offset` is that of an aligned word in the mapping. Reading the counter has no
        // side effect.
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
