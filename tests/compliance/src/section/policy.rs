// SPDX-License-Identifier: MIT OR Apache-2.0
//! Policies and intervals: when frames are due, and what happens without a free slot.

use super::REFERENCE;
use super::frame::monotonic_ns;
use crate::check::{Section, check};
use crate::outcome::{Outcome, equal, holds};
use crate::reader::{Frame, Reader};
use crate::target::Target;
use dmaframe_abi::ring::NEED_KICK;
use dmaframe_abi::uapi::{Config, Stats};
use std::thread::sleep;
use std::time::Duration;

const PLACE: &str = "CONFIGURE";

pub(super) const SECTION: Section = Section {
    number: 11,
    name: "Policies and intervals",
    document: REFERENCE,
    checks: &[
        check(1, PLACE, "backpressure loses no frame of a slow reader", |target| {
            let reader = Reader::started(target, Config { slots: 2, ..target.shape() })?;
            for sequence in 0..20 {
                sleep(Duration::from_millis(2));
                equal("sequence", reader.take()?.header.sequence.get(), sequence)?;
            }
            equal("lost", reader.stats()?.lost, 0)
        }),
        check(2, PLACE, "backpressure stops the source while the ring is full", |target| {
            let reader = Reader::started(target, target.shape())?;
            reader.fill()?;
            sleep(Duration::from_millis(50));
            equal("frames", reader.stats()?.frames, reader.made.slots.into())
        }),
        check(3, PLACE, "paced backpressure with a full ring leaves no gap", |target| {
            let reader = Reader::started(target, Config { slots: 4, ..target.paced(1000) })?;
            reader.fill()?;
            sleep(Duration::from_millis(50));
            for sequence in 0..20 {
                equal("sequence", reader.take()?.header.sequence.get(), sequence)?;
            }
            Ok(())
        }),
        check(4, PLACE, "paced backpressure counts no losses", |target| {
            let reader = Reader::started(target, Config { slots: 4, ..target.paced(1000) })?;
            reader.fill()?;
            sleep(Duration::from_millis(50));
            let now = reader.stats()?;
            equal("lost and overruns", (now.lost, now.overruns), (0, 0))
        }),
        check(5, PLACE, "paced, no frame comes before its interval has passed", |target| {
            let config = target.paced(20_000);
            let reader = Reader::configured(target, config)?;
            let before = monotonic_ns()?;
            reader.start()?;
            let interval = u64::from(config.interval_us) * 1000;
            for (due, frame) in (1..).zip(reader.take_all(10)?) {
                let passed = frame.header.published_ns.get().saturating_sub(before);
                holds(passed >= due * interval, || format!("got frame {due} after {passed} ns"))?;
            }
            Ok(())
        }),
        check(6, PLACE, "paced, the first frame is not due at START", |target| {
            let reader = Reader::started(target, target.quiet())?;
            sleep(Duration::from_millis(100));
            equal("producer", reader.producer(), 0)
        }),
        check(7, PLACE, "paced, frames keep coming", |target| {
            let reader =
                Reader::started(target, target.paced(target.info.interval_us_min.max(500)))?;
            reader.take_all(100).map(drop)
        }),
        check(8, PLACE, "drop counts frames that are due while no slot is free", |target| {
            Reader::started(target, target.dropping())?.lose(5)
        }),
        check(9, PLACE, "drop loses new frames and keeps the ready ones", |target| {
            let reader = Reader::started(target, target.dropping())?;
            reader.fill()?;
            let before = reader.all();
            let lost = reader.stats()?.lost;
            reader.lose(lost + 5)?;
            holds(reader.all() == before, || "the slots have changed".to_owned())?;
            equal("producer", reader.producer(), reader.made.slots)
        }),
        check(10, "Frame header", "lost always equals the gap in sequence", |target| {
            let (frames, _) = lossy(target)?;
            let mut next = 0;
            for frame in &frames {
                let (sequence, lost) = (frame.header.sequence.get(), frame.header.lost.get());
                equal("lost", lost, sequence.wrapping_sub(next))?;
                next = sequence + 1;
            }
            Ok(())
        }),
        check(11, "Frame header", "a late reader finds a gap", |target| {
            let (frames, _) = lossy(target)?;
            let lost: u64 = frames.iter().map(|frame| frame.header.lost.get()).sum();
            holds(lost > 0, || "got none".to_owned())
        }),
        check(12, "GET_STATS", "frames and lost add up to all frames of the source", |target| {
            let (frames, now) = lossy(target)?;
            let next = frames.last().map_or(0, |frame| frame.header.sequence.get() + 1);
            let lost: u64 = frames.iter().map(|frame| frame.header.lost.get()).sum();
            equal("frames", now.frames, frames.len() as u64)?;
            // No header reports losses after the last frame.
            equal("frames and lost", now.frames + now.lost, next + (now.lost - lost))
        }),
        check(13, "GET_STATS", "overruns is not zero and not above lost", |target| {
            let (_, now) = lossy(target)?;
            holds(0 < now.overruns && now.overruns <= now.lost, || format!("got {now:?}"))
        }),
        check(14, "GET_STATS", "a continuing overrun counts once", |target| {
            let reader = Reader::started(target, target.dropping())?;
            let before = reader.lose_without_end()?;
            reader.lose(before.lost + 20)?;
            equal("overruns", reader.stats()?.overruns, before.overruns)
        }),
        check(15, "GET_STATS", "the next overrun counts again", |target| {
            let reader = Reader::started(target, target.dropping())?;
            reader.overrun(1)?;
            reader.set_index(reader.producer());
            reader.overrun(2)
        }),
        check(16, PLACE, "with drop, frames come again once slots are free", |target| {
            let reader = Reader::started(target, target.dropping())?;
            reader.lose(5)?;
            let slots = reader.made.slots;
            let frames = reader.take_all(2 * slots)?;
            let last = frames.last().map_or(0, |frame| frame.header.sequence.get());
            holds(last >= u64::from(2 * slots) + 4, || format!("got {last}"))
        }),
        check(17, "Ring protocol", "with drop, a full ring does not set NEED_KICK", |target| {
            let reader = Reader::started(target, target.dropping())?;
            reader.lose(5)?;
            equal("NEED_KICK", reader.flags() & NEED_KICK, 0)
        }),
        check(18, "GET_STATS", "losses do not count as errors", |target| {
            let (_, now) = lossy(target)?;
            equal("errors and fault", (now.errors, now.fault), (0, 0))
        }),
    ],
};

/// The frames of a reader that is late repeatedly, and the counters.
fn lossy(target: &Target) -> Outcome<(Vec<Frame>, Stats)> {
    let reader = Reader::started(target, target.dropping())?;
    let mut frames = Vec::new();
    for _ in 0..4 {
        reader.lose(reader.stats()?.lost + 5)?;
        frames.extend(reader.take_all(2 * reader.made.slots)?);
    }
    reader.stop()?;
    frames.extend(reader.take_rest()?);
    Ok((frames, reader.stats()?))
}
