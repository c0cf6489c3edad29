// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0
//! Planning: which transfers make one frame, for any engine.
//!
//! A frame is a start stamp, its payload and an end stamp, in this order, so that a non-zero end
//! stamp proves that the payload arrived. The payload runs over a source that may repeat and a
//! slot that may be several blocks; the plan cuts it wherever either ends, or an engine's longest
//! transfer does.

use core::fmt;
use dmaframe_abi::frame::{self, HEADER_BYTES};

/// Most transfers of one frame.
///
/// The longest frame ([`dmaframe_abi::stream::FRAME_BYTES_MAX`]) over the pattern's reference block takes
/// 64 for the source and up to [`SLOT_BLOCKS`] more for the slot, plus the stamps.
pub const MAX_SEGMENTS: usize = 128;

/// A chain moves no more than this many bytes, unless a single frame is longer.
pub const CHAIN_BYTES_MAX: u32 = 256 * 1024;

/// Most blocks of one slot.
pub const SLOT_BLOCKS: usize = 48;

/// The transfers of one frame.
pub type Plan = heapless::Vec<Segment, MAX_SEGMENTS>;

/// The blocks of one slot.
pub type SlotBlocks = heapless::Vec<Block, SLOT_BLOCKS>;

/// What an engine's transfers are limited to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes, and alignment, of one descriptor.
    pub descriptor_bytes: u32,
    /// Most bytes of one transfer.
    pub transfer_bytes: u32,
    /// Every length and address is a multiple of this many bytes.
    pub granularity: u32,
    /// Bits of a bus address.
    pub address_bits: u32,
}

impl Limits {
    /// The highest bus address that the engine can name.
    pub const fn highest_address(&self) -> u64 {
        if self.address_bits >= 64 { u64::MAX } else { (1 << self.address_bits) - 1 }
    }

    /// Whether the engine can run `segment` as one transfer.
    pub fn check(&self, segment: &Segment) -> Result<(), PlanError> {
        let bytes = segment.bytes;
        if bytes == 0 || bytes % self.granularity != 0 || bytes > self.transfer_bytes {
            return Err(PlanError::BadLength { bytes });
        }
        let source_span = if segment.source_increments { bytes } else { segment.width.bytes() };
        // A 128-bit read crosses the bus whole, so both ends must be whole reads.
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

/// How wide each read of a source is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Width {
    /// 4 bytes: every peripheral register.
    #[default]
    Bits32,
    /// 16 bytes.
    Bits128,
}

impl Width {
    /// Bytes of one read.
    pub const fn bytes(self) -> u32 {
        match self {
            Width::Bits32 => 4,
            Width::Bits128 => 16,
        }
    }

    /// The width of that many bytes.
    pub const fn from_bytes(bytes: u32) -> Option<Self> {
        match bytes {
            4 => Some(Width::Bits32),
            16 => Some(Width::Bits128),
            _ => None,
        }
    }
}

/// Where a frame's payload is read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Bus address of the source's first byte.
    pub bus: u64,
    /// Bytes of the source; past its end a reading source begins again at its start.
    pub bytes: u32,
    /// Where in the source this frame begins: bytes, less than `bytes`.
    pub offset: u32,
    /// Whether the address grows while reading; a fixed address is sampled again and again.
    pub increments: bool,
    /// How wide each read is.
    pub width: Width,
    /// The peripheral request that paces the reads; 0 is always ready.
    pub dreq: u8,
}

/// A run of memory, contiguous on the bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Bus address of its first byte.
    pub bus: u64,
    /// Its length.
    pub bytes: u32,
}

/// One transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Bus address read from.
    pub source: u64,
    /// Bus address written to; it always grows.
    pub destination: u64,
    /// Bytes moved.
    pub bytes: u32,
    /// Whether the source address grows.
    pub source_increments: bool,
    /// How wide each read is.
    pub width: Width,
    /// The peripheral request that paces the reads.
    pub dreq: u8,
}

/// Why no chain can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanError {
    /// A length that is zero, no multiple of the granularity, or more than one transfer can move.
    BadLength {
        /// The length refused.
        bytes: u32,
    },
    /// An address that is not aligned.
    Misaligned {
        /// The address refused.
        bus: u64,
        /// What it must be a multiple of.
        align: u32,
    },
    /// An address that the engine cannot name.
    Unreachable {
        /// The address refused.
        bus: u64,
    },
    /// An offset at or past the end of the source.
    BadOffset {
        /// The offset refused.
        offset: u32,
    },
    /// The slot's blocks are shorter than the frame.
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

/// Plans one frame of `payload_bytes` from `origin` into `slot`.
///
/// `stamp` is the bus address of the 64-bit hardware counter, copied into the header before and
/// after the payload. `plan` is replaced; on an error it holds nothing that may be run.
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
        source_increments: true,
        width: Width::Bits32,
        dreq: 0,
    }
}

fn push(limits: &Limits, plan: &mut Plan, segment: Segment) -> Result<(), PlanError> {
    limits.check(&segment)?;
    plan.push(segment).map_err(|_| PlanError::TooManySegments { most: MAX_SEGMENTS })
}
