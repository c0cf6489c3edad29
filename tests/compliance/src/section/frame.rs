// SPDX-License-Identifier: MIT OR Apache-2.0
//! Headers and payloads of frames.

use super::REFERENCE;
use crate::check::{Section, check};
use crate::outcome::{Outcome, equal, failed, holds, skipped};
use crate::reader::{Frame, Reader, is_pattern};
use crate::target::Target;
use dmaframe_abi::frame::{HEADER_BYTES, Header, MAGIC, TOO_FAST, VERSION};
use dmaframe_abi::pattern::REFERENCE_BYTES;
use dmaframe_abi::rate;
use dmaframe_abi::uapi::Config;
use nix::errno::Errno;
use nix::time::{ClockId, clock_gettime};
use std::thread::sleep;
use std::time::Duration;

const PLACE: &str = "Frame header";
const RATE: &str = "Frames that are too fast";

pub(super) const SECTION: Section = Section {
    number: 10,
    name: "Frames",
    document: REFERENCE,
    checks: &[
        check(1, PLACE, "Header.magic is DMAF", |target| {
            each(target, |_, frame| equal("magic", frame.header.magic.get(), MAGIC))
        }),
        check(2, PLACE, "Header.version is 1", |target| {
            each(target, |_, frame| equal("version", frame.header.version.get(), VERSION))
        }),
        check(3, PLACE, "Header.header_bytes is 64", |target| {
            each(target, |_, frame| {
                equal("header_bytes", usize::from(frame.header.header_bytes.get()), HEADER_BYTES)
            })
        }),
        check(4, PLACE, "Header.sequence counts from 0", |target| {
            each(target, |at, frame| equal("sequence", frame.header.sequence.get(), at as u64))
        }),
        check(5, PLACE, "Header.lost is 0 if no frame was lost", |target| {
            each(target, |_, frame| equal("lost", frame.header.lost.get(), 0))
        }),
        check(6, PLACE, "Header.payload_bytes is the ring's frame_bytes", |target| {
            each(target, |_, frame| {
                equal(
                    "payload_bytes",
                    frame.header.payload_bytes.get() as usize,
                    frame.payload.len(),
                )
            })
        }),
        check(7, PLACE, "Header.source is the stream's source, for every source", |target| {
            each_source(target, |source, frame| {
                equal("source", u32::from(frame.header.source.get()), source)
            })
        }),
        check(8, PLACE, "Header.flags has no unknown flag", |target| {
            each(target, |_, frame| equal("flags", frame.header.flags.get() & !TOO_FAST, 0))
        }),
        check(9, PLACE, "Header.device_end is never zero, for every source", |target| {
            each_source(target, |_, frame| {
                holds(frame.header.device_end.get() != 0, || "got 0".to_owned())
            })
        }),
        check(10, PLACE, "Header.device_start is not after device_end", |target| {
            each(target, |_, frame| {
                let (start, end) = (frame.header.device_start.get(), frame.header.device_end.get());
                holds(start <= end, || format!("got {start} and {end}"))
            })
        }),
        check(
            11,
            PLACE,
            "Header.device_start is not before device_end of the previous frame",
            |target| {
                pairs(target, |one, two| {
                    let (end, start) = (one.header.device_end.get(), two.header.device_start.get());
                    holds(end <= start, || format!("got {start} after {end}"))
                })
            },
        ),
        check(12, PLACE, "device stamps increase from frame to frame", |target| {
            let frames = taken(target, target.paced(10_000))?;
            let stamp = |frame: Option<&Frame>| frame.map_or(0, |it| it.header.device_end.get());
            let (first, last) = (stamp(frames.first()), stamp(frames.last()));
            holds(first < last, || format!("got {first} and {last}"))
        }),
        check(13, PLACE, "device stamps count at stamp_hz", |target| {
            let reader = Reader::configured(target, target.shape())?;
            let slots = reader.made.slots;
            let began = monotonic_ns()?;
            reader.start()?;
            reader.wait_for_need_kick()?;
            // The time between the last frame of a full ring and the next one is at least the sleep
            // and at most the whole check.
            let full = monotonic_ns()?;
            let last = reader.frame(slots - 1).header.device_end.get();
            sleep(Duration::from_millis(500));
            let kicked = monotonic_ns()?;
            reader.give_back(slots)?;
            reader.reach(slots + 1)?;
            let next = reader.frame(slots).header.device_start.get();
            let ended = monotonic_ns()?;
            let ticks_in = |ns: u64| ns as f64 * f64::from(target.info.stamp_hz) / 1e9;
            let (least, most) = (ticks_in(kicked - full) * 0.99, ticks_in(ended - began) * 1.01);
            let ticks = next.wrapping_sub(last) as f64;
            let good = (least..=most).contains(&ticks);
            holds(good, || format!("got {ticks} ticks, not {least:.0} to {most:.0}"))
        }),
        check(14, PLACE, "Header.published_ns is between START and now", |target| {
            let before = monotonic_ns()?;
            let frames = taken(target, target.shape())?;
            let after = monotonic_ns()?;
            frames.iter().try_for_each(|frame| {
                let at = frame.header.published_ns.get();
                holds((before..=after).contains(&at), || format!("got {at}, not {before}..{after}"))
            })
        }),
        check(15, PLACE, "Header.published_ns never decreases", |target| {
            pairs(target, |one, two| {
                let (one, two) = (one.header.published_ns.get(), two.header.published_ns.get());
                holds(one <= two, || format!("got {two} after {one}"))
            })
        }),
        check(16, PLACE, "Header.stream equals stream of GET_STATS", |target| {
            let reader = Reader::started(target, target.shape())?;
            let stream = reader.stats()?.stream;
            let frames = reader.take_all(40)?;
            frames.iter().try_for_each(|frame| equal("stream", frame.header.stream.get(), stream))
        }),
        check(17, PLACE, "Header.reserved is zero", |target| {
            each(target, |_, frame| equal("reserved", frame.header.reserved.get(), 0))
        }),
        check(18, PLACE, "the payload follows the header without a gap", |target| {
            target.pattern()?;
            is_pattern(&taken(target, Config { slots: 2, ..target.shape() })?)
        }),
        check(19, PLACE, "the shortest payload arrives correctly", |target| {
            let unit = target.unit(&target.pattern()?);
            is_pattern(&taken(target, Config { frame_bytes: unit, ..target.shape() })?)
        }),
        check(20, PLACE, "payloads that end with a page arrive correctly", |target| {
            let unit = target.unit(&target.pattern()?);
            let frame_bytes = (target.page - HEADER_BYTES) as u32 / unit * unit;
            is_pattern(&taken(target, Config { frame_bytes, ..target.shape() })?)
        }),
        check(21, PLACE, "payloads that end just after a page arrive correctly", |target| {
            let unit = target.unit(&target.pattern()?);
            let frame_bytes = (target.page - HEADER_BYTES) as u32 / unit * unit + unit;
            is_pattern(&taken(target, Config { frame_bytes, ..target.shape() })?)
        }),
        check(22, PLACE, "payloads longer than the pattern's block arrive correctly", |target| {
            let unit = target.unit(&target.pattern()?);
            let frame_bytes = (REFERENCE_BYTES as u32 / unit + 1) * unit;
            let reader =
                Reader::started(target, Config { frame_bytes, slots: 4, ..target.shape() })?;
            is_pattern(&reader.take_all(6)?)
        }),
        check(23, PLACE, "the longest payload arrives correctly", |target| {
            let unit = target.unit(&target.pattern()?);
            let frame_bytes = target.info.frame_bytes_max / unit * unit;
            let config = Config { frame_bytes, slots: 2, ..target.shape() };
            let raw = target.open()?;
            if raw.configure(config) == Err(Errno::ENOMEM) {
                return skipped("no memory for it");
            }
            let reader = Reader::with(target, raw, config)?;
            reader.start()?;
            is_pattern(&reader.take_all(2)?)
        }),
        check(24, PLACE, "payloads in the longest ring arrive correctly", |target| {
            target.pattern()?;
            let slots = target.info.slots_max;
            let reader = Reader::started(target, Config { slots, ..target.shape() })?;
            for _ in 0..slots + 8 {
                is_pattern(&[reader.take()?])?;
            }
            Ok(())
        }),
        check(25, PLACE, "every source delivers frames with the values of GET_SOURCE", |target| {
            for source in &target.sources {
                let (frame_bytes, interval_us) = (source.frame_bytes, source.interval_us);
                let config = Config { frame_bytes, interval_us, ..target.shape_of(source) };
                let frames = Reader::started(target, config)?.take_all(3)?;
                let last = frames.last().ok_or_else(|| failed("got no frame"))?;
                equal("sequence", last.header.sequence.get(), 2)?;
            }
            Ok(())
        }),
        check(
            26,
            RATE,
            "Header.flags has TOO_FAST if the stamps say so, for every source",
            |target| {
                each_source(target, |source, frame| {
                    let Some(source) = target.sources.get(source as usize) else {
                        return Err(failed(format!("got source {source}")));
                    };
                    let reads = frame.payload.len() as u32 / source.width;
                    let duration = rate::Duration::new(source.rate_hz, reads, target.info.stamp_hz);
                    let Header { flags, device_start, device_end, .. } = frame.header;
                    let (start, end) = (device_start.get(), device_end.get());
                    let wanted = duration.is_some_and(|it| it.is_too_fast(start, end));
                    let told = flags.get() & TOO_FAST != 0;
                    holds(told == wanted, || {
                        format!("got {told} for {start} to {end}, {duration:?}")
                    })
                })
            },
        ),
    ],
};

fn taken(target: &Target, config: Config) -> Outcome<Vec<Frame>> {
    Reader::started(target, config)?.take_all(40)
}

fn each(target: &Target, holds: impl Fn(usize, &Frame) -> Outcome) -> Outcome {
    let frames = taken(target, target.shape())?;
    frames.iter().enumerate().try_for_each(|(at, frame)| holds(at, frame))
}

fn pairs(target: &Target, holds: impl Fn(&Frame, &Frame) -> Outcome) -> Outcome {
    let frames = taken(target, target.shape())?;
    frames.windows(2).try_for_each(|pair| holds(&pair[0], &pair[1]))
}

fn each_source(target: &Target, holds: impl Fn(u32, &Frame) -> Outcome) -> Outcome {
    for source in &target.sources {
        let frames = Reader::started(target, target.shape_of(source))?.take_all(5)?;
        frames.iter().try_for_each(|frame| holds(source.index, frame))?;
    }
    Ok(())
}

pub(super) fn monotonic_ns() -> Outcome<u64> {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC)?;
    Ok(now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64)
}
