// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0
//! Plans the transfers of one frame, for any engine.
//!
//! The transfers write the start stamp, the payload and the end stamp, in this order. An end stamp
//! that is not zero therefore proves that the payload arrived. A source may repeat, and a slot may
//! consist of several blocks of memory. The plan begins a new transfer wherever the source or a
//! block ends, and where the engine's longest transfer does.

use core::fmt;
use dmaframe_abi::frame::{self, HEADER_BYTES};
use dmaframe_abi::stream::FRAME_BYTES_MAX;

/// Largest number of transfers of one frame.
///
/// The longest frame ([`FRAME_BYTES_MAX`]) of the pattern reads its reference block 64 times. It
/// needs up to [`SLOT_BLOCKS`] more transfers where a block of the slot ends, and two for the
/// stamps.
pub const MAX_SEGMENTS: usize = 128;

/// Largest number of bytes, headers included, that a chain of several frames moves. A longer frame
/// has a chain of its own.
pub const CHAIN_BYTES_MAX: u32 = 256 * 1024;

/// Largest number of blocks of one slot.
pub const SLOT_BLOCKS: usize = 48;

/// The transfers of one frame.
pub type Plan = heapless::Vec<Segment, MAX_SEGMENTS>;

/// The blocks of one slot.
pub type SlotBlocks = heapless::Vec<Block, SLOT_BLOCKS>;

/// The limits of an engine's transfers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Length in bytes, and alignment, of one descriptor.
    pub descriptor_bytes: u32,
    /// Longest transfer in bytes.
    pub transfer_bytes: u32,
    /// Lengths and addresses are multiples of this many bytes.
    pub granularity: u32,
    /// Number of bits of a bus address.
    pub address_bits: u32,
    /// Longest burst of reads of 32 bits, in reads.
    pub burst_32: u8,
    /// Longest burst of reads of 128 bits, in reads.
    pub burst_128: u8,
}

impl Limits {
    /// The longest burst of reads of `width`, in reads.
    pub const fn burst(&self, width: Width) -> u8 {
        match width {
            Width::Bits32 => self.burst_32,
            Width::Bits128 => self.burst_128,
        }
    }

    /// The highest bus address that the engine can reach.
    pub const fn highest_address(&self) -> u64 {
        if self.address_bits >= 64 { u64::MAX } else { (1 << self.address_bits) - 1 }
    }

    /// Checks that the engine can run `segment` as one transfer.
    ///
    /// # Errors
    ///
    /// [`PlanError::BadLength`], [`PlanError::Unreachable`] or [`PlanError::Misaligned`].
    pub fn check(&self, segment: &Segment) -> Result<(), PlanError> {
        let bytes = segment.bytes;
        if bytes == 0 || bytes % self.granularity != 0 || bytes > self.transfer_bytes {
            return Err(PlanError::BadLength { bytes });
        }
        let source_span = if segment.source_increments { bytes } else { segment.width.bytes() };
        // The engine reads whole units of the width, so the transfer must begin and end with one.
        let align = self.granularity.max(segment.width.bytes());
        if bytes % align != 0 {
            return Err(PlanError::BadLength { bytes });
        }
        self.check_address(segment.source, source_span, align)?;
        self.check_address(segment.destination, bytes, self.granularity)
    }

    fn check_address(&self, bus: u64, bytes: u32, align: u32) -> Result<(), PlanError> {
        match bus.checked_add(u64::from(bytes)) {
            Some(end) if end - 1 <= self.highest_address() => (),
            _ => return Err(PlanError::Unreachable { bus }),
        }
        if bus % u64::from(align) != 0 {
            return Err(PlanError::Misaligned { bus, align });
        }
        Ok(())
    }
}

/// The width of each read of a source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Width {
    /// 4 bytes, as every peripheral register needs.
    #[default]
    Bits32,
    /// 16 bytes, for memory.
    Bits128,
}

impl Width {
    /// The width in bytes.
    pub const fn bytes(self) -> u32 {
        match self {
            Width::Bits32 => 4,
            Width::Bits128 => 16,
        }
    }

