// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0
//! A stream's parameters and their limits, and the states and faults of a device.

use crate::frame::HEADER_BYTES;
use core::fmt;

/// Shortest payload in bytes.
pub const FRAME_BYTES_MIN: u32 = 4;
/// Longest payload in bytes.
pub const FRAME_BYTES_MAX: u32 = 16 << 20;
/// Granularity of payloads: their length is a multiple of this many bytes.
pub const FRAME_GRANULARITY: u32 = 4;
/// Smallest number of slots of a ring.
pub const SLOTS_MIN: u32 = 2;
/// Largest number of slots of a ring.
pub const SLOTS_MAX: u32 = 1024;
/// Largest ring: bytes of all slots together.
pub const RING_BYTES_MAX: u64 = 256 << 20;
/// Shortest interval between two paced frames, in microseconds.
pub const INTERVAL_US_MIN: u32 = 50;
/// Longest interval between two paced frames, in microseconds.
pub const INTERVAL_US_MAX: u32 = 60_000_000;

/// What happens when a frame is due and no slot is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u32)]
pub enum Policy {
    /// The engine waits for the reader. Nothing is lost, but the source is held up.
    Backpressure = 0,
    /// The frame is lost and counted. Needs an interval.
    Drop = 1,
}

impl TryFrom<u32> for Policy {
    type Error = u32;

    fn try_from(raw: u32) -> Result<Self, u32> {
        match raw {
            0 => Ok(Self::Backpressure),
            1 => Ok(Self::Drop),
            other => Err(other),
        }
    }
}

impl Policy {
    /// The name used in netlink and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Backpressure => "backpressure",
            Self::Drop => "drop",
        }
    }
}

/// What a device is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u32)]
pub enum State {
    /// No stream is configured.
    Idle = 0,
    /// The stream has a ring. The engine is stopped.
    Configured = 1,
    /// The engine fills slots, or waits for a free one.
    Running = 2,
    /// The stream stopped because of a [`Fault`].
    Faulted = 3,
    /// The device was unbound.
    Gone = 4,
}

impl TryFrom<u32> for State {
    type Error = u32;

    fn try_from(raw: u32) -> Result<Self, u32> {
        Ok(match raw {
            0 => Self::Idle,
            1 => Self::Configured,
            2 => Self::Running,
            3 => Self::Faulted,
            4 => Self::Gone,
            other => return Err(other),
        })
    }
}

impl State {
    /// The name used in sysfs and netlink.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Configured => "configured",
            Self::Running => "running",
            Self::Faulted => "faulted",
            Self::Gone => "gone",
        }
    }
}

/// Why the driver stopped a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u32)]
pub enum Fault {
    /// There is no fault.
    None = 0,
    /// The reader wrote a consumer index that no reader can have reached.
    Consumer = 1,
    /// The engine reported an error.
    Engine = 2,
    /// The engine made no progress for 5 seconds, and did not wait for a DREQ.
    Timeout = 3,
    /// The chain ended, but the engine did not write a frame's end stamp.
    Incomplete = 4,
}

impl TryFrom<u32> for Fault {
    type Error = u32;

    fn try_from(raw: u32) -> Result<Self, u32> {
        Ok(match raw {
            0 => Self::None,
            1 => Self::Consumer,
            2 => Self::Engine,
            3 => Self::Timeout,
            4 => Self::Incomplete,
            other => return Err(other),
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "no fault",
            Self::Consumer => "the reader's index is impossible",
            Self::Engine => "the DMA engine reported an error",
            Self::Timeout => "the DMA engine did not finish in time",
            Self::Incomplete => "a frame was not completed by the DMA engine",
        })
    }
}

/// The parameters of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Index of the source on its device.
    pub source: u32,
    /// Length of a frame's payload in bytes: a multiple of [`FRAME_GRANULARITY`] from
    /// [`FRAME_BYTES_MIN`] to [`FRAME_BYTES_MAX`].
    pub frame_bytes: u32,
    /// Number of slots of the ring: a power of two from [`SLOTS_MIN`] to [`SLOTS_MAX`].
    pub slots: u32,
    /// What happens when a frame is due and no slot is free.
    pub policy: Policy,
    /// Microseconds from one frame to the next, from [`INTERVAL_US_MIN`] to [`INTERVAL_US_MAX`]. 0
    /// is unpaced: as fast as the engine runs.
    pub interval_us: u32,
}

#[cfg(feature = "defmt")]
impl defmt::Format for Shape {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(
            f,
            "source={=u32} frame_bytes={=u32} slots={=u32} policy={} interval_us={=u32}",
            self.source,
            self.frame_bytes,
            self.slots,
            self.policy,
            self.interval_us
        );
    }
}

