// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0
//! The frame: 64 bytes of header, then the payload.

use core::fmt;
use core::mem::offset_of;
use zerocopy::{FromBytes as _, little_endian as le};
use zerocopy_derive as zd;

/// Bytes of a header; the payload follows at once.
pub const HEADER_BYTES: usize = 64;
/// "DMAF" in memory order.
pub const MAGIC: u32 = u32::from_le_bytes(*b"DMAF");
/// The layout described here.
pub const VERSION: u16 = 1;
/// Bytes of a stamp as the engine writes it.
pub const STAMP_BYTES: usize = 8;
/// Where in the header the engine writes the start stamp.
pub const STAMP_START: usize = offset_of!(Header, device_start);
/// Where in the header the engine writes the end stamp.
pub const STAMP_END: usize = offset_of!(Header, device_end);

/// The header, all little-endian.
///
/// The two device stamps are written by the DMA engine, all else by the driver when it publishes
/// the frame.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    zd::FromBytes,
    zd::IntoBytes,
    zd::Immutable,
    zd::KnownLayout,
)]
#[repr(C)]
pub struct Header {
    /// [`MAGIC`].
    pub magic: le::U32,
    /// [`VERSION`].
    pub version: le::U16,
    /// [`HEADER_BYTES`].
    pub header_bytes: le::U16,
    /// Counts every frame of the source since the stream started, taken or lost.
    pub sequence: le::U64,
    /// Frames lost between the frame before and this one: the gap in `sequence`, always.
    pub lost: le::U64,
    /// Bytes of payload.
    pub payload_bytes: le::U32,
    /// The source's number on its device.
    pub source: le::U16,
    /// Zero.
    pub flags: le::U16,
    /// System timer when the engine began the payload, in ticks of the hardware counter; the
    /// driver has mended a torn reading ([`untear`]).
    pub device_start: le::U64,
    /// System timer when the engine had written the payload; never zero in a published frame.
    pub device_end: le::U64,
    /// CLOCK_MONOTONIC in nanoseconds when the driver published the frame.
    pub published_ns: le::U64,
    /// Which stream of the device this frame belongs to; one more at every start.
    pub stream: le::U32,
    /// Zero.
    pub reserved: le::U32,
}

const _: () = {
    assert!(size_of::<Header>() == HEADER_BYTES);
    assert!(offset_of!(Header, sequence) == 8);
    assert!(offset_of!(Header, payload_bytes) == 24);
    assert!(STAMP_START == 32 && STAMP_END == 40);
    assert!(offset_of!(Header, published_ns) == 48);
};

/// Why bytes are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// Shorter than its header, or than what the header says.
    Short {
        /// Bytes needed.
        need: usize,
        /// Bytes at hand.
        have: usize,
    },
    /// The magic number is another.
    Magic(u32),
    /// The version, or the header's length, is another.
    Version {
        /// The version found.
        version: u16,
        /// The header's length found.
        header_bytes: u16,
    },
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Short { need, have } => write!(f, "{have} bytes where a frame needs {need}"),
            Self::Magic(found) => write!(f, "magic {found:#010x} where a frame has {MAGIC:#010x}"),
            Self::Version { version, header_bytes } => {
                write!(
                    f,
                    "frame version {version} with a header of {header_bytes} bytes is unknown"
                )
            }
        }
    }
}

impl core::error::Error for FrameError {}

/// Views `bytes`, which begin at a header, as a frame's header and payload.
pub fn parse(bytes: &[u8]) -> Result<(&Header, &[u8]), FrameError> {
    let short = |need| FrameError::Short { need, have: bytes.len() };
    let (header, rest) = Header::ref_from_prefix(bytes).map_err(|_| short(HEADER_BYTES))?;
    if header.magic.get() != MAGIC {
        return Err(FrameError::Magic(header.magic.get()));
    }
    if header.version.get() != VERSION || usize::from(header.header_bytes.get()) != HEADER_BYTES {
        return Err(FrameError::Version {
            version: header.version.get(),
            header_bytes: header.header_bytes.get(),
        });
    }
    let payload_bytes = header.payload_bytes.get() as usize;
    let payload = rest
        .get(..payload_bytes)
        .ok_or_else(|| short(HEADER_BYTES.saturating_add(payload_bytes)))?;
    Ok((header, payload))
}

/// Mends a pair of stamps of which one was read while the low word wrapped.
///
/// The engine reads the counter's low word before its high word. When the low word wraps between
/// the two reads, the stamp is 2^32 ticks too high; nothing else makes a start lie after its end,
/// or a frame last 2^32 ticks (71 minutes).
pub fn untear(start: u64, end: u64) -> (u64, u64) {
    const WRAP: u64 = 1 << 32;
    if start > end {
        (start.wrapping_sub(WRAP), end)
    } else if end - start >= WRAP {
        (start, end - WRAP)
    } else {
        (start, end)
    }
}
