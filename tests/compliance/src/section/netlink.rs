// SPDX-License-Identifier: MIT OR Apache-2.0
//! Generic netlink requests.

use super::SPECIFICATION;
use crate::attribute::plain;
use crate::check::{Section, check};
use crate::outcome::{Outcome, equal, failed, holds, skipped};
use crate::reader::{Reader, config};
use crate::target::Target;
use crate::wire::{Answer, Refusal, Wire};
use dmaframe_abi::netlink::{Attribute, Command, EVENTS, VERSION};
use dmaframe_abi::stream::{Fault, Policy, State};
use dmaframe_abi::uapi::{Config, Stats};
use nix::errno::Errno;
use std::collections::HashSet;

const GET: &str = "device-get";
const SET: &str = "device-set";

/// The attributes of an answer.
pub(super) const ANSWERED: [Attribute; 14] = [
    Attribute::Id,
    Attribute::Name,
    Attribute::Channel,
    Attribute::State,
    Attribute::Source,
    Attribute::FrameBytes,
    Attribute::Slots,
    Attribute::Policy,
    Attribute::IntervalUs,
    Attribute::Frames,
    Attribute::Lost,
    Attribute::Bytes,
    Attribute::Errors,
    Attribute::Fault,
];

pub(super) const SECTION: Section = Section {
    number: 15,
    name: "Netlink",
    document: SPECIFICATION,
    checks: &[
        check(1, "dmaframe", "there is a family dmaframe", |_| Wire::connect().map(drop)),
        check(2, "dmaframe", "the family's version is 1", |_| {
            equal("version", Wire::connect()?.version, u32::from(VERSION))
        }),
        check(3, "events", "the family has the group events", |_| {
            let groups = Wire::connect()?.groups;
            let name = EVENTS.to_string_lossy();
            holds(groups.iter().any(|group| *group == name), || format!("got {groups:?}"))
        }),
        check(4, GET, "device-get, the answer's command is device-get", |target| {
            equal("command", get(target)?.command, Command::DeviceGet as u8)
        }),
        check(5, GET, "device-get, the answer has each attribute once", |target| {
            let answer = get(target)?;
            ANSWERED.into_iter().try_for_each(|kind| {
                let count = answer.attributes.iter().filter(|(of, _)| *of == kind as u16).count();
                equal(&format!("{kind:?}"), count, 1)
            })
        }),
        check(6, GET, "device-get, the answer has no event", |target| {
            let answer = get(target)?;
            let event = answer.attributes.iter().any(|(of, _)| *of == Attribute::Event as u16);
            equal("event", event, false)
        }),
        check(7, "device", "device-get, a u32 has four bytes and a uint four or eight", |target| {
            let answer = get(target)?;
            for kind in ANSWERED {
                let long = answer.value(kind)?.len();
                let good = match kind {
                    Attribute::Name | Attribute::Source => true,
                    Attribute::Frames | Attribute::Lost | Attribute::Bytes | Attribute::Errors => {
                        long == 4 || long == 8
                    }
                    _ => long == 4,
                };
                holds(good, || format!("got {long} bytes for {kind:?}"))?;
            }
            Ok(())
        }),
        check(8, "device", "device-get, id is the requested one", |target| {
            equal("id", get(target)?.number(Attribute::Id)?, target.info.device.into())
        }),
        check(9, "device", "device-get, name is the name of the node", |target| {
            let name = format!("dmaframe{}", target.info.device);
            equal("name", get(target)?.text(Attribute::Name)?, name)
        }),
        check(10, "device", "device-get, channel equals channel of GET_INFO", |target| {
            equal("channel", get(target)?.number(Attribute::Channel)?, target.info.channel.into())
        }),
        check(11, "device", "device-get, state is the state of the stream", |target| {
            let told = || get(target)?.number(Attribute::State);
            equal("state", told()?, State::Idle as u64)?;
            let reader = Reader::configured(target, target.quiet())?;
            equal("state", told()?, State::Configured as u64)?;
            reader.start()?;
            equal("state", told()?, State::Running as u64)?;
            reader.write_impossible(1)?;
            equal("state", told()?, State::Faulted as u64)
        }),
        check(12, "device", "device-get, fault is the fault of the stream", |target| {
            let reader = Reader::started(target, target.quiet())?;
            equal("fault", get(target)?.number(Attribute::Fault)?, Fault::None as u64)?;
            reader.write_impossible(1)?;
            equal("fault", get(target)?.number(Attribute::Fault)?, Fault::Consumer as u64)
        }),
        check(
            13,
            GET,
            "device-get, without a stream the settings are those of GET_CONFIG",
            |target| {
                let settings = config(&target.open()?)?;
                shown(target, &settings)
            },
        ),
        check(14, GET, "device-get, with a stream the settings are the stream's", |target| {
            let last = target.sources.last().copied().unwrap_or_default();
            let Config { source, frame_bytes, .. } = target.shape_of(&last);
            let given = Config { source, frame_bytes, ..target.dropping() };
            let reader = Reader::configured(target, given)?;
            shown(target, &reader.made)
        }),
        check(15, "device", "device-get, frames equals frames of GET_STATS", |target| {
            counted(target, Attribute::Frames, |now| now.frames)
        }),
        check(16, "device", "device-get, lost equals lost of GET_STATS", |target| {
            counted(target, Attribute::Lost, |now| now.lost)
        }),
        check(17, "device", "device-get, bytes equals bytes of GET_STATS", |target| {
            counted(target, Attribute::Bytes, |now| now.bytes)
        }),
        check(18, "device", "device-get, errors equals errors of GET_STATS", |target| {
            counted(target, Attribute::Errors, |now| now.errors)
        }),
        check(19, GET, "device-get, without an id it fails with EINVAL and a message", |_| {
            refused_with_message(ask(Command::DeviceGet, &[])?, Errno::EINVAL)
        }),
        check(
            20,
            GET,
            "device-get, for an absent device it fails with ENODEV and a message",
            |_| {
                refused_with_message(
                    ask(Command::DeviceGet, &[number(Attribute::Id, u32::MAX)])?,
                    Errno::ENODEV,
                )
            },
        ),
        check(21, GET, "device-get, an id of two bytes is refused", |_| {
            refused(ask(Command::DeviceGet, &[(Attribute::Id as u16, vec![0; 2])])?)
        }),
        check(22, GET, "device-get, any attribute but id is refused", |target| {
            let id = number(Attribute::Id, target.info.device);
            for kind in ANSWERED.into_iter().filter(|kind| *kind != Attribute::Id) {
                let refusal = ask(Command::DeviceGet, &[id.clone(), number(kind, 0)])?;
                holds(refusal.is_err(), || format!("got an answer with {kind:?}"))?;
            }
            Ok(())
        }),
        check(23, GET, "device-get, a user without rights is answered", |target| {
            target.drop_rights()?;
            get(target).map(drop)
        }),
        check(24, GET, "device-get, a dump contains the device", |target| {
            let ids = dumped()?;
            holds(ids.contains(&target.info.device.into()), || format!("got {ids:?}"))
        }),
        check(25, GET, "device-get, a dump contains no device twice", |_| {
            let ids = dumped()?;
            equal("ids", ids.iter().collect::<HashSet<_>>().len(), ids.len())
        }),
        check(26, GET, "device-get, each message of a dump has the flag NLM_F_MULTI", |_| {
            let all = dump()?;
            holds(all.iter().all(|answer| answer.multi), || format!("got {all:?}"))
        }),
        check(27, GET, "device-get, a dump has the same attributes as an answer", |target| {
            let all = dump()?;
            let id = u64::from(target.info.device);
            let mut of = all.iter().filter(|it| it.number(Attribute::Id).is_ok_and(|it| it == id));
            match of.next() {
                Some(one) => equal("attributes", &one.attributes, &get(target)?.attributes),
                None => Err(failed("got no such device")),
            }
        }),
        check(28, SET, "device-set, without CAP_NET_ADMIN it fails with EPERM", |target| {
            target.drop_rights()?;
            let given = [number(Attribute::Id, target.info.device)];
            match ask(Command::DeviceSet, &given)? {
                Err(Refusal { errno: Errno::EPERM, .. }) => Ok(()),
                other => Err(failed(format!("got {other:?}, not EPERM"))),
            }
        }),
        check(29, SET, "device-set, the next stream has the new slots", |target| {
            ready(target)?;
            set(target, &[number(Attribute::Slots, 8)])?;
            equal("slots", config(&target.open()?)?.slots, 8)
        }),
        check(30, SET, "device-set, the next stream has the new frame-bytes", |target| {
            ready(target)?;
            let other = target.shape().frame_bytes + target.unit(&target.source());
            set(target, &[number(Attribute::FrameBytes, other)])?;
            equal("frame_bytes", config(&target.open()?)?.frame_bytes, other)
        }),
        check(31, SET, "device-set, the next stream has the new interval-us", |target| {
            ready(target)?;
            let least = target.info.interval_us_min;
            set(target, &[number(Attribute::IntervalUs, least)])?;
            equal("interval_us", config(&target.open()?)?.interval_us, least)
        }),
        check(32, SET, "device-set, all settings can be set at once", |target| {
            ready(target)?;
            let last = target.sources.last().copied().unwrap_or_default();
            let Config { source, frame_bytes, .. } = target.shape_of(&last);
            let given = Config { source, frame_bytes, ..target.dropping() };
            set(target, &all(target, &given))?;
            equal("GET_CONFIG", config(&target.open()?)?, given)
        }),
        check(
            33,
            SET,
            "device-set, settings that are not in the request stay as they are",
            |target| {
                ready(target)?;
                let before = config(&target.open()?)?;
                set(target, &[number(Attribute::Slots, 2)])?;
                equal("GET_CONFIG", config(&target.open()?)?, Config { slots: 2, ..before })
            },
        ),
        check(34, SET, "device-set, a request without settings succeeds", |target| {
            target.need_net_admin()?;
            set(target, &[])
        }),
        check(35, SET, "device-set, a request with one invalid setting changes none", |target| {
            ready(target)?;
            let before = config(&target.open()?)?;
            let given = [number(Attribute::Slots, 8), number(Attribute::FrameBytes, 1)];
            refused_with_message(try_set(target, &given)?, Errno::EINVAL)?;
            equal("GET_CONFIG", config(&target.open()?)?, before)
        }),
        check(36, SET, "device-set, invalid slots fails with EINVAL and a message", |target| {
            bad(target, number(Attribute::Slots, 3))
        }),
        check(
            37,
            SET,
            "device-set, invalid frame-bytes fails with EINVAL and a message",
            |target| bad(target, number(Attribute::FrameBytes, 1)),
        ),
        check(38, SET, "device-set, an invalid policy fails with EINVAL and a message", |target| {
            bad(target, number(Attribute::Policy, 2))
        }),
        check(
            39,
            SET,
            "device-set, drop without an interval fails with EINVAL and a message",
            |target| {
                ready(target)?;
                bad(target, number(Attribute::Policy, Policy::Drop as u32))
            },
        ),
        check(
            40,
            SET,
            "device-set, invalid interval-us fails with EINVAL and a message",
            |target| match target.info.interval_us_max.checked_add(1) {
                Some(over) => bad(target, number(Attribute::IntervalUs, over)),
                None => skipped("every interval is valid"),
            },
        ),
        check(41, SET, "device-set, an unknown source fails with EINVAL and a message", |target| {
            bad(target, (Attribute::Source as u16, b"none of these\0".to_vec()))
        }),
        check(
            42,
            SET,
            "device-set, a source name of more than 31 characters is refused",
            |target| {
                target.need_net_admin()?;
                let long = [vec![b'x'; 32], vec![0]].concat();
                refused(try_set(target, &[(Attribute::Source as u16, long)])?)
            },
        ),
        check(43, SET, "device-set, slots of two bytes is refused", |target| {
            target.need_net_admin()?;
            refused(try_set(target, &[(Attribute::Slots as u16, vec![2, 0])])?)
        }),
        check(44, SET, "device-set, an attribute that is no setting is refused", |target| {
            target.need_net_admin()?;
            for kind in [
                Attribute::Name,
                Attribute::Channel,
                Attribute::State,
                Attribute::Frames,
                Attribute::Lost,
                Attribute::Bytes,
                Attribute::Errors,
                Attribute::Event,
                Attribute::Fault,
            ] {
                let refusal = try_set(target, &[number(kind, 0)])?;
                holds(refusal.is_err(), || format!("got success with {kind:?}"))?;
            }
            Ok(())
        }),
        check(45, SET, "device-set, without an id it fails with EINVAL and a message", |target| {
            target.need_net_admin()?;
            refused_with_message(
                ask(Command::DeviceSet, &[number(Attribute::Slots, 4)])?,
                Errno::EINVAL,
            )
        }),
        check(
            46,
            SET,
            "device-set, for an absent device it fails with ENODEV and a message",
            |target| {
                target.need_net_admin()?;
                refused_with_message(
                    ask(Command::DeviceSet, &[number(Attribute::Id, u32::MAX)])?,
                    Errno::ENODEV,
                )
            },
        ),
        check(
            47,
            SET,
            "device-set, while a stream is configured it fails with EBUSY and a message",
            |target| {
                target.need_net_admin()?;
                let _reader = Reader::configured(target, target.shape())?;
                refused_with_message(try_set(target, &[number(Attribute::Slots, 4)])?, Errno::EBUSY)
            },
        ),
    ],
};

