// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0
//! The ioctl structures and numbers of `/dev/dmaframeN`.
//!
//! Fields have fixed widths, and structures have no implicit padding. Reserved fields are zero, and
//! the driver checks that. It refuses flags that are not defined here. A request that changes gets
//! a new number; there is no version field.
//!
//! Reference: `driver/Documentation/userspace-api/dmaframe.rst`, "Requests".

use crate::stream::{Policy, Shape};
use core::mem::offset_of;
use zerocopy_derive as zd;

/// The ioctl type ("magic") of all requests.
pub const IOC_TYPE: u8 = 0xdf;

const WRITE: u32 = 1;
const READ: u32 = 2;

const fn request(direction: u32, number: u32, bytes: usize) -> u32 {
    (direction << 30) | ((bytes as u32) << 16) | ((IOC_TYPE as u32) << 8) | number
}

/// Reads the device's [`Info`].
pub const GET_INFO: u32 = request(READ, 0, size_of::<Info>());
/// Reads the [`SourceInfo`] of the source whose `index` the caller sets.
pub const GET_SOURCE: u32 = request(READ | WRITE, 1, size_of::<SourceInfo>());
/// Reads the [`Config`] of the stream or, without one, of the device's settings.
pub const GET_CONFIG: u32 = request(READ, 2, size_of::<Config>());
/// Makes a ring for a [`Config`] and writes the ring's geometry back into it.
pub const CONFIGURE: u32 = request(READ | WRITE, 3, size_of::<Config>());
/// Starts the stream. Takes no structure; the argument is 0.
pub const START: u32 = request(0, 4, 0);
/// Stops the stream. Frames that are ready stay readable. Takes no structure; the argument is 0.
pub const STOP: u32 = request(0, 5, 0);
/// Tells the driver that slots were returned. Takes no structure; the argument is 0.
pub const KICK: u32 = request(0, 6, 0);
/// Reads the stream's [`Stats`].
pub const GET_STATS: u32 = request(READ, 7, size_of::<Stats>());

/// Length of a name field in bytes, including at least one NUL.
pub const NAME_BYTES: usize = 32;

/// The device's description and limits: the structure of [`GET_INFO`].
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
    /// Name of the engine, padded with NUL.
    pub engine: [u8; NAME_BYTES],
    /// The `N` of `/dev/dmaframeN`.
    pub device: u32,
    /// Number of the engine's channel.
    pub channel: u32,
    /// Number of sources of the device.
    pub sources: u32,
    /// A [`crate::stream::State`].
    pub state: u32,
    /// Longest payload in bytes.
    pub frame_bytes_max: u32,
    /// Granularity of payloads: their length is a multiple of this many bytes.
    pub frame_granularity: u32,
    /// Largest number of slots.
    pub slots_max: u32,
    /// Ticks per second of the device stamps.
    pub stamp_hz: u32,
    /// Largest ring: bytes of all slots together.
    pub ring_bytes_max: u64,
    /// Shortest interval in microseconds.
    pub interval_us_min: u32,
    /// Longest interval in microseconds.
    pub interval_us_max: u32,
    /// Always zero.
    pub reserved: [u64; 6],
}

const _: () = assert!(size_of::<Info>() == 128 && offset_of!(Info, ring_bytes_max) == 64);

/// A source's description: the structure of [`GET_SOURCE`].
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
    /// Index of the source, set by the caller: less than [`Info::sources`].
    pub index: u32,
    /// A set of [`SOURCE_INCREMENTS`] and [`SOURCE_PATTERN`].
    pub flags: u32,
    /// Name of the source, padded with NUL.
    pub name: [u8; NAME_BYTES],
    /// Bus address of its first byte. Zero if the source is the driver's own memory.
    pub bus: u64,
    /// Length of the source in bytes.
    pub bytes: u32,
    /// Width of one read in bytes.
    pub width: u32,
    /// Number of the DREQ (peripheral data request) that paces the reads; 0 is none.
    pub dreq: u32,
    /// Default length of a frame's payload in bytes.
    pub frame_bytes: u32,
    /// Default interval in microseconds; 0 is unpaced.
    pub interval_us: u32,
    /// Longest payload of a frame in bytes.
    pub frame_bytes_max: u32,
    /// Reads of `width` bytes a second that the source can deliver; 0 is unknown. See
    /// [`crate::rate`].
    pub rate_hz: u32,
    /// Always zero.
    pub reserved: [u32; 7],
}

