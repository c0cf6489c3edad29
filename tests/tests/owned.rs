// SPDX-License-Identifier: MIT OR Apache-2.0
//! Frames that leave the stream: kept, sent to threads, awaited.

use dmaframe::{AsyncStream, Device, Error, OwnedFrame};
use dmaframe_tests::frames::{Account, SHAPE, start};
use dmaframe_tests::{BoardLock, DEVICES, LIMIT};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::mpsc::channel;
use std::thread;

/// Checks a frame of [`SHAPE`] with its header.
fn check(account: &mut Account, frame: &OwnedFrame) {
    let header = zerocopy::IntoBytes::as_bytes(frame.header());
    account.take_bytes(&[header, frame].concat());
}

#[test]
fn frames_are_processed_in_another_thread_while_the_stream_goes_on() {
    let _board = BoardLock::acquire();
    let mut stream = start(DEVICES[0], SHAPE);
    let mut account = Account::of(&stream, SHAPE);
    let (sender, receiver) = channel::<OwnedFrame>();
    let worker = thread::spawn(move || {
        for frame in receiver {
            check(&mut account, &frame);
        }
        account
    });
    for _ in 0..2000 {
        sender.send(stream.next().unwrap().unwrap().into_owned()).unwrap();
        // The counters are readable while frames are held.
        assert_eq!(stream.counters().lost, 0);
    }
    drop(sender);
    let account = worker.join().unwrap();
    assert_eq!((account.frames, account.lost), (2000, 0));
}

#[test]
fn frames_that_are_dropped_out_of_order_return_all_slots() {
    let _board = BoardLock::acquire();
    let mut stream = start(DEVICES[0], SHAPE);
    let mut account = Account::of(&stream, SHAPE);
    let mut held: Vec<OwnedFrame> = Vec::new();
    while account.frames < 2000 {
        // All slots are held, then dropped from the last to the first.
        while held.len() < stream.slots() as usize {
            held.push(stream.next().unwrap().unwrap().into_owned());
            held.extend(stream.take_ready(stream.slots() as usize - held.len()).unwrap());
        }
        assert!(stream.try_next().unwrap().is_pending());
        held.iter().for_each(|frame| check(&mut account, frame));
        while held.pop().is_some() {}
    }
    assert_eq!(account.lost, 0);
}

#[test]
fn a_frame_outlives_its_stream_and_the_unbind() {
    let _board = BoardLock::acquire();
    let mut stream = start(DEVICES[0], SHAPE);
    let mut account = Account::of(&stream, SHAPE);
    let frame = stream.next().unwrap().unwrap().into_owned();
    drop(stream);
    dmaframe_tests::driver::unbind().unwrap();
    check(&mut account, &frame);
}

#[test]
fn a_blocked_next_is_cancelled_from_another_thread() {
    let _board = BoardLock::acquire();
    let mut stream = start(DEVICES[0], dmaframe::Shape { interval_us: 60_000_000, ..SHAPE });
    let canceller = stream.canceller().unwrap();
    let blocked = thread::spawn(move || stream.next().map(|frame| frame.is_some()));
    canceller.cancel();
    let ended = blocked.join().unwrap();
    assert!(matches!(ended, Err(Error::Cancelled)), "{ended:?}");
}

#[test]
fn a_descriptor_from_elsewhere_is_a_device() {
    let _board = BoardLock::acquire();
    let first = Device::open(DEVICES[0]).unwrap();
    let second = Device::from(first.as_fd().try_clone_to_owned().unwrap());
    assert_ne!(second.as_raw_fd(), first.as_raw_fd());
    drop(first);
    assert_eq!(second.path().to_str(), Some(DEVICES[0]));
    let mut stream = second.configure(SHAPE).unwrap();
    stream.start().unwrap();
    let mut account = Account::of(&stream, SHAPE);
    while account.frames < 100 {
        account.take_next(&mut stream);
    }
}

#[test]
fn frames_are_awaited() {
    let _board = BoardLock::acquire();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for shape in [SHAPE, dmaframe::Shape { interval_us: 1000, ..SHAPE }] {
            let mut stream = AsyncStream::new(start(DEVICES[0], shape)).unwrap();
            let mut account = Account::of(stream.stream(), shape);
            while account.frames < 500 {
                let frame = tokio::time::timeout(LIMIT, stream.next()).await.expect("a frame");
                check(&mut account, &frame.unwrap().unwrap());
            }
            stream.stop().unwrap();
            while let Some(frame) = stream.next().await.unwrap() {
                check(&mut account, &frame);
            }
            assert_eq!(account.lost, 0);
        }
    });
}
