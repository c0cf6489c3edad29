// SPDX-License-Identifier: MIT OR Apache-2.0
//! A reader that writes an impossible consumer index stops its own stream and affects nothing else.

use dmaframe::sysfs::{Attribute, Attributes};
use dmaframe_abi::ring::{FAULTED, MAP_CONSUMER, MAP_META, MAP_SLOTS};
use dmaframe_abi::stream::{Fault, State};
use dmaframe_abi::uapi;
use dmaframe_tests::frames::{Account, SHAPE, start};
use dmaframe_tests::kernel_log::KernelLog;
use dmaframe_tests::mapping::{Mapping, PAGE};
use dmaframe_tests::raw::{GOOD, QUIET, Raw};
use dmaframe_tests::{BoardLock, DEVICES, driver, wait};
use libc::{MAP_SHARED, PROT_READ, PROT_WRITE};
use nix::errno::Errno;
use nix::poll::PollFlags;
use std::io::Read;
use std::sync::atomic::Ordering::{Relaxed, Release};
use std::time::Instant;

/// Returns `honest` frames, then writes the index that `wrong` makes of the producer index.
fn write_index(honest: u32, wrong: impl Fn(u32) -> u32) {
    // The other device streams meanwhile.
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
    // With less than half a ring returned, the engine still waits.
    full(if honest >= GOOD.slots / 2 { GOOD.slots + honest } else { GOOD.slots });
    let head = meta.producer.load(Relaxed);
    let before = slots.copy(0, made.slots_bytes as usize);

    page.consumer.store(wrong(head), Release);
    raw.request(uapi::KICK, 0).unwrap();
    let what = format!("consumer {:#x} of producer {head:#x}", wrong(head));
    assert_eq!(meta.flags.load(Relaxed) & FAULTED, FAULTED, "{what}");
    assert_eq!(meta.fault.load(Relaxed), Fault::Consumer as u32, "{what}");
    assert!(wait::events(&raw).contains(PollFlags::POLLERR | PollFlags::POLLIN), "{what}");
    let stats = raw.stats();
    assert!(stats.bad_consumer >= 1, "{what}: {stats:?}");
    assert_eq!((stats.fault, stats.state), (Fault::Consumer as u32, State::Faulted as u32));
    assert_eq!(Attributes::of(0).read(Attribute::State).unwrap(), "faulted");
    // The driver reused no slot that the reader did not return.
    assert_eq!(meta.producer.load(Relaxed), head, "{what}");
    assert!(slots.copy(0, before.len()) == before, "{what}");

    for _ in 0..200 {
        account.take_next(&mut other);
    }
    assert_eq!((account.lost, other.stats().unwrap().bad_consumer), (0, 0));

    // Ready frames can still be read; then read(2) reports the fault.
    let mut frame = [0; 4160];
    for _ in honest..head {
        let read = (&mut raw.file()).read(&mut frame);
        assert_eq!(read.ok(), Some(frame.len()), "{what}");
    }
    let end = (&mut raw.file()).read(&mut frame).unwrap_err();
    assert_eq!(end.raw_os_error(), Some(Errno::EIO as i32), "{what}");

    // The next start with a correct index works.
    raw.request(uapi::START, 0).unwrap();
    wait::until("frames again", || (meta.producer.load(Relaxed) != head).then_some(()));
    assert_eq!(meta.flags.load(Relaxed) & FAULTED, 0, "{what}");
}

#[test]
fn an_index_beyond_the_producer_is_a_fault() {
    let _board = BoardLock::acquire();
    write_index(0, |head| head + 1);
}

#[test]
fn an_index_a_ring_beyond_the_producer_is_a_fault() {
    let _board = BoardLock::acquire();
    write_index(0, |head| head + GOOD.slots);
}

#[test]
fn an_index_half_the_range_away_is_a_fault() {
    let _board = BoardLock::acquire();
    write_index(0, |head| head.wrapping_add(1 << 31));
}

#[test]
fn an_index_below_zero_is_a_fault() {
    let _board = BoardLock::acquire();
    write_index(0, |_| u32::MAX);
}

#[test]
fn an_index_that_goes_back_is_a_fault() {
    let _board = BoardLock::acquire();
    write_index(3, |_| 2);
    write_index(GOOD.slots, |_| GOOD.slots - 1);
}

#[test]
fn an_ordinary_stream_works_after_a_fault() {
    let _board = BoardLock::acquire();
    write_index(0, |head| head + 1);
    let mut stream = start(DEVICES[0], SHAPE);
    let mut account = Account::of(&stream, SHAPE);
    for _ in 0..1000 {
        account.take_next(&mut stream);
    }
    assert_eq!((account.lost, stream.stats().unwrap().bad_consumer), (0, 0));
}

/// A program that causes faults in a loop must not fill the kernel's log. The messages that are
/// logged name the process, the index and the valid range.
#[test]
fn faults_in_a_loop_are_logged_at_a_limited_rate() {
    const FAULTS: usize = 500;
    /// The kernel's default limit.
    const MESSAGES_IN_5_SECONDS: u64 = 10;
    let _board = BoardLock::acquire();
    // A device that was just bound has logged nothing: other tests have used up its limit else.
    driver::unbind().unwrap();
    driver::bind().unwrap();
    let log = KernelLog::from_now();
    let began = Instant::now();
    let raw = Raw::open(DEVICES[0]);
    raw.configure(QUIET).unwrap();
    let page = Mapping::new(&raw, MAP_CONSUMER, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED).unwrap();
    let consumer = &page.consumer().consumer;
    for _ in 0..FAULTS {
        consumer.store(0, Release);
        raw.request(uapi::START, 0).unwrap();
        consumer.store(77, Release);
        raw.request(uapi::KICK, 0).unwrap();
        assert_eq!(raw.stats().state, State::Faulted as u32);
    }
    // The limit is per period, so a slow machine may log the messages of several periods.
    let periods = began.elapsed().as_secs() / 5 + 2;
    let messages: Vec<_> =
        log.messages().into_iter().filter(|line| line.contains("dmaframe0: ")).collect();
    let most = periods * MESSAGES_IN_5_SECONDS;
    assert!((1..=most).contains(&(messages.len() as u64)), "{} messages", messages.len());
    let comm = std::fs::read_to_string("/proc/self/comm").unwrap();
    let process = format!("{}[{}]", comm.trim_end(), std::process::id());
    for words in [process.as_str(), "index 77", "from 0 to 0"] {
        assert!(messages[0].contains(words), "{words}: {}", messages[0]);
    }
}
