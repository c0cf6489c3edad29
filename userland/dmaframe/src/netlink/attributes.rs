// SPDX-License-Identifier: MIT OR Apache-2.0
//! A device, or an event of one, and settings for it.

use super::message::{Message, named, parse_uint};
use dmaframe_abi::netlink::{Attribute, Event};
use dmaframe_abi::stream::{Fault, Policy, State};
use netlink_packet_core::{DecodeError, DefaultNla, parse_string, parse_u32};

/// A device, or an event of one, as the kernel described it. Attributes that the kernel did not
/// send are `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// The `N` of `/dev/dmaframeN`.
    pub id: Option<u32>,
    /// `dmaframeN`.
    pub name: Option<String>,
    /// Number of the engine's channel.
    pub channel: Option<u32>,
    /// What the device is doing.
    pub state: Option<State>,
    /// Name of the source.
    pub source: Option<String>,
    /// Length of a frame's payload in bytes.
    pub frame_bytes: Option<u32>,
    /// Number of slots of the ring.
    pub slots: Option<u32>,
    /// What happens when a frame is due and no slot is free.
    pub policy: Option<Policy>,
    /// Microseconds from one frame to the next; 0 is unpaced.
    pub interval_us: Option<u32>,
    /// Frames published since the stream started.
    pub frames: Option<u64>,
    /// Frames lost since the stream started.
    pub lost: Option<u64>,
    /// Bytes of payload published since the stream started.
    pub bytes: Option<u64>,
    /// Errors of the engine since the stream started.
    pub errors: Option<u64>,
    /// What happened. Only in events.
    pub event: Option<Event>,
    /// Why the stream stopped by itself.
    pub fault: Option<Fault>,
    /// Gaps between published frames since the stream started.
    pub overruns: Option<u64>,
    /// Chains that the engine ran since the stream started.
    pub chains: Option<u64>,
    /// Interrupts handled since the stream started.
    pub interrupts: Option<u64>,
    /// KICK requests since the stream started.
    pub kicks: Option<u64>,
    /// Impossible consumer indices found since the stream started.
    pub bad_consumer: Option<u64>,
    /// The engine's error bits at the last error.
    pub error_bits: Option<u32>,
    /// Process that has the device open; 0 if this process's PID namespace
    /// does not have it.
    pub owner_pid: Option<u32>,
    /// Command name of that process.
    pub owner_comm: Option<String>,
    /// Name of the engine.
    pub engine: Option<String>,
    /// Longest payload of a frame in bytes.
    pub frame_bytes_max: Option<u32>,
    /// Payloads are multiples of this many bytes.
    pub frame_granularity: Option<u32>,
    /// Largest number of slots.
    pub slots_max: Option<u32>,
    /// Most bytes of all slots together.
    pub ring_bytes_max: Option<u64>,
    /// Shortest interval in microseconds.
    pub interval_us_min: Option<u32>,
    /// Longest interval in microseconds.
    pub interval_us_max: Option<u32>,
    /// Ticks per second of the device stamps.
    pub stamp_hz: Option<u32>,
    /// Frames published since the stream started that were too fast for the source's rate.
    pub too_fast: Option<u64>,
}

/// Settings to change. A setting that is `None` keeps its value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Name of the source.
    pub source: Option<String>,
    /// Length of a frame's payload in bytes.
    pub frame_bytes: Option<u32>,
    /// Number of slots of the ring: a power of two.
    pub slots: Option<u32>,
    /// What happens when a frame is due and no slot is free.
    pub policy: Option<Policy>,
    /// Microseconds from one frame to the next; 0 is unpaced.
    pub interval_us: Option<u32>,
}

impl Attributes {
    /// The attributes of a message.
    pub(super) fn of(message: &Message) -> crate::Result<Self> {
        let mut all = Self::default();
        message.for_each(|kind, value| all.take(kind, value))?;
        Ok(all)
    }

