// SPDX-License-Identifier: MIT OR Apache-2.0
//! Attributes.

use super::ATTRIBUTES;
use crate::check::{Section, check};
use crate::outcome::{Outcome, Stop, equal, failed, holds, refused, skipped};
use crate::reader::{Reader, config, stats};
use crate::target::Target;
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
        check(3, "frame_bytes", "frame_bytes is one line that root may write", |target| {
            file(target, "frame_bytes", 0o644)
        }),
        check(4, "slots", "slots is one line that root may write", |b| file(b, "slots", 0o644)),
        check(5, "policy", "policy is one line that root may write", |b| file(b, "policy", 0o644)),
        check(6, "interval_us", "interval_us is one line that root may write", |target| {
            file(target, "interval_us", 0o644)
        }),
        check(7, "frames", "frames is one line that all may read", |b| file(b, "frames", 0o444)),
        check(8, "lost", "lost is one line that all may read", |b| file(b, "lost", 0o444)),
        check(9, "bytes", "bytes is one line that all may read", |b| file(b, "bytes", 0o444)),
        check(10, "errors", "errors is one line that all may read", |b| file(b, "errors", 0o444)),
        check(11, "state", "state of a device that nobody uses is idle", |target| {
            equal("state", target.sysfs().read(Attribute::State)?.as_str(), State::Idle.name())
        }),
        check(12, "state", "state of a device that is open is idle", |target| {
            let _raw = target.open()?;
            equal("state", target.sysfs().read(Attribute::State)?.as_str(), State::Idle.name())
        }),
        check(13, "state", "state of a ring that is there is configured", |target| {
            let _reader = Reader::configured(target, target.shape())?;
            let state = target.sysfs().read(Attribute::State)?;
            equal("state", state.as_str(), State::Configured.name())
        }),
        check(14, "state", "state of a stream that runs is running", |target| {
            let _reader = Reader::started(target, target.quiet())?;
            equal("state", target.sysfs().read(Attribute::State)?.as_str(), State::Running.name())
        }),
        check(15, "state", "state of a stream that stopped at an error is faulted", |target| {
            let reader = Reader::started(target, target.quiet())?;
            reader.lie(1)?;
            equal("state", target.sysfs().read(Attribute::State)?.as_str(), State::Faulted.name())
        }),
        check(16, "source", "with a stream source is the stream's", |target| {
            let last = target.sources.last().copied().unwrap_or_default();
            let _reader = Reader::configured(target, target.shape_of(&last))?;
            let told = target.sysfs().read(Attribute::Source)?;
            equal("source", told, target.source_name(last.index))
        }),
        check(17, "frame_bytes", "with a stream frame_bytes is the stream's", |target| {
            streams(target, Attribute::FrameBytes, |made| made.frame_bytes)
        }),
        check(18, "slots", "with a stream slots is the stream's", |target| {
            streams(target, Attribute::Slots, |made| made.slots)
        }),
        check(19, "policy", "with a stream policy is the stream's", |target| {
            let _reader = Reader::configured(target, target.dropping())?;
            equal("policy", target.sysfs().read(Attribute::Policy)?.as_str(), Policy::Drop.name())
        }),
        check(20, "interval_us", "with a stream interval_us is the stream's", |target| {
            streams(target, Attribute::IntervalUs, |made| made.interval_us)
        }),
        check(21, "slots", "when the stream is gone the settings are shown again", |target| {
            let before = target.sysfs().read(Attribute::Slots)?;
            drop(Reader::configured(target, Config { slots: 2, ..target.shape() })?);
            equal("slots", target.sysfs().read(Attribute::Slots)?, before)
        }),
        check(22, "frames", "frames is that of GET_STATS in sysfs", |target| {
            counted(target, Attribute::Frames, |now| now.frames)
        }),
        check(23, "lost", "lost is that of GET_STATS in sysfs", |target| {
            counted(target, Attribute::Lost, |now| now.lost)
        }),
        check(24, "bytes", "bytes is that of GET_STATS in sysfs", |target| {
            counted(target, Attribute::Bytes, |now| now.bytes)
        }),
        check(25, "errors", "errors is that of GET_STATS in sysfs", |target| {
            counted(target, Attribute::Errors, |now| now.errors)
        }),
        check(26, "frames", "the counters stay when the stream ends", |target| {
            let reader = Reader::started(target, target.dropping())?;
            reader.lose(3)?;
            reader.stop()?;
            let now = reader.stats()?;
            drop(reader);
            let sysfs = target.sysfs();
            let told = (sysfs.number(Attribute::Frames)?, sysfs.number(Attribute::Lost)?);
            equal("frames and lost", told, (now.frames, now.lost))
        }),
        check(27, "frames", "the counters begin at zero with the next stream", |target| {
            let reader = Reader::started(target, target.dropping())?;
            reader.lose(3)?;
            drop(reader);
            let _reader = Reader::started(target, target.quiet())?;
            let sysfs = target.sysfs();
            let told = (sysfs.number(Attribute::Frames)?, sysfs.number(Attribute::Lost)?);
            equal("frames and lost", told, (0, 0))
        }),
        check(28, "source", "every source can be written", |target| {
            (0..target.info.sources).try_for_each(|index| {
                let source = target.sources.get(index as usize).copied().unwrap_or_default();
                set(target, Attribute::FrameBytes, target.shape_of(&source).frame_bytes)?;
                set(target, Attribute::Source, target.source_name(index))?;
                equal("source", config(&target.open()?)?.source, index)
            })
        }),
        check(29, "frame_bytes", "frame_bytes that is written is the next stream's", |target| {
            plain(target)?;
            let other = target.shape().frame_bytes + target.unit(&target.source());
            set(target, Attribute::FrameBytes, other)?;
            equal("frame_bytes", config(&target.open()?)?.frame_bytes, other)
        }),
        check(30, "slots", "slots that is written is the next stream's", |target| {
            plain(target)?;
            set(target, Attribute::Slots, 8)?;
            equal("slots", config(&target.open()?)?.slots, 8)
        }),
        check(31, "policy", "policy that is written is the next stream's", |target| {
            plain(target)?;
            set(target, Attribute::IntervalUs, target.info.interval_us_max)?;
            set(target, Attribute::Policy, Policy::Drop.name())?;
            equal("policy", config(&target.open()?)?.policy, Policy::Drop as u32)?;
            set(target, Attribute::Policy, Policy::Backpressure.name())?;
            equal("policy", config(&target.open()?)?.policy, Policy::Backpressure as u32)
        }),
        check(32, "interval_us", "interval_us that is written is the next stream's", |target| {
            plain(target)?;
            set(target, Attribute::IntervalUs, target.info.interval_us_min)?;
            equal("interval_us", config(&target.open()?)?.interval_us, target.info.interval_us_min)
        }),
        check(33, "slots", "a value may end with a line end", |target| {
            plain(target)?;
            set(target, Attribute::Slots, "4\n")?;
            equal("slots", target.sysfs().read(Attribute::Slots)?.as_str(), "4")
        }),
        check(34, "source", "frame_bytes and interval_us do not follow source", |target| {
            plain(target)?;
            let Some(last) =
                target.sources.last().filter(|last| last.index != target.source().index)
            else {
                return skipped("there is one source");
            };
            let sysfs = target.sysfs();
            let now = || -> Outcome<_> {
                Ok((sysfs.number(Attribute::FrameBytes)?, sysfs.number(Attribute::IntervalUs)?))
            };
            set(target, Attribute::IntervalUs, target.info.interval_us_max)?;
            set(target, Attribute::FrameBytes, 2 * target.shape_of(last).frame_bytes)?;
            let before = now()?;
            set(target, Attribute::Source, target.source_name(last.index))?;
            equal("them", now()?, before)
        }),
        check(35, "source", "another name than a source's is EINVAL", |target| {
            bad(target, Attribute::Source, &["none of these", "\n", "0"])
        }),
        check(36, "source", "a source's name and more is EINVAL", |target| {
            let name = target.source_name(0);
            bad(target, Attribute::Source, &[&format!("{name}2"), &format!("{name} {name}")])
        }),
        check(37, "frame_bytes", "frame_bytes off the granularity is EINVAL", |target| {
            let odd = target.shape().frame_bytes + target.info.frame_granularity / 2;
            bad(target, Attribute::FrameBytes, &[&odd.to_string(), "1", "2"])
        }),
        check(38, "frame_bytes", "frame_bytes of 0 or over the most is EINVAL", |target| {
            plain(target)?;
            set(target, Attribute::Slots, 2)?;
            let over = target.info.frame_bytes_max + target.unit(&target.source());
            bad(target, Attribute::FrameBytes, &["0", &over.to_string(), "4294967296"])
        }),
        check(39, "frame_bytes", "frame_bytes that is no number is EINVAL", |target| {
            bad(target, Attribute::FrameBytes, &["\n", "-4", "4k", "0x1000", "4096 4096"])
        }),
        check(40, "frame_bytes", "frame_bytes off the source's width is EINVAL", |target| {
            plain(target)?;
            let granularity = target.info.frame_granularity;
            let wide = target.sources.iter().find(|source| granularity % source.width.max(1) != 0);
            let Some(wide) = wide else {
                return skipped("no source is wider than the granularity");
            };
            let good = target.shape_of(wide).frame_bytes;
            set(target, Attribute::FrameBytes, good)?;
            set(target, Attribute::Source, target.source_name(wide.index))?;
            bad(target, Attribute::FrameBytes, &[&(good + granularity).to_string()])
        }),
        check(41, "frame_bytes", "frame_bytes of a ring that is too long is EINVAL", |target| {
            plain(target)?;
            let unit = target.unit(&target.source());
            let longest = target.info.frame_bytes_max / unit * unit;
            let slots = target.info.slots_max;
            if u64::from(longest) * u64::from(slots) <= target.info.ring_bytes_max {
                return skipped("the longest ring is within the limit");
            }
            set(target, Attribute::FrameBytes, unit)?;
            set(target, Attribute::Slots, slots)?;
            bad(target, Attribute::FrameBytes, &[&longest.to_string()])
        }),
        check(42, "slots", "slots that is no power of two is EINVAL", |target| {
            bad(target, Attribute::Slots, &["3", "12"])
        }),
        check(43, "slots", "slots below 2 or over the most is EINVAL", |target| {
            let over = 2 * u64::from(target.info.slots_max);
            bad(target, Attribute::Slots, &["0", "1", &over.to_string(), "4294967298"])
        }),
        check(44, "slots", "slots that is no number is EINVAL", |target| {
            bad(target, Attribute::Slots, &["\n", "-2", "two", "16.0"])
        }),
        check(45, "policy", "policy that is not known is EINVAL", |target| {
            bad(target, Attribute::Policy, &["\n", "0", "Drop", "dropped", "none"])
        }),
        check(46, "policy", "drop while interval_us is 0 is EINVAL", |target| {
            plain(target)?;
            bad(target, Attribute::Policy, &[Policy::Drop.name()])
        }),
        check(47, "interval_us", "interval_us 0 while the policy is drop is EINVAL", |target| {
            plain(target)?;
            set(target, Attribute::IntervalUs, target.info.interval_us_max)?;
            set(target, Attribute::Policy, Policy::Drop.name())?;
            bad(target, Attribute::IntervalUs, &["0"])
        }),
        check(48, "interval_us", "interval_us out of its bounds is EINVAL", |target| {
            let over = u64::from(target.info.interval_us_max) + 1;
            bad(target, Attribute::IntervalUs, &[&over.to_string(), "4294967296"])?;
            match target.info.interval_us_min - 1 {
                0 => Ok(()),
                under => bad(target, Attribute::IntervalUs, &[&under.to_string()]),
            }
        }),
        check(49, "interval_us", "interval_us that is no number is EINVAL", |target| {
            bad(target, Attribute::IntervalUs, &["\n", "-1", "1ms", "1e3"])
        }),
        check(50, "source", "writing source with a stream is EBUSY", |target| {
            busy(target, Attribute::Source)
        }),
        check(51, "frame_bytes", "writing frame_bytes with a stream is EBUSY", |target| {
            busy(target, Attribute::FrameBytes)
        }),
        check(52, "slots", "writing slots with a stream is EBUSY", |target| {
            busy(target, Attribute::Slots)
        }),
        check(53, "policy", "writing policy with a stream is EBUSY", |target| {
            busy(target, Attribute::Policy)
        }),
        check(54, "interval_us", "writing interval_us with a stream is EBUSY", |target| {
            busy(target, Attribute::IntervalUs)
        }),
        check(55, "slots", "writing to a device that is open and idle is possible", |target| {
            plain(target)?;
            let _raw = target.open()?;
            set(target, Attribute::Slots, 4)
        }),
        check(56, "slots", "a user without rights cannot write a setting", |target| {
            target.become_nobody()?;
            for attribute in SETTINGS {
                let value = target.sysfs().read(attribute)?;
                refused(write(target, attribute, &value), Errno::EACCES)?;
            }
            Ok(())
        }),
        check(57, "state", "a user without rights can read all", |target| {
            target.become_nobody()?;
            Attribute::ALL.into_iter().try_for_each(|it| Ok(target.sysfs().read(it).map(drop)?))
        }),
        check(58, "frames", "not even root can write what is told", |target| {
            target.need_root()?;
            for attribute in [
                Attribute::State,
                Attribute::Frames,
                Attribute::Lost,
                Attribute::Bytes,
                Attribute::Errors,
            ] {
                holds(write(target, attribute, "0").is_err(), || {
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
fn file(target: &Target, name: &str, mode: u32) -> Outcome {
    let path = target.attribute(name);
    let text = fs::read_to_string(&path)?;
    let one = text.len() > 1 && text.ends_with('\n') && text.lines().count() == 1;
    holds(one, || format!("got {text:?}"))?;
    equal("mode", stat(path.as_str())?.st_mode & 0o7777, mode)
}

fn streams(target: &Target, attribute: Attribute, of: impl Fn(&Config) -> u32) -> Outcome {
    let frame_bytes = target.shape().frame_bytes + target.unit(&target.source());
    let reader = Reader::configured(target, Config { frame_bytes, ..target.dropping() })?;
    equal(attribute.name(), target.sysfs().number(attribute)?, u64::from(of(&reader.made)))
}

fn counted(target: &Target, attribute: Attribute, of: impl Fn(&Stats) -> u64) -> Outcome {
    let reader = Reader::started(target, target.dropping())?;
    reader.lose(3)?;
    reader.stop()?;
    equal(attribute.name(), target.sysfs().number(attribute)?, of(&stats(&reader.raw)?))
}

fn write(target: &Target, attribute: Attribute, value: &str) -> Result<(), Errno> {
    fs::OpenOptions::new()
        .write(true)
        .open(target.attribute(attribute.name()))
        .and_then(|mut file| file.write_all(value.as_bytes()))
        .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or_default()))
}

/// Writes a value that must be taken.
fn set(target: &Target, attribute: Attribute, value: impl ToString) -> Outcome {
    target.need_root()?;
    let value = value.to_string();
    write(target, attribute, &value)
        .map_err(|errno| failed(format!("{} {value:?}: got {errno:?}", attribute.name())))
}

/// Settings of which any other is possible.
pub(super) fn plain(target: &Target) -> Outcome {
    target.need_root()?;
    let shape = target.shape();
    // While others are as they were, one may be refused; in the end all must be there.
    for _ in 0..2 {
        for (attribute, value) in [
            (Attribute::Policy, Policy::Backpressure.name().to_owned()),
            (Attribute::IntervalUs, "0".to_owned()),
            (Attribute::Slots, "2".to_owned()),
            (Attribute::FrameBytes, shape.frame_bytes.to_string()),
            (Attribute::Source, target.source_name(shape.source)),
            (Attribute::Slots, shape.slots.to_string()),
        ] {
            let _ = write(target, attribute, &value);
        }
    }
    let now = config(&target.open()?)?;
    if now == shape { Ok(()) } else { Err(Stop::Failed(format!("got settings {now:?}"))) }
}

/// None of these values is taken, and none changes what was there.
fn bad(target: &Target, attribute: Attribute, values: &[&str]) -> Outcome {
    target.need_root()?;
    let before = target.sysfs().read(attribute)?;
    for value in values {
        match write(target, attribute, value) {
            Err(Errno::EINVAL) => {}
            other => return Err(failed(format!("{value:?}: got {other:?}, not EINVAL"))),
        }
        equal(attribute.name(), target.sysfs().read(attribute)?, before.clone())?;
    }
    Ok(())
}

/// Not even the value that is there.
fn busy(target: &Target, attribute: Attribute) -> Outcome {
    target.need_root()?;
    let _reader = Reader::configured(target, target.shape())?;
    let value = target.sysfs().read(attribute)?;
    refused(write(target, attribute, &value), Errno::EBUSY)
}
