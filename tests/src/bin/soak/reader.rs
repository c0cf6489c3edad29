// SPDX-License-Identifier: MIT OR Apache-2.0
//! A reader of one stream with a random shape and random pauses.

use crate::tally::Tally;
use dmaframe::{Device, Error, Frame, Policy, Shape, Stream};
use dmaframe_abi::stream::{FRAME_BYTES_MAX, Fault, SLOTS_MAX};
use dmaframe_tests::LIMIT;
use dmaframe_tests::Random;
use dmaframe_tests::frames::{Account, start};
use std::task::Poll;
use std::time::Duration;

const RING_BYTES: u64 = 32 << 20;
const STREAM_BYTES: u64 = 8 << 20;
const STREAM_FRAMES: u64 = 1000;

#[derive(Clone, Copy, Debug)]
enum Content {
    Pattern,
    /// A counter of 32-bit words, which never decreases.
    Counter,
    /// The levels of pins that no program drives.
    Constant,
}

/// A running stream and the checks of it.
pub(crate) struct Reader {
    stream: Stream,
    shape: Shape,
    account: Account,
    content: Content,
    last: Option<u32>,
    /// Whether the reader pauses before some frames.
    pauses: bool,
}

impl Reader {
    pub(crate) fn start(device: &str, random: &mut Random) -> Self {
        let sources = Device::open(device).unwrap().sources().unwrap();
        let source = &sources[random.below(sources.len() as u64) as usize];
        let content = match source.name.as_str() {
            _ if source.pattern => Content::Pattern,
            "systimer" => Content::Counter,
            "gpio" => Content::Constant,
            other => panic!("no check for the contents of source {other}"),
        };
        let shape = shape(source.index, random);
        let stream = start(device, shape);
        let account = Account::of(&stream, shape);
        Self { stream, shape, account, content, last: None, pauses: random.once_in(3) }
    }

    /// Reads up to a thousand frames or some megabytes, then stops the stream.
    pub(crate) fn run(mut self, random: &mut Random, tally: &Tally) {
        let bytes = u64::from(self.shape.frame_bytes);
        let most = (STREAM_BYTES / bytes).clamp(2, STREAM_FRAMES);
        let frames = 1 + random.below(most);
        while self.account.frames < frames {
            assert!(self.take(random).unwrap(), "the stream ended");
        }
        self.settle(tally);
    }

    /// Reads until the device is gone.
    pub(crate) fn run_until_gone(self, random: &mut Random, tally: &Tally) {
        self.run_until(0, |end| matches!(end, Error::Gone { .. }), random, tally);
    }

    /// Reads until the stream stops at `fault`.
    pub(crate) fn run_until_fault(self, fault: Fault, random: &mut Random, tally: &Tally) {
        let is_it =
            |end: &Error| matches!(end, Error::Faulted { fault: told, .. } if *told == fault);
        self.run_until(1, is_it, random, tally);
        tally.fault();
    }

    /// Reads until an error, which must be `expected`. The driver must have counted `errors`
    /// errors.
    fn run_until(
        mut self,
        errors: u64,
        expected: impl FnOnce(&Error) -> bool,
        random: &mut Random,
        tally: &Tally,
    ) {
        let end = loop {
            match self.take(random) {
                Ok(more) => assert!(more, "the stream ended"),
                Err(error) => break error,
            }
        };
        assert!(expected(&end), "{end}");
        let counters = self.stream.counters();
        let (frames, told) = (counters.frames, counters.errors);
        assert_eq!((self.account.frames, told), (frames, errors), "{counters:?}");
        self.account_for(counters.frames, counters.lost, counters.bytes, tally);
    }

    /// Whether chains may have more than one frame.
    pub(crate) fn has_long_chains(&self) -> bool {
        self.shape.interval_us == 0 && self.shape.slots >= 8
    }

