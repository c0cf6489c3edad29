// SPDX-License-Identifier: MIT OR Apache-2.0
//! Attributes that describe the device: counters, owner and limits.

use super::ATTRIBUTES;
use crate::check::{Section, check};
use crate::outcome::{Outcome, equal, failed, holds};
use crate::reader::Reader;
use crate::target::Target;
use dmaframe_abi::uapi::{Stats, field_name};
use nix::sys::stat::stat;
use std::fs;

/// The attributes of this section.
const NAMES: [&str; 18] = [
    "overruns",
    "chains",
    "interrupts",
    "kicks",
    "bad_consumer",
    "error_bits",
    "owner_pid",
    "owner_comm",
    "engine",
    "channel",
    "sources",
    "frame_bytes_max",
    "slots_max",
    "ring_bytes_max",
    "interval_us_min",
    "interval_us_max",
    "stamp_hz",
    "too_fast",
];

pub(super) const SECTION: Section = Section {
    number: 19,
    name: "sysfs, description of the device",
    document: ATTRIBUTES,
    checks: &[
        check(
            1,
            "engine",
            "each of these attributes is one line, readable by everyone",
            |target| {
                NAMES.into_iter().try_for_each(|name| {
                    let path = target.attribute(name);
                    let text = fs::read_to_string(&path)?;
                    let lines = text.matches('\n').count();
                    holds(text.ends_with('\n') && lines == 1, || format!("{name}: got {text:?}"))?;
                    equal(name, stat(path.as_str())?.st_mode & 0o7777, 0o444)
                })
            },
        ),
        check(2, "overruns", "overruns in sysfs equals overruns of GET_STATS", |target| {
            let reader = Reader::started(target, target.dropping())?;
            reader.overrun(1)?;
            reader.stop()?;
            let now = reader.stats()?;
            holds(now.overruns > 0, || format!("got {now:?}"))?;
            equal("overruns", number(target, "overruns")?, now.overruns)
        }),
        check(3, "chains", "chains in sysfs equals chains of GET_STATS", |target| {
            counted(target, "chains", |now| now.chains)
        }),
        check(4, "interrupts", "interrupts in sysfs equals interrupts of GET_STATS", |target| {
            counted(target, "interrupts", |now| now.interrupts)
        }),
        check(5, "kicks", "kicks in sysfs equals kicks of GET_STATS", |target| {
            counted(target, "kicks", |now| now.kicks)
        }),
        check(
            6,
            "bad_consumer",
            "bad_consumer in sysfs equals bad_consumer of GET_STATS",
            |target| {
                let reader = Reader::started(target, target.quiet())?;
                reader.write_impossible(1)?;
                let now = reader.stats()?;
                holds(now.bad_consumer > 0, || format!("got {now:?}"))?;
                equal("bad_consumer", number(target, "bad_consumer")?, now.bad_consumer)
            },
        ),
        check(7, "error_bits", "error_bits is error_bits of GET_STATS in hexadecimal", |target| {
            let reader = Reader::started(target, target.quiet())?;
            let told = read(target, "error_bits")?;
            let digits = told.strip_prefix("0x").map(|digits| u32::from_str_radix(digits, 16));
            equal("error_bits", digits, Some(Ok(reader.stats()?.error_bits)))
        }),
        check(
            8,
            "owner_pid",
            "owner_pid and owner_comm name the process with the device open",
            |target| {
                let _raw = target.open()?;
                equal("owner_pid", number(target, "owner_pid")?, u64::from(std::process::id()))?;
                let comm = fs::read_to_string("/proc/self/comm")?;
                equal("owner_comm", read(target, "owner_comm")?.as_str(), comm.trim_end())
            },
        ),
        check(
            9,
            "owner_pid",
            "owner_pid is 0 and owner_comm empty while the device is not open",
            |target| {
                drop(target.open()?);
                equal("owner_pid", number(target, "owner_pid")?, 0)?;
                equal("owner_comm", read(target, "owner_comm")?.as_str(), "")
            },
        ),
        check(10, "engine", "engine equals engine of GET_INFO", |target| {
            let name = String::from_utf8_lossy(field_name(&target.info.engine)).into_owned();
            equal("engine", read(target, "engine")?, name)
        }),
        check(11, "sources", "sources has the names of GET_SOURCE in order", |target| {
            let names: Vec<_> = (0..target.info.sources).map(|it| target.source_name(it)).collect();
            equal("sources", read(target, "sources")?, names.join(" "))
        }),
        check(12, "channel", "channel equals channel of GET_INFO", |target| {
            equal("channel", number(target, "channel")?, target.info.channel.into())
        }),
        check(
            13,
            "frame_bytes_max",
            "frame_bytes_max equals frame_bytes_max of GET_INFO",
            |target| {
                let name = "frame_bytes_max";
                equal(name, number(target, name)?, target.info.frame_bytes_max.into())
            },
        ),
        check(14, "slots_max", "slots_max equals slots_max of GET_INFO", |target| {
            equal("slots_max", number(target, "slots_max")?, target.info.slots_max.into())
        }),
        check(15, "ring_bytes_max", "ring_bytes_max equals ring_bytes_max of GET_INFO", |target| {
            equal("ring_bytes_max", number(target, "ring_bytes_max")?, target.info.ring_bytes_max)
        }),
        check(
            16,
            "interval_us_min",
            "interval_us_min equals interval_us_min of GET_INFO",
            |target| {
                let name = "interval_us_min";
                equal(name, number(target, name)?, target.info.interval_us_min.into())
            },
        ),
        check(
            17,
            "interval_us_max",
            "interval_us_max equals interval_us_max of GET_INFO",
            |target| {
                let name = "interval_us_max";
                equal(name, number(target, name)?, target.info.interval_us_max.into())
            },
        ),
        check(18, "stamp_hz", "stamp_hz equals stamp_hz of GET_INFO", |target| {
            equal("stamp_hz", number(target, "stamp_hz")?, target.info.stamp_hz.into())
        }),
        check(
            19,
            "too_fast",
            "too_fast in sysfs equals too_fast of GET_STATS, for every source",
            |target| {
                for source in &target.sources {
                    let reader = Reader::filled(target, target.shape_of(source))?;
                    equal("too_fast", number(target, "too_fast")?, reader.stats()?.too_fast)?;
                }
                Ok(())
            },
        ),
    ],
};

/// Reads an attribute without its newline.
fn read(target: &Target, name: &str) -> Outcome<String> {
    Ok(fs::read_to_string(target.attribute(name))?.trim_end_matches('\n').to_owned())
}

fn number(target: &Target, name: &str) -> Outcome<u64> {
    let text = read(target, name)?;
    text.parse().map_err(|_| failed(format!("{name}: got {text:?}")))
}

/// Compares a counter after a stream with frames and kicks.
fn counted(target: &Target, name: &str, of: impl Fn(&Stats) -> u64) -> Outcome {
    let reader = Reader::started(target, target.shape())?;
    reader.take_all(4 * reader.made.slots)?;
    reader.kick()?;
    reader.stop()?;
    let counted = of(&reader.stats()?);
    holds(counted > 0, || format!("got {name} 0 of GET_STATS"))?;
    equal(name, number(target, name)?, counted)
}
