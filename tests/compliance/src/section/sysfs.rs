// SPDX-License-Identifier: MIT OR Apache-2.0
//! Attributes in sysfs.

use super::ATTRIBUTES;
use crate::attribute::{bad, busy, plain, set, write};
use crate::check::{Section, check};
use crate::outcome::{Outcome, equal, holds, refused, skipped};
use crate::reader::{Reader, config, stats};
use crate::target::Target;
use dmaframe::sysfs::Attribute;
use dmaframe_abi::stream::{Policy, State};
use dmaframe_abi::uapi::{Config, Stats};
use nix::errno::Errno;
use nix::sys::stat::stat;
use std::fs;

pub(super) const SECTION: Section = Section {
    number: 14,
    name: "sysfs",
    document: ATTRIBUTES,
    checks: &[
        check(1, "state", "state is one line, readable by everyone", |b| file(b, "state", 0o444)),
        check(2, "source", "source is one line, writable by root", |b| file(b, "source", 0o644)),
        check(3, "frame_bytes", "frame_bytes is one line, writable by root", |target| {
            file(target, "frame_bytes", 0o644)
        }),
        check(4, "slots", "slots is one line, writable by root", |b| file(b, "slots", 0o644)),
        check(5, "policy", "policy is one line, writable by root", |b| file(b, "policy", 0o644)),
        check(6, "interval_us", "interval_us is one line, writable by root", |target| {
            file(target, "interval_us", 0o644)
        }),
        check(7, "frames", "frames is one line, readable by everyone", |b| {
            file(b, "frames", 0o444)
        }),
        check(8, "lost", "lost is one line, readable by everyone", |b| file(b, "lost", 0o444)),
        check(9, "bytes", "bytes is one line, readable by everyone", |b| file(b, "bytes", 0o444)),
        check(10, "errors", "errors is one line, readable by everyone", |b| {
            file(b, "errors", 0o444)
        }),
        check(11, "state", "state of an unused device is idle", |target| {
            equal("state", target.sysfs().read(Attribute::State)?.as_str(), State::Idle.name())
        }),
        check(12, "state", "state of an open device without a stream is idle", |target| {
            let _raw = target.open()?;
            equal("state", target.sysfs().read(Attribute::State)?.as_str(), State::Idle.name())
        }),
        check(
            13,
            "state",
            "state of a device with a stream that does not run is configured",
            |target| {
                let _reader = Reader::configured(target, target.shape())?;
                let state = target.sysfs().read(Attribute::State)?;
                equal("state", state.as_str(), State::Configured.name())
            },
        ),
        check(14, "state", "state of a running stream is running", |target| {
            let _reader = Reader::started(target, target.quiet())?;
            equal("state", target.sysfs().read(Attribute::State)?.as_str(), State::Running.name())
        }),
        check(15, "state", "state of a stream that stopped at a fault is faulted", |target| {
            let reader = Reader::started(target, target.quiet())?;
            reader.write_impossible(1)?;
            equal("state", target.sysfs().read(Attribute::State)?.as_str(), State::Faulted.name())
        }),
        check(16, "source", "with a stream, source is the stream's", |target| {
            let last = target.sources.last().copied().unwrap_or_default();
            let _reader = Reader::configured(target, target.shape_of(&last))?;
            let told = target.sysfs().read(Attribute::Source)?;
            equal("source", told, target.source_name(last.index))
        }),
        check(17, "frame_bytes", "with a stream, frame_bytes is the stream's", |target| {
            streams(target, Attribute::FrameBytes, |made| made.frame_bytes)
        }),
        check(18, "slots", "with a stream, slots is the stream's", |target| {
            streams(target, Attribute::Slots, |made| made.slots)
        }),
        check(19, "policy", "with a stream, policy is the stream's", |target| {
            let _reader = Reader::configured(target, target.dropping())?;
            equal("policy", target.sysfs().read(Attribute::Policy)?.as_str(), Policy::Drop.name())
        }),
        check(20, "interval_us", "with a stream, interval_us is the stream's", |target| {
            streams(target, Attribute::IntervalUs, |made| made.interval_us)
        }),
        check(21, "slots", "after the stream the attributes show the settings again", |target| {
            let before = target.sysfs().read(Attribute::Slots)?;
            drop(Reader::configured(target, Config { slots: 2, ..target.shape() })?);
            equal("slots", target.sysfs().read(Attribute::Slots)?, before)
        }),
        check(22, "frames", "frames in sysfs equals frames of GET_STATS", |target| {
            counted(target, Attribute::Frames, |now| now.frames)
        }),
        check(23, "lost", "lost in sysfs equals lost of GET_STATS", |target| {
            counted(target, Attribute::Lost, |now| now.lost)
        }),
        check(24, "bytes", "bytes in sysfs equals bytes of GET_STATS", |target| {
            counted(target, Attribute::Bytes, |now| now.bytes)
        }),
        check(25, "errors", "errors in sysfs equals errors of GET_STATS", |target| {
            counted(target, Attribute::Errors, |now| now.errors)
        }),
        check(26, "frames", "the counters in sysfs stay when the stream ends", |target| {
            let reader = Reader::started(target, target.dropping())?;
            reader.lose(3)?;
            reader.stop()?;
            let now = reader.stats()?;
            drop(reader);
            let sysfs = target.sysfs();
            let told = (sysfs.number(Attribute::Frames)?, sysfs.number(Attribute::Lost)?);
            equal("frames and lost", told, (now.frames, now.lost))
        }),
        check(27, "frames", "the next stream resets the counters in sysfs to zero", |target| {
            let reader = Reader::started(target, target.dropping())?;
            reader.lose(3)?;
            drop(reader);
            let _reader = Reader::started(target, target.quiet())?;
            let sysfs = target.sysfs();
            let told = (sysfs.number(Attribute::Frames)?, sysfs.number(Attribute::Lost)?);
            equal("frames and lost", told, (0, 0))
        }),
        check(28, "source", "every source's name can be written to source", |target| {
            (0..target.info.sources).try_for_each(|index| {
                let source = target.sources.get(index as usize).copied().unwrap_or_default();
                set(target, Attribute::FrameBytes, target.shape_of(&source).frame_bytes)?;
                set(target, Attribute::Source, target.source_name(index))?;
                equal("source", config(&target.open()?)?.source, index)
            })
        }),
        check(
            29,
            "frame_bytes",
            "the next stream has the frame_bytes that was written",
            |target| {
                plain(target)?;
                let other = target.shape().frame_bytes + target.unit(&target.source());
                set(target, Attribute::FrameBytes, other)?;
                equal("frame_bytes", config(&target.open()?)?.frame_bytes, other)
            },
        ),
        check(30, "slots", "the next stream has the slots that was written", |target| {
            plain(target)?;
            set(target, Attribute::Slots, 8)?;
            equal("slots", config(&target.open()?)?.slots, 8)
        }),
        check(31, "policy", "the next stream has the policy that was written", |target| {
            plain(target)?;
            set(target, Attribute::IntervalUs, target.info.interval_us_max)?;
            set(target, Attribute::Policy, Policy::Drop.name())?;
            equal("policy", config(&target.open()?)?.policy, Policy::Drop as u32)?;
            set(target, Attribute::Policy, Policy::Backpressure.name())?;
            equal("policy", config(&target.open()?)?.policy, Policy::Backpressure as u32)
        }),
        check(
            32,
            "interval_us",
            "the next stream has the interval_us that was written",
            |target| {
                plain(target)?;
                set(target, Attribute::IntervalUs, target.info.interval_us_min)?;
                equal(
                    "interval_us",
                    config(&target.open()?)?.interval_us,
                    target.info.interval_us_min,
                )
            },
        ),
        check(33, "slots", "a written value may end with a newline", |target| {
            plain(target)?;
            set(target, Attribute::Slots, "4\n")?;
            equal("slots", target.sysfs().read(Attribute::Slots)?.as_str(), "4")
        }),
        check(
            34,
            "source",
            "writing source does not change frame_bytes and interval_us",
            |target| {
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
            },
        ),
        check(35, "source", "writing an unknown name to source fails with EINVAL", |target| {
            bad(target, Attribute::Source, &["none of these", "\n", "0"])
        }),
        check(36, "source", "writing a name with a suffix to source fails with EINVAL", |target| {
            let name = target.source_name(0);
            bad(target, Attribute::Source, &[&format!("{name}2"), &format!("{name} {name}")])
        }),
        check(
            37,
            "frame_bytes",
            "writing a frame_bytes that is no multiple of the granularity fails with EINVAL",
            |target| {
                let odd = target.shape().frame_bytes + target.info.frame_granularity / 2;
                bad(target, Attribute::FrameBytes, &[&odd.to_string(), "1", "2"])
            },
        ),
        check(
            38,
            "frame_bytes",
            "writing a frame_bytes of 0 or above frame_bytes_max fails with EINVAL",
            |target| {
                plain(target)?;
                set(target, Attribute::Slots, 2)?;
                let over = target.info.frame_bytes_max + target.unit(&target.source());
                bad(target, Attribute::FrameBytes, &["0", &over.to_string(), "4294967296"])
            },
        ),
        check(
            39,
            "frame_bytes",
            "writing a frame_bytes that is not a number fails with EINVAL",
            |target| bad(target, Attribute::FrameBytes, &["\n", "-4", "4k", "0x1000", "4096 4096"]),
        ),
        check(
            40,
            "frame_bytes",
            "writing a frame_bytes that is no multiple of the source's width fails with EINVAL",
            |target| {
                plain(target)?;
                let granularity = target.info.frame_granularity;
                let wide =
                    target.sources.iter().find(|source| granularity % source.width.max(1) != 0);
                let Some(wide) = wide else {
                    return skipped("no source is wider than the granularity");
                };
                let good = target.shape_of(wide).frame_bytes;
                set(target, Attribute::FrameBytes, good)?;
                set(target, Attribute::Source, target.source_name(wide.index))?;
                bad(target, Attribute::FrameBytes, &[&(good + granularity).to_string()])
            },
        ),
        check(
            41,
            "frame_bytes",
            "writing a frame_bytes of a ring above ring_bytes_max fails with EINVAL",
            |target| {
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
            },
        ),
        check(
            42,
            "slots",
            "writing slots that is not a power of two fails with EINVAL",
            |target| bad(target, Attribute::Slots, &["3", "12"]),
        ),
        check(
            43,
            "slots",
            "writing slots below 2 or above slots_max fails with EINVAL",
            |target| {
                let over = 2 * u64::from(target.info.slots_max);
                bad(target, Attribute::Slots, &["0", "1", &over.to_string(), "4294967298"])
            },
        ),
        check(44, "slots", "writing slots that is not a number fails with EINVAL", |target| {
            bad(target, Attribute::Slots, &["\n", "-2", "two", "16.0"])
        }),
        check(45, "policy", "writing an unknown policy fails with EINVAL", |target| {
            bad(target, Attribute::Policy, &["\n", "0", "Drop", "dropped", "none"])
        }),
        check(46, "policy", "writing drop while interval_us is 0 fails with EINVAL", |target| {
            plain(target)?;
            bad(target, Attribute::Policy, &[Policy::Drop.name()])
        }),
        check(
            47,
            "interval_us",
            "writing interval_us 0 while the policy is drop fails with EINVAL",
            |target| {
                plain(target)?;
                set(target, Attribute::IntervalUs, target.info.interval_us_max)?;
                set(target, Attribute::Policy, Policy::Drop.name())?;
                bad(target, Attribute::IntervalUs, &["0"])
            },
        ),
        check(
            48,
            "interval_us",
            "writing an interval_us outside its bounds fails with EINVAL",
            |target| {
                let over = u64::from(target.info.interval_us_max) + 1;
                bad(target, Attribute::IntervalUs, &[&over.to_string(), "4294967296"])?;
                match target.info.interval_us_min - 1 {
                    0 => Ok(()),
                    under => bad(target, Attribute::IntervalUs, &[&under.to_string()]),
                }
            },
        ),
        check(
            49,
            "interval_us",
            "writing an interval_us that is not a number fails with EINVAL",
            |target| bad(target, Attribute::IntervalUs, &["\n", "-1", "1ms", "1e3"]),
        ),
        check(50, "source", "writing source with a stream fails with EBUSY", |target| {
            busy(target, Attribute::Source)
        }),
        check(51, "frame_bytes", "writing frame_bytes with a stream fails with EBUSY", |target| {
            busy(target, Attribute::FrameBytes)
        }),
        check(52, "slots", "writing slots with a stream fails with EBUSY", |target| {
            busy(target, Attribute::Slots)
        }),
        check(53, "policy", "writing policy with a stream fails with EBUSY", |target| {
            busy(target, Attribute::Policy)
        }),
        check(54, "interval_us", "writing interval_us with a stream fails with EBUSY", |target| {
            busy(target, Attribute::IntervalUs)
        }),
        check(
            55,
            "slots",
            "writing settings of an open device without a stream succeeds",
            |target| {
                plain(target)?;
                let _raw = target.open()?;
                set(target, Attribute::Slots, 4)
            },
        ),
        check(56, "slots", "a user without rights cannot write a setting", |target| {
            target.drop_rights()?;
            for attribute in SETTINGS {
                let value = target.sysfs().read(attribute)?;
                refused(write(target, attribute, &value), Errno::EACCES)?;
            }
            Ok(())
        }),
        check(57, "state", "a user without rights can read every attribute", |target| {
            target.drop_rights()?;
            Attribute::ALL.into_iter().try_for_each(|it| Ok(target.sysfs().read(it).map(drop)?))
        }),
        check(58, "frames", "not even root can write state and counters", |target| {
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

/// Fails unless the file has one line and the mode `mode`.
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
