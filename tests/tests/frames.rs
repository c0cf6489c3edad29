// SPDX-License-Identifier: MIT OR Apache-2.0
//! All frames arrive, and every byte of them is right.

use dmaframe::Shape;
use dmaframe_abi::stream::FRAME_BYTES_MAX;
use dmaframe_tests::frames::{Account, SHAPE, start};
use dmaframe_tests::{BoardLock, DEVICES};
use std::thread;

/// Takes `frames` frames and checks every byte and all counters.
fn check_stream(device: &str, shape: Shape, frames: u64) {
    let mut stream = start(device, shape);
    let mut account = Account::of(&stream, shape);
    while account.frames < frames {
        account.take_next(&mut stream);
    }
    stream.stop().unwrap();
    let stats = stream.stats().unwrap();
    assert_eq!((account.frames, account.lost, account.next), (frames, 0, frames));
    assert_eq!((stats.lost, stats.overruns, stats.errors, stats.bad_consumer), (0, 0, 0, 0));
    // The engine is at most a ring ahead.
    assert!((frames..=frames + u64::from(shape.slots)).contains(&stats.frames), "{stats:?}");
    assert_eq!(stats.bytes, stats.frames * u64::from(shape.frame_bytes));
    let counters = stream.counters();
    assert_eq!((counters.frames, counters.bytes), (stats.frames, stats.bytes));
    assert_eq!((counters.lost, counters.errors), (0, 0));
}

#[test]
fn a_hundred_thousand_frames_of_4_kib_arrive() {
    let _board = BoardLock::acquire();
    check_stream(DEVICES[0], Shape { slots: 64, ..SHAPE }, 100_000);
}

#[test]
fn five_hundred_frames_of_600_kib_arrive() {
    let _board = BoardLock::acquire();
    check_stream(DEVICES[0], Shape { frame_bytes: 614_400, slots: 8, ..SHAPE }, 500);
}

/// The kernel gives at most 4 MiB of contiguous memory.
#[test]
fn frames_longer_than_contiguous_memory_arrive() {
    let _board = BoardLock::acquire();
    for (frame_bytes, slots, frames) in
        [(4 << 20, 2, 6), (6 << 20, 4, 12), (FRAME_BYTES_MAX - 4, 2, 4), (FRAME_BYTES_MAX, 4, 8)]
    {
        check_stream(DEVICES[0], Shape { frame_bytes, slots, ..SHAPE }, frames);
    }
}

#[test]
fn frames_of_unusual_lengths_arrive() {
    let _board = BoardLock::acquire();
    // The shortest; a page with the header, and around it; the pattern's reference block, and more.
    for frame_bytes in [4, 8, 60, 4028, 4032, 4036, 65_532, 262_144, 262_148] {
        check_stream(DEVICES[0], Shape { frame_bytes, ..SHAPE }, 200);
    }
}

#[test]
fn rings_of_every_length_work() {
    let _board = BoardLock::acquire();
    for slots in [2, 4, 32, 256, 1024] {
        check_stream(DEVICES[0], Shape { slots, ..SHAPE }, 3 * u64::from(slots) + 1);
    }
}

#[test]
fn backpressure_loses_no_paced_frame_of_a_slow_reader() {
    let _board = BoardLock::acquire();
    let shape = Shape { interval_us: 500, slots: 4, ..SHAPE };
    let mut stream = start(DEVICES[0], shape);
    let mut account = Account::of(&stream, shape);
    for round in 0..40 {
        if round % 10 == 0 {
            thread::sleep(std::time::Duration::from_millis(20));
        }
        account.take_next(&mut stream);
    }
    assert_eq!((account.lost, account.next), (0, 40));
    assert_eq!(stream.stats().unwrap().lost, 0);
}

#[test]
fn both_devices_stream_at_once() {
    let _board = BoardLock::acquire();
    thread::scope(|scope| {
        for device in DEVICES {
            scope.spawn(move || check_stream(device, Shape { frame_bytes: 16384, ..SHAPE }, 5000));
        }
    });
}

/// A restarted stream counts from 0 again; frames left from the earlier start come first.
#[test]
fn frames_of_an_earlier_start_come_first() {
    let _board = BoardLock::acquire();
    let mut stream = start(DEVICES[0], SHAPE);
    let mut first = Account::of(&stream, SHAPE);
    first.take_next(&mut stream);
    stream.stop().unwrap();
    let left = stream.stats().unwrap().frames - 1;
    stream.start().unwrap();
    let mut second = Account::of(&stream, SHAPE);
    for _ in 0..left {
        first.take_next(&mut stream);
    }
    for _ in 0..100 {
        second.take_next(&mut stream);
    }
    assert_eq!((first.lost, second.lost), (0, 0));
}

/// A reader makes system calls only to sleep and to kick. A slow reader finds the ring full, so it
/// never sleeps, and kicks once for each half of the ring.
#[test]
fn a_slow_reader_makes_few_system_calls() {
    let _board = BoardLock::acquire();
    let shape = Shape { slots: 64, ..SHAPE };
    let mut stream = start(DEVICES[0], shape);
    let mut account = Account::of(&stream, shape);
    let frames = 64 * 50;
    while account.frames < frames {
        account.take_next(&mut stream);
    }
    let kicks = stream.stats().unwrap().kicks;
    assert!(kicks <= frames / 8, "{kicks} kicks for {frames} frames");
}
