// SPDX-License-Identifier: MIT OR Apache-2.0
//! Unbinding and unloading the driver while programs use a device.

use dmaframe::{Error, pattern};
use dmaframe_abi::ring::{DETACHED, MAP_CONSUMER, MAP_META, MAP_SLOTS, STOPPED};
use dmaframe_abi::stream::State;
use dmaframe_abi::uapi::{self, Config, SourceInfo};
use dmaframe_tests::frames::{Account, SHAPE, next, start};
use dmaframe_tests::mapping::{Mapping, PAGE};
use dmaframe_tests::raw::{GOOD, QUIET, Raw};
use dmaframe_tests::{BoardLock, DEVICES, LIMIT, driver, wait};
use nix::errno::Errno;
use nix::poll::PollFlags;
use nix::unistd::gettid;
use std::io::Read;
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Instant;

/// Streams `frames` frames on each device.
fn stream_on_both(frames: u64) {
    for device in DEVICES {
        let mut stream = start(device, SHAPE);
        let mut account = Account::of(&stream, SHAPE);
        while account.frames < frames {
            account.take_next(&mut stream);
        }
        assert_eq!(account.lost, 0, "{device}");
    }
}

#[test]
fn a_held_frame_stays_valid_and_the_other_frames_follow() {
    let _board = BoardLock::acquire();
    let mut stream = start(DEVICES[0], SHAPE);
    let mut account = Account::of(&stream, SHAPE);
    for _ in 0..20 {
        account.take_next(&mut stream);
    }
    let frame = next(&mut stream);
    driver::unbind().unwrap();
    account.take(frame.header(), &frame);
    let (header, payload) = (*frame.header(), frame.to_vec());
    drop(frame);
    let end = loop {
        match stream.next_timeout(LIMIT) {
            Ok(std::task::Poll::Ready(Some(frame))) => account.take(frame.header(), &frame),
            Ok(other) => panic!("{other:?} instead of the error that the device is gone"),
            Err(error) => break error,
        }
    };
    assert!(matches!(end, Error::Gone { .. }), "{end}");
    assert_eq!((account.frames, account.lost), (stream.counters().frames, 0));
    assert!(matches!(stream.stats(), Err(Error::Gone { .. })));
    assert!(matches!(stream.stop(), Err(Error::Gone { .. })));
    assert!(matches!(stream.start(), Err(Error::Gone { .. })));

    // After the bind the device is a new one, which the old stream does not use.
    driver::bind().unwrap();
    stream_on_both(200);
    assert!(matches!(stream.stats(), Err(Error::Gone { .. })));
    assert_eq!((header.sequence.get(), payload.len()), (20, 4096));
}

#[test]
fn every_request_fails_with_enodev() {
    let _board = BoardLock::acquire();
    let (raw, made) = Raw::streaming(DEVICES[0], GOOD);
    let slots = Mapping::read_only(&raw, MAP_SLOTS, made.slots_bytes as usize).unwrap();
    let mapped = Mapping::read_only(&raw, MAP_META, PAGE).unwrap();
    let meta = mapped.meta();
    wait::until("a full ring", || (meta.producer.load(Relaxed) == GOOD.slots).then_some(()));
    let before = slots.copy(0, made.slots_bytes as usize);
    driver::unbind().unwrap();

    assert_eq!(meta.flags.load(Relaxed), STOPPED | DETACHED);
    let gone = PollFlags::POLLIN | PollFlags::POLLRDNORM | PollFlags::POLLERR | PollFlags::POLLHUP;
    assert_eq!(wait::events(&raw), gone);
    let mut page = [0_u64; 16];
    let info = raw.request(uapi::GET_INFO, page.as_mut_ptr().addr());
    assert_eq!(info, Err(Errno::ENODEV), "GET_INFO");
    let source = raw.exchange(uapi::GET_SOURCE, SourceInfo::default());
    assert_eq!(source, Err(Errno::ENODEV), "GET_SOURCE");
    let config = raw.exchange(uapi::GET_CONFIG, Config::default());
    assert_eq!(config, Err(Errno::ENODEV), "GET_CONFIG");
    assert_eq!(raw.configure(GOOD), Err(Errno::ENODEV), "CONFIGURE");
    let stats = raw.request(uapi::GET_STATS, page.as_mut_ptr().addr());
    assert_eq!(stats, Err(Errno::ENODEV), "GET_STATS");
    for request in [uapi::START, uapi::STOP, uapi::KICK] {
        assert_eq!(raw.request(request, 0), Err(Errno::ENODEV), "{request:#x}");
    }
    let read = (&mut raw.file()).read(&mut [0; 8192]).unwrap_err();
    assert_eq!(read.raw_os_error(), Some(Errno::ENODEV as i32), "read");
    for (offset, bytes) in [(MAP_META, PAGE), (MAP_CONSUMER, PAGE), (MAP_SLOTS, PAGE)] {
        let refused = Mapping::read_only(&raw, offset, bytes).map(drop);
        assert_eq!(refused, Err(Errno::ENODEV), "mmap {offset:#x}");
    }
    for device in DEVICES {
        assert!(!Path::new(device).exists(), "{device}");
    }

    // The memory belongs to the mapping, so new streams do not write to it.
    driver::bind().unwrap();
    stream_on_both(200);
    assert!(slots.copy(0, before.len()) == before);
}

