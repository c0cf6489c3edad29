// SPDX-License-Identifier: MIT OR Apache-2.0
//! Control blocks (pages 40 and 50 to 55).

use crate::{Machine, bus};

/// Bits of the transfer information.
pub mod ti {
    pub const INTEN: u32 = 1 << 0;
    pub const TDMODE: u32 = 1 << 1;
    pub const WAIT_RESP: u32 = 1 << 3;
    pub const DEST_INC: u32 = 1 << 4;
    pub const DEST_DREQ: u32 = 1 << 6;
    pub const DEST_IGNORE: u32 = 1 << 7;
    pub const SRC_INC: u32 = 1 << 8;
    pub const SRC_WIDTH128: u32 = 1 << 9;
    pub const SRC_DREQ: u32 = 1 << 10;
    pub const SRC_IGNORE: u32 = 1 << 11;
    pub const fn burst(beats: u32) -> u32 {
        (beats - 1) << 12
    }
    pub const fn permap(dreq: u32) -> u32 {
        dreq << 16
    }
    pub const fn waits(cycles: u32) -> u32 {
        cycles << 21
    }
}

/// A control block.
#[derive(Clone, Copy, Debug)]
pub struct Block {
    pub ti: u32,
    pub source: u32,
    pub destination: u32,
    pub length: u32,
    pub stride: u32,
    pub next: u32,
}

impl Block {
    /// Copies memory, and is the last of its chain. Addresses are those of the CPU.
    pub fn copy(source: u32, destination: u32, length: u32) -> Self {
        Self {
            ti: ti::SRC_INC | ti::DEST_INC,
            source: bus::MEMORY | source,
            destination: bus::MEMORY | destination,
            length,
            stride: 0,
            next: 0,
        }
    }

    /// With these bits of the transfer information in addition.
    pub fn with(self, bits: u32) -> Self {
        Self { ti: self.ti | bits, ..self }
    }

    /// With a successor. The address is that of the CPU.
    pub fn then(self, next: u32) -> Self {
        Self { next: bus::MEMORY | next, ..self }
    }

    /// Writes the block to memory.
    pub fn store(self, machine: &mut Machine, address: u32) {
        let Self { ti, source, destination, length, stride, next } = self;
        machine.store_words(address, &[ti, source, destination, length, stride, next, 0, 0]);
    }
}
