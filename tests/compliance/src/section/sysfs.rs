// SPDX-License-Identifier: MIT OR Apache-2.0
//! Attributes.

use super::ATTRIBUTES;
use crate::bench::Bench;
use crate::check::{Outcome, Section, Stop, check, equal, failed, holds, refused, skipped};
use crate::reader::{Reader, config, stats};
use dmaframe::sysfs::Attribute;
use dmaframe_abi::stream::{Policy, State};
use dmaframe_abi::uapi::{Config, Stats};
use nix::errno::Errno;
use nix::sys::stat::stat;
use std::fs;
use std::io::Write;

pub(super) const SECTION: Section = Section {
    number: 14,
    name: "sysfs",
    document: ATTRIBUTES,
    checks: &[
        check(1, "state", "state is one line that all may read", |b| file(b, "state", 0o444)),
        check(2, "source", "source is one line that root may write", |b| file(b, "source", 0o644)),
        check(3, "frame_bytes", "frame_bytes is one line that root may write", |bench| {
            file(bench, "frame_bytes", 0o644)
        }),
        check(4, "slots", "slots is one line that root may write", |b| file(b, "slots", 0o644)),
        check(5, "policy", "policy is one line that root may write", |b| file(b, "policy", 0o644)),
        check(6, "interval_us", "interval_us is one line that root may write", |bench| {
            file(bench, "interval_us", 0o644)
        }),
        check(7, "frames", "frames is one line that all may read", |b| file(b, "frames", 0o444)),
        check(8, "lost", "lost is one line that all may read", |b| file(b, "lost", 0o444)),
        check(9, "bytes", "bytes is one line that all may read", |b| file(b, "bytes", 0o444)),
        check(10, "errors", "errors is one line that all may read", |b| file(b, "errors", 0o444)),
        check(11, "state", "state of a device that nobody uses is idle", |bench| {
            equal("state", bench.sysfs().read(Attribute::State)?.as_str(), State::Idle.name())
        }),
        check(12, "state", "state of a device that is open is idle", |bench| {
            let _raw = bench.open()?;
            equal("state", bench.sysfs().read(Attribute::State)?.as_str(), State::Idle.name())
        }),
        check(13, "state", "state of a ring that is there is configured", |bench| {
            let _reader = Reader::configured(bench, bench.shape())?;
            let state = bench.sysfs().read(Attribute::State)?;
            equal("state", state.as_str(), State::Configured.name())
        }),
        check(14, "state", "state of a stream that runs is running", |bench| {
            let _reader = Reader::started(bench, bench.quiet())?;
            equal("state", bench.sysfs().read(Attribute::State)?.as_str(), State::Running.name())
        }),
        check(15, "state", "state of a stream that stopped at an error is faulted", |bench| {
            let reader = Reader::started(bench, bench.quiet())?;
            reader.lie(1)?;
            equal("state", bench.sysfs().read(Attribute::State)?.as_str(), State::Faulted.name())
        }),
        check(16, "source", "with a stream source is the stream's", |bench| {
            let last = bench.sources.last().copied().unwrap_or_default();
            let _reader = Reader::configured(bench, bench.shape_of(&last))?;
            let told = bench.sysfs().read(Attribute::Source)?;
            equal("source", told, bench.source_name(last.index))
        }),
        check(17, "frame_bytes", "with a stream frame_bytes is the stream's", |bench| {
            streams(bench, Attribute::FrameBytes, |made| made.frame_bytes)
        }),
        check(18, "slots", "with a stream slots is the stream's", |bench| {
            streams(bench, Attribute::Slots, |made| made.slots)
        }),
        check(19, "policy", "with a stream policy is the stream's", |bench| {
            let _reader = Reader::configured(bench, bench.dropping())?;
            equal("policy", bench.sysfs().read(Attribute::Policy)?.as_str(), Policy::Drop.name())
        }),
        check(20, "interval_us", "with a stream interval_us is the stream's", |bench| {
            streams(bench, Attribute::IntervalUs, |made| made.interval_us)
        }),
        check(21, "slots", "when the stream is gone the settings are shown again", |bench| {
            let before = bench.sysfs().read(Attribute::Slots)?;
            drop(Reader::configured(bench, Config { slots: 2, ..bench.shape() })?);
            equal("slots", bench.sysfs().read(Attribute::Slots)?, before)
        }),
        check(22, "frames", "frames is that of GET_STATS in sysfs", |bench| {
            counted(bench, Attribute::Frames, |now| now.frames)
        }),
        check(23, "lost", "lost is that of GET_STATS in sysfs", |bench| {
            counted(bench, Attribute::Lost, |now| now.lost)
        }),
        check(24, "bytes", "bytes is that of GET_STATS in sysfs", |bench| {
            counted(bench, Attribute::Bytes, |now| now.bytes)
        }),
        check(25, "errors", "errors is that of GET_STATS in sysfs", |bench| {
            counted(bench, Attribute::Errors, |now| now.errors)
        }),
        check(26, "frames", "the counters stay when the stream ends", |bench| {
            let reader = Reader::started(bench, bench.dropping())?;
            reader.lose(3)?;
            reader.stop()?;
            let now = reader.stats()?;
            drop(reader);
            let sysfs = bench.sysfs();
            let told = (sysfs.number(Attribute::Frames)?, sysfs.number(Attribute::Lost)?);
            equal("frames and lost", told, (now.frames, now.lost))
        }),
        check(27, "frames", "the counters begin at zero with the next stream", |bench| {
            let reader = Reader::started(bench, bench.dropping())?;
            reader.lose(3)?;
            drop(reader);
            let _reader = Reader::started(bench, bench.quiet())?;
            let sysfs = bench.sysfs();
            let told = (sysfs.number(Attribute::Frames)?, sysfs.number(Attribute::Lost)?);
            equal("frames and lost", told, (0, 0))
        }),
        check(28, "source", "every source can be written", |bench| {
            (0..bench.info.sources).try_for_each(|index| {
                let source = bench.sources.get(index as usize).copied().unwrap_or_default();
                set(bench, Attribute::FrameBytes, bench.shape_of(&source).frame_bytes)?;
                set(bench, Attribute::Source, bench.source_name(index))?;
                equal("source", config(&bench.open()?)?.source, index)
            })
        }),
        check(29, "frame_bytes", "frame_bytes that is written is the next stream's", |bench| {
            plain(bench)?;
            let other = bench.shape().frame_bytes + bench.unit(&bench.source());
            set(bench, Attribute::FrameBytes, other)?;
            equal("frame_bytes", config(&bench.open()?)?.frame_bytes, other)
        }),
        check(30, "slots", "slots that is written is the next stream's", |bench| {
            plain(bench)?;
            set(bench, Attribute::Slots, 8)?;
            equal("slots", config(&bench.open()?)?.slots, 8)
        }),
        check(31, "policy", "policy that is written is the next stream's", |bench| {
            plain(bench)?;
            set(bench, Attribute::IntervalUs, bench.info.interval_us_max)?;
            set(bench, Attribute::Policy, Policy::Drop.name())?;
            equal("policy", config(&bench.open()?)?.policy, Policy::Drop as u32)?;
            set(bench, Attribute::Policy, Policy::Backpressure.name())?;
            equal("policy", config(&bench.open()?)?.policy, Policy::Backpressure as u32)
        }),
        check(32, "interval_us", "interval_us that is written is the next stream's", |bench| {
            plain(bench)?;
            set(bench, Attribute::IntervalUs, bench.info.interval_us_min)?;
            equal("interval_us", config(&bench.open()?)?.interval_us, bench.info.interval_us_min)
        }),
        check(33, "slots", "a value may end with a line end", |bench| {
            plain(bench)?;
            set(bench, Attribute::Slots, "4\n")?;
            equal("slots", bench.sysfs().read(Attribute::Slots)?.as_str(), "4")
        }),
        check(34, "source", "frame_bytes and interval_us do not follow source", |bench| {
            plain(bench)?;
            let Some(last) = bench.sources.last().filter(|last| last.index != bench.source().index)
            else {
                return skipped("there is one source");
            };
            let sysfs = bench.sysfs();
            let now = || -> Outcome<_> {
                Ok((sysfs.number(Attribute::FrameBytes)?, sysfs.number(Attribute::IntervalUs)?))
            };
            set(bench, Attribute::IntervalUs, bench.info.interval_us_max)?;
            set(bench, Attribute::FrameBytes, 2 * bench.shape_of(last).frame_bytes)?;
            let before = now()?;
            set(bench, Attribute::Source, bench.source_name(last.index))?;
            equal("them", now()?, before)
        }),
        check(35, "source", "another name than a source's is EINVAL", |bench| {
            bad(bench, Attribute::Source, &["none of these", "\n", "0"])
        }),
        check(36, "source", "a source's name and more is EINVAL", |bench| {
            let name = bench.source_name(0);
            bad(bench, Attribute::Source, &[&format!("{name}2"), &format!("{name} {name}")])
        }),
        check(37, "frame_bytes", "frame_bytes off the granularity is EINVAL", |bench| {
            let odd = bench.shape().frame_bytes + bench.info.frame_granularity / 2;
            bad(bench, Attribute::FrameBytes, &[&odd.to_string(), "1", "2"])
        }),
        check(38, "frame_bytes", "frame_bytes of 0 or over the most is EINVAL", |bench| {
            plain(bench)?;
            set(bench, Attribute::Slots, 2)?;
            let over = bench.info.frame_bytes_max + bench.unit(&bench.source());
            bad(bench, Attribute::FrameBytes, &["0", &over.to_string(), "4294967296"])
        }),
        check(39, "frame_bytes", "frame_bytes that is no number is EINVAL", |bench| {
            bad(bench, Attribute::FrameBytes, &["\n", "-4", "4k", "0x1000", "4096 4096"])
        }),
        check(40, "frame_bytes", "frame_bytes off the source's width is EINVAL", |bench| {
            plain(bench)?;
            let granularity = bench.info.frame_granularity;
            let wide = bench.sources.iter().find(|source| granularity % source.width.max(1) != 0);
            let Some(wide) = wide else {
                return skipped("no source is wider than the granularity");
            };
            let good = bench.shape_of(wide).frame_bytes;
            set(bench, Attribute::FrameBytes, good)?;
            set(bench, Attribute::Source, bench.source_name(wide.index))?;
            bad(bench, Attribute::FrameBytes, &[&(good + granularity).to_string()])
        }),
        check(41, "frame_bytes", "frame_bytes of a ring that is too long is EINVAL", |bench| {
            plain(bench)?;
            let unit = bench.unit(&bench.source());
            let longest = bench.info.frame_bytes_max / unit * unit;
            let slots = bench.info.slots_max;
            if u64::from(longest) * u64::from(slots) <= bench.info.ring_bytes_max {
                return skipped("the longest ring is within the limit");
            }
            set(bench, Attribute::FrameBytes, unit)?;
            set(bench, Attribute::Slots, slots)?;
            bad(bench, Attribute::FrameBytes, &[&longest.to_string()])
        }),
        check(42, "slots", "slots that is no power of two is EINVAL", |bench| {
            bad(bench, Attribute::Slots, &["3", "12"])
        }),
        check(43, "slots", "slots below 2 or over the most is EINVAL", |bench| {
            let over = 2 * u64::from(bench.info.slots_max);
            bad(bench, Attribute::Slots, &["0", "1", &over.to_string(), "4294967298"])
        }),
        check(44, "slots", "slots that is no number is EINVAL", |bench| {
            bad(bench, Attribute::Slots, &["\n", "-2", "two", "16.0"])
        }),
        check(45, "policy", "policy that is not known is EINVAL", |bench| {
            bad(bench, Attribute::Policy, &["\n", "0", "Drop", "dropped", "none"])
        }),
        check(46, "policy", "drop while interval_us is 0 is EINVAL", |bench| {
            plain(bench)?;
            bad(bench, Attribute::Policy, &[Policy::Drop.name()])
        }),
        check(47, "interval_us", "interval_us 0 while the policy is drop is EINVAL", |bench| {
            plain(bench)?;
            set(bench, Attribute::IntervalUs, bench.info.interval_us_max)?;
            set(bench, Attribute::Policy, Policy::Drop.name())?;
            bad(bench, Attribute::IntervalUs, &["0"])
        }),
        check(48, "interval_us", "interval_us out of its bounds is EINVAL", |bench| {
            let over = u64::from(bench.info.interval_us_max) + 1;
            bad(bench, Attribute::IntervalUs, &[&over.to_string(), "4294967296"])?;
            match bench.info.interval_us_min - 1 {
                0 => Ok(()),
                under => bad(bench, Attribute::IntervalUs, &[&under.to_string()]),
            }
        }),
        check(49, "interval_us", "interval_us that is no number is EINVAL", |bench| {
            bad(bench, Attribute::IntervalUs, &["\n", "-1", "1ms", "1e3"])
        }),
        check(50, "source", "writing source with a stream is EBUSY", |bench| {
            busy(bench, Attribute::Source)
        }),
        check(51, "frame_bytes", "writing frame_bytes with a stream is EBUSY", |bench| {
            busy(bench, Attribute::FrameBytes)
        }),
        check(52, "slots", "writing slots with a stream is EBUSY", |bench| {
            busy(bench, Attribute::Slots)
        }),
        check(53, "policy", "writing policy with a stream is EBUSY", |bench| {
            busy(bench, Attribute::Policy)
        }),
        check(54, "interval_us", "writing interval_us with a stream is EBUSY", |bench| {
            busy(bench, Attribute::IntervalUs)
        }),
        check(55, "slots", "writing to a device that is open and idle is possible", |bench| {
            plain(bench)?;
            let _raw = bench.open()?;
            set(bench, Attribute::Slots, 4)
        }),
        check(56, "slots", "a user without rights cannot write a setting", |bench| {
            bench.become_nobody()?;
            for attribute in SETTINGS {
                let value = bench.sysfs().read(attribute)?;
                refused(write(bench, attribute, &value), Errno::EACCES)?;
            }
            Ok(())
        }),
        check(57, "state", "a user without rights can read all", |bench| {
            bench.become_nobody()?;
            Attribute::ALL.into_iter().try_for_each(|it| Ok(bench.sysfs().read(it).map(drop)?))
        }),
        check(58, "frames", "not even root can write what is told", |bench| {
            bench.need_root()?;
            for attribute in [
                Attribute::State,
                Attribute::Frames,
                Attribute::Lost,
                Attribute::Bytes,
                Attribute::Errors,
            ] {
                holds(write(bench, attribute, "0").is_err(), || {
                    format!("got success for {}", attribute.name())
                })?;
            }
            Ok(())
        }),
    ],
};

