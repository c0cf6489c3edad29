// SPDX-License-Identifier: MIT OR Apache-2.0
//! The meta page.

use super::REFERENCE;
use crate::check::{Section, check};
use crate::outcome::{Outcome, equal, holds};
use crate::reader::Reader;
use crate::target::Target;
use dmaframe_abi::ring::{FAULTED, MAGIC, Meta, STOPPED};
use dmaframe_abi::uapi::Config;
use std::sync::atomic::Ordering::Relaxed;

const PLACE: &str = "Meta page";
/// Bytes of the structure in the reference.
const STRUCT_BYTES: usize = 192;

pub(super) const SECTION: Section = Section {
    number: 8,
    name: "Meta page",
    document: REFERENCE,
    checks: &[
        check(1, PLACE, "Meta.magic is DMARING1", |target| {
            equal("magic", fresh(target)?.meta().magic.load(Relaxed), MAGIC)
        }),
        check(2, PLACE, "Meta.struct_bytes is at least 192 and at most a page", |target| {
            let bytes = fresh(target)?.meta().struct_bytes.load(Relaxed) as usize;
            let good = (STRUCT_BYTES..=target.page).contains(&bytes);
            holds(good, || format!("got {bytes}"))
        }),
        check(3, PLACE, "Meta.slots is the ring's value", |target| {
            check_field(target, |meta, made| (meta.slots.load(Relaxed), made.slots))
        }),
        check(4, PLACE, "Meta.slot_stride is the ring's value", |target| {
            check_field(target, |meta, made| (meta.slot_stride.load(Relaxed), made.slot_stride))
        }),
        check(5, PLACE, "Meta.header_bytes is the ring's value", |target| {
            check_field(target, |meta, made| (meta.header_bytes.load(Relaxed), made.header_bytes))
        }),
        check(6, PLACE, "Meta.frame_bytes is the ring's value", |target| {
            check_field(target, |meta, made| (meta.frame_bytes.load(Relaxed), made.frame_bytes))
        }),
        check(7, PLACE, "Meta.source is the ring's value", |target| {
            check_field(target, |meta, made| (meta.source.load(Relaxed), made.source))
        }),
        check(8, PLACE, "Meta.policy is the ring's value", |target| {
            check_field(target, |meta, made| (meta.policy.load(Relaxed), made.policy))
        }),
        check(9, PLACE, "Meta.interval_us is the ring's value", |target| {
            check_field(target, |meta, made| (meta.interval_us.load(Relaxed), made.interval_us))
        }),
        check(10, PLACE, "Meta.stamp_hz is the device's value", |target| {
            equal("stamp_hz", fresh(target)?.meta().stamp_hz.load(Relaxed), target.info.stamp_hz)
        }),
        check(11, PLACE, "Meta.producer of a new ring is 0", |target| {
            equal("producer", fresh(target)?.producer(), 0)
        }),
        check(12, PLACE, "Meta.flags of a new ring is STOPPED alone", |target| {
            equal("flags", fresh(target)?.flags(), STOPPED)
        }),
        check(13, PLACE, "Meta.fault of a new ring is none", |target| {
            equal("fault", fresh(target)?.meta().fault.load(Relaxed), 0)
        }),
        check(14, PLACE, "START clears STOPPED", |target| {
            equal("flags", Reader::started(target, target.quiet())?.flags(), 0)
        }),
        check(15, PLACE, "STOP sets STOPPED", |target| {
            let reader = Reader::started(target, target.quiet())?;
            reader.stop()?;
            equal("flags", reader.flags(), STOPPED)
        }),
        check(16, PLACE, "a fault sets STOPPED and FAULTED", |target| {
            let reader = Reader::started(target, target.quiet())?;
            reader.write_impossible(reader.producer().wrapping_add(1))?;
            equal("flags", reader.flags(), STOPPED | FAULTED)
        }),
        check(17, PLACE, "START clears FAULTED and Meta.fault", |target| {
            let reader = Reader::started(target, target.quiet())?;
            reader.write_impossible(reader.producer().wrapping_add(1))?;
            reader.set_index(reader.producer());
            reader.start()?;
            equal("them", (reader.flags(), reader.meta().fault.load(Relaxed)), (0, 0))
        }),
        check(18, PLACE, "Meta.producer is the number of frames published", |target| {
            let reader = stopped(target)?;
            equal("producer", u64::from(reader.producer()), reader.stats()?.frames)
        }),
        check(19, PLACE, "Meta.frames equals frames of GET_STATS", |target| {
            let reader = stopped(target)?;
            equal("frames", reader.meta().frames.load(Relaxed), reader.stats()?.frames)
        }),
        check(20, PLACE, "Meta.bytes equals bytes of GET_STATS", |target| {
            let reader = stopped(target)?;
            equal("bytes", reader.meta().bytes.load(Relaxed), reader.stats()?.bytes)
        }),
        check(21, PLACE, "Meta.lost equals lost of GET_STATS", |target| {
            let reader = Reader::started(target, target.dropping())?;
            reader.lose(3)?;
            reader.stop()?;
            equal("lost", reader.meta().lost.load(Relaxed), reader.stats()?.lost)
        }),
        check(22, PLACE, "Meta.errors equals errors of GET_STATS", |target| {
            let reader = stopped(target)?;
            equal("errors", reader.meta().errors.load(Relaxed), reader.stats()?.errors)
        }),
        check(23, PLACE, "START resets the counters of Meta to zero", |target| {
            let reader = Reader::started(target, target.dropping())?;
            reader.lose(3)?;
            reader.stop()?;
            // Before the first interval has passed, nothing is counted.
            let quiet = Reader::with(target, reader.raw, target.quiet())?;
            quiet.start()?;
            let meta = quiet.meta();
            let all = [&meta.frames, &meta.lost, &meta.bytes, &meta.errors];
            equal("them", all.map(|counter| counter.load(Relaxed)), [0; 4])
        }),
        check(24, PLACE, "the bytes between the fields of Meta are zero", |target| {
            let reader = stopped(target)?;
            for (from, to) in [(48, 64), (80, 128), (160, STRUCT_BYTES)] {
                equal("bytes", reader.meta.copy(from, to - from), vec![0; to - from])?;
            }
            Ok(())
        }),
        check(25, PLACE, "the bytes after Meta.struct_bytes are zero", |target| {
            let reader = stopped(target)?;
            let from = reader.meta().struct_bytes.load(Relaxed) as usize;
            let dirty = reader.meta.copy(from, target.page - from).iter().any(|byte| *byte != 0);
            equal("bytes that are not zero", dirty, false)
        }),
    ],
};

fn fresh(target: &Target) -> Outcome<Reader> {
    Reader::configured(target, target.shape())
}

/// A stopped stream with a full ring.
fn stopped(target: &Target) -> Outcome<Reader> {
    let reader = fresh(target)?;
    reader.start()?;
    reader.fill()?;
    reader.stop()?;
    Ok(reader)
}

/// Compares a field with what CONFIGURE returned, for a ring with unusual values in every field.
fn check_field(target: &Target, field: impl Fn(&Meta, &Config) -> (u32, u32)) -> Outcome {
    let last = target.sources.last().copied().unwrap_or_default();
    let Config { source, frame_bytes, .. } = target.shape_of(&last);
    let frame_bytes = frame_bytes + target.unit(&last);
    let reader = Reader::configured(target, Config { source, frame_bytes, ..target.dropping() })?;
    let (got, want) = field(reader.meta(), &reader.made);
    equal("it", got, want)
}