const _: () = assert!(size_of::<SourceInfo>() == 104 && offset_of!(SourceInfo, bus) == 40);

/// Flag of [`SourceInfo::flags`]: the address increments while the source is read.
pub const SOURCE_INCREMENTS: u32 = 1 << 0;
/// Flag of [`SourceInfo::flags`]: the source is the pattern of [`crate::pattern`].
pub const SOURCE_PATTERN: u32 = 1 << 1;

/// A stream's parameters and its ring's geometry: the structure of [`GET_CONFIG`] and
/// [`CONFIGURE`].
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
    /// Index of the source.
    pub source: u32,
    /// Length of a frame's payload in bytes.
    pub frame_bytes: u32,
    /// Number of slots: a power of two.
    pub slots: u32,
    /// A [`Policy`].
    pub policy: u32,
    /// Microseconds from one frame to the next; 0 is unpaced.
    pub interval_us: u32,
    /// Always zero: no flag is defined.
    pub flags: u32,
    /// Distance in bytes from one slot to the next. The driver writes it; callers pass zero.
    pub slot_stride: u32,
    /// Length of a frame's header in bytes. The driver writes it; callers pass zero.
    pub header_bytes: u32,
    /// Bytes of all slots together. The driver writes it; callers pass zero.
    pub slots_bytes: u64,
    /// Always zero.
    pub reserved: [u64; 3],
}

const _: () = assert!(size_of::<Config>() == 64 && offset_of!(Config, slots_bytes) == 32);

/// Why a [`Config`] was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// A flag is set that is not defined.
    Flags(u32),
    /// The policy's number is not defined.
    Policy(u32),
    /// A field that must be zero is not zero.
    Reserved,
}

impl Config {
    /// The parameters that the caller asks for. Their limits are not checked here.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for an undefined flag or policy, or a field that must be zero.
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

/// A stream's counters since START: the structure of [`GET_STATS`].
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
    /// Frames lost: they were due while no slot was free.
    pub lost: u64,
    /// Bytes of payload published.
    pub bytes: u64,
    /// Errors of the engine.
    pub errors: u64,
    /// Gaps between published frames, whatever their lengths.
    pub overruns: u64,
    /// Chains that the engine ran.
    pub chains: u64,
    /// Interrupts of the channel that the driver handled.
    pub interrupts: u64,
    /// KICK requests that the driver handled.
    pub kicks: u64,
    /// Consumer indices found that no reader can have reached.
    pub bad_consumer: u64,
    /// A [`crate::stream::State`].
    pub state: u32,
    /// A [`crate::stream::Fault`].
    pub fault: u32,
    /// The engine's error bits at the last error. Their meaning is the engine's.
    pub error_bits: u32,
    /// Number of the stream. Each START adds one.
    pub stream: u32,
    /// Published frames with the flag [`crate::frame::TOO_FAST`].
    pub too_fast: u64,
    /// Always zero.
    pub reserved: [u64; 4],
}

const _: () = assert!(size_of::<Stats>() == 128 && offset_of!(Stats, state) == 72);

/// `name` as a field padded with NUL. A name of more than `NAME_BYTES - 1` bytes is cut.
pub fn name_field(name: &[u8]) -> [u8; NAME_BYTES] {
    let mut field = [0; NAME_BYTES];
    let bytes = name.len().min(NAME_BYTES - 1);
    field[..bytes].copy_from_slice(&name[..bytes]);
    field
}

/// The name in `field`, up to its first NUL.
pub fn field_name(field: &[u8; NAME_BYTES]) -> &[u8] {
    let end = field.iter().position(|&byte| byte == 0).unwrap_or(NAME_BYTES);
    &field[..end]
}
