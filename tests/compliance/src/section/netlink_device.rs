// SPDX-License-Identifier: MIT OR Apache-2.0
//! Netlink attributes that describe the device and its sources: counters, owner and limits.

use super::SPECIFICATION;
use super::netlink::get;
use crate::check::{Section, check};
use crate::outcome::{Outcome, equal, failed, holds};
use crate::reader::Reader;
use crate::target::Target;
use crate::wire::{Answer, Wire};
use dmaframe_abi::netlink::{Attribute, Command, SourceAttribute};
use dmaframe_abi::uapi::{SourceInfo, Stats, field_name};
use std::fs;

const GET: &str = "device-get";
const SOURCES: &str = "source-get";

pub(super) const SECTION: Section = Section {
    number: 20,
    name: "Netlink, description of the device",
    document: SPECIFICATION,
    checks: &[
        check(1, GET, "device-get, overruns equals overruns of GET_STATS", |target| {
            let reader = Reader::started(target, target.dropping())?;
            reader.overrun(1)?;
            reader.stop()?;
            let now = reader.stats()?;
            holds(now.overruns > 0, || format!("got {now:?}"))?;
            equal("overruns", get(target)?.number(Attribute::Overruns)?, now.overruns)
        }),
        check(2, GET, "device-get, chains equals chains of GET_STATS", |target| {
            counted(target, Attribute::Chains, |now| now.chains)
        }),
        check(3, GET, "device-get, interrupts equals interrupts of GET_STATS", |target| {
            counted(target, Attribute::Interrupts, |now| now.interrupts)
        }),
        check(4, GET, "device-get, kicks equals kicks of GET_STATS", |target| {
            counted(target, Attribute::Kicks, |now| now.kicks)
        }),
        check(5, GET, "device-get, bad-consumer equals bad_consumer of GET_STATS", |target| {
            let reader = Reader::started(target, target.quiet())?;
            reader.write_impossible(1)?;
            let now = reader.stats()?;
            holds(now.bad_consumer > 0, || format!("got {now:?}"))?;
            equal("bad-consumer", get(target)?.number(Attribute::BadConsumer)?, now.bad_consumer)
        }),
        check(6, GET, "device-get, error-bits equals error_bits of GET_STATS", |target| {
            let reader = Reader::started(target, target.quiet())?;
            let told = get(target)?.number(Attribute::ErrorBits)?;
            equal("error-bits", told, reader.stats()?.error_bits.into())
        }),
        check(
            7,
            GET,
            "device-get, owner-pid and owner-comm name the process with the device open",
            |target| {
                let _raw = target.open()?;
                let answer = get(target)?;
                equal("owner-pid", answer.number(Attribute::OwnerPid)?, std::process::id().into())?;
                let comm = fs::read_to_string("/proc/self/comm")?;
                equal("owner-comm", answer.text(Attribute::OwnerComm)?.as_str(), comm.trim_end())
            },
        ),
        check(
            8,
            GET,
            "device-get, owner-pid and owner-comm are absent while the device is not open",
            |target| {
                drop(target.open()?);
                let answer = get(target)?;
                for kind in [Attribute::OwnerPid, Attribute::OwnerComm] {
                    let there = answer.attributes.iter().any(|(of, _)| *of == kind as u16);
                    holds(!there, || format!("got {kind:?}"))?;
                }
                Ok(())
            },
        ),
        check(9, GET, "device-get, the limits equal those of GET_INFO", |target| {
            let (answer, info) = (get(target)?, target.info);
            let engine = String::from_utf8_lossy(field_name(&info.engine)).into_owned();
            equal("engine", answer.text(Attribute::Engine)?, engine)?;
            for (kind, value) in [
                (Attribute::FrameBytesMax, info.frame_bytes_max.into()),
                (Attribute::FrameGranularity, info.frame_granularity.into()),
                (Attribute::SlotsMax, info.slots_max.into()),
                (Attribute::RingBytesMax, info.ring_bytes_max),
                (Attribute::IntervalUsMin, info.interval_us_min.into()),
                (Attribute::IntervalUsMax, info.interval_us_max.into()),
                (Attribute::StampHz, info.stamp_hz.into()),
            ] {
                equal(&format!("{kind:?}"), answer.number(kind)?, value)?;
            }
            Ok(())
        }),
        check(10, SOURCES, "source-get, a dump has each source of the device once", |target| {
            let all = sources(target)?;
            let indices = all.iter().map(|it| number(it, SourceAttribute::Index));
            let indices = indices.collect::<Outcome<Vec<_>>>()?;
            equal("indices", indices, (0..u64::from(target.info.sources)).collect())
        }),
        check(11, SOURCES, "source-get, the attributes equal those of GET_SOURCE", |target| {
            for (answer, source) in sources(target)?.iter().zip(&target.sources) {
                described(answer, source)?;
            }
            Ok(())
        }),
        check(12, SOURCES, "source-get, a user without rights is answered", |target| {
            target.drop_rights()?;
            let all = sources(target)?;
            equal("sources", all.len(), target.info.sources as usize)
        }),
        check(
            13,
            GET,
            "device-get, too-fast equals too_fast of GET_STATS, for every source",
            |target| {
                for source in &target.sources {
                    let reader = Reader::filled(target, target.shape_of(source))?;
                    let told = get(target)?.number(Attribute::TooFast)?;
                    equal("too-fast", told, reader.stats()?.too_fast)?;
                }
                Ok(())
            },
        ),
    ],
};

