// SPDX-License-Identifier: MIT OR Apache-2.0
//! The source `gpio`: the frames show the levels that another program sets on a pin.

use dmaframe::{Policy, Shape, Stream};
use dmaframe_tests::frames::{Account, SHAPE, next, source, start};
use dmaframe_tests::process::{Run, Running, tell};
use dmaframe_tests::{BoardLock, DEVICES};
use gpiocdev::chip::chips;
use std::process::ChildStdin;

/// A pin of the header without another use.
const PIN: u32 = 17;

/// A program that drives a pin.
struct Pin {
    program: Running,
    input: ChildStdin,
}

impl Pin {
    fn new() -> Self {
        let chip = chips()
            .unwrap()
            .into_iter()
            .find(|path| {
                let info = gpiocdev::chip::Chip::from_path(path).and_then(|chip| chip.info());
                info.is_ok_and(|info| info.label.contains("bcm2835"))
            })
            .expect("the SoC's gpio chip");
        let chip = chip.to_string_lossy().into_owned();
        let (program, input) = Run::of("drive_pin", &[&chip, &PIN.to_string()]).start_with_input();
        let mut pin = Self { program, input };
        pin.set(0);
        pin
    }

    /// Sets the level, and waits until it is set.
    fn set(&mut self, level: u32) {
        tell(&mut self.input, &level.to_string());
        assert_eq!(self.program.line(), level.to_string());
    }
}

/// Takes frames until one ends with the pin at `level`. Frames that were sampled before the pin was
/// set fill at most the ring. Returns the number of frames taken.
fn frames_until(stream: &mut Stream, account: &mut Account, level: u32) -> u32 {
    for taken in 1..=stream.slots() + 1 {
        let frame = next(stream);
        account.take_header(frame.header());
        let words = frame.as_slice_of::<u32>().unwrap();
        if words.last().unwrap() >> PIN & 1 == level {
            return taken;
        }
    }
    panic!("no frame shows the level {level} after a whole ring");
}

fn check_levels(shape: Shape) {
    let mut pin = Pin::new();
    let mut stream = start(DEVICES[0], shape);
    let mut account = Account::of(&stream, shape);
    frames_until(&mut stream, &mut account, 0);
    for level in [1, 0, 1, 0, 1, 1, 0, 0, 1] {
        pin.set(level);
        frames_until(&mut stream, &mut account, level);
    }
    // The level stays.
    for _ in 0..2 * shape.slots {
        let frame = next(&mut stream);
        account.take_header(frame.header());
        let words = frame.as_slice_of::<u32>().unwrap();
        assert!(words.iter().all(|word| word >> PIN & 1 == 1));
    }
}

#[test]
fn frames_show_the_levels_of_a_pin() {
    let _board = BoardLock::acquire();
    check_levels(Shape { source: source(DEVICES[0], "gpio"), ..SHAPE });
}

#[test]
fn paced_frames_show_the_levels_of_a_pin() {
    let _board = BoardLock::acquire();
    let source = source(DEVICES[0], "gpio");
    check_levels(Shape { source, interval_us: 1000, policy: Policy::Drop, ..SHAPE });
}

/// Each pulse lasts longer than a ring of frames, so the frames show every edge.
#[test]
fn frames_show_every_edge() {
    let _board = BoardLock::acquire();
    let shape = Shape { source: source(DEVICES[1], "gpio"), frame_bytes: 64, ..SHAPE };
    let mut pin = Pin::new();
    let mut stream = start(DEVICES[1], shape);
    let mut account = Account::of(&stream, shape);
    let (mut last, mut rising, mut falling) = (0, 0, 0);
    let mut watch = |stream: &mut Stream, frames: u32| {
        for _ in 0..frames {
            let frame = next(stream);
            account.take_header(frame.header());
            for word in frame.as_slice_of::<u32>().unwrap() {
                let level = word >> PIN & 1;
                rising += u32::from(level > last);
                falling += u32::from(level < last);
                last = level;
            }
        }
    };
    let ring = shape.slots + 1;
    watch(&mut stream, ring);
    for _ in 0..25 {
        for level in [1, 0] {
            pin.set(level);
            watch(&mut stream, ring);
        }
    }
    assert_eq!((rising, falling, last), (25, 25, 0));
}
