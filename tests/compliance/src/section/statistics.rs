// SPDX-License-Identifier: MIT OR Apache-2.0
//! The counters of GET_STATS.

use super::REFERENCE;
use crate::check::{Section, check};
use crate::outcome::{Outcome, equal, holds, skipped};
use crate::reader::{Frame, Reader, stats};
use dmaframe_abi::frame::TOO_FAST;
use dmaframe_abi::stream::{Fault, State};
use dmaframe_abi::uapi::{self, Stats};
use std::sync::atomic::Ordering::Relaxed;

const PLACE: &str = "GET_STATS";

pub(super) const SECTION: Section = Section {
    number: 5,
    name: "GET_STATS",
    document: REFERENCE,
    checks: &[
        check(1, PLACE, "GET_STATS sets Stats.reserved to zero", |target| {
            let dirty = Stats { reserved: [u64::MAX; 4], ..Stats::default() };
            let now = target.open()?.exchange(uapi::GET_STATS, dirty)?;
            equal("reserved", now.reserved, [0; 4])
        }),
        check(2, PLACE, "START sets frames, lost and bytes to zero", |target| {
            drop(Reader::started(target, target.shape())?.take()?);
            let now = Reader::started(target, target.quiet())?.stats()?;
            equal("them", (now.frames, now.lost, now.bytes), (0, 0, 0))
        }),
        check(3, PLACE, "START sets overruns and bad_consumer to zero", |target| {
            let reader = Reader::started(target, target.quiet())?;
            reader.write_impossible(reader.producer().wrapping_add(1))?;
            reader.set_index(0);
            reader.start()?;
            let now = reader.stats()?;
            equal("them", (now.overruns, now.bad_consumer), (0, 0))
        }),
        check(4, PLACE, "START sets chains, interrupts and kicks to zero", |target| {
            let reader = Reader::started(target, target.shape())?;
            reader.fill()?;
            reader.kick()?;
            drop(reader);
            let now = Reader::started(target, target.quiet())?.stats()?;
            equal("them", (now.chains, now.interrupts, now.kicks), (0, 0, 0))
        }),
        check(5, PLACE, "Stats.frames is the number of frames published", |target| {
            let (reader, now) = stopped(target)?;
            equal("frames", now.frames, reader.producer().into())
        }),
        check(6, PLACE, "Stats.bytes is frames times frame_bytes", |target| {
            let (reader, now) = stopped(target)?;
            equal("bytes", now.bytes, now.frames * u64::from(reader.made.frame_bytes))
        }),
        check(7, PLACE, "Stats.chains is not zero and not above frames", |target| {
            let (_, now) = stopped(target)?;
            holds(0 < now.chains && now.chains <= now.frames, || format!("got {now:?}"))
        }),
        check(8, PLACE, "Stats.interrupts is not zero after the first frame", |target| {
            let (_, now) = stopped(target)?;
            holds(now.interrupts > 0, || format!("got {now:?}"))
        }),
        check(9, PLACE, "Stats.kicks counts each KICK", |target| {
            let reader = Reader::started(target, target.quiet())?;
            for _ in 0..5 {
                reader.kick()?;
            }
            equal("kicks", reader.stats()?.kicks, 5)
        }),
        check(10, PLACE, "an undisturbed stream has no errors, losses or faults", |target| {
            let (_, now) = stopped(target)?;
            let all = (now.errors, now.lost, now.overruns, now.bad_consumer, now.error_bits);
            equal("them", all, (0, 0, 0, 0, 0))?;
            equal("fault", now.fault, Fault::None as u32)
        }),
        check(11, PLACE, "Stats.state is the state in GET_INFO", |target| {
            let reader = Reader::configured(target, target.quiet())?;
            equal("state", reader.stats()?.state, State::Configured as u32)?;
            reader.start()?;
            equal("state", reader.stats()?.state, State::Running as u32)
        }),
        check(12, PLACE, "Stats.stream is the stream number in the meta page", |target| {
            let reader = Reader::started(target, target.quiet())?;
            equal("stream", reader.stats()?.stream, reader.meta().stream.load(Relaxed))
        }),
        check(13, PLACE, "STOP does not change the counters", |target| {
            let (reader, now) = stopped(target)?;
            reader.stop()?;
            equal("counters", counters(&reader.stats()?), counters(&now))
        }),
        check(14, PLACE, "without a stream the counters are those of the last stream", |target| {
            let (reader, now) = stopped(target)?;
            drop(reader);
            equal("counters", counters(&stats(&target.open()?)?), counters(&now))
        }),
        check(15, PLACE, "without a stream Stats.state is idle", |target| {
            drop(stopped(target)?);
            equal("state", stats(&target.open()?)?.state, State::Idle as u32)
        }),
        check(16, PLACE, "Stats.bad_consumer and fault report an impossible index", |target| {
            let reader = Reader::started(target, target.quiet())?;
            reader.write_impossible(reader.producer().wrapping_add(1))?;
            let now = reader.stats()?;
            holds(now.bad_consumer > 0, || format!("got {now:?}"))?;
            equal("fault", now.fault, Fault::Consumer as u32)
        }),
        check(
            17,
            PLACE,
            "an impossible index does not count as an error of the engine",
            |target| {
                let reader = Reader::started(target, target.quiet())?;
                reader.write_impossible(reader.producer().wrapping_add(1))?;
                equal("errors", reader.stats()?.errors, 0)
            },
        ),
        check(
            18,
            PLACE,
            "Stats.too_fast counts frames with TOO_FAST, for every source",
            |target| {
                for source in &target.sources {
                    let reader = Reader::filled(target, target.shape_of(source))?;
                    let marked = |frame: &Frame| frame.header.flags.get() & TOO_FAST != 0;
                    let marked = reader.take_rest()?.into_iter().filter(marked).count();
                    equal("too_fast", reader.stats()?.too_fast, marked as u64)?;
                }
                Ok(())
            },
        ),
        check(19, PLACE, "START sets too_fast to zero", |target| {
            for source in &target.sources {
                let fast = Reader::filled(target, target.shape_of(source))?;
                if fast.stats()?.too_fast > 0 {
                    // The ring is full, so the new stream publishes nothing.
                    fast.start()?;
                    return equal("too_fast", fast.stats()?.too_fast, 0);
                }
            }
            skipped("no source delivers frames that are too fast")
        }),
    ],
};

/// A stopped stream with a full ring, and its counters.
fn stopped(target: &crate::target::Target) -> Outcome<(Reader, Stats)> {
    let reader = Reader::filled(target, target.shape())?;
    let now = reader.stats()?;
    Ok((reader, now))
}

fn counters(now: &Stats) -> [u64; 4] {
    [now.frames, now.lost, now.bytes, now.errors]
}