fn counted(target: &Target, kind: Attribute, of: impl Fn(&Stats) -> u64) -> Outcome {
    let reader = Reader::started(target, target.shape())?;
    reader.take_all(4 * reader.made.slots)?;
    reader.kick()?;
    reader.stop()?;
    let counted = of(&reader.stats()?);
    holds(counted > 0, || format!("got {kind:?} 0 of GET_STATS"))?;
    equal(&format!("{kind:?}"), get(target)?.number(kind)?, counted)
}

/// The messages of a dump that are for sources of the device.
fn sources(target: &Target) -> Outcome<Vec<Answer>> {
    let all = Wire::connect()?.dump(Command::SourceGet as u8)?;
    let all = all.map_err(|refusal| failed(format!("got {refusal:?}")))?;
    let device = u64::from(target.info.device);
    let ours = |it: &Answer| number(it, SourceAttribute::Device).is_ok_and(|it| it == device);
    Ok(all.into_iter().filter(ours).collect())
}

fn value(answer: &Answer, kind: SourceAttribute) -> Outcome<&[u8]> {
    let found = answer.attributes.iter().find(|(of, _)| *of == kind as u16);
    found.map(|(_, value)| value.as_slice()).ok_or_else(|| failed(format!("got no {kind:?}")))
}

fn number(answer: &Answer, kind: SourceAttribute) -> Outcome<u64> {
    let value = value(answer, kind)?;
    match value.len() {
        4 => Ok(value.try_into().map_or(0, u32::from_ne_bytes).into()),
        8 => Ok(value.try_into().map_or(0, u64::from_ne_bytes)),
        _ => Err(failed(format!("got {value:x?} for {kind:?}"))),
    }
}

/// Fails unless the attributes are those of `source`.
fn described(answer: &Answer, source: &SourceInfo) -> Outcome {
    let mut name = field_name(&source.name).to_vec();
    name.push(0);
    equal("name", value(answer, SourceAttribute::Name)?, name.as_slice())?;
    for (kind, want) in [
        (SourceAttribute::Bus, source.bus),
        (SourceAttribute::Bytes, source.bytes.into()),
        (SourceAttribute::Width, source.width.into()),
        (SourceAttribute::Dreq, source.dreq.into()),
        (SourceAttribute::Flags, source.flags.into()),
        (SourceAttribute::FrameBytes, source.frame_bytes.into()),
        (SourceAttribute::FrameBytesMax, source.frame_bytes_max.into()),
        (SourceAttribute::IntervalUs, source.interval_us.into()),
        (SourceAttribute::RateHz, source.rate_hz.into()),
    ] {
        equal(&format!("{kind:?}"), number(answer, kind)?, want)?;
    }
    Ok(())
}