    /// Takes the next frame and checks all of it. Returns false at the end of the stream.
    fn take(&mut self, random: &mut Random) -> dmaframe::Result<bool> {
        if self.pauses && random.once_in(50) {
            random.pause(Duration::from_millis(20));
        }
        match self.stream.next_timeout(LIMIT)? {
            Poll::Ready(Some(frame)) => {
                check(self.content, &frame, &mut self.account, &mut self.last);
                Ok(true)
            }
            Poll::Ready(None) => Ok(false),
            Poll::Pending => panic!("no frame came within {LIMIT:?}"),
        }
    }

    /// Stops the stream, takes the remaining frames, and compares all counters.
    fn settle(mut self, tally: &Tally) {
        self.stream.stop().unwrap();
        while let Poll::Ready(Some(frame)) = self.stream.try_next().unwrap() {
            check(self.content, &frame, &mut self.account, &mut self.last);
        }
        let stats = self.stream.stats().unwrap();
        let counters = self.stream.counters();
        assert_eq!((counters.frames, counters.lost), (stats.frames, stats.lost), "{stats:?}");
        assert_eq!((stats.errors, stats.bad_consumer), (0, 0), "{stats:?}");
        self.account_for(stats.frames, stats.lost, stats.bytes, tally);
    }

    /// Checks that frames taken and frames lost are all frames of the source. No header reports
    /// losses after the last frame.
    fn account_for(&self, frames: u64, lost: u64, bytes: u64, tally: &Tally) {
        let (account, shape) = (&self.account, self.shape);
        assert_eq!(account.frames, frames, "frames, {shape:?}");
        assert!(account.lost <= lost, "{} in headers, {lost} counted, {shape:?}", account.lost);
        assert_eq!(account.next + (lost - account.lost), frames + lost, "{shape:?}");
        assert_eq!(bytes, frames * u64::from(shape.frame_bytes), "{shape:?}");
        if shape.policy == Policy::Backpressure {
            assert_eq!(lost, 0, "{shape:?}");
        }
        tally.stream(frames, bytes, lost);
    }
}

fn check(content: Content, frame: &Frame<'_>, account: &mut Account, last: &mut Option<u32>) {
    if let Content::Pattern = content {
        return account.take(frame.header(), frame);
    }
    account.take_header(frame.header());
    for (at, &word) in frame.as_slice_of::<u32>().unwrap().iter().enumerate() {
        let before = last.replace(word).unwrap_or(word);
        let right = match content {
            // The counter wraps: a step of less than half its range is forward.
            Content::Counter => word.wrapping_sub(before) <= i32::MAX as u32,
            _ => word == before,
        };
        assert!(right, "frame {}: word {at} is {word:#x} after {before:#x}", frame.sequence());
    }
}

fn shape(source: u32, random: &mut Random) -> Shape {
    let frame_bytes = match random.below(16) {
        0..=2 => 4 + 4 * random.below(64),
        3..=9 => 4 + 4 * random.below(2048),
        10..=14 => 4 + 4 * random.below(65_536),
        _ => 4 + 4 * random.below(u64::from(FRAME_BYTES_MAX) / 16),
    };
    let slot = (frame_bytes + 64).next_multiple_of(4096);
    let most = (RING_BYTES / slot).min(SLOTS_MAX.into()).ilog2();
    let slots = 1 << (1 + random.below(most.into()));
    let interval_us = random.pick(&[0, 0, 0, 200, 1000, 5000]);
    let policy = match interval_us {
        0 => Policy::Backpressure,
        _ => random.pick(&[Policy::Backpressure, Policy::Drop]),
    };
    Shape { source, frame_bytes: frame_bytes as u32, slots, policy, interval_us }
}

/// Reads one stream after the other, until the process is killed.
pub(crate) fn read_forever(device: &str, seed: u64) -> ! {
    let mut random = Random::new(seed, 0);
    let tally = Tally::default();
    loop {
        Reader::start(device, &mut random).run(&mut random, &tally);
        println!("{tally}");
    }
}