/// Runs `wait_for` in a thread, unbinds while it sleeps, and returns its result.
fn woken_by_unbind<T: Send>(wait_for: impl FnOnce() -> T + Send) -> T {
    let (sender, receiver) = channel();
    thread::scope(|scope| {
        let waiting = scope.spawn(move || {
            sender.send(gettid()).unwrap();
            wait_for()
        });
        wait::asleep(receiver.recv().unwrap());
        driver::unbind().unwrap();
        let unbound = Instant::now();
        let found = waiting.join().unwrap();
        // A sleep that nothing interrupts ends after LIMIT, with the same result.
        assert!(unbound.elapsed() < LIMIT / 2, "the unbind did not wake the thread");
        found
    })
}

#[test]
fn an_unbind_wakes_a_read() {
    let _board = BoardLock::acquire();
    let (raw, _) = Raw::streaming(DEVICES[0], QUIET);
    let read = woken_by_unbind(|| (&mut raw.file()).read(&mut [0; 8192]));
    assert_eq!(read.unwrap_err().raw_os_error(), Some(Errno::ENODEV as i32));
}

#[test]
fn an_unbind_wakes_a_poll() {
    let _board = BoardLock::acquire();
    let (raw, _) = Raw::streaming(DEVICES[0], QUIET);
    let events = woken_by_unbind(|| wait::wake(&raw));
    assert!(events.contains(PollFlags::POLLHUP | PollFlags::POLLERR), "{events:?}");
}

#[test]
fn an_unbind_wakes_a_poll_before_any_stream() {
    let _board = BoardLock::acquire();
    let raw = Raw::open(DEVICES[0]);
    let events = woken_by_unbind(|| wait::wake(&raw));
    assert!(events.contains(PollFlags::POLLHUP | PollFlags::POLLERR), "{events:?}");
}

#[test]
fn an_unbind_wakes_a_reader_in_the_library() {
    let _board = BoardLock::acquire();
    let shape = dmaframe::Shape { interval_us: QUIET.interval_us, ..SHAPE };
    let mut stream = start(DEVICES[0], shape);
    let woken = woken_by_unbind(move || stream.next_timeout(LIMIT).map(|frame| frame.is_ready()));
    assert!(matches!(woken, Err(Error::Gone { .. })), "{woken:?}");
}

#[test]
fn a_device_streams_after_twenty_unbinds() {
    let _board = BoardLock::acquire();
    for round in 0..20_u32 {
        let mut streams = DEVICES.map(|device| start(device, SHAPE));
        let mut accounts = [Account::of(&streams[0], SHAPE), Account::of(&streams[1], SHAPE)];
        for (stream, account) in streams.iter_mut().zip(&mut accounts) {
            for _ in 0..round % 5 {
                account.take_next(stream);
            }
        }
        driver::unbind().unwrap();
        // Streams of odd rounds still exist when the driver is bound again.
        if round % 2 == 0 {
            drop(streams);
            driver::bind().unwrap();
        } else {
            driver::bind().unwrap();
            drop(streams);
        }
    }
    stream_on_both(500);
}

#[test]
fn an_open_idle_device_can_be_unbound() {
    let _board = BoardLock::acquire();
    let raw = Raw::open(DEVICES[0]);
    driver::unbind().unwrap();
    assert_eq!(raw.configure(GOOD), Err(Errno::ENODEV));
    driver::bind().unwrap();
    // The old file does not keep the new device busy.
    stream_on_both(10);
    drop(raw);
    stream_on_both(10);
}

#[test]
fn the_module_stays_while_a_file_is_open() {
    let _board = BoardLock::acquire();
    let (raw, _) = Raw::streaming(DEVICES[0], GOOD);
    assert_eq!(driver::unload(), Err(Errno::EWOULDBLOCK));
    assert_eq!(raw.stats().state, State::Running as u32);
    driver::unbind().unwrap();
    // The close of the file still needs the code of the module.
    assert_eq!(driver::unload(), Err(Errno::EWOULDBLOCK));
    drop(raw);
    driver::bind().unwrap();
    stream_on_both(10);
}

#[test]
fn the_module_can_be_unloaded_and_loaded() {
    let _board = BoardLock::acquire();
    for _ in 0..3 {
        stream_on_both(50);
        driver::unload().unwrap();
        assert!(!Path::new(DEVICES[0]).exists());
        assert!(matches!(dmaframe::netlink::Client::connect().map(drop), Err(Error::NoFamily)));
        driver::load().unwrap();
    }
    stream_on_both(200);
}

#[test]
fn the_pattern_is_the_same_after_each_bind() {
    let _board = BoardLock::acquire();
    let mut reference = vec![0; pattern::REFERENCE_BYTES];
    pattern::fill(&mut reference);
    for _ in 0..2 {
        let mut stream = start(DEVICES[1], SHAPE);
        let frame = next(&mut stream);
        assert_eq!(pattern::mismatch(&reference, 0, &frame), None);
        drop(frame);
        drop(stream);
        driver::unbind().unwrap();
        driver::bind().unwrap();
    }
}
