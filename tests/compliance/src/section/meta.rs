// SPDX-License-Identifier: MIT OR Apache-2.0
//! The meta page.

use super::REFERENCE;
use crate::bench::Bench;
use crate::check::{Outcome, Section, check, equal, holds};
use crate::reader::Reader;
use dmaframe_abi::ring::{FAULTED, MAGIC, Meta, STOPPED};
use dmaframe_abi::uapi::Config;
use std::sync::atomic::Ordering::Relaxed;

const PLACE: &str = "Meta page";
/// Bytes of the structure as it is described.
const STRUCT_BYTES: usize = 192;

pub(super) const SECTION: Section = Section {
    number: 8,
    name: "Meta page",
    document: REFERENCE,
    checks: &[
        check(1, PLACE, "Meta.magic is DMARING1", |bench| {
            equal("magic", fresh(bench)?.meta().magic.load(Relaxed), MAGIC)
        }),
        check(2, PLACE, "Meta.struct_bytes is 192, or more in a page", |bench| {
            let bytes = fresh(bench)?.meta().struct_bytes.load(Relaxed) as usize;
            let good = (STRUCT_BYTES..=bench.page).contains(&bytes);
            holds(good, || format!("got {bytes}"))
        }),
        check(3, PLACE, "Meta.slots is the ring's", |bench| {
            told(bench, |meta, made| (meta.slots.load(Relaxed), made.slots))
        }),
        check(4, PLACE, "Meta.slot_stride is the ring's", |bench| {
            told(bench, |meta, made| (meta.slot_stride.load(Relaxed), made.slot_stride))
        }),
        check(5, PLACE, "Meta.header_bytes is the ring's", |bench| {
            told(bench, |meta, made| (meta.header_bytes.load(Relaxed), made.header_bytes))
        }),
        check(6, PLACE, "Meta.frame_bytes is the ring's", |bench| {
            told(bench, |meta, made| (meta.frame_bytes.load(Relaxed), made.frame_bytes))
        }),
        check(7, PLACE, "Meta.source is the ring's", |bench| {
            told(bench, |meta, made| (meta.source.load(Relaxed), made.source))
        }),
        check(8, PLACE, "Meta.policy is the ring's", |bench| {
            told(bench, |meta, made| (meta.policy.load(Relaxed), made.policy))
        }),
        check(9, PLACE, "Meta.interval_us is the ring's", |bench| {
            told(bench, |meta, made| (meta.interval_us.load(Relaxed), made.interval_us))
        }),
        check(10, PLACE, "Meta.stamp_hz is the device's", |bench| {
            equal("stamp_hz", fresh(bench)?.meta().stamp_hz.load(Relaxed), bench.info.stamp_hz)
        }),
        check(11, PLACE, "Meta.producer of a fresh ring is 0", |bench| {
            equal("producer", fresh(bench)?.producer(), 0)
        }),
        check(12, PLACE, "Meta.flags of a fresh ring is STOPPED alone", |bench| {
            equal("flags", fresh(bench)?.flags(), STOPPED)
        }),
        check(13, PLACE, "Meta.fault of a fresh ring is none", |bench| {
            equal("fault", fresh(bench)?.meta().fault.load(Relaxed), 0)
        }),
        check(14, PLACE, "START clears STOPPED", |bench| {
            equal("flags", Reader::started(bench, bench.quiet())?.flags(), 0)
        }),
        check(15, PLACE, "STOP sets STOPPED", |bench| {
            let reader = Reader::started(bench, bench.quiet())?;
            reader.stop()?;
            equal("flags", reader.flags(), STOPPED)
        }),
        check(16, PLACE, "a fault sets STOPPED and FAULTED", |bench| {
            let reader = Reader::started(bench, bench.quiet())?;
            reader.lie(reader.producer().wrapping_add(1))?;
            equal("flags", reader.flags(), STOPPED | FAULTED)
        }),
        check(17, PLACE, "START clears FAULTED and Meta.fault", |bench| {
            let reader = Reader::started(bench, bench.quiet())?;
            reader.lie(reader.producer().wrapping_add(1))?;
            reader.set_index(reader.producer());
            reader.start()?;
            equal("them", (reader.flags(), reader.meta().fault.load(Relaxed)), (0, 0))
        }),
        check(18, PLACE, "Meta.producer is the number of frames published", |bench| {
            let reader = stopped(bench)?;
            equal("producer", u64::from(reader.producer()), reader.stats()?.frames)
        }),
        check(19, PLACE, "Meta.frames is that of GET_STATS", |bench| {
            let reader = stopped(bench)?;
            equal("frames", reader.meta().frames.load(Relaxed), reader.stats()?.frames)
        }),
        check(20, PLACE, "Meta.bytes is that of GET_STATS", |bench| {
            let reader = stopped(bench)?;
            equal("bytes", reader.meta().bytes.load(Relaxed), reader.stats()?.bytes)
        }),
        check(21, PLACE, "Meta.lost is that of GET_STATS", |bench| {
            let reader = Reader::started(bench, bench.dropping())?;
            reader.lose(3)?;
            reader.stop()?;
            equal("lost", reader.meta().lost.load(Relaxed), reader.stats()?.lost)
        }),
        check(22, PLACE, "Meta.errors is that of GET_STATS", |bench| {
            let reader = stopped(bench)?;
            equal("errors", reader.meta().errors.load(Relaxed), reader.stats()?.errors)
        }),
        check(23, PLACE, "START sets the counters of Meta to zero", |bench| {
            let reader = Reader::started(bench, bench.dropping())?;
            reader.lose(3)?;
            reader.stop()?;
            // Until the first interval has passed there is nothing to be counted.
            let quiet = Reader::with(bench, reader.raw, bench.quiet())?;
            quiet.start()?;
            let meta = quiet.meta();
            let all = [&meta.frames, &meta.lost, &meta.bytes, &meta.errors];
            equal("them", all.map(|counter| counter.load(Relaxed)), [0; 4])
        }),
        check(24, PLACE, "what lies between fields of Meta is zero", |bench| {
            let reader = stopped(bench)?;
            for (from, to) in [(48, 64), (80, 128), (160, STRUCT_BYTES)] {
                equal("bytes", reader.meta.copy(from, to - from), vec![0; to - from])?;
            }
            Ok(())
        }),
        check(25, PLACE, "what lies after Meta.struct_bytes is zero", |bench| {
            let reader = stopped(bench)?;
            let from = reader.meta().struct_bytes.load(Relaxed) as usize;
            let dirty = reader.meta.copy(from, bench.page - from).iter().any(|byte| *byte != 0);
            equal("bytes that are not zero", dirty, false)
        }),
    ],
};

fn fresh(bench: &Bench) -> Outcome<Reader> {
    Reader::configured(bench, bench.shape())
}

/// A stream that has filled its ring and was stopped.
fn stopped(bench: &Bench) -> Outcome<Reader> {
    let reader = fresh(bench)?;
    reader.start()?;
    reader.fill()?;
    reader.stop()?;
    Ok(reader)
}

/// A field is what CONFIGURE gave back, for a ring of which no field is what it mostly is.
fn told(bench: &Bench, field: impl Fn(&Meta, &Config) -> (u32, u32)) -> Outcome {
    let last = bench.sources.last().copied().unwrap_or_default();
    let Config { source, frame_bytes, .. } = bench.shape_of(&last);
    let frame_bytes = frame_bytes + bench.unit(&last);
    let reader = Reader::configured(bench, Config { source, frame_bytes, ..bench.dropping() })?;
    let (got, want) = field(reader.meta(), &reader.made);
    equal("it", got, want)
}
