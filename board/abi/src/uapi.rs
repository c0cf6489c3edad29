// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0
//! The ioctl structures and numbers of `/dev/dmaframeN`.
//!
//! Fields have fixed widths and no implicit padding. What is reserved is zero and checked; a flag
//! that is not named here is refused. A change gets a new number, never a version field. The
//! reference is `driver/Documentation/userspace-api/dmaframe.rst`.

use crate::stream::{Policy, Shape};
use core::mem::offset_of;
use zerocopy_derive as zd;

/// The ioctl type of all requests.
pub const IOC_TYPE: u8 = 0xdf;

const WRITE: u32 = 1;
const READ: u32 = 2;

const fn request(direction: u32, number: u32, bytes: usize) -> u32 {
    (direction << 30) | ((bytes as u32) << 16) | ((IOC_TYPE as u32) << 8) | number
}

/// Reads [`Info`].
pub const GET_INFO: u32 = request(READ, 0, size_of::<Info>());
/// Reads the [`SourceInfo`] whose `index` is given.
pub const GET_SOURCE: u32 = request(READ | WRITE, 1, size_of::<SourceInfo>());
/// Reads the device's [`Config`].
pub const GET_CONFIG: u32 = request(READ, 2, size_of::<Config>());
/// Makes a ring for a [`Config`] and reads back what it became.
pub const CONFIGURE: u32 = request(READ | WRITE, 3, size_of::<Config>());
/// Starts the stream.
pub const START: u32 = request(0, 4, 0);
/// Stops the stream; frames that are ready stay readable.
pub const STOP: u32 = request(0, 5, 0);
/// Tells the driver that slots were returned.
pub const KICK: u32 = request(0, 6, 0);
/// Reads [`Stats`].
pub const GET_STATS: u32 = request(READ, 7, size_of::<Stats>());

/// Bytes of a name, with at least one closing NUL.
pub const NAME_BYTES: usize = 32;

/// What the device is.
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
pub struct Info {
    /// The engine's name, NUL padded.
    pub engine: [u8; NAME_BYTES],
    /// The `N` of `/dev/dmaframeN`.
    pub device: u32,
    /// The engine's channel.
    pub channel: u32,
    /// How many sources the device has.
    pub sources: u32,
    /// [`crate::stream::State`].
    pub state: u32,
    /// Longest payload in bytes.
    pub frame_bytes_max: u32,
    /// Payloads are multiples of this many bytes.
    pub frame_granularity: u32,
    /// Most slots.
    pub slots_max: u32,
    /// Ticks per second of the device stamps.
    pub stamp_hz: u32,
    /// Most bytes of all slots together.
    pub ring_bytes_max: u64,
    /// Shortest interval in microseconds.
    pub interval_us_min: u32,
    /// Longest interval in microseconds.
    pub interval_us_max: u32,
    /// Zero.
    pub reserved: [u64; 6],
}

const _: () = assert!(size_of::<Info>() == 128 && offset_of!(Info, ring_bytes_max) == 64);

/// What a source is.
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
pub struct SourceInfo {
    /// Which source: given by the caller, less than [`Info::sources`].
    pub index: u32,
    /// [`SOURCE_INCREMENTS`], [`SOURCE_PATTERN`].
    pub flags: u32,
    /// The source's name, NUL padded.
    pub name: [u8; NAME_BYTES],
    /// Bus address of its first byte; zero for memory of the driver's own.
    pub bus: u64,
    /// Its length in bytes.
    pub bytes: u32,
    /// Bytes of one read.
    pub width: u32,
    /// The peripheral request that paces it; 0 is none.
    pub dreq: u32,
    /// Payload bytes of a frame when nothing else is said.
    pub frame_bytes: u32,
    /// Interval in microseconds when nothing else is said.
    pub interval_us: u32,
    /// Zero.
    pub pad: u32,
    /// Zero.
    pub reserved: [u64; 4],
}

const _: () = assert!(size_of::<SourceInfo>() == 104 && offset_of!(SourceInfo, bus) == 40);

