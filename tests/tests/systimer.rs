// SPDX-License-Identifier: MIT OR Apache-2.0
//! The source `systimer`: samples of the free-running counter.

use dmaframe::{Frame, Policy, Shape};
use dmaframe_tests::frames::{Account, SHAPE, next, source, start};
use dmaframe_tests::{BoardLock, DEVICES};

/// Whether `later` comes after `earlier`. The counter wraps: a step of less than half its range is
/// forward.
fn is_forward(earlier: u32, later: u32) -> bool {
    later.wrapping_sub(earlier) <= i32::MAX as u32
}

/// Checks a frame's words against its stamps, which are of the same counter. Returns the last word.
fn check(frame: &Frame<'_>) -> u32 {
    let sequence = frame.sequence();
    let words = frame.as_slice_of::<u32>().unwrap();
    let stamps = frame.device_stamps();
    let (start, end) = (stamps.start as u32, stamps.end as u32);
    let steps = std::iter::once(&start).chain(words).zip(words.iter().chain([&end]));
    for (at, (earlier, later)) in steps.enumerate() {
        assert!(
            is_forward(*earlier, *later),
            "frame {sequence}: {earlier:#x} before word {at}, {later:#x} there"
        );
    }
    *words.last().unwrap()
}

fn check_words(shape: Shape, frames: u64) {
    let mut stream = start(DEVICES[0], shape);
    let mut account = Account::of(&stream, shape);
    let mut last = None;
    while account.frames < frames {
        let frame = next(&mut stream);
        account.take_header(frame.header());
        let first = frame.as_slice_of::<u32>().unwrap()[0];
        if let Some(last) = last {
            assert!(is_forward(last, first), "frame {}: {last:#x}, {first:#x}", frame.sequence());
        }
        last = Some(check(&frame));
    }
    if shape.policy == Policy::Backpressure {
        assert_eq!(account.lost, 0);
    }
}

#[test]
fn words_never_decrease() {
    let _board = BoardLock::acquire();
    let source = source(DEVICES[0], "systimer");
    for frame_bytes in [4, 4096, 65536] {
        check_words(Shape { source, frame_bytes, ..SHAPE }, 1000);
    }
}

#[test]
fn words_of_long_frames_never_decrease() {
    let _board = BoardLock::acquire();
    let source = source(DEVICES[0], "systimer");
    check_words(Shape { source, frame_bytes: 6 << 20, slots: 2, ..SHAPE }, 6);
}

#[test]
fn words_of_paced_frames_never_decrease() {
    let _board = BoardLock::acquire();
    let source = source(DEVICES[0], "systimer");
    for policy in [Policy::Backpressure, Policy::Drop] {
        check_words(Shape { source, policy, interval_us: 1000, ..SHAPE }, 200);
    }
}

/// The counter changes between paced frames, so the source is the timer and not memory.
#[test]
fn words_change_over_time() {
    let _board = BoardLock::acquire();
    let shape = Shape {
        source: source(DEVICES[0], "systimer"),
        interval_us: 5000,
        frame_bytes: 64,
        ..SHAPE
    };
    let mut stream = start(DEVICES[0], shape);
    let first = check(&next(&mut stream));
    for _ in 0..20 {
        check(&next(&mut stream));
    }
    assert_ne!(check(&next(&mut stream)), first);
}
