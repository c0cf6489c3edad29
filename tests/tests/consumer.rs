// SPDX-License-Identifier: MIT OR Apache-2.0
//! A reader that lies about what it returned harms itself alone.

use dmaframe::sysfs::{Attribute, Attributes};
use dmaframe_abi::ring::{FAULTED, MAP_CONSUMER, MAP_META, MAP_SLOTS};
use dmaframe_abi::stream::{Fault, State};
use dmaframe_abi::uapi;
use dmaframe_tests::frames::{Account, SHAPE, start};
use dmaframe_tests::mapping::{Mapping, PAGE};
use dmaframe_tests::raw::{GOOD, Raw};
use dmaframe_tests::{BoardLock, DEVICES, wait};
use libc::{MAP_SHARED, PROT_READ, PROT_WRITE};
use nix::errno::Errno;
use nix::poll::PollFlags;
use std::io::Read;
use std::sync::atomic::Ordering::{Relaxed, Release};

/// Writes what `lie` makes of the producer's index, after `honest` frames were returned.
fn tell(honest: u32, lie: impl Fn(u32) -> u32) {
    // The other device streams all the while.
    let mut other = start(DEVICES[1], SHAPE);
    let mut account = Account::of(&other, SHAPE);
    account.take_next(&mut other);

    let (raw, made) = Raw::streaming(DEVICES[0], GOOD);
    let meta = Mapping::read_only(&raw, MAP_META, PAGE).unwrap();
    let page = Mapping::new(&raw, MAP_CONSUMER, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED).unwrap();
    let slots = Mapping::read_only(&raw, MAP_SLOTS, made.slots_bytes as usize).unwrap();
    let (meta, page) = (meta.meta(), page.consumer());
    let full = |index| {
        wait::until("a full ring", || (meta.producer.load(Relaxed) == index).then_some(()));
    };
    full(GOOD.slots);
    page.consumer.store(honest, Release);
    raw.request(uapi::KICK, 0).unwrap();
    // Short of half a ring the engine goes on waiting.
    full(if honest >= GOOD.slots / 2 { GOOD.slots + honest } else { GOOD.slots });
    let head = meta.producer.load(Relaxed);
    let before = slots.copy(0, made.slots_bytes as usize);

    page.consumer.store(lie(head), Release);
    raw.request(uapi::KICK, 0).unwrap();
    let lied = format!("consumer {:#x} of producer {head:#x}", lie(head));
    assert_eq!(meta.flags.load(Relaxed) & FAULTED, FAULTED, "{lied}");
    assert_eq!(meta.fault.load(Relaxed), Fault::Consumer as u32, "{lied}");
    assert!(wait::events(&raw).contains(PollFlags::POLLERR | PollFlags::POLLIN), "{lied}");
    let stats = raw.stats();
    assert!(stats.bad_consumer >= 1, "{lied}: {stats:?}");
    assert_eq!((stats.fault, stats.state), (Fault::Consumer as u32, State::Faulted as u32));
    assert_eq!(Attributes::of(0).read(Attribute::State).unwrap(), "faulted");
    // Not a slot was given away that the reader did not return.
    assert_eq!(meta.producer.load(Relaxed), head, "{lied}");
    assert!(slots.copy(0, before.len()) == before, "{lied}");

    for _ in 0..200 {
        account.take_next(&mut other);
    }
    assert_eq!((account.lost, other.stats().unwrap().bad_consumer), (0, 0));

    // What is ready stays readable, then the fault is told.
    let mut frame = [0; 4160];
    for _ in honest..head {
        let read = (&mut raw.file()).read(&mut frame);
        assert_eq!(read.ok(), Some(frame.len()), "{lied}");
    }
    let end = (&mut raw.file()).read(&mut frame).unwrap_err();
    assert_eq!(end.raw_os_error(), Some(Errno::EIO as i32), "{lied}");

    // An honest index again, and the device works.
    raw.request(uapi::START, 0).unwrap();
    wait::until("frames again", || (meta.producer.load(Relaxed) != head).then_some(()));
    assert_eq!(meta.flags.load(Relaxed) & FAULTED, 0, "{lied}");
}

#[test]
fn beyond_the_producer() {
    let _board = BoardLock::acquire();
    tell(0, |head| head + 1);
}

#[test]
fn a_ring_beyond_the_producer() {
    let _board = BoardLock::acquire();
    tell(0, |head| head + GOOD.slots);
}

#[test]
fn half_the_range_away() {
    let _board = BoardLock::acquire();
    tell(0, |head| head.wrapping_add(1 << 31));
}

#[test]
fn below_zero() {
    let _board = BoardLock::acquire();
    tell(0, |_| u32::MAX);
}

#[test]
fn taking_back_what_was_returned() {
    let _board = BoardLock::acquire();
    tell(3, |_| 2);
    tell(GOOD.slots, |_| GOOD.slots - 1);
}

#[test]
fn an_ordinary_stream_follows() {
    let _board = BoardLock::acquire();
    tell(0, |head| head + 1);
    let mut stream = start(DEVICES[0], SHAPE);
    let mut account = Account::of(&stream, SHAPE);
    for _ in 0..1000 {
        account.take_next(&mut stream);
    }
    assert_eq!((account.lost, stream.stats().unwrap().bad_consumer), (0, 0));
}
