// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0
//! The numbers of the generic netlink family `dmaframe`.
//!
//! Reference: `driver/Documentation/netlink/specs/dmaframe.yaml`. A test compares the two.

use core::ffi::CStr;

/// Name of the family.
pub const FAMILY: &CStr = c"dmaframe";
/// Version of the family.
pub const VERSION: u8 = 1;
/// Name of the multicast group that receives events.
pub const EVENTS: &CStr = c"events";

/// Commands of the family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Command {
    /// Reads the attributes of one device, or of all devices as a dump. Any user may.
    DeviceGet = 1,
    /// Changes the settings of one device. Needs CAP_NET_ADMIN.
    DeviceSet = 2,
    /// A message that the driver sends to the group [`EVENTS`].
    DeviceEvent = 3,
}

/// Attributes of a device, with their netlink types. A `uint` has 32 bits if its value fits, else
/// 64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Attribute {
    /// u32: the `N` of `/dev/dmaframeN`.
    Id = 1,
    /// String: `dmaframeN`.
    Name = 2,
    /// u32: number of the engine's channel.
    Channel = 3,
    /// u32: a [`crate::stream::State`].
    State = 4,
    /// String: name of the source.
    Source = 5,
    /// u32: length of a frame's payload in bytes.
    FrameBytes = 6,
    /// u32: number of slots of the ring.
    Slots = 7,
    /// u32: a [`crate::stream::Policy`].
    Policy = 8,
    /// u32: microseconds from one frame to the next; 0 is unpaced.
    IntervalUs = 9,
    /// uint: frames published since START.
    Frames = 10,
    /// uint: frames lost since START.
    Lost = 11,
    /// uint: bytes of payload published since START.
    Bytes = 12,
    /// uint: errors of the engine since START.
    Errors = 13,
    /// u32: an [`Event`]. Present only in events.
    Event = 14,
    /// u32: a [`crate::stream::Fault`].
    Fault = 15,
}

/// The highest number of an [`Attribute`].
pub const ATTRIBUTE_MAX: u16 = Attribute::Fault as u16;

/// Kinds of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Event {
    /// A stream started.
    Started = 1,
    /// A program stopped a stream, closed the device, or the device was unbound.
    Stopped = 2,
    /// A stream began to lose frames. Sent at most once a second.
    Overrun = 3,
    /// A stream stopped because of an error, which [`Attribute::Fault`] names.
    Error = 4,
    /// The counters of a running stream. Sent once a second.
    Statistics = 5,
}

impl TryFrom<u32> for Event {
    type Error = u32;

    fn try_from(raw: u32) -> Result<Self, u32> {
        Ok(match raw {
            1 => Self::Started,
            2 => Self::Stopped,
            3 => Self::Overrun,
            4 => Self::Error,
            5 => Self::Statistics,
            other => return Err(other),
        })
    }
}

impl Event {
    /// The name used on the command line and in the specification.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Stopped => "stopped",
            Self::Overrun => "overrun",
            Self::Error => "error",
            Self::Statistics => "statistics",
        }
    }
}
