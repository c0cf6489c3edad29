// SPDX-License-Identifier: MIT OR Apache-2.0
//! The policy *drop*: every interface reports the same losses of a slow reader.

use dmaframe::netlink::Client;
use dmaframe::sysfs::{Attribute, Attributes};
use dmaframe::{Policy, Shape, Stream};
use dmaframe_tests::frames::{Account, SHAPE, start};
use dmaframe_tests::{BoardLock, DEVICES, wait};
use std::task::Poll;

const DROPPING: Shape = Shape { slots: 4, policy: Policy::Drop, interval_us: 1000, ..SHAPE };

/// Waits until at least `more` further frames are lost.
fn lose(stream: &Stream, more: u64) {
    let before = stream.counters().lost;
    wait::until("losses", || (stream.counters().lost >= before + more).then_some(()));
}

/// Stops the stream, takes the remaining frames, and compares the counters of all interfaces.
fn check_counters(mut stream: Stream, mut account: Account) {
    stream.stop().unwrap();
    while let Poll::Ready(Some(frame)) = stream.try_next().unwrap() {
        account.take(frame.header(), &frame);
    }
    let stats = stream.stats().unwrap();
    // No header reports losses after the last frame.
    assert!(account.lost <= stats.lost, "{} in headers: {stats:?}", account.lost);
    let trailing = stats.lost - account.lost;
    assert_eq!(account.frames, stats.frames, "frames");
    assert_eq!(account.gaps + u64::from(trailing > 0), stats.overruns, "overruns");
    assert_eq!(account.next + trailing, stats.frames + stats.lost, "frames of the source");
    assert_eq!(stats.bytes, stats.frames * u64::from(SHAPE.frame_bytes));
    assert_eq!((stats.errors, stats.bad_consumer), (0, 0));
    let counters = stream.counters();
    assert_eq!((counters.frames, counters.lost), (stats.frames, stats.lost), "meta page");
    assert_eq!(counters.bytes, stats.bytes, "meta page");
    let sysfs = Attributes::of(0);
    for (attribute, value) in [
        (Attribute::Frames, stats.frames),
        (Attribute::Lost, stats.lost),
        (Attribute::Bytes, stats.bytes),
        (Attribute::Errors, 0),
    ] {
        assert_eq!(sysfs.number(attribute).unwrap(), value, "sysfs {}", attribute.name());
    }
    let netlink = Client::connect().unwrap().device(0).unwrap();
    assert_eq!((netlink.frames, netlink.lost), (Some(stats.frames), Some(stats.lost)), "netlink");
    assert_eq!((netlink.bytes, netlink.errors), (Some(stats.bytes), Some(0)), "netlink");
}

#[test]
fn every_gap_is_reported() {
    let _board = BoardLock::acquire();
    let mut stream = start(DEVICES[0], DROPPING);
    let mut account = Account::of(&stream, DROPPING);
    for _ in 0..60 {
        // The account compares each gap with the header.
        account.take_next(&mut stream);
        lose(&stream, 1);
    }
    assert!(account.lost > 0, "the reader took 60 frames, and no header reported a loss");
    check_counters(stream, account);
}

#[test]
fn losses_after_the_last_frame_are_counted() {
    let _board = BoardLock::acquire();
    let mut stream = start(DEVICES[0], DROPPING);
    let mut account = Account::of(&stream, DROPPING);
    account.take_next(&mut stream);
    // While the ring is full, no frame comes whose header could report a loss.
    let full = u64::from(DROPPING.slots) + 1;
    wait::until("a full ring", || (stream.counters().frames == full).then_some(()));
    lose(&stream, 10);
    stream.stop().unwrap();
    for _ in 0..DROPPING.slots {
        account.take_next(&mut stream);
    }
    assert!(stream.stats().unwrap().lost >= account.lost + 10);
    check_counters(stream, account);
}

/// Each overrun is one gap in the stream, however long it is and however soon the next one comes.
#[test]
fn each_overrun_is_counted_once() {
    let _board = BoardLock::acquire();
    // No driver can keep the second interval: more than a ring of frames is due at each expiry.
    for shape in [DROPPING, Shape { slots: 2, interval_us: 50, ..DROPPING }] {
        let mut stream = start(DEVICES[0], shape);
        let mut account = Account::of(&stream, shape);
        for overruns in 1..=20 {
            lose(&stream, 5);
            assert!(stream.stats().unwrap().overruns >= overruns);
            while account.gaps < overruns {
                account.take_next(&mut stream);
            }
        }
        check_counters(stream, account);
    }
}

/// In a ring that no reader empties, the first frames stay and all others are lost.
#[test]
fn a_full_ring_keeps_the_first_frames() {
    let _board = BoardLock::acquire();
    let mut stream = start(DEVICES[0], DROPPING);
    let mut account = Account::of(&stream, DROPPING);
    lose(&stream, 50);
    stream.stop().unwrap();
    let stats = stream.stats().unwrap();
    assert_eq!((stats.frames, stats.kicks), (u64::from(DROPPING.slots), 0), "{stats:?}");
    while let Poll::Ready(Some(frame)) = stream.try_next().unwrap() {
        account.take(frame.header(), &frame);
    }
    assert_eq!(account.frames, u64::from(DROPPING.slots));
    assert_eq!(stats.overruns, account.gaps + 1);
}
