// SPDX-License-Identifier: GPL-2.0

//! The generic netlink family `dmaframe`.
//!
//! Reference: Documentation/netlink/specs/dmaframe.yaml; `dmaframe_abi::netlink` has its numbers.

use crate::{
    abstractions::genetlink::{
        self,
        Commands,
        Message,
        Operations,
        Policy,
        Request, //
    },
    channel::{
        settings::{
            Settings,
            SettingsError, //
        },
        Channel, //
    },
    event::{
        Listener,
        Snapshot, //
    },
    registry, //
};
use dmaframe_abi::{
    netlink::{
        Attribute,
        Command,
        Event,
        SourceAttribute,
        ATTRIBUTE_MAX,
        EVENTS,
        FAMILY as NAME,
        VERSION, //
    },
    stream::{
        FRAME_BYTES_MAX,
        FRAME_GRANULARITY,
        INTERVAL_US_MAX,
        INTERVAL_US_MIN,
        RING_BYTES_MAX,
        SLOTS_MAX, //
    },
    uapi::{SourceInfo, NAME_BYTES},
};
use kernel::{
    net::netlink::MulticastGroup,
    prelude::*,
    sync::Arc, //
};

/// The family's commands.
pub(crate) struct Devices;

const COUNT: usize = ATTRIBUTE_MAX as usize + 1;

/// A policy that allows `N` attributes and refuses the rest.
const fn policy<const N: usize>(allowed: [(Attribute, Policy); N]) -> [Policy; COUNT] {
    let mut table = [Policy::REJECT; COUNT];
    let mut i = 0;
    while i < N {
        table[allowed[i].0 as usize] = allowed[i].1;
        i += 1;
    }
    table
}

static OPERATIONS: Operations = Operations::new::<Devices>();
static GROUPS: [MulticastGroup; 1] = [MulticastGroup::const_new(EVENTS)];
static FAMILY: genetlink::Family<Devices> =
    genetlink::Family::new(NAME, VERSION, &OPERATIONS, &GROUPS);

/// Makes the family known until the registration is dropped.
pub(crate) fn register() -> Result<genetlink::Registration<Devices>> {
    FAMILY.register()
}

fn find(request: &Request<'_>) -> Result<Arc<Channel>> {
    let Some(id) = request.u32(Attribute::Id as u16) else {
        request.explain(fmt!("the attribute id is missing: which device?"));
        return Err(EINVAL);
    };
    registry::find(id).ok_or_else(|| {
        request.explain(fmt!("there is no device {id}"));
        ENODEV
    })
}

fn fill(now: &Snapshot<'_>, message: &mut Message) -> Result {
    let (shape, stats) = (&now.shape, &now.stats);
    message.put_u32(Attribute::Id as u16, now.id)?;
    message.put_string(Attribute::Name as u16, now.name)?;
    message.put_u32(Attribute::Channel as u16, now.channel)?;
    message.put_u32(Attribute::State as u16, now.state as u32)?;
    message.put_string(Attribute::Source as u16, now.source)?;
    message.put_u32(Attribute::FrameBytes as u16, shape.frame_bytes)?;
    message.put_u32(Attribute::Slots as u16, shape.slots)?;
    message.put_u32(Attribute::Policy as u16, shape.policy as u32)?;
    message.put_u32(Attribute::IntervalUs as u16, shape.interval_us)?;
    message.put_uint(Attribute::Frames as u16, stats.frames)?;
    message.put_uint(Attribute::Lost as u16, stats.lost)?;
    message.put_uint(Attribute::Bytes as u16, stats.bytes)?;
    message.put_uint(Attribute::Errors as u16, stats.errors)?;
    message.put_u32(Attribute::Fault as u16, now.fault() as u32)?;
    message.put_uint(Attribute::Overruns as u16, stats.overruns)?;
    message.put_uint(Attribute::Chains as u16, stats.chains)?;
    message.put_uint(Attribute::Interrupts as u16, stats.interrupts)?;
    message.put_uint(Attribute::Kicks as u16, stats.kicks)?;
    message.put_uint(Attribute::BadConsumer as u16, stats.bad_consumer)?;
    message.put_u32(Attribute::ErrorBits as u16, stats.error_bits)?;
    message.put_u32(Attribute::FrameBytesMax as u16, FRAME_BYTES_MAX)?;
    message.put_u32(Attribute::FrameGranularity as u16, FRAME_GRANULARITY)?;
    message.put_u32(Attribute::SlotsMax as u16, SLOTS_MAX)?;
    message.put_uint(Attribute::RingBytesMax as u16, RING_BYTES_MAX)?;
    message.put_u32(Attribute::IntervalUsMin as u16, INTERVAL_US_MIN)?;
    message.put_u32(Attribute::IntervalUsMax as u16, INTERVAL_US_MAX)?;
    message.put_string(Attribute::Engine as u16, now.engine)?;
    message.put_u32(Attribute::StampHz as u16, now.stamp_hz)?;
    message.put_uint(Attribute::TooFast as u16, stats.too_fast)?;
    if let Some(owner) = &now.owner {
        message.put_u32(Attribute::OwnerPid as u16, owner.pid)?;
        message.put_string(Attribute::OwnerComm as u16, owner.comm())?;
    }
    Ok(())
}