/// Why a [`Shape`] was refused, with the value refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShapeError {
    /// The device has no source of this index.
    Source(u32),
    /// The payload's length in bytes is not from [`FRAME_BYTES_MIN`] to [`FRAME_BYTES_MAX`].
    FrameRange(u32),
    /// The payload's length in bytes is not a multiple of [`FRAME_GRANULARITY`].
    FrameGranularity(u32),
    /// The payload's length is not a multiple of the source's width.
    FrameWidth {
        /// The length refused, in bytes.
        bytes: u32,
        /// Width of one read of the source in bytes.
        width: u32,
    },
    /// The payload is longer than the source allows: a frame would need too many transfers.
    FrameLimit {
        /// The length refused, in bytes.
        bytes: u32,
        /// Longest payload of this source in bytes.
        most: u32,
    },
    /// The number of slots is not a power of two from [`SLOTS_MIN`] to [`SLOTS_MAX`].
    Slots(u32),
    /// The slots together have more than [`RING_BYTES_MAX`] bytes.
    RingBytes(u64),
    /// The interval in microseconds is neither 0 nor from [`INTERVAL_US_MIN`] to
    /// [`INTERVAL_US_MAX`].
    Interval(u32),
    /// [`Policy::Drop`] without an interval: without one no frame is ever due.
    DropUnpaced,
}

impl fmt::Display for ShapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Source(id) => write!(f, "there is no source {id}"),
            Self::FrameRange(bytes) => {
                write!(f, "frame-bytes {bytes} is not from {FRAME_BYTES_MIN} to {FRAME_BYTES_MAX}")
            }
            Self::FrameGranularity(bytes) => {
                write!(f, "frame-bytes {bytes} is not a multiple of {FRAME_GRANULARITY}")
            }
            Self::FrameWidth { bytes, width } => {
                write!(f, "frame-bytes {bytes} is not a multiple of {width}, the source's width")
            }
            Self::FrameLimit { bytes, most } => {
                write!(f, "frame-bytes {bytes} is over the source's limit of {most}")
            }
            Self::Slots(slots) => {
                write!(f, "slots {slots} is not a power of two from {SLOTS_MIN} to {SLOTS_MAX}")
            }
            Self::RingBytes(bytes) => {
                // An extended acknowledgement of netlink holds 79 bytes.
                write!(f, "{bytes}-byte ring exceeds {RING_BYTES_MAX}: reduce slots or frame-bytes")
            }
            Self::Interval(us) => write!(
                f,
                "interval-us {us} is neither 0 nor from {INTERVAL_US_MIN} to {INTERVAL_US_MAX}"
            ),
            Self::DropUnpaced => {
                write!(
                    f,
                    "policy drop needs an interval: set interval-us to {INTERVAL_US_MIN} or more"
                )
            }
        }
    }
}

impl core::error::Error for ShapeError {}

impl Shape {
    /// Checks these parameters for a device with `sources` sources and pages of `page_bytes` bytes.
    ///
    /// # Errors
    ///
    /// The first [`ShapeError`] found. The limits of a single source are not checked.
    pub fn check(&self, sources: u32, page_bytes: u32) -> Result<(), ShapeError> {
        if self.source >= sources {
            return Err(ShapeError::Source(self.source));
        }
        let bytes = self.frame_bytes;
        if !(FRAME_BYTES_MIN..=FRAME_BYTES_MAX).contains(&bytes) {
            return Err(ShapeError::FrameRange(bytes));
        }
        if bytes % FRAME_GRANULARITY != 0 {
            return Err(ShapeError::FrameGranularity(bytes));
        }
        if !(SLOTS_MIN..=SLOTS_MAX).contains(&self.slots) || !self.slots.is_power_of_two() {
            return Err(ShapeError::Slots(self.slots));
        }
        let us = self.interval_us;
        if us != 0 && !(INTERVAL_US_MIN..=INTERVAL_US_MAX).contains(&us) {
            return Err(ShapeError::Interval(us));
        }
        if self.policy == Policy::Drop && us == 0 {
            return Err(ShapeError::DropUnpaced);
        }
        let ring = self.ring_bytes(page_bytes);
        if ring > RING_BYTES_MAX {
            return Err(ShapeError::RingBytes(ring));
        }
        Ok(())
    }

    /// Distance in bytes from one slot to the next: header and payload, rounded up to whole pages
    /// of
    /// `page_bytes` bytes. Overflows if `frame_bytes` is far beyond [`FRAME_BYTES_MAX`].
    pub const fn slot_stride(&self, page_bytes: u32) -> u32 {
        (HEADER_BYTES as u32 + self.frame_bytes).next_multiple_of(page_bytes)
    }

    /// Bytes of all slots together, with pages of `page_bytes` bytes. `frame_bytes` must be within
    /// its limits.
    pub const fn ring_bytes(&self, page_bytes: u32) -> u64 {
        self.slot_stride(page_bytes) as u64 * self.slots as u64
    }
}
