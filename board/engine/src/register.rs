// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0
//! Registers of one BCM2835 DMA channel and of the system timer.
//!
//! Source: BCM2835 ARM Peripherals, chapter 4 (DMA controller, pages 38 to 63) and chapter 12
//! (system timer, page 172), with the published errata.

/// Bytes from one channel's registers to the next.
pub const CHANNEL_STRIDE: u32 = 0x100;
/// Bytes of one channel's registers that are in use.
pub const CHANNEL_BYTES: usize = 0x24;

/// Control and status.
pub const CS: usize = 0x00;
/// Bus address of the control block being run; zero is idle.
pub const CONBLK_AD: usize = 0x04;
/// Transfer information of the control block being run.
pub const TI: usize = 0x08;
/// Source address of the transfer being run.
pub const SOURCE_AD: usize = 0x0c;
/// Destination address of the transfer being run.
pub const DEST_AD: usize = 0x10;
/// Bytes still to be moved by the transfer being run.
pub const TXFR_LEN: usize = 0x14;
/// How far the rows of a 2D transfer lie apart.
pub const STRIDE: usize = 0x18;
/// Bus address of the control block that follows.
pub const NEXTCONBK: usize = 0x1c;
/// Error bits and what the channel can do.
pub const DEBUG: usize = 0x20;

/// System timer, low 32 bits of the 1 MHz counter, as the DMA engine addresses it.
///
/// The high 32 bits follow at the next word.
pub const SYSTEM_TIMER_BUS: u32 = 0x7e00_3004;
/// Ticks per second of the system timer.
pub const SYSTEM_TIMER_HZ: u32 = 1_000_000;

macro_rules! register {
    ($(#[$doc:meta])* $name:ident { $($(#[$bit_doc:meta])* $bit:ident = $value:expr;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[repr(transparent)]
        pub struct $name(pub u32);

        impl $name {
            $($(#[$bit_doc])* pub const $bit: Self = Self($value);)*

            /// Both sets of bits.
            pub const fn with(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }

            /// Whether any bit of `other` is set.
            pub const fn has(self, other: Self) -> bool {
                self.0 & other.0 != 0
            }

            /// Only the bits that `other` has too.
            pub const fn only(self, other: Self) -> Self {
                Self(self.0 & other.0)
            }
        }
    };
}

register! {
    /// CS: control and status of a channel.
    ControlStatus {
        /// The channel runs; cleared by hardware at the end of the chain.
        ACTIVE = 1 << 0;
        /// The current control block ended; write one to clear.
        END = 1 << 1;
        /// An interrupt is owed; write one to clear.
        INT = 1 << 2;
        /// The channel is paused (ACTIVE clear, or held by DREQ).
        PAUSED = 1 << 4;
        /// Writes are on their way whose response has not come back.
        WAITING_FOR_WRITES = 1 << 6;
        /// DEBUG holds an error.
        ERROR = 1 << 8;
        /// Priority 8 of 16 on the AXI bus, and the same in panic: mainline's choice.
        PRIORITY = (8 << 16) | (8 << 20);
        /// The end of a transfer waits for its last write response.
        WAIT_FOR_OUTSTANDING_WRITES = 1 << 28;
        /// The channel goes on when the debugger pauses the system.
        DISABLE_DEBUG_PAUSE = 1 << 29;
        /// Abandon the current control block and load the next.
        ABORT = 1 << 30;
        /// Reset the channel.
        RESET = 1 << 31;
    }
}

register! {
    /// TI: how one control block moves its bytes.
    TransferInformation {
        /// Raise INT when this control block ends.
        INTEN = 1 << 0;
        /// Wait for each write's response.
        WAIT_RESP = 1 << 3;
        /// The destination address grows.
        DEST_INC = 1 << 4;
        /// The source address grows.
        SRC_INC = 1 << 8;
        /// Reads are 128 bits wide instead of 32.
        SRC_WIDTH128 = 1 << 9;
        /// The peripheral's DREQ paces the reads.
        SRC_DREQ = 1 << 10;
        /// No wide writes: needed where 128-bit beats may not be merged.
        NO_WIDE_BURSTS = 1 << 26;
    }
}

impl TransferInformation {
    /// Peripheral map: which DREQ paces this transfer (0 to 31; 0 is always ready).
    pub const fn permap(dreq: u8) -> Self {
        Self(((dreq & 0x1f) as u32) << 16)
    }

    /// Burst length in beats, 1 to 16. Above 8 a 32-bit channel's FIFO can lock the AXI bus.
    pub const fn burst(beats: u8) -> Self {
        let beats = if beats == 0 { 0 } else { beats - 1 };
        Self(((beats & 0xf) as u32) << 12)
    }
}

register! {
    /// DEBUG: errors (write one to clear) and the channel's kind.
    Debug {
        /// An AXI read-last signal was not where it was expected.
        READ_LAST_NOT_SET = 1 << 0;
        /// The channel's FIFO overflowed.
        FIFO_ERROR = 1 << 1;
        /// The AXI bus answered a read with an error.
        READ_ERROR = 1 << 2;
        /// All the error bits.
        ERRORS = 0b111;
        /// A lite channel: no more than 65,532 bytes a control block, no 2D, half the speed.
        LITE = 1 << 28;
    }
}