fn fill_source(device: u32, source: &SourceInfo, message: &mut Message) -> Result {
    let name = CStr::from_bytes_until_nul(&source.name).map_err(|_| EINVAL)?;
    message.put_u32(SourceAttribute::Device as u16, device)?;
    message.put_u32(SourceAttribute::Index as u16, source.index)?;
    message.put_string(SourceAttribute::Name as u16, name)?;
    message.put_uint(SourceAttribute::Bus as u16, source.bus)?;
    message.put_u32(SourceAttribute::Bytes as u16, source.bytes)?;
    message.put_u32(SourceAttribute::Width as u16, source.width)?;
    message.put_u32(SourceAttribute::Dreq as u16, source.dreq)?;
    message.put_u32(SourceAttribute::Flags as u16, source.flags)?;
    message.put_u32(SourceAttribute::FrameBytes as u16, source.frame_bytes)?;
    message.put_u32(
        SourceAttribute::FrameBytesMax as u16,
        source.frame_bytes_max,
    )?;
    message.put_u32(SourceAttribute::IntervalUs as u16, source.interval_us)?;
    message.put_u32(SourceAttribute::RateHz as u16, source.rate_hz)
}

/// Writes the `index`-th of all devices' sources; false after the last.
fn dump_source(mut index: usize, message: &mut Message) -> Result<bool> {
    let mut device = 0;
    while let Some(channel) = registry::nth(device) {
        if index < channel.sources() {
            let source = channel.source_info(index as u32)?;
            return fill_source(channel.id, &source, message).map(|()| true);
        }
        index -= channel.sources();
        device += 1;
    }
    Ok(false)
}

/// Sends events to the multicast group.
pub(crate) struct Group;

/// The group's listener, for every channel.
pub(crate) static LISTENER: Group = Group;

impl Listener for Group {
    fn send(&self, now: &Snapshot<'_>, event: Event) {
        let sent = FAMILY.multicast(Command::DeviceEvent as u8, |message| {
            message.put_u32(Attribute::Event as u16, event as u32)?;
            fill(now, message)
        });
        if let Err(error) = sent {
            kernel::pr_warn_once!(
                "event {} of device {} was not sent: {error:?}\n",
                event.name(),
                now.id
            );
        }
    }
}

impl Commands for Devices {
    const GET: u8 = Command::DeviceGet as u8;
    const SET: u8 = Command::DeviceSet as u8;
    const DUMP: u8 = Command::SourceGet as u8;

    const GET_POLICY: &'static [Policy] = &const { policy([(Attribute::Id, Policy::U32)]) };
    const SET_POLICY: &'static [Policy] = &const {
        policy([
            (Attribute::Id, Policy::U32),
            (Attribute::Source, Policy::string(NAME_BYTES as u16 - 1)),
            (Attribute::FrameBytes, Policy::U32),
            (Attribute::Slots, Policy::U32),
            (Attribute::Policy, Policy::U32),
            (Attribute::IntervalUs, Policy::U32),
        ])
    };

    fn family() -> &'static genetlink::Family<Self> {
        &FAMILY
    }

    fn get(request: &Request<'_>, reply: &mut Message) -> Result {
        let channel = find(request)?;
        fill(&channel.snapshot(), reply)
    }

    fn dump(command: u8, index: usize, message: &mut Message) -> Result<bool> {
        if command == Self::DUMP {
            return dump_source(index, message);
        }
        let Some(channel) = registry::nth(index) else {
            return Ok(false);
        };
        fill(&channel.snapshot(), message)?;
        Ok(true)
    }

    fn set(request: &Request<'_>) -> Result {
        let channel = find(request)?;
        let settings = Settings {
            source: request.string(Attribute::Source as u16).map(CStr::to_bytes),
            frame_bytes: request.u32(Attribute::FrameBytes as u16),
            slots: request.u32(Attribute::Slots as u16),
            policy: request.u32(Attribute::Policy as u16),
            interval_us: request.u32(Attribute::IntervalUs as u16),
        };
        channel.set(&settings).map_err(|error| {
            match &error {
                SettingsError::Busy => {
                    request.explain(fmt!("a stream uses the device: close it first"))
                }
                SettingsError::NoSource => {
                    let name = settings.source.unwrap_or_default();
                    let name = core::str::from_utf8(name).unwrap_or("?");
                    request.explain(fmt!("there is no source '{name}': source-get lists them"))
                }
                SettingsError::Policy(raw) => request.explain(fmt!("there is no policy {raw}")),
                SettingsError::Shape(error) => request.explain(format_args!("{error}")),
                SettingsError::Gone => request.explain(fmt!("the device was unbound")),
            }
            error.into()
        })
    }
}
