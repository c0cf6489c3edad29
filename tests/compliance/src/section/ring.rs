// SPDX-License-Identifier: MIT OR Apache-2.0
//! The ring's protocol, kept and broken.

use super::REFERENCE;
use crate::check::{Section, check};
use crate::outcome::{Outcome, equal, holds, refused};
use crate::reader::{Reader, is_pattern, read};
use crate::target::{LIMIT, Target};
use dmaframe::sysfs::Attribute;
use dmaframe_abi::ring::{FAULTED, NEED_KICK};
use dmaframe_abi::stream::{Fault, State};
use dmaframe_abi::uapi::Config;
use dmaframe_compliance::wait;
use nix::errno::Errno;
use nix::poll::PollFlags;
use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::sleep;
use std::time::Duration;

const PLACE: &str = "Ring protocol";

pub(super) const SECTION: Section = Section {
    number: 9,
    name: "Ring protocol",
    document: REFERENCE,
    checks: &[
        check(1, PLACE, "an unpaced stream fills the ring and no more", |target| {
            let reader = Reader::waiting(target)?;
            sleep(Duration::from_millis(50));
            equal("producer", reader.producer(), reader.made.slots)
        }),
        check(2, PLACE, "NEED_KICK is set once the ring is full", |target| {
            equal("flags", Reader::waiting(target)?.flags(), NEED_KICK)
        }),
        check(3, PLACE, "kick_at is the index at which half of the slots are free", |target| {
            let reader = Reader::waiting(target)?;
            equal("kick_at", reader.meta().kick_at.load(Relaxed), reader.made.slots / 2)
        }),
        check(4, PLACE, "with less than half of the slots free, KICK brings no frame", |target| {
            let reader = Reader::waiting(target)?;
            reader.set_index(reader.made.slots / 2 - 1);
            reader.kick()?;
            sleep(Duration::from_millis(50));
            equal("producer", reader.producer(), reader.made.slots)?;
            equal("flags", reader.flags(), NEED_KICK)
        }),
        check(5, PLACE, "with half of the slots free, KICK brings frames", |target| {
            let reader = Reader::waiting(target)?;
            reader.set_index(reader.made.slots / 2);
            reader.kick()?;
            reader.reach(reader.made.slots + reader.made.slots / 2)
        }),
        check(6, PLACE, "with all slots free, KICK brings frames", |target| {
            let reader = Reader::waiting(target)?;
            reader.set_index(reader.made.slots);
            reader.kick()?;
            reader.reach(2 * reader.made.slots)
        }),
        check(7, PLACE, "kick_at goes on with the ring", |target| {
            let reader = Reader::waiting(target)?;
            let half = reader.made.slots / 2;
            reader.set_index(half);
            reader.kick()?;
            reader.reach(3 * half)?;
            let asked = || (reader.meta().kick_at.load(Relaxed) == 2 * half).then_some(());
            wait::until(LIMIT, "kick_at half a ring later", asked)?;
            equal("flags", reader.flags(), NEED_KICK)
        }),
        check(8, PLACE, "poll(2) looks at consumer as KICK does", |target| {
            let reader = Reader::waiting(target)?;
            reader.set_index(reader.made.slots / 2);
            wait::readable(&reader.raw, Duration::ZERO)?;
            let kicks = reader.stats()?.kicks;
            reader.reach(reader.made.slots + reader.made.slots / 2)?;
            equal("kicks", kicks, 0)
        }),
        check(9, PLACE, "read(2) looks at consumer as KICK does", |target| {
            let reader = Reader::waiting(target)?;
            let slots = reader.made.slots;
            reader.set_index(slots / 2);
            let mut frame = vec![0; 64 + reader.made.frame_bytes as usize];
            read(&reader.raw, &mut frame)?;
            reader.reach(slots + slots / 2)?;
            let sequence = dmaframe_abi::frame::parse(&frame)?.0.sequence.get();
            equal("sequence", sequence, u64::from(slots / 2))
        }),
        check(10, PLACE, "a reader that returns all it gets needs few kicks", |target| {
            let reader = Reader::started(target, target.shape())?;
            let frames = 40 * reader.made.slots;
            reader.take_all(frames)?;
            let kicks = reader.stats()?.kicks;
            // One for each half of the ring, and one that is on its way.
            let most = u64::from(2 * frames / reader.made.slots + 1);
            holds(kicks <= most, || format!("got {kicks} kicks, more than {most}"))
        }),
        check(11, PLACE, "a paced stream never asks for a kick", |target| {
            let reader = Reader::started(target, Config { slots: 4, ..target.paced(1000) })?;
            reader.fill()?;
            sleep(Duration::from_millis(50));
            equal("flags", reader.flags(), 0)
        }),
        check(12, PLACE, "a paced stream goes on by itself once slots are returned", |target| {
            let reader = Reader::started(target, Config { slots: 4, ..target.paced(1000) })?;
            reader.fill()?;
            reader.set_index(4);
            reader.reach(8)?;
            equal("kicks", reader.stats()?.kicks, 0)
        }),
        check(13, PLACE, "a paced stream fills a ring of which less than half is free", |target| {
            let reader = Reader::started(target, Config { slots: 4, ..target.paced(1000) })?;
            reader.fill()?;
            reader.set_index(1);
            reader.reach(5)
        }),
        check(14, PLACE, "the slot of index i is i modulo slots", |target| {
            let reader = Reader::started(target, Config { slots: 4, ..target.shape() })?;
            for index in 0..19 {
                reader.reach(index + 1)?;
                let sequence = reader.frame(index).header.sequence.get();
                equal("sequence", sequence, u64::from(index))?;
                reader.give_back(index + 1)?;
            }
            Ok(())
        }),
        check(15, PLACE, "no frame that was not returned is overwritten", |target| {
            let reader = Reader::waiting(target)?;
            let before = reader.all();
            for _ in 0..50 {
                reader.kick()?;
                wait::readable(&reader.raw, Duration::ZERO)?;
            }
            holds(reader.all() == before, || "got other bytes in the slots".to_owned())
        }),
        check(16, PLACE, "of half a ring that was returned, the other half stays", |target| {
            let reader = Reader::waiting(target)?;
            let half = reader.made.slots_bytes as usize / 2;
            let before = reader.slots.copy(half, half);
            reader.set_index(reader.made.slots / 2);
            reader.kick()?;
            reader.reach(reader.made.slots + reader.made.slots / 2)?;
            let after = reader.slots.copy(half, half);
            holds(after == before, || "got other bytes in the slots".to_owned())
        }),
        check(17, PLACE, "producer never runs more than slots ahead", |target| {
            let reader = Reader::started(target, Config { slots: 4, ..target.shape() })?;
            for _ in 0..500 {
                let index = reader.index();
                let ready = reader.producer().wrapping_sub(index);
                holds(ready <= 4, || format!("got {ready} ready of 4 slots"))?;
                if ready > 0 {
                    reader.give_back(index.wrapping_add(1))?;
                }
            }
            Ok(())
        }),
        check(18, PLACE, "an index one beyond producer is a fault", |target| {
            lie(target, 0, |head, _| head + 1)
        }),
        check(19, PLACE, "an index a ring beyond producer is a fault", |target| {
            lie(target, 0, |head, slots| head + slots)
        }),
        check(20, PLACE, "an index half the range away is a fault", |target| {
            lie(target, 0, |head, _| head + (1 << 31))
        }),
        check(21, PLACE, "an index below the first is a fault", |target| {
            lie(target, 0, |_, _| u32::MAX)
        }),
        check(22, PLACE, "an index that takes back a slot is a fault", |target| {
            lie(target, 3, |_, _| 2)
        }),
        check(23, PLACE, "an index that takes back a whole ring is a fault", |target| {
            let reader = Reader::waiting(target)?;
            reader.set_index(reader.made.slots);
            reader.kick()?;
            reader.reach(2 * reader.made.slots)?;
            reader.lie(0)
        }),
        check(24, PLACE, "the fault is told in sysfs", |target| {
            let reader = Reader::waiting(target)?;
            reader.lie(reader.made.slots + 1)?;
            equal("state", target.sysfs().read(Attribute::State)?, State::Faulted.name().to_owned())
        }),
        check(25, PLACE, "at a fault no slot is given away", |target| {
            let reader = Reader::waiting(target)?;
            let (head, before) = (reader.producer(), reader.all());
            reader.lie(head + reader.made.slots)?;
            equal("producer", reader.producer(), head)?;
            holds(reader.all() == before, || "got other bytes in the slots".to_owned())
        }),
        check(26, PLACE, "at a fault poll(2) reports POLLERR with POLLIN", |target| {
            let reader = Reader::waiting(target)?;
            reader.lie(reader.made.slots + 1)?;
            let events = wait::readable(&reader.raw, Duration::ZERO)?;
            let want = PollFlags::POLLIN | PollFlags::POLLRDNORM | PollFlags::POLLERR;
            equal("events", events, want)
        }),
        check(27, PLACE, "after a fault frames that are ready can be read, then EIO", |target| {
            let reader = Reader::waiting(target)?;
            let slots = reader.made.slots;
            reader.lie(slots + 1)?;
            let mut frame = vec![0; 64 + reader.made.frame_bytes as usize];
            for _ in 0..slots {
                equal("bytes", read(&reader.raw, &mut frame)?, frame.len())?;
            }
            refused(read(&reader.raw, &mut frame), Errno::EIO)
        }),
        check(28, PLACE, "after a fault and an honest index, START brings frames", |target| {
            let reader = Reader::waiting(target)?;
            let slots = reader.made.slots;
            reader.lie(slots + 1)?;
            reader.set_index(slots);
            reader.start()?;
            reader.reach(slots + 1)?;
            equal("flags", reader.flags() & FAULTED, 0)
        }),
        check(29, PLACE, "an impossible index in mid-stream is found without a kick", |target| {
            let reader = Reader::started(target, Config { slots: 4, ..target.paced(1000) })?;
            reader.take()?;
            reader.set_index(u32::MAX / 2);
            let faulted = || (reader.flags() & FAULTED != 0).then_some(());
            wait::until(LIMIT, "a fault", faulted)?;
            equal("fault", reader.meta().fault.load(Relaxed), Fault::Consumer as u32)
        }),
        check(30, "Consumer page", "what lies after consumer means nothing", |target| {
            let reader = Reader::started(target, target.shape())?;
            for at in 4..target.page {
                let byte =
                    std::ptr::with_exposed_provenance::<AtomicU8>(reader.consumer.address() + at);
                // SAFETY: the byte lies in the mapping, which is writable and lives.
                unsafe { &*byte }.store(0xff, Relaxed);
            }
            let frames = reader.take_all(3 * reader.made.slots)?;
            equal("faults", reader.stats()?.bad_consumer, 0)?;
            let last = frames.last().map_or(0, |frame| frame.header.sequence.get());
            equal("sequence", last, u64::from(3 * reader.made.slots) - 1)
        }),
        check(31, PLACE, "a thousand frames arrive whole and in order", |target| {
            target.pattern()?;
            let reader = Reader::started(target, target.shape())?;
            for sequence in 0..1000 {
                let frame = reader.take()?;
                equal("sequence", frame.header.sequence.get(), sequence)?;
                is_pattern(&[frame])?;
            }
            Ok(())
        }),
        check(
            32,
            PLACE,
            "after one KICK chains follow one another while there is room",
            |target| {
                let unit = target.unit(&target.source());
                // Longer than what goes into a chain with another one.
                let frame_bytes = (200_000_u32).next_multiple_of(unit);
                let shape = Config { frame_bytes, slots: 8, ..target.shape() };
                let reader = Reader::started(target, shape)?;
                reader.asked()?;
                reader.set_index(4);
                reader.kick()?;
                reader.reach(12)?;
                equal("kicks", reader.stats()?.kicks, 1)
            },
        ),
    ],
};

/// After `honest` frames were returned, an index that no reader can have reached.
fn lie(target: &Target, honest: u32, index: impl FnOnce(u32, u32) -> u32) -> Outcome {
    let reader = Reader::waiting(target)?;
    reader.set_index(honest);
    reader.kick()?;
    reader.lie(index(reader.producer(), reader.made.slots))
}