type Asked = Result<Vec<Answer>, Refusal>;

fn number(kind: Attribute, value: u32) -> (u16, Vec<u8>) {
    (kind as u16, value.to_ne_bytes().to_vec())
}

fn ask(command: Command, given: &[(u16, Vec<u8>)]) -> Outcome<Asked> {
    Wire::connect()?.request(command as u8, given)
}

/// The answer for the device.
pub(super) fn get(target: &Target) -> Outcome<Answer> {
    let asked = ask(Command::DeviceGet, &[number(Attribute::Id, target.info.device)])?;
    let mut answers = asked.map_err(|refusal| failed(format!("got {refusal:?}")))?;
    equal("answers", answers.len(), 1)?;
    answers.pop().ok_or_else(|| failed("got no answer"))
}

fn dump() -> Outcome<Vec<Answer>> {
    let all = Wire::connect()?.dump(Command::DeviceGet as u8)?;
    all.map_err(|refusal| failed(format!("got {refusal:?}")))
}

fn dumped() -> Outcome<Vec<u64>> {
    dump()?.iter().map(|answer| answer.number(Attribute::Id)).collect()
}

/// Fails unless the request is refused with `want` and a message in the extended acknowledgement.
fn refused_with_message(asked: Asked, want: Errno) -> Outcome {
    match asked {
        Err(Refusal { errno, words: Some(words) }) if errno == want && !words.is_empty() => Ok(()),
        other => Err(failed(format!("got {other:?}, not {want:?} with a message"))),
    }
}

