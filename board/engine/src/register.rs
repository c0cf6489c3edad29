// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0
//! Registers of a BCM2835 DMA channel and of the system timer. Offsets are in bytes.
//!
//! Source: BCM2835 ARM Peripherals, chapter 4 (DMA controller, pages 38 to 64) and chapter 12
//! (system timer, page 172), with the published errata.

/// Distance in bytes from one channel's registers to the next channel's.
pub const CHANNEL_STRIDE: u32 = 0x100;
/// Length in bytes of the registers of one channel.
pub const CHANNEL_BYTES: usize = 0x24;

/// Control and status, [`ControlStatus`].
pub const CS: usize = 0x00;
/// Bus address of the current control block; zero if the channel is idle.
pub const CONBLK_AD: usize = 0x04;
/// Transfer information of the current control block, [`TransferInformation`].
pub const TI: usize = 0x08;
/// Source bus address of the current transfer.
pub const SOURCE_AD: usize = 0x0c;
/// Destination bus address of the current transfer.
pub const DEST_AD: usize = 0x10;
/// Bytes that the current transfer has yet to move.
pub const TXFR_LEN: usize = 0x14;
/// Stride of a 2D transfer in bytes.
pub const STRIDE: usize = 0x18;
/// Bus address of the next control block; zero if there is none.
pub const NEXTCONBK: usize = 0x1c;
/// Error bits and properties of the channel, [`struct@Debug`].
pub const DEBUG: usize = 0x20;

/// Offset of CLO, the low 32 bits of the counter, in the registers of the system timer (page 172).
pub const CLO: usize = 0x04;
/// Offset of CHI, the high 32 bits.
pub const CHI: usize = 0x08;
/// Length in bytes of the registers of the system timer up to CHI.
pub const SYSTEM_TIMER_BYTES: usize = 0x0c;
/// Bus address of CLO.
pub const SYSTEM_TIMER_BUS: u32 = 0x7e00_3000 + CLO as u32;
/// Frequency of the system timer in ticks per second.
pub const SYSTEM_TIMER_HZ: u32 = 1_000_000;

macro_rules! register {
    ($(#[$doc:meta])* $name:ident { $($(#[$bit_doc:meta])* $bit:ident = $value:expr;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[repr(transparent)]
        pub struct $name(pub u32);

        impl $name {
            $($(#[$bit_doc])* pub const $bit: Self = Self($value);)*

            /// The union of both sets of bits.
            pub const fn with(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }

            /// Whether any bit of `other` is set.
            pub const fn has(self, other: Self) -> bool {
                self.0 & other.0 != 0
            }

            /// The intersection of both sets of bits.
            pub const fn only(self, other: Self) -> Self {
                Self(self.0 & other.0)
            }

            /// The bits that `other` does not have.
            pub const fn without(self, other: Self) -> Self {
                Self(self.0 & !other.0)
            }
        }
    };
}

register! {
    /// CS: control and status of a channel (pages 47 to 50).
    ControlStatus {
        /// The channel runs, if CONBLK_AD is not zero. Clearing it pauses the channel. Hardware
        /// clears it at the end of the chain, but it does not tell reliably whether a channel is
        /// idle (mainline's `bcm2835_dma_abort`): CONBLK_AD does.
        ACTIVE = 1 << 0;
        /// The current control block ended. Write one to clear.
        END = 1 << 1;
        /// A control block with INTEN ended. Write one to clear.
        INT = 1 << 2;
        /// The channel is paused: ACTIVE is clear, or it waits for a DREQ.
        PAUSED = 1 << 4;
        /// The channel waits for its DREQ to become active (DREQ_STOPS_DMA, page 49).
        DREQ_STOPS = 1 << 5;
        /// The channel waits for the responses of its last writes. Reads are not counted.
        WAITING_FOR_WRITES = 1 << 6;
        /// An error bit of DEBUG is set.
        ERROR = 1 << 8;
        /// Priority 8 of 0 to 15 on the AXI bus, normally and in panic.
        PRIORITY = (8 << 16) | (8 << 20);
        /// A control block ends, and raises INT, only after the responses to all its writes. The
        /// next one is not fetched before. At most 13 writes are outstanding.
        WAIT_FOR_OUTSTANDING_WRITES = 1 << 28;
        /// The channel does not stop when a debugger stops the system.
        DISABLE_DEBUG_PAUSE = 1 << 29;
        /// Abort the current control block and load the next.
        ABORT = 1 << 30;
        /// Reset the channel.
        RESET = 1 << 31;
    }
}

register! {
    /// TI: how one control block moves its bytes (pages 50 to 52).
    TransferInformation {
        /// Raise INT when this control block ends.
        INTEN = 1 << 0;
        /// Wait for the response to each write before the next one.
        WAIT_RESP = 1 << 3;
        /// The destination address increments, by 4, or by 32 if DEST_WIDTH128 is set.
        DEST_INC = 1 << 4;
        /// Writes are 128 bits wide instead of 32, in bursts of 2 where possible (page 63).
        DEST_WIDTH128 = 1 << 5;
        /// The source address increments.
        SRC_INC = 1 << 8;
        /// Reads are 128 bits wide instead of 32.
        SRC_WIDTH128 = 1 << 9;
        /// The DREQ selected by PERMAP paces the reads.
        SRC_DREQ = 1 << 10;
        /// Do not merge writes into wide bursts.
        NO_WIDE_BURSTS = 1 << 26;
    }
}

impl TransferInformation {
    /// PERMAP: the number of the DREQ that paces this transfer, 0 to 31. 0 is none. Higher bits of
    /// `dreq` are ignored.
    pub const fn permap(dreq: u8) -> Self {
        Self(((dreq & 0x1f) as u32) << 16)
    }

    /// BURST_LENGTH: the length of a burst of reads in beats, 1 to 16. A burst that is longer than
    /// the channel's buffer stalls the AXI bus and can lock it up (page 63).
    pub const fn burst(beats: u8) -> Self {
        let beats = if beats == 0 { 0 } else { beats - 1 };
        Self(((beats & 0xf) as u32) << 12)
    }
}

/// By bit, in the datasheet's names.
#[cfg(feature = "defmt")]
impl defmt::Format for TransferInformation {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(
            f,
            "INTEN={0=0..1} WAIT_RESP={0=3..4} DEST_INC={0=4..5} DEST_WIDTH128={0=5..6} \
             SRC_INC={0=8..9} SRC_WIDTH128={0=9..10} SRC_DREQ={0=10..11} BURST={0=12..16} \
             PERMAP={0=16..21} NO_WIDE_BURSTS={0=26..27}",
            self.0
        );
    }
}

register! {
    /// DEBUG: error bits, which stay until one is written to them, and properties of the channel
    /// (page 55).
    Debug {
        /// The AXI read-last signal was not set when expected.
        READ_LAST_NOT_SET = 1 << 0;
        /// The channel's FIFO had an error.
        FIFO_ERROR = 1 << 1;
        /// The AXI bus returned an error for a read.
        READ_ERROR = 1 << 2;
        /// All error bits.
        ERRORS = 0b111;
        /// The number of writes that were not responded to. A reset clears it.
        OUTSTANDING_WRITES = 0xf << 4;
        /// The channel is a lite channel: at most 65,532 bytes a control block, no 2D mode, half
        /// the bandwidth.
        LITE = 1 << 28;
    }
}
