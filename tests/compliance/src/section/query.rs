// SPDX-License-Identifier: MIT OR Apache-2.0
//! The description of the device and of its sources.

use super::REFERENCE;
use crate::check::{Section, check};
use crate::outcome::{Outcome, equal, holds, refused, skipped};
use crate::reader::{Reader, info};
use crate::target::Target;
use dmaframe_abi::rate::{RATE_HZ_MAX, RATE_HZ_MIN};
use dmaframe_abi::stream::State;
use dmaframe_abi::uapi::{self, Info, SOURCE_INCREMENTS, SOURCE_PATTERN, SourceInfo, field_name};
use nix::errno::Errno;
use std::collections::HashSet;

const PLACE: &str = "GET_INFO";
const SOURCE: &str = "GET_SOURCE";

pub(super) const SECTION: Section = Section {
    number: 2,
    name: "GET_INFO and GET_SOURCE",
    document: REFERENCE,
    checks: &[
        check(1, PLACE, "Info.engine is a name, padded with NUL bytes", |target| {
            named(&target.info.engine)
        }),
        check(2, PLACE, "Info.device is the N of the node's name", |target| {
            let name = target.path.rsplit('/').next().unwrap_or_default();
            equal("name", format!("dmaframe{}", target.info.device).as_str(), name)
        }),
        check(3, PLACE, "Info.sources is not zero", |target| {
            holds(target.info.sources > 0, || "got sources 0".to_owned())
        }),
        check(4, PLACE, "Info.frame_granularity is a multiple of 4", |target| {
            let granularity = target.info.frame_granularity;
            holds(granularity > 0 && granularity % 4 == 0, || format!("got {granularity}"))
        }),
        check(5, PLACE, "Info.frame_bytes_max is a multiple of frame_granularity", |target| {
            let Info { frame_bytes_max, frame_granularity, .. } = target.info;
            let good = frame_bytes_max > 0 && frame_bytes_max % frame_granularity.max(1) == 0;
            holds(good, || format!("got {frame_bytes_max} of {frame_granularity}"))
        }),
        check(6, PLACE, "Info.slots_max is a power of two and at least 2", |target| {
            let slots = target.info.slots_max;
            holds(slots >= 2 && slots.is_power_of_two(), || format!("got {slots}"))
        }),
        check(7, PLACE, "Info.stamp_hz is not zero", |target| {
            holds(target.info.stamp_hz > 0, || "got 0".to_owned())
        }),
        check(
            8,
            PLACE,
            "Info.ring_bytes_max has room for two frames of frame_bytes_max",
            |target| {
                let Info { ring_bytes_max, frame_bytes_max, .. } = target.info;
                let two = 2 * u64::from(frame_bytes_max);
                holds(ring_bytes_max > two, || format!("got {ring_bytes_max} for {two}"))
            },
        ),
        check(
            9,
            PLACE,
            "Info.interval_us_min is not zero and not above interval_us_max",
            |target| {
                let Info { interval_us_min: min, interval_us_max: max, .. } = target.info;
                holds(0 < min && min <= max, || format!("got {min} and {max}"))
            },
        ),
        check(10, PLACE, "GET_INFO sets Info.reserved to zero", |target| {
            let dirty = Info { reserved: [u64::MAX; 6], ..Info::default() };
            let told = target.open()?.exchange(uapi::GET_INFO, dirty)?;
            equal("reserved", told.reserved, [0; 6])
        }),
        check(11, PLACE, "a running stream changes nothing in Info except state", |target| {
            let reader = Reader::started(target, target.quiet())?;
            let now = info(&reader.raw)?;
            equal("Info", Info { state: target.info.state, ..now }, target.info)
        }),
        check(12, PLACE, "Info.state is the state of the stream", |target| {
            let reader = Reader::started(target, target.quiet())?;
            equal("state", info(&reader.raw)?.state, State::Running as u32)
        }),
        check(13, SOURCE, "GET_SOURCE succeeds for every index below Info.sources", |target| {
            equal("sources", target.sources.len(), target.info.sources as usize)
        }),
        check(14, SOURCE, "GET_SOURCE of index Info.sources fails with EINVAL", |target| {
            ask(target, |source| source.index = target.info.sources)
        }),
        check(15, SOURCE, "GET_SOURCE of index 2^32-1 fails with EINVAL", |target| {
            ask(target, |source| source.index = u32::MAX)
        }),
        check(16, SOURCE, "GET_SOURCE returns SourceInfo.index unchanged", |target| {
            each(target, |at, source| equal("index", source.index, at))
        }),
        check(17, SOURCE, "SourceInfo.name is a name, padded with NUL bytes", |target| {
            each(target, |_, source| named(&source.name))
        }),
        check(18, SOURCE, "no two sources have the same name", |target| {
            let names: HashSet<_> =
                target.sources.iter().map(|source| field_name(&source.name)).collect();
            equal("names", names.len(), target.sources.len())
        }),
        check(19, SOURCE, "SourceInfo.flags has no unknown flag", |target| {
            let known = SOURCE_INCREMENTS | SOURCE_PATTERN;
            each(target, |_, source| equal("flags", source.flags & !known, 0))
        }),
        check(20, SOURCE, "the pattern has no bus address", |target| {
            equal("bus", target.pattern()?.bus, 0)
        }),
        check(21, SOURCE, "a source with a bus address is not the pattern", |target| {
            each(target, |_, source| {
                let pattern = source.flags & SOURCE_PATTERN;
                holds(source.bus == 0 || pattern == 0, || format!("got {source:x?}"))
            })
        }),
        check(22, SOURCE, "SourceInfo.width is not zero and not above bytes", |target| {
            each(target, |_, source| {
                let good = 0 < source.width && source.width <= source.bytes;
                holds(good, || format!("got {} of {}", source.width, source.bytes))
            })
        }),
        check(23, SOURCE, "SourceInfo.frame_bytes is a valid frame_bytes", |target| {
            each(target, |_, source| {
                let bytes = source.frame_bytes;
                let good = bytes > 0
                    && bytes <= target.info.frame_bytes_max
                    && bytes % target.unit(source) == 0;
                holds(good, || format!("got {bytes} of {source:x?}"))
            })
        }),
        check(24, SOURCE, "SourceInfo.interval_us is 0 or within the device's bounds", |target| {
            let bounds = target.info.interval_us_min..=target.info.interval_us_max;
            each(target, |_, source| {
                let us = source.interval_us;
                holds(us == 0 || bounds.contains(&us), || format!("got {us}"))
            })
        }),
        check(25, SOURCE, "SourceInfo.reserved is zero", |target| {
            each(target, |_, source| equal("reserved", source.reserved, [0; 7]))
        }),
        check(26, SOURCE, "GET_SOURCE with flags other than zero fails with EINVAL", |target| {
            ask(target, |it| it.flags = 1)
        }),
        check(27, SOURCE, "GET_SOURCE with name other than zero fails with EINVAL", |target| {
            ask(target, |source| source.name[31] = 1)
        }),
        check(28, SOURCE, "GET_SOURCE with bus other than zero fails with EINVAL", |target| {
            ask(target, |source| source.bus = 1 << 63)
        }),
        check(29, SOURCE, "GET_SOURCE with bytes other than zero fails with EINVAL", |target| {
            ask(target, |it| it.bytes = 4)
        }),
        check(30, SOURCE, "GET_SOURCE with width other than zero fails with EINVAL", |target| {
            ask(target, |it| it.width = 4)
        }),
        check(31, SOURCE, "GET_SOURCE with dreq other than zero fails with EINVAL", |target| {
            ask(target, |it| it.dreq = 1)
        }),
        check(
            32,
            SOURCE,
            "GET_SOURCE with frame_bytes other than zero fails with EINVAL",
            |target| ask(target, |source| source.frame_bytes = 4096),
        ),
        check(
            33,
            SOURCE,
            "GET_SOURCE with interval_us other than zero fails with EINVAL",
            |target| ask(target, |source| source.interval_us = 1000),
        ),
        check(
            34,
            SOURCE,
            "GET_SOURCE with frame_bytes_max other than zero fails with EINVAL",
            |target| ask(target, |it| it.frame_bytes_max = 1),
        ),
        check(35, SOURCE, "GET_SOURCE with reserved other than zero fails with EINVAL", |target| {
            ask(target, |source| source.reserved[0] = 1)?;
            ask(target, |source| source.reserved[6] = 1 << 31)
        }),
        check(36, SOURCE, "GET_SOURCE returns the same while a stream runs", |target| {
            let reader = Reader::started(target, target.quiet())?;
            let asked = SourceInfo::default();
            let told = reader.raw.exchange(uapi::GET_SOURCE, asked)?;
            match target.sources.first() {
                Some(first) => equal("source 0", told, *first),
                None => skipped("there is no source"),
            }
        }),
        check(37, SOURCE, "SourceInfo.frame_bytes_max is within its bounds", |target| {
            each(target, |_, source| {
                let most = source.frame_bytes_max;
                let good = source.frame_bytes <= most
                    && most <= target.info.frame_bytes_max
                    && most % target.unit(source) == 0;
                holds(good, || format!("got {most} of {source:x?}"))
            })
        }),
        check(38, SOURCE, "SourceInfo.rate_hz is 0 or within its bounds, with a dreq", |target| {
            each(target, |_, source| {
                let rates = RATE_HZ_MIN..=RATE_HZ_MAX;
                let good = rates.contains(&source.rate_hz) && source.dreq != 0;
                holds(good || source.rate_hz == 0, || format!("got {source:?}"))
            })
        }),
        check(39, SOURCE, "GET_SOURCE with rate_hz other than zero fails with EINVAL", |target| {
            ask(target, |it| it.rate_hz = 1)
        }),
    ],
};

/// Fails unless the field has 1 to 31 visible characters, then only NUL bytes.
fn named(field: &[u8; uapi::NAME_BYTES]) -> Outcome {
    let name = field_name(field);
    let good = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
    let padded = name.len() < field.len() && field[name.len()..].iter().all(|byte| *byte == 0);
    holds(good && padded, || format!("got {:?}", String::from_utf8_lossy(field)))
}

/// Fails unless GET_SOURCE of source 0 with a change is refused.
fn ask(target: &Target, change: impl FnOnce(&mut SourceInfo)) -> Outcome {
    let mut asked = SourceInfo::default();
    change(&mut asked);
    refused(target.open()?.exchange(uapi::GET_SOURCE, asked), Errno::EINVAL)
}

fn each(target: &Target, holds: impl Fn(u32, &SourceInfo) -> Outcome) -> Outcome {
    (0..).zip(&target.sources).try_for_each(|(at, source)| holds(at, source))
}