const SETTINGS: [Attribute; 5] = [
    Attribute::Source,
    Attribute::FrameBytes,
    Attribute::Slots,
    Attribute::Policy,
    Attribute::IntervalUs,
];

/// The file has one line, and that mode.
fn file(bench: &Bench, name: &str, mode: u32) -> Outcome {
    let path = bench.attribute(name);
    let text = fs::read_to_string(&path)?;
    let one = text.len() > 1 && text.ends_with('\n') && text.lines().count() == 1;
    holds(one, || format!("got {text:?}"))?;
    equal("mode", stat(path.as_str())?.st_mode & 0o7777, mode)
}

fn streams(bench: &Bench, attribute: Attribute, of: impl Fn(&Config) -> u32) -> Outcome {
    let frame_bytes = bench.shape().frame_bytes + bench.unit(&bench.source());
    let reader = Reader::configured(bench, Config { frame_bytes, ..bench.dropping() })?;
    equal(attribute.name(), bench.sysfs().number(attribute)?, u64::from(of(&reader.made)))
}

fn counted(bench: &Bench, attribute: Attribute, of: impl Fn(&Stats) -> u64) -> Outcome {
    let reader = Reader::started(bench, bench.dropping())?;
    reader.lose(3)?;
    reader.stop()?;
    equal(attribute.name(), bench.sysfs().number(attribute)?, of(&stats(&reader.raw)?))
}

