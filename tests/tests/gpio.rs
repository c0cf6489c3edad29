// SPDX-License-Identifier: MIT OR Apache-2.0
//! The source `gpio`: what another program does to a pin is in the frames.

use dmaframe::{Policy, Shape, Stream};
use dmaframe_tests::frames::{Account, SHAPE, next, source, start};
use dmaframe_tests::process::{Run, Running, tell};
use dmaframe_tests::{BoardLock, DEVICES};
use gpiocdev::chip::chips;
use std::process::ChildStdin;

/// A pin of the header that nothing else uses.
const PIN: u32 = 17;

/// Another program that drives a pin.
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

    /// Sets the level; it is set when this returns.
    fn set(&mut self, level: u32) {
        tell(&mut self.input, &level.to_string());
        assert_eq!(self.program.line(), level.to_string());
    }
}

/// Takes frames until one ends with the pin at `level`. Those that were sampled before the pin was
/// set fill no more than the ring; how many frames that were.
fn frames_until(stream: &mut Stream, account: &mut Account, level: u32) -> u32 {
    for taken in 1..=stream.slots() + 1 {
        let frame = next(stream);
        account.take_header(frame.header());
        let words = frame.as_slice_of::<u32>().unwrap();
        if words.last().unwrap() >> PIN & 1 == level {
            return taken;
        }
    }
    panic!("the pin is at {level}, and a ring of frames later still not");
}

fn levels_are_followed(shape: Shape) {
    let mut pin = Pin::new();
    let mut stream = start(DEVICES[0], shape);
    let mut account = Account::of(&stream, shape);
    frames_until(&mut stream, &mut account, 0);
    for level in [1, 0, 1, 0, 1, 1, 0, 0, 1] {
        pin.set(level);
        frames_until(&mut stream, &mut account, level);
    }
    // It stays there.
    for _ in 0..2 * shape.slots {
        let frame = next(&mut stream);
        account.take_header(frame.header());
        let words = frame.as_slice_of::<u32>().unwrap();
        assert!(words.iter().all(|word| word >> PIN & 1 == 1));
    }
}

#[test]
fn pulses_of_another_program_are_seen() {
    let _board = BoardLock::acquire();
    levels_are_followed(Shape { source: source(DEVICES[0], "gpio"), ..SHAPE });
}

#[test]
fn pulses_are_seen_in_paced_frames() {
    let _board = BoardLock::acquire();
    let source = source(DEVICES[0], "gpio");
    levels_are_followed(Shape { source, interval_us: 1000, policy: Policy::Drop, ..SHAPE });
}

/// Many pulses, of which each is longer than it takes to see it: as many edges as were made.
#[test]
fn edges_are_as_many_as_were_made() {
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