fn refused(asked: Asked) -> Outcome {
    holds(asked.is_err(), || format!("got {asked:?}"))
}

fn try_set(target: &Target, given: &[(u16, Vec<u8>)]) -> Outcome<Asked> {
    ask(Command::DeviceSet, &[&[number(Attribute::Id, target.info.device)], given].concat())
}

fn set(target: &Target, given: &[(u16, Vec<u8>)]) -> Outcome {
    try_set(target, given)?.map(drop).map_err(|refusal| failed(format!("got {refusal:?}")))
}

/// Writes settings from which any other valid setting can be reached. Skips the check without
/// CAP_NET_ADMIN.
fn ready(target: &Target) -> Outcome {
    target.need_net_admin()?;
    plain(target)
}

/// The attributes of a configuration.
fn all(target: &Target, shape: &Config) -> Vec<(u16, Vec<u8>)> {
    let mut source = target.source_name(shape.source).into_bytes();
    source.push(0);
    vec![
        (Attribute::Source as u16, source),
        number(Attribute::FrameBytes, shape.frame_bytes),
        number(Attribute::Slots, shape.slots),
        number(Attribute::Policy, shape.policy),
        number(Attribute::IntervalUs, shape.interval_us),
    ]
}

/// Fails unless the settings in the answer are those of `shape`.
fn shown(target: &Target, shape: &Config) -> Outcome {
    let answer = get(target)?;
    equal("source", answer.text(Attribute::Source)?, target.source_name(shape.source))?;
    for (kind, value) in [
        (Attribute::FrameBytes, shape.frame_bytes),
        (Attribute::Slots, shape.slots),
        (Attribute::Policy, shape.policy),
        (Attribute::IntervalUs, shape.interval_us),
    ] {
        equal(&format!("{kind:?}"), answer.number(kind)?, value.into())?;
    }
    Ok(())
}

fn counted(target: &Target, kind: Attribute, of: impl Fn(&Stats) -> u64) -> Outcome {
    let reader = Reader::started(target, target.dropping())?;
    reader.lose(3)?;
    reader.stop()?;
    equal(&format!("{kind:?}"), get(target)?.number(kind)?, of(&reader.stats()?))
}

/// Fails unless the setting is refused with a message and changes nothing.
fn bad(target: &Target, given: (u16, Vec<u8>)) -> Outcome {
    target.need_net_admin()?;
    let before = config(&target.open()?)?;
    refused_with_message(try_set(target, &[given])?, Errno::EINVAL)?;
    equal("GET_CONFIG", config(&target.open()?)?, before)
}