fn write(bench: &Bench, attribute: Attribute, value: &str) -> Result<(), Errno> {
    fs::OpenOptions::new()
        .write(true)
        .open(bench.attribute(attribute.name()))
        .and_then(|mut file| file.write_all(value.as_bytes()))
        .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or_default()))
}

/// Writes a value that must be taken.
fn set(bench: &Bench, attribute: Attribute, value: impl ToString) -> Outcome {
    bench.need_root()?;
    let value = value.to_string();
    write(bench, attribute, &value)
        .map_err(|errno| failed(format!("{} {value:?}: got {errno:?}", attribute.name())))
}

/// Settings of which any other is possible.
pub(super) fn plain(bench: &Bench) -> Outcome {
    bench.need_root()?;
    let shape = bench.shape();
    // While others are as they were, one may be refused; in the end all must be there.
    for _ in 0..2 {
        for (attribute, value) in [
            (Attribute::Policy, Policy::Backpressure.name().to_owned()),
            (Attribute::IntervalUs, "0".to_owned()),
            (Attribute::Slots, "2".to_owned()),
            (Attribute::FrameBytes, shape.frame_bytes.to_string()),
            (Attribute::Source, bench.source_name(shape.source)),
            (Attribute::Slots, shape.slots.to_string()),
        ] {
            let _ = write(bench, attribute, &value);
        }
    }
    let now = config(&bench.open()?)?;
    if now == shape { Ok(()) } else { Err(Stop::Failed(format!("got settings {now:?}"))) }
}

/// None of these values is taken, and none changes what was there.
fn bad(bench: &Bench, attribute: Attribute, values: &[&str]) -> Outcome {
    bench.need_root()?;
    let before = bench.sysfs().read(attribute)?;
    for value in values {
        match write(bench, attribute, value) {
            Err(Errno::EINVAL) => {}
            other => return Err(failed(format!("{value:?}: got {other:?}, not EINVAL"))),
        }
        equal(attribute.name(), bench.sysfs().read(attribute)?, before.clone())?;
    }
    Ok(())
}

/// Not even the value that is there.
fn busy(bench: &Bench, attribute: Attribute) -> Outcome {
    bench.need_root()?;
    let _reader = Reader::configured(bench, bench.shape())?;
    let value = bench.sysfs().read(attribute)?;
    refused(write(bench, attribute, &value), Errno::EBUSY)
}
