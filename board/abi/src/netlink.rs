// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0
//! The numbers of the generic netlink family `dmaframe`.
//!
//! They mirror `driver/Documentation/netlink/specs/dmaframe.yaml`, which is the reference.

use core::ffi::CStr;

/// The family's name.
pub const FAMILY: &CStr = c"dmaframe";
/// The family's version.
pub const VERSION: u8 = 1;
/// The multicast group of events.
pub const EVENTS: &CStr = c"events";

/// Commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Command {
    /// Reads one device, or dumps all.
    DeviceGet = 1,
    /// Changes a device's settings; needs CAP_NET_ADMIN.
    DeviceSet = 2,
    /// Sent to the group [`EVENTS`].
    DeviceEvent = 3,
}

/// Attributes of a device. Counters are of the type `uint`: 32 or 64 bits, as short as they fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Attribute {
    /// u32: the `N` of `/dev/dmaframeN`.
    Id = 1,
    /// String: `dmaframeN`.
    Name = 2,
    /// u32: the engine's channel.
    Channel = 3,
    /// u32: [`crate::stream::State`].
    State = 4,
    /// String: the source's name.
    Source = 5,
    /// u32: bytes of payload.
    FrameBytes = 6,
    /// u32: slots of the ring.
    Slots = 7,
    /// u32: [`crate::stream::Policy`].
    Policy = 8,
    /// u32: microseconds from one frame to the next.
    IntervalUs = 9,
    /// uint: frames published.
    Frames = 10,
    /// uint: frames lost.
    Lost = 11,
    /// uint: bytes of payload published.
    Bytes = 12,
    /// uint: errors of the engine.
    Errors = 13,
    /// u32: [`Event`]; only in events.
    Event = 14,
    /// u32: [`crate::stream::Fault`].
    Fault = 15,
}

/// The highest [`Attribute`].
pub const ATTRIBUTE_MAX: u16 = Attribute::Fault as u16;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Event {
    /// A stream started.
    Started = 1,
    /// A stream was stopped.
    Stopped = 2,
    /// A stream began to lose frames. At most one a second.
    Overrun = 3,
    /// A stream stopped at an error; see [`Attribute::Fault`].
    Error = 4,
    /// The counters of a running stream, once a second.
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