    /// The width of `bytes` bytes, or `None` if there is none.
    pub const fn from_bytes(bytes: u32) -> Option<Self> {
        match bytes {
            4 => Some(Width::Bits32),
            16 => Some(Width::Bits128),
            _ => None,
        }
    }
}

/// Where the payload of a frame is read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Bus address of the source's first byte.
    pub bus: u64,
    /// Length of the source in bytes. An incrementing source continues at its start after its end.
    pub bytes: u32,
    /// Offset in bytes, less than `bytes`, at which this frame begins. It has no effect if the
    /// address is fixed.
    pub offset: u32,
    /// Whether the address increments. If not, every read is of the first address.
    pub increments: bool,
    /// Width of each read.
    pub width: Width,
    /// Number of the DREQ (peripheral data request) that paces the reads; 0 is none.
    pub dreq: u8,
}

/// A block of memory that is contiguous on the bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Bus address of its first byte.
    pub bus: u64,
    /// Length in bytes.
    pub bytes: u32,
}

/// One transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Bus address read from.
    pub source: u64,
    /// Bus address written to. It always increments.
    pub destination: u64,
    /// Length in bytes.
    pub bytes: u32,
    /// Whether the source address increments.
    pub source_increments: bool,
    /// Width of each read.
    pub width: Width,
    /// Number of the DREQ that paces the reads; 0 is none.
    pub dreq: u8,
    /// Whether each write must have arrived before the next one. The writes of a transfer that is
    /// not confirmed arrive before the next transfer begins, in any order.
    pub confirmed: bool,
}

/// Why a plan or a chain was refused, with the value refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanError {
    /// The length is zero, not a multiple of the granularity or width, or more than one transfer
    /// can move.
    BadLength {
        /// The length refused.
        bytes: u32,
    },
    /// The address is not aligned.
    Misaligned {
        /// The address refused.
        bus: u64,
        /// The alignment that it needs, in bytes.
        align: u32,
    },
    /// The address is beyond the engine's reach, or zero where zero has a meaning of its own.
    Unreachable {
        /// The address refused.
        bus: u64,
    },
    /// The offset is not less than the length of the source.
    BadOffset {
        /// The offset refused.
        offset: u32,
    },
    /// The slot's blocks together are shorter than the frame, or the first one than the header.
    SlotTooSmall {
        /// Bytes of the frame with its header.
        need: u32,
        /// Bytes of the slot.
        have: u64,
    },
    /// More transfers than fit.
    TooManySegments {
        /// Most that fit.
        most: usize,
    },
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::BadLength { bytes } => write!(f, "a transfer of {bytes} bytes cannot be run"),
            Self::Misaligned { bus, align } => {
                write!(f, "bus address {bus:#x} is not a multiple of {align}")
            }
            Self::Unreachable { bus } => {
                write!(f, "bus address {bus:#x} is out of the engine's reach")
            }
            Self::BadOffset { offset } => {
                write!(f, "offset {offset} is past the end of the source")
            }
            Self::SlotTooSmall { need, have } => {
                write!(f, "a frame of {need} bytes does not fit a slot of {have}")
            }
            Self::TooManySegments { most } => write!(f, "more than {most} transfers"),
        }
    }
}

impl core::error::Error for PlanError {}

/// The longest payload in bytes, at most [`FRAME_BYTES_MAX`], that [`plan_frame`] can plan for
/// every offset in the source and every division of the slot into blocks. Zero if there is none.
///
/// `source_bytes` is the length in bytes of a source whose address increments, and `None` for a
/// fixed address.
pub fn longest_payload(limits: &Limits, source_bytes: Option<u32>, width: Width) -> u32 {
    let unit = limits.granularity.max(width.bytes());
    let longest = limits.transfer_bytes - limits.transfer_bytes % unit;
    // Two transfers for the stamps, and one more for each block of the slot except the last.
    let spare = (MAX_SEGMENTS - 2 - (SLOT_BLOCKS - 1)) as u32;
    let fits = |bytes: u32| {
        // A frame may begin in the middle of the source.
        let ends = source_bytes.map_or(0, |source| bytes.div_ceil(source.max(1)));
        ends.saturating_add(bytes.div_ceil(longest.max(1))) <= spare
    };
    let (mut most, mut over) = (0, FRAME_BYTES_MAX / unit + 1);
    while over - most > 1 {
        let middle = most + (over - most) / 2;
        if fits(middle * unit) {
            most = middle;
        } else {
            over = middle;
        }
    }
    most * unit
}