    /// Takes one attribute, and ignores attributes that it does not know.
    fn take(&mut self, kind: u16, value: &[u8]) -> Result<(), DecodeError> {
        const ID: u16 = Attribute::Id as u16;
        const NAME: u16 = Attribute::Name as u16;
        const CHANNEL: u16 = Attribute::Channel as u16;
        const STATE: u16 = Attribute::State as u16;
        const SOURCE: u16 = Attribute::Source as u16;
        const FRAME_BYTES: u16 = Attribute::FrameBytes as u16;
        const SLOTS: u16 = Attribute::Slots as u16;
        const POLICY: u16 = Attribute::Policy as u16;
        const INTERVAL_US: u16 = Attribute::IntervalUs as u16;
        const FRAMES: u16 = Attribute::Frames as u16;
        const LOST: u16 = Attribute::Lost as u16;
        const BYTES: u16 = Attribute::Bytes as u16;
        const ERRORS: u16 = Attribute::Errors as u16;
        const EVENT: u16 = Attribute::Event as u16;
        const FAULT: u16 = Attribute::Fault as u16;
        const OVERRUNS: u16 = Attribute::Overruns as u16;
        const CHAINS: u16 = Attribute::Chains as u16;
        const INTERRUPTS: u16 = Attribute::Interrupts as u16;
        const KICKS: u16 = Attribute::Kicks as u16;
        const BAD_CONSUMER: u16 = Attribute::BadConsumer as u16;
        const ERROR_BITS: u16 = Attribute::ErrorBits as u16;
        const OWNER_PID: u16 = Attribute::OwnerPid as u16;
        const OWNER_COMM: u16 = Attribute::OwnerComm as u16;
        const ENGINE: u16 = Attribute::Engine as u16;
        const FRAME_BYTES_MAX: u16 = Attribute::FrameBytesMax as u16;
        const FRAME_GRANULARITY: u16 = Attribute::FrameGranularity as u16;
        const SLOTS_MAX: u16 = Attribute::SlotsMax as u16;
        const RING_BYTES_MAX: u16 = Attribute::RingBytesMax as u16;
        const INTERVAL_US_MIN: u16 = Attribute::IntervalUsMin as u16;
        const INTERVAL_US_MAX: u16 = Attribute::IntervalUsMax as u16;
        const STAMP_HZ: u16 = Attribute::StampHz as u16;
        const TOO_FAST: u16 = Attribute::TooFast as u16;
        match kind {
            ID => self.id = Some(parse_u32(value)?),
            NAME => self.name = Some(parse_string(value)?),
            CHANNEL => self.channel = Some(parse_u32(value)?),
            STATE => self.state = Some(named("state", value)?),
            SOURCE => self.source = Some(parse_string(value)?),
            FRAME_BYTES => self.frame_bytes = Some(parse_u32(value)?),
            SLOTS => self.slots = Some(parse_u32(value)?),
            POLICY => self.policy = Some(named("policy", value)?),
            INTERVAL_US => self.interval_us = Some(parse_u32(value)?),
            FRAMES => self.frames = Some(parse_uint(value)?),
            LOST => self.lost = Some(parse_uint(value)?),
            BYTES => self.bytes = Some(parse_uint(value)?),
            ERRORS => self.errors = Some(parse_uint(value)?),
            EVENT => self.event = Some(named("event", value)?),
            FAULT => self.fault = Some(named("fault", value)?),
            OVERRUNS => self.overruns = Some(parse_uint(value)?),
            CHAINS => self.chains = Some(parse_uint(value)?),
            INTERRUPTS => self.interrupts = Some(parse_uint(value)?),
            KICKS => self.kicks = Some(parse_uint(value)?),
            BAD_CONSUMER => self.bad_consumer = Some(parse_uint(value)?),
            ERROR_BITS => self.error_bits = Some(parse_u32(value)?),
            OWNER_PID => self.owner_pid = Some(parse_u32(value)?),
            OWNER_COMM => self.owner_comm = Some(parse_string(value)?),
            ENGINE => self.engine = Some(parse_string(value)?),
            FRAME_BYTES_MAX => self.frame_bytes_max = Some(parse_u32(value)?),
            FRAME_GRANULARITY => self.frame_granularity = Some(parse_u32(value)?),
            SLOTS_MAX => self.slots_max = Some(parse_u32(value)?),
            RING_BYTES_MAX => self.ring_bytes_max = Some(parse_uint(value)?),
            INTERVAL_US_MIN => self.interval_us_min = Some(parse_u32(value)?),
            INTERVAL_US_MAX => self.interval_us_max = Some(parse_u32(value)?),
            STAMP_HZ => self.stamp_hz = Some(parse_u32(value)?),
            TOO_FAST => self.too_fast = Some(parse_uint(value)?),
            _ => {}
        }
        Ok(())
    }
}

impl Settings {
    /// The settings as attributes of a request for device `id`.
    pub(super) fn request(&self, id: u32) -> Vec<DefaultNla> {
        let mut attributes = vec![number(Attribute::Id, id)];
        if let Some(source) = &self.source {
            let mut value = source.clone().into_bytes();
            value.push(0);
            attributes.push(DefaultNla::new(Attribute::Source as u16, value));
        }
        let numbers = [
            (Attribute::FrameBytes, self.frame_bytes),
            (Attribute::Slots, self.slots),
            (Attribute::Policy, self.policy.map(|policy| policy as u32)),
            (Attribute::IntervalUs, self.interval_us),
        ];
        attributes.extend(
            numbers.into_iter().filter_map(|(kind, value)| value.map(|value| number(kind, value))),
        );
        attributes
    }
}

/// An attribute of 32 bits.
pub(super) fn number(kind: Attribute, value: u32) -> DefaultNla {
    DefaultNla::new(kind as u16, value.to_ne_bytes().to_vec())
}
