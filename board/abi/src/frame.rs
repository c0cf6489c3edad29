// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0
//! The frame header: the first 64 bytes of a slot. The payload follows it without a gap.
//!
//! Reference: `driver/Documentation/userspace-api/dmaframe.rst`, "Frame header".

use core::fmt;
use core::mem::offset_of;
use zerocopy::{FromBytes as _, little_endian as le};
use zerocopy_derive as zd;

/// Length of a header in bytes, and the offset of the payload in its slot.
pub const HEADER_BYTES: usize = 64;
/// The value of [`Header::magic`]: "DMAF" in memory order.
pub const MAGIC: u32 = u32::from_le_bytes(*b"DMAF");
/// The value of [`Header::version`] for the layout described here.
pub const VERSION: u16 = 1;
/// Length of a stamp in bytes, as the engine writes it: the counter's low word.
pub const STAMP_BYTES: usize = 4;
/// Offset in bytes of the low word of [`Header::device_start`], which the engine writes before the
/// payload.
pub const STAMP_START: usize = offset_of!(Header, device_start);
/// Offset in bytes of the low word of [`Header::device_end`], which the engine writes after the
/// payload.
pub const STAMP_END: usize = offset_of!(Header, device_end);

/// Flag of [`Header::flags`]: the engine read the frame at least twice as fast as the source can
/// deliver it ([`crate::rate`]). Its payload is probably one word, repeated.
pub const TOO_FAST: u16 = 1 << 0;

/// The header of a frame. All fields are little-endian.
///
/// The DMA engine writes the low words of the two device stamps. The driver writes everything else
/// when it publishes the frame.
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
    /// Always [`MAGIC`].
    pub magic: le::U32,
    /// Always [`VERSION`].
    pub version: le::U16,
    /// Always [`HEADER_BYTES`].
    pub header_bytes: le::U16,
    /// The frame's number since START, from 0. Lost frames are numbered too.
    pub sequence: le::U64,
    /// Number of frames lost directly before this one. Always equals the gap in `sequence`.
    pub lost: le::U64,
    /// Length of the payload in bytes.
    pub payload_bytes: le::U32,
    /// Index of the source on its device.
    pub source: le::U16,
    /// A set of flags: [`TOO_FAST`].
    pub flags: le::U16,
    /// Hardware counter, in ticks, when the engine began to write the payload.
    pub device_start: le::U64,
    /// Hardware counter, in ticks, when the engine had written the payload. Never 0 in a published
    /// frame.
    pub device_end: le::U64,
    /// CLOCK_MONOTONIC, in nanoseconds, when the driver published the frame.
    pub published_ns: le::U64,
    /// Number of the stream that the frame belongs to. Each START adds one.
    pub stream: le::U32,
    /// Zero.
    pub reserved: le::U32,
}

/// By field, without those that are constants.
#[cfg(feature = "defmt")]
impl defmt::Format for Header {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(
            f,
            "sequence={=u64} lost={=u64} payload_bytes={=u32} source={=u16} device_start={=u64} \
             device_end={=u64} published_ns={=u64} stream={=u32}",
            self.sequence.get(),
            self.lost.get(),
            self.payload_bytes.get(),
            self.source.get(),
            self.device_start.get(),
            self.device_end.get(),
            self.published_ns.get(),
            self.stream.get()
        );
    }
}

const _: () = {
    assert!(size_of::<Header>() == HEADER_BYTES);
    assert!(offset_of!(Header, sequence) == 8);
    assert!(offset_of!(Header, payload_bytes) == 24);
    assert!(STAMP_START == 32 && STAMP_END == 40);
    assert!(offset_of!(Header, published_ns) == 48);
};

/// Why [`parse`] refused some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// The bytes end before the header or the payload does.
    Short {
        /// Number of bytes that the header, or header and payload, need.
        need: usize,
        /// Number of bytes given.
        have: usize,
    },
    /// The magic number is not [`MAGIC`]; this is what was found.
    Magic(u32),
    /// The version is not [`VERSION`], or the header's length not [`HEADER_BYTES`].
    Version {
        /// The version found.
        version: u16,
        /// The header's length found, in bytes.
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

/// Splits `bytes`, which begin with a header, into header and payload, without copying.
///
/// # Errors
///
/// [`FrameError`] if `bytes` do not begin with a known header, or end before its payload does.
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