/// Plans one frame: `payload_bytes` bytes from `origin` into the blocks of `slot`.
///
/// `stamp` is the bus address of the low 32 bits of the engine's counter. The plan copies them into
/// the header before and after the payload. The function replaces the contents of `plan`.
///
/// # Errors
///
/// A [`PlanError`], after which `plan` is empty.
pub fn plan_frame(
    limits: &Limits,
    stamp: u64,
    origin: &Origin,
    slot: &[Block],
    payload_bytes: u32,
    plan: &mut Plan,
) -> Result<(), PlanError> {
    plan.clear();
    if payload_bytes == 0 || payload_bytes % limits.granularity != 0 {
        return Err(PlanError::BadLength { bytes: payload_bytes });
    }
    if origin.offset >= origin.bytes {
        return Err(PlanError::BadOffset { offset: origin.offset });
    }
    let have = slot.iter().map(|block| u64::from(block.bytes)).sum();
    let need = payload_bytes
        .checked_add(HEADER_BYTES as u32)
        .ok_or(PlanError::BadLength { bytes: payload_bytes })?;
    let first = slot.first().filter(|block| block.bytes as usize >= HEADER_BYTES);
    let (Some(first), true) = (first, u64::from(need) <= have) else {
        return Err(PlanError::SlotTooSmall { need, have });
    };

    let result = (|| {
        push(
            limits,
            plan,
            stamp_segment(stamp, first.bus.saturating_add(frame::STAMP_START as u64)),
        )?;
        plan_payload(limits, origin, slot, payload_bytes, plan)?;
        push(limits, plan, stamp_segment(stamp, first.bus.saturating_add(frame::STAMP_END as u64)))
    })();
    if result.is_err() {
        plan.clear();
    }
    result
}

fn plan_payload(
    limits: &Limits,
    origin: &Origin,
    slot: &[Block],
    payload_bytes: u32,
    plan: &mut Plan,
) -> Result<(), PlanError> {
    let mut left = payload_bytes;
    let mut offset = if origin.increments { origin.offset } else { 0 };
    let mut skip = HEADER_BYTES as u32;
    for block in slot {
        let mut at = skip;
        skip = 0;
        while left > 0 && at < block.bytes {
            let longest = limits.transfer_bytes - limits.transfer_bytes % origin.width.bytes();
            let mut bytes = left.min(block.bytes - at).min(longest);
            if origin.increments {
                bytes = bytes.min(origin.bytes - offset);
            }
            push(
                limits,
                plan,
                Segment {
                    source: origin.bus.saturating_add(u64::from(offset)),
                    destination: block.bus.saturating_add(u64::from(at)),
                    bytes,
                    source_increments: origin.increments,
                    width: origin.width,
                    dreq: origin.dreq,
                    confirmed: false,
                },
            )?;
            left -= bytes;
            at += bytes;
            if origin.increments {
                offset = (offset + bytes) % origin.bytes;
            }
        }
    }
    Ok(())
}

fn stamp_segment(stamp: u64, destination: u64) -> Segment {
    Segment {
        source: stamp,
        destination,
        bytes: frame::STAMP_BYTES as u32,
        source_increments: false,
        width: Width::Bits32,
        dreq: 0,
        // The end stamp is the chain's last transfer, and the proof that the payload arrived.
        confirmed: true,
    }
}

fn push(limits: &Limits, plan: &mut Plan, segment: Segment) -> Result<(), PlanError> {
    limits.check(&segment)?;
    plan.push(segment).map_err(|_| PlanError::TooManySegments { most: MAX_SEGMENTS })
}
