// SPDX-License-Identifier: MIT OR Apache-2.0
//! Registers of a DMA channel (pages 47 to 57).

use crate::{Machine, bus};

/// Bits of the control and status register.
pub mod cs {
    pub const ACTIVE: u32 = 1 << 0;
    pub const END: u32 = 1 << 1;
    pub const INT: u32 = 1 << 2;
    pub const DREQ: u32 = 1 << 3;
    pub const PAUSED: u32 = 1 << 4;
    pub const DREQ_STOPS: u32 = 1 << 5;
    pub const WAITING_FOR_WRITES: u32 = 1 << 6;
    pub const ERROR: u32 = 1 << 8;
    pub const WAIT_FOR_WRITES: u32 = 1 << 28;
    pub const ABORT: u32 = 1 << 30;
    pub const RESET: u32 = 1 << 31;
}

/// Bits of the debug register.
pub mod debug {
    pub const FIFO_ERROR: u32 = 1 << 1;
    pub const READ_ERROR: u32 = 1 << 2;
    pub const LITE: u32 = 1 << 28;
    pub const fn outstanding(debug: u32) -> u32 {
        debug >> 4 & 0xf
    }
}

/// A channel, by its number.
#[derive(Clone, Copy, Debug)]
pub struct Channel(pub u32);

impl Channel {
    pub const CS: u32 = 0x00;
    pub const CONBLK_AD: u32 = 0x04;
    pub const TI: u32 = 0x08;
    pub const SOURCE_AD: u32 = 0x0c;
    pub const DEST_AD: u32 = 0x10;
    pub const TXFR_LEN: u32 = 0x14;
    pub const STRIDE: u32 = 0x18;
    pub const NEXTCONBK: u32 = 0x1c;
    pub const DEBUG: u32 = 0x20;

    /// The offset of one of its registers.
    pub fn register(self, register: u32) -> u32 {
        let base = if self.0 == 15 { 0xe0_5000 } else { 0x7000 + self.0 * 0x100 };
        base + register
    }

    /// Reads one of its registers.
    pub fn read(self, machine: &mut Machine, register: u32) -> u32 {
        machine.read(self.register(register))
    }

    /// Writes one of its registers.
    pub fn write(self, machine: &mut Machine, register: u32, value: u32) {
        machine.write(self.register(register), value);
    }

    /// The control and status register.
    pub fn status(self, machine: &mut Machine) -> u32 {
        self.read(machine, Self::CS)
    }

    /// Starts the chain at an address of the CPU.
    pub fn start(self, machine: &mut Machine, block: u32) {
        self.write(machine, Self::CONBLK_AD, bus::MEMORY | block);
        self.write(machine, Self::CS, cs::ACTIVE);
    }

    /// The number of its interrupt of the GPU.
    pub fn interrupt(self) -> u32 {
        16 + self.0.min(11)
    }
}
