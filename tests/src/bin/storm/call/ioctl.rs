// SPDX-License-Identifier: MIT OR Apache-2.0
//! ioctl.

use crate::worker::{Worker, done};
use dmaframe_abi::uapi::{self, Config, SourceInfo};
use dmaframe_tests::Random;
use dmaframe_tests::raw::GOOD;
use nix::errno::Errno;
use std::mem::size_of;
use zerocopy::IntoBytes;

impl Worker {
    pub(crate) fn ioctl(&mut self, random: &mut Random) -> Result<(), Errno> {
        const KNOWN: [u32; 8] = [
            uapi::GET_INFO,
            uapi::GET_SOURCE,
            uapi::GET_CONFIG,
            uapi::CONFIGURE,
            uapi::START,
            uapi::STOP,
            uapi::KICK,
            uapi::GET_STATS,
        ];
        let file = self.any(random)?;
        let request = match random.below(32) {
            0 => random.next() as u32,
            // A known request with another length, direction or number.
            1..=2 => random.pick(&KNOWN) ^ (1 << random.below(32)),
            3..=6 => uapi::START,
            7..=10 => uapi::KICK,
            11 => {
                random.pick(&[libc::FIONBIO as u32, libc::FIONREAD as u32, libc::FIOASYNC as u32])
            }
            _ => random.pick(&KNOWN),
        };
        let bytes = ((request >> 16) & 0x3fff) as usize;
        let argument = if request & 0xc000_0000 == 0 && !random.once_in(16) {
            0
        } else {
            self.address(random, bytes)
        };
        let arena = self.arena();
        if random.once_in(32) {
            random.fill(&mut arena[..256]);
        } else {
            arena[..512].fill(0);
            if request == uapi::CONFIGURE {
                arena[..size_of::<Config>()].copy_from_slice(config(random).as_bytes());
            } else if request == uapi::GET_SOURCE {
                let asked = SourceInfo { index: random.below(4) as u32, ..SourceInfo::default() };
                arena[..size_of::<SourceInfo>()].copy_from_slice(asked.as_bytes());
            }
            if random.once_in(16) {
                arena[random.below(128) as usize] ^= 1 << random.below(8);
            }
        }
        // SAFETY: a correct driver writes only to the arena, which nothing borrows here. The other
        // addresses are invalid or in mappings of the devices, to which no reference exists.
        done(unsafe { libc::ioctl(file, request.into(), argument) })
    }
}

/// A valid configuration, or one that is nearly valid.
fn config(random: &mut Random) -> Config {
    let interval_us = random.pick(&[0, 0, 50, 200, 1000, 20_000, 60_000_000]);
    let mut config = Config {
        source: random.below(3) as u32,
        frame_bytes: random.pick(&[4, 64, 4032, 4036, 4096, 4096, 8192, 65_536, 300_000, 1 << 20]),
        slots: random.pick(&[2, 2, 4, 8, 16]),
        policy: if interval_us == 0 { 0 } else { random.below(2) as u32 },
        interval_us,
        ..GOOD
    };
    match random.below(12) {
        0 => config.source = random.number() as u32,
        1 => config.frame_bytes = random.number() as u32,
        2 => config.slots = random.number() as u32,
        3 => config.policy = random.number() as u32,
        4 => config.interval_us = random.number() as u32,
        5 => config.flags = random.number() as u32,
        6 => config.reserved[random.below(3) as usize] = random.number(),
        7 => (config.slots, config.frame_bytes) = (1024, 4),
        _ => {}
    }
    // Large rings would take most of the time; other tests cover them.
    if u64::from(config.frame_bytes) * u64::from(config.slots) > 4 << 20 && !random.once_in(32) {
        config.slots = 2;
        config.frame_bytes = config.frame_bytes.min(1 << 20);
    }
    config
}
