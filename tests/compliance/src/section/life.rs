// SPDX-License-Identifier: MIT OR Apache-2.0
//! The states of a stream and the transitions between them.

use super::REFERENCE;
use crate::check::{Section, check};
use crate::outcome::{equal, failed, holds, refused};
use crate::reader::{Reader, configure, state, stats};
use dmaframe_abi::stream::State;
use dmaframe_abi::uapi;
use nix::errno::Errno;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::sleep;
use std::time::Duration;

const PLACE: &str = "Life cycle";

pub(super) const SECTION: Section = Section {
    number: 4,
    name: "Life cycle",
    document: REFERENCE,
    checks: &[
        check(1, "START", "START without a stream fails with ENODATA", |target| {
            refused(target.open()?.request(uapi::START, 0), Errno::ENODATA)
        }),
        check(2, PLACE, "START changes the state from configured to running", |target| {
            let reader = Reader::started(target, target.quiet())?;
            equal("state", reader.state()?, State::Running as u32)
        }),
        check(3, "START", "START of a running stream fails with EBUSY", |target| {
            let reader = Reader::started(target, target.quiet())?;
            refused(reader.raw.request(uapi::START, 0), Errno::EBUSY)
        }),
        check(4, "START", "a refused START starts no new stream", |target| {
            let reader = Reader::started(target, target.quiet())?;
            let before = reader.stats()?;
            refused(reader.raw.request(uapi::START, 0), Errno::EBUSY)?;
            let after = reader.stats()?;
            equal("stream and state", (after.stream, after.state), (before.stream, before.state))
        }),
        check(5, PLACE, "STOP changes the state from running to configured", |target| {
            let reader = Reader::started(target, target.quiet())?;
            reader.stop()?;
            equal("state", reader.state()?, State::Configured as u32)
        }),
        check(6, "STOP", "STOP of an idle device succeeds and changes nothing", |target| {
            let raw = target.open()?;
            raw.request(uapi::STOP, 0)?;
            equal("state", state(&raw)?, State::Idle as u32)
        }),
        check(7, "STOP", "STOP of a configured stream succeeds and changes nothing", |target| {
            let reader = Reader::configured(target, target.shape())?;
            reader.stop()?;
            equal("state", reader.state()?, State::Configured as u32)
        }),
        check(8, "STOP", "a second STOP succeeds", |target| {
            let reader = Reader::started(target, target.shape())?;
            reader.stop()?;
            reader.stop()
        }),
        check(9, "STOP", "STOP leaves a faulted stream faulted", |target| {
            let reader = Reader::started(target, target.quiet())?;
            reader.write_impossible(reader.producer().wrapping_add(1))?;
            reader.stop()?;
            equal("state", reader.state()?, State::Faulted as u32)
        }),
        check(10, "STOP", "frames completed before STOP can still be read", |target| {
            let reader = Reader::started(target, target.shape())?;
            reader.fill()?;
            reader.stop()?;
            let frames = reader.take_rest()?;
            equal("frames", frames.len() as u32, reader.made.slots)?;
            let last = frames.last().ok_or_else(|| failed("got no frame"))?;
            equal("sequence", last.header.sequence.get(), u64::from(reader.made.slots) - 1)
        }),
        check(11, "STOP", "no frame is published after STOP", |target| {
            let reader = Reader::started(target, target.paced(1000))?;
            reader.take()?;
            reader.stop()?;
            let before = reader.producer();
            reader.set_index(before);
            reader.kick()?;
            sleep(Duration::from_millis(200));
            equal("producer", reader.producer(), before)
        }),
        check(12, PLACE, "START after STOP changes the state to running", |target| {
            let reader = Reader::started(target, target.shape())?;
            reader.stop()?;
            reader.start()?;
            equal("state", reader.state()?, State::Running as u32)
        }),
        check(
            13,
            PLACE,
            "an impossible index changes the state from running to faulted",
            |target| {
                let reader = Reader::started(target, target.quiet())?;
                reader.write_impossible(reader.producer().wrapping_add(1))?;
                equal("state", reader.state()?, State::Faulted as u32)
            },
        ),
        check(14, PLACE, "START changes the state from faulted to running", |target| {
            let reader = Reader::started(target, target.shape())?;
            reader.fill()?;
            reader.write_impossible(reader.producer().wrapping_add(1))?;
            reader.set_index(0);
            reader.start()?;
            equal("state", reader.state()?, State::Running as u32)
        }),
        check(15, PLACE, "CONFIGURE changes the state from faulted to configured", |target| {
            let reader = Reader::started(target, target.quiet())?;
            reader.write_impossible(reader.producer().wrapping_add(1))?;
            configure(&reader.raw, target.shape())?;
            equal("state", reader.state()?, State::Configured as u32)
        }),
        check(16, PLACE, "close(2) changes the state from configured to idle", |target| {
            drop(Reader::configured(target, target.shape())?);
            equal("state", state(&target.open()?)?, State::Idle as u32)
        }),
        check(17, PLACE, "close(2) changes the state from running to idle", |target| {
            drop(Reader::started(target, target.shape())?);
            equal("state", state(&target.open()?)?, State::Idle as u32)
        }),
        check(18, PLACE, "close(2) changes the state from faulted to idle", |target| {
            let reader = Reader::started(target, target.quiet())?;
            reader.write_impossible(reader.producer().wrapping_add(1))?;
            drop(reader);
            equal("state", state(&target.open()?)?, State::Idle as u32)
        }),
        check(19, PLACE, "close(2) stops a running stream", |target| {
            drop(Reader::started(target, target.paced(1000))?);
            let raw = target.open()?;
            let before = stats(&raw)?;
            sleep(Duration::from_millis(200));
            equal("frames", stats(&raw)?.frames, before.frames)
        }),
        check(20, PLACE, "START increments the stream number", |target| {
            let reader = Reader::started(target, target.quiet())?;
            let first = reader.stats()?.stream;
            reader.stop()?;
            reader.start()?;
            equal("stream", reader.stats()?.stream, first.wrapping_add(1))
        }),
        check(21, PLACE, "close(2) does not reset the stream number", |target| {
            let first = Reader::started(target, target.quiet())?.stats()?.stream;
            let second = Reader::started(target, target.quiet())?.stats()?.stream;
            equal("stream", second, first.wrapping_add(1))
        }),
        check(22, PLACE, "START resets sequence to zero", |target| {
            let reader = Reader::started(target, target.shape())?;
            reader.take_all(3)?;
            reader.stop()?;
            reader.take_rest()?;
            reader.start()?;
            equal("sequence", reader.take()?.header.sequence.get(), 0)
        }),
        check(23, PLACE, "START resets the counters to zero", |target| {
            let quiet = target.quiet();
            let reader = Reader::started(target, target.shape())?;
            reader.fill()?;
            reader.stop()?;
            configure(&reader.raw, quiet)?;
            reader.start()?;
            let now = reader.stats()?;
            equal("frames and bytes", (now.frames, now.bytes), (0, 0))
        }),
        check(24, PLACE, "frames of an earlier start come before the new ones", |target| {
            let reader = Reader::started(target, target.shape())?;
            reader.fill()?;
            reader.stop()?;
            let old = reader.stats()?.stream;
            reader.start()?;
            let slots = reader.made.slots;
            let streams: Vec<u32> =
                reader.take_all(slots + 1)?.iter().map(|frame| frame.header.stream.get()).collect();
            holds(streams[..slots as usize].iter().all(|it| *it == old), || {
                format!("got streams {streams:?}, not {old} first")
            })?;
            equal("stream after them", streams[slots as usize], old.wrapping_add(1))
        }),
        check(25, PLACE, "CONFIGURE sets STOPPED and DETACHED in the previous ring", |target| {
            use dmaframe_abi::ring::{DETACHED, STOPPED};
            let reader = Reader::configured(target, target.shape())?;
            configure(&reader.raw, target.shape())?;
            equal("flags", reader.flags(), STOPPED | DETACHED)
        }),
        check(26, PLACE, "the driver writes nothing to a replaced ring", |target| {
            let first = Reader::started(target, target.shape())?;
            first.fill()?;
            first.stop()?;
            let before = first.all();
            configure(&first.raw, target.shape())?;
            first.start()?;
            let full = || (first.stats().is_ok_and(|now| now.frames >= 2)).then_some(());
            dmaframe_compliance::wait::until(crate::target::LIMIT, "frames", full)?;
            holds(first.all() == before, || "the slots have changed".to_owned())
        }),
        check(27, PLACE, "after close(2) a mapped ring stays readable and unchanged", |target| {
            let Reader { raw, made, meta, consumer, slots } =
                Reader::started(target, target.shape())?;
            let full = || (meta.meta().producer.load(Relaxed) == made.slots).then_some(());
            dmaframe_compliance::wait::until(crate::target::LIMIT, "a full ring", full)?;
            let before = slots.copy(0, made.slots_bytes as usize);
            drop((raw, consumer));
            let after = slots.copy(0, made.slots_bytes as usize);
            holds(after == before, || "the slots have changed".to_owned())
        }),
        check(28, "KICK", "KICK without a stream fails with ENODATA", |target| {
            refused(target.open()?.request(uapi::KICK, 0), Errno::ENODATA)
        }),
        check(29, "KICK", "KICK of a stream that does not run succeeds", |target| {
            Reader::configured(target, target.shape())?.kick()
        }),
        check(30, "KICK", "KICK without NEED_KICK changes nothing", |target| {
            let reader = Reader::started(target, target.quiet())?;
            let (state, producer) = (reader.state()?, reader.producer());
            for _ in 0..10 {
                reader.kick()?;
            }
            equal("state and producer", (reader.state()?, reader.producer()), (state, producer))
        }),
    ],
};
