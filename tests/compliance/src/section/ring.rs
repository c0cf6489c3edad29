// SPDX-License-Identifier: MIT OR Apache-2.0
//! The ring protocol, followed and violated.

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
        check(1, PLACE, "an unpaced stream fills the ring and then waits", |target| {
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
        check(4, PLACE, "with less than half of the slots free, KICK starts no frame", |target| {
            let reader = Reader::waiting(target)?;
            reader.set_index(reader.made.slots / 2 - 1);
            reader.kick()?;
            sleep(Duration::from_millis(50));
            equal("producer", reader.producer(), reader.made.slots)?;
            equal("flags", reader.flags(), NEED_KICK)
        }),
        check(5, PLACE, "with half of the slots free, KICK starts frames", |target| {
            let reader = Reader::waiting(target)?;
            reader.set_index(reader.made.slots / 2);
            reader.kick()?;
            reader.reach(reader.made.slots + reader.made.slots / 2)
        }),
        check(6, PLACE, "with all slots free, KICK starts frames", |target| {
            let reader = Reader::waiting(target)?;
            reader.set_index(reader.made.slots);
            reader.kick()?;
            reader.reach(2 * reader.made.slots)
        }),
        check(7, PLACE, "kick_at advances with the ring", |target| {
            let reader = Reader::waiting(target)?;
            let half = reader.made.slots / 2;
            reader.set_index(half);
            reader.kick()?;
            reader.reach(3 * half)?;
            let asked = || (reader.meta().kick_at.load(Relaxed) == 2 * half).then_some(());
            wait::until(LIMIT, "kick_at half a ring later", asked)?;
            equal("flags", reader.flags(), NEED_KICK)
        }),
        check(8, PLACE, "poll(2) reads consumer as KICK does", |target| {
            let reader = Reader::waiting(target)?;
            reader.set_index(reader.made.slots / 2);
            wait::readable(&reader.raw, Duration::ZERO)?;
            let kicks = reader.stats()?.kicks;
            reader.reach(reader.made.slots + reader.made.slots / 2)?;
            equal("kicks", kicks, 0)
        }),
        check(9, PLACE, "read(2) reads consumer as KICK does", |target| {
            let reader = Reader::waiting(target)?;
            let slots = reader.made.slots;
            reader.set_index(slots / 2);
            let mut frame = vec![0; 64 + reader.made.frame_bytes as usize];
            read(&reader.raw, &mut frame)?;
            reader.reach(slots + slots / 2)?;
            let sequence = dmaframe_abi::frame::parse(&frame)?.0.sequence.get();
            equal("sequence", sequence, u64::from(slots / 2))
        }),
        check(
            10,
            PLACE,
            "a reader that returns each frame needs one kick for half a ring",
            |target| {
                let reader = Reader::started(target, target.shape())?;
                let frames = 40 * reader.made.slots;
                reader.take_all(frames)?;
                let kicks = reader.stats()?.kicks;
                // One for each half of the ring, and one that may be pending.
                let most = u64::from(2 * frames / reader.made.slots + 1);
                holds(kicks <= most, || format!("got {kicks} kicks, more than {most}"))
            },
        ),
        check(11, PLACE, "a paced stream never sets NEED_KICK", |target| {
            let reader = Reader::started(target, Config { slots: 4, ..target.paced(1000) })?;
            reader.fill()?;
            sleep(Duration::from_millis(50));
            equal("flags", reader.flags(), 0)
        }),
        check(
            12,
            PLACE,
            "a paced stream continues without a kick once slots are returned",
            |target| {
                let reader = Reader::started(target, Config { slots: 4, ..target.paced(1000) })?;
                reader.fill()?;
                reader.set_index(4);
                reader.reach(8)?;
                equal("kicks", reader.stats()?.kicks, 0)
            },
        ),
        check(
            13,
            PLACE,
            "a paced stream continues with less than half of the slots free",
            |target| {
                let reader = Reader::started(target, Config { slots: 4, ..target.paced(1000) })?;
                reader.fill()?;
                reader.set_index(1);
                reader.reach(5)
            },
        ),
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
        check(15, PLACE, "frames that were not returned are not overwritten", |target| {
            let reader = Reader::waiting(target)?;
            let before = reader.all();
            for _ in 0..50 {
                reader.kick()?;
                wait::readable(&reader.raw, Duration::ZERO)?;
            }
            holds(reader.all() == before, || "the slots have changed".to_owned())
        }),
        check(
            16,
            PLACE,
            "after half a ring is returned, the other half is not overwritten",
            |target| {
                let reader = Reader::waiting(target)?;
                let half = reader.made.slots_bytes as usize / 2;
                let before = reader.slots.copy(half, half);
                reader.set_index(reader.made.slots / 2);
                reader.kick()?;
                reader.reach(reader.made.slots + reader.made.slots / 2)?;
                let after = reader.slots.copy(half, half);
                holds(after == before, || "the slots have changed".to_owned())
            },
        ),
        check(17, PLACE, "producer is never more than slots ahead of consumer", |target| {
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
            check_impossible(target, 0, |head, _| head + 1)
        }),
        check(19, PLACE, "an index a ring beyond producer is a fault", |target| {
            check_impossible(target, 0, |head, slots| head + slots)
        }),
        check(20, PLACE, "an index half the range away is a fault", |target| {
            check_impossible(target, 0, |head, _| head + (1 << 31))
        }),
        check(21, PLACE, "an index below the first is a fault", |target| {
            check_impossible(target, 0, |_, _| u32::MAX)
        }),
        check(22, PLACE, "an index that goes back by a slot is a fault", |target| {
            check_impossible(target, 3, |_, _| 2)
        }),
        check(23, PLACE, "an index that goes back by a whole ring is a fault", |target| {
            let reader = Reader::waiting(target)?;
            reader.set_index(reader.made.slots);
            reader.kick()?;
            reader.reach(2 * reader.made.slots)?;
            reader.write_impossible(0)
        }),
        check(24, PLACE, "sysfs reports the fault", |target| {
            let reader = Reader::waiting(target)?;
            reader.write_impossible(reader.made.slots + 1)?;
            equal("state", target.sysfs().read(Attribute::State)?, State::Faulted.name().to_owned())
        }),
        check(25, PLACE, "a fault reuses no slot", |target| {
            let reader = Reader::waiting(target)?;
            let (head, before) = (reader.producer(), reader.all());
            reader.write_impossible(head + reader.made.slots)?;
            equal("producer", reader.producer(), head)?;
            holds(reader.all() == before, || "the slots have changed".to_owned())
        }),
        check(26, PLACE, "after a fault poll(2) reports POLLERR and POLLIN", |target| {
            let reader = Reader::waiting(target)?;
            reader.write_impossible(reader.made.slots + 1)?;
            let events = wait::readable(&reader.raw, Duration::ZERO)?;
            let want = PollFlags::POLLIN | PollFlags::POLLRDNORM | PollFlags::POLLERR;
            equal("events", events, want)
        }),
        check(
            27,
            PLACE,
            "after a fault read(2) returns the ready frames, then fails with EIO",
            |target| {
                let reader = Reader::waiting(target)?;
                let slots = reader.made.slots;
                reader.write_impossible(slots + 1)?;
                let mut frame = vec![0; 64 + reader.made.frame_bytes as usize];
                for _ in 0..slots {
                    equal("bytes", read(&reader.raw, &mut frame)?, frame.len())?;
                }
                refused(read(&reader.raw, &mut frame), Errno::EIO)
            },
        ),
        check(28, PLACE, "after a fault and a correct index, START starts frames", |target| {
            let reader = Reader::waiting(target)?;
            let slots = reader.made.slots;
            reader.write_impossible(slots + 1)?;
            reader.set_index(slots);
            reader.start()?;
            reader.reach(slots + 1)?;
            equal("flags", reader.flags() & FAULTED, 0)
        }),
        check(29, PLACE, "a running stream detects an impossible index without a kick", |target| {
            let reader = Reader::started(target, Config { slots: 4, ..target.paced(1000) })?;
            reader.take()?;
            reader.set_index(u32::MAX / 2);
            let faulted = || (reader.flags() & FAULTED != 0).then_some(());
            wait::until(LIMIT, "a fault", faulted)?;
            equal("fault", reader.meta().fault.load(Relaxed), Fault::Consumer as u32)
        }),
        check(30, "Consumer page", "the driver ignores the bytes after consumer", |target| {
            let reader = Reader::started(target, target.shape())?;
            for at in 4..target.page {
                let byte =
                    std::ptr::with_exposed_provenance::<AtomicU8>(reader.consumer.address() + at);
                // SAFETY: the byte lies in the writable mapping, which outlives the reference.
                unsafe { &*byte }.store(0xff, Relaxed);
            }
            let frames = reader.take_all(3 * reader.made.slots)?;
            equal("faults", reader.stats()?.bad_consumer, 0)?;
            let last = frames.last().map_or(0, |frame| frame.header.sequence.get());
            equal("sequence", last, u64::from(3 * reader.made.slots) - 1)
        }),
        check(31, PLACE, "a thousand frames arrive correctly and in order", |target| {
            target.pattern()?;
            let reader = Reader::started(target, target.shape())?;
            for sequence in 0..1000 {
                let frame = reader.take()?;
                equal("sequence", frame.header.sequence.get(), sequence)?;
                is_pattern(&[frame])?;
            }
            Ok(())
        }),
        check(32, PLACE, "after one KICK chains continue while slots are free", |target| {
            let unit = target.unit(&target.source());
            // Two frames of this length do not fit into one chain.
            let frame_bytes = (200_000_u32).next_multiple_of(unit);
            let shape = Config { frame_bytes, slots: 8, ..target.shape() };
            let reader = Reader::started(target, shape)?;
            reader.wait_for_need_kick()?;
            reader.set_index(4);
            reader.kick()?;
            reader.reach(12)?;
            equal("kicks", reader.stats()?.kicks, 1)
        }),
    ],
};

/// Returns `returned` frames, then writes an impossible index.
fn check_impossible(
    target: &Target,
    returned: u32,
    index: impl FnOnce(u32, u32) -> u32,
) -> Outcome {
    let reader = Reader::waiting(target)?;
    reader.set_index(returned);
    reader.kick()?;
    reader.write_impossible(index(reader.producer(), reader.made.slots))
}