/// The source's address grows while it is read.
pub const SOURCE_INCREMENTS: u32 = 1 << 0;
/// The source is the pattern that [`crate::pattern`] describes.
pub const SOURCE_PATTERN: u32 = 1 << 1;

/// A stream's shape, and the ring that came of it.
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
pub struct Config {
    /// The source's index.
    pub source: u32,
    /// Bytes of payload.
    pub frame_bytes: u32,
    /// Slots: a power of two.
    pub slots: u32,
    /// [`Policy`].
    pub policy: u32,
    /// Microseconds from one frame to the next; 0 is unpaced.
    pub interval_us: u32,
    /// Zero: no flag is known.
    pub flags: u32,
    /// Written by the driver, given as zero: bytes from one slot to the next.
    pub slot_stride: u32,
    /// Written by the driver, given as zero: bytes of a frame's header.
    pub header_bytes: u32,
    /// Written by the driver, given as zero: bytes of all slots together.
    pub slots_bytes: u64,
    /// Zero.
    pub reserved: [u64; 3],
}

const _: () = assert!(size_of::<Config>() == 64 && offset_of!(Config, slots_bytes) == 32);

/// What a [`Config`] must not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// A flag that is not known.
    Flags(u32),
    /// A policy that is not known.
    Policy(u32),
    /// A field that must be zero is not.
    Reserved,
}

impl Config {
    /// The shape asked for.
    pub fn shape(&self) -> Result<Shape, ConfigError> {
        if self.flags != 0 {
            return Err(ConfigError::Flags(self.flags));
        }
        let written = (self.slot_stride, self.header_bytes, self.slots_bytes);
        if self.reserved != [0; 3] || written != (0, 0, 0) {
            return Err(ConfigError::Reserved);
        }
        Ok(Shape {
            source: self.source,
            frame_bytes: self.frame_bytes,
            slots: self.slots,
            policy: Policy::try_from(self.policy).map_err(ConfigError::Policy)?,
            interval_us: self.interval_us,
        })
    }
}

impl From<Shape> for Config {
    fn from(shape: Shape) -> Self {
        Self {
            source: shape.source,
            frame_bytes: shape.frame_bytes,
            slots: shape.slots,
            policy: shape.policy as u32,
            interval_us: shape.interval_us,
            ..Self::default()
        }
    }
}

/// A stream's counters since its start.
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
pub struct Stats {
    /// Frames published.
    pub frames: u64,
    /// Frames lost: due while no slot was free.
    pub lost: u64,
    /// Bytes of payload published.
    pub bytes: u64,
    /// Errors of the engine.
    pub errors: u64,
    /// Times that the stream began to lose frames: each is one gap between frames published.
    pub overruns: u64,
    /// Chains run.
    pub chains: u64,
    /// Interrupts taken.
    pub interrupts: u64,
    /// Kicks taken.
    pub kicks: u64,
    /// Impossible consumer indices found.
    pub bad_consumer: u64,
    /// [`crate::stream::State`].
    pub state: u32,
    /// [`crate::stream::Fault`].
    pub fault: u32,
    /// The engine's error bits at the last error.
    pub error_bits: u32,
    /// Which stream of the device this is.
    pub stream: u32,
    /// Zero.
    pub reserved: [u64; 5],
}

const _: () = assert!(size_of::<Stats>() == 128 && offset_of!(Stats, state) == 72);

/// `name` as a NUL-padded field; what is too long is cut.
pub fn name_field(name: &[u8]) -> [u8; NAME_BYTES] {
    let mut field = [0; NAME_BYTES];
    let bytes = name.len().min(NAME_BYTES - 1);
    field[..bytes].copy_from_slice(&name[..bytes]);
    field
}

/// The name in a NUL-padded field.
pub fn field_name(field: &[u8; NAME_BYTES]) -> &[u8] {
    let end = field.iter().position(|&byte| byte == 0).unwrap_or(NAME_BYTES);
    &field[..end]
}
