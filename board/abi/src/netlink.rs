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
    /// Dumps the sources of all devices. See [`SourceAttribute`].
    SourceGet = 4,
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
    /// uint: gaps between published frames since START.
    Overruns = 16,
    /// uint: chains that the engine ran since START.
    Chains = 17,
    /// uint: interrupts handled since START.
    Interrupts = 18,
    /// uint: KICK requests since START.
    Kicks = 19,
    /// uint: impossible consumer indices found since START.
    BadConsumer = 20,
    /// u32: the engine's error bits at the last error.
    ErrorBits = 21,
    /// u32: the process that has the device open, in the PID namespace of the process that asks; 0
    /// if it has none there. In events it is that of the initial namespace. Absent while the device
    /// is not open.
    OwnerPid = 22,
    /// String: the command name of that process. Absent while the device is not open.
    OwnerComm = 23,
    /// String: the engine's name.
    Engine = 24,
    /// u32: longest payload in bytes.
    FrameBytesMax = 25,
    /// u32: granularity of payloads in bytes: their length is a multiple of it.
    FrameGranularity = 26,
    /// u32: largest number of slots.
    SlotsMax = 27,
    /// uint: largest ring: bytes of all slots together.
    RingBytesMax = 28,
    /// u32: shortest interval in microseconds.
    IntervalUsMin = 29,
    /// u32: longest interval in microseconds.
    IntervalUsMax = 30,
    /// u32: ticks per second of the device stamps.
    StampHz = 31,
    /// uint: frames published since START that were too fast ([`crate::frame::TOO_FAST`]).
    TooFast = 32,
}

/// The highest number of an [`Attribute`].
pub const ATTRIBUTE_MAX: u16 = Attribute::TooFast as u16;

/// Attributes of a source, in the dump of [`Command::SourceGet`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum SourceAttribute {
    /// u32: the `N` of `/dev/dmaframeN`.
    Device = 1,
    /// u32: index of the source.
    Index = 2,
    /// String: the name of the source.
    Name = 3,
    /// uint: the bus address of its first byte; zero for the driver's own memory.
    Bus = 4,
    /// u32: length of the source in bytes.
    Bytes = 5,
    /// u32: width of one read in bytes.
    Width = 6,
    /// u32: number of the DREQ that paces the reads; 0 is none.
    Dreq = 7,
    /// u32: a set of [`crate::uapi::SOURCE_INCREMENTS`] and [`crate::uapi::SOURCE_PATTERN`].
    Flags = 8,
    /// u32: default length of a payload in bytes.
    FrameBytes = 9,
    /// u32: longest payload in bytes.
    FrameBytesMax = 10,
    /// u32: default interval in microseconds; 0 is unpaced.
    IntervalUs = 11,
    /// u32: reads a second that the source can deliver; 0 is unknown.
    RateHz = 12,
}

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
