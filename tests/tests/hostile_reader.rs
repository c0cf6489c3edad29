// SPDX-License-Identifier: MIT OR Apache-2.0
//! A hostile reader of one device cannot make the driver reuse a slot that it did not return, and
//! does not affect the other device.

use dmaframe::pattern;
use dmaframe::sysfs::{Attribute, Attributes};
use dmaframe_abi::frame::parse;
use dmaframe_abi::ring::{FAULTED, MAP_CONSUMER, MAP_META, MAP_SLOTS, Meta};
use dmaframe_abi::stream::Fault;
use dmaframe_abi::uapi::{self, Config};
use dmaframe_tests::background_stream::check_streams;
use dmaframe_tests::mapping::{Mapping, PAGE};
use dmaframe_tests::process::Run;
use dmaframe_tests::raw::{GOOD, Raw};
use dmaframe_tests::{BackgroundStream, BoardLock, DEVICES, Random, wait};
use libc::{MAP_SHARED, PROT_READ, PROT_WRITE};
use nix::errno::Errno;
use nix::sys::signal::Signal;
use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::thread::{scope, sleep};
use std::time::Duration;

/// Paced, and soon full without a reader.
const DROPPING: Config = Config { policy: 1, interval_us: 500, ..GOOD };

/// A configured device with its three mapped regions.
struct Ring {
    raw: Raw,
    made: Config,
    meta: Mapping,
    page: Mapping,
    slots: Mapping,
}

impl Ring {
    fn of(config: Config) -> Self {
        let raw = Raw::open(DEVICES[0]);
        let made = raw.configure(config).unwrap();
        let meta = Mapping::read_only(&raw, MAP_META, PAGE).unwrap();
        let page =
            Mapping::new(&raw, MAP_CONSUMER, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED).unwrap();
        let slots = Mapping::read_only(&raw, MAP_SLOTS, made.slots_bytes as usize).unwrap();
        Self { raw, made, meta, page, slots }
    }

    fn meta(&self) -> &Meta {
        self.meta.meta()
    }

    /// Starts the stream, unless it runs.
    fn start(&self) {
        let started = self.raw.request(uapi::START, 0);
        assert!(matches!(started, Ok(()) | Err(Errno::EBUSY)), "{started:?}");
    }

    /// The bytes of the slot of the frame at `index`.
    fn slot(&self, index: u32) -> Vec<u8> {
        let stride = self.made.slot_stride as usize;
        self.slots.copy((index % self.made.slots) as usize * stride, stride)
    }
}

/// Published frames that the reader has not returned, which must not change.
struct Held<'a> {
    ring: &'a Ring,
    first: u32,
    slots: Vec<Vec<u8>>,
    reference: Vec<u8>,
}

impl<'a> Held<'a> {
    fn of(ring: &'a Ring, first: u32) -> Self {
        let mut reference = vec![0; pattern::REFERENCE_BYTES];
        pattern::fill(&mut reference);
        Self { ring, first, slots: Vec::new(), reference }
    }

    /// Checks newly published frames, and that the earlier ones have not changed.
    fn check(&mut self) {
        let head = self.ring.meta().producer.load(Acquire);
        let ready = head.wrapping_sub(self.first);
        assert!(ready <= self.ring.made.slots, "{ready} frames in {} slots", self.ring.made.slots);
        for (index, before) in (self.first..).zip(&self.slots) {
            assert!(self.ring.slot(index) == *before, "the slot of frame {index} was written");
        }
        for index in self.first + self.slots.len() as u32..head {
            let bytes = self.ring.slot(index);
            let (header, payload) = parse(&bytes).unwrap();
            assert_eq!(payload.len(), self.ring.made.frame_bytes as usize, "frame {index}");
            let wrong = pattern::mismatch(&self.reference, header.sequence.get(), payload);
            assert_eq!(wrong, None, "frame {index}");
            self.slots.push(bytes);
        }
    }
}

/// Runs `work` while three threads write consumer indices as fast as they can. Each index is
/// impossible or equals `correct`, the correct one, so none returns a slot.
fn while_writing_impossible_indices<T>(
    ring: &Ring,
    correct: u32,
    seed: u64,
    work: impl FnOnce() -> T,
) -> T {
    let done = AtomicBool::new(false);
    scope(|threads| {
        for thread in 0..3 {
            let done = &done;
            threads.spawn(move || {
                let mut random = Random::new(seed, thread);
                let consumer = &ring.page.consumer().consumer;
                while !done.load(Relaxed) {
                    let index = random.number() as u32;
                    let impossible = index.wrapping_sub(correct) > ring.made.slots;
                    // Half of the indices are correct, so that the engine runs at times.
                    let written = if impossible && random.once_in(2) { index } else { correct };
                    consumer.store(written, Relaxed);
                }
            });
        }
        // A failure in `work` must not leave the threads running.
        let outcome = catch_unwind(AssertUnwindSafe(work));
        done.store(true, Relaxed);
        outcome.unwrap_or_else(|panic| resume_unwind(panic))
    })
}

/// Writes the impossible index that `wrong` makes of the producer index into a running stream. The
/// driver must report a fault.
fn check_detection(ring: &Ring, correct: u32, wrong: impl Fn(u32) -> u32) {
    let (meta, consumer) = (ring.meta(), &ring.page.consumer().consumer);
    consumer.store(correct, Release);
    ring.start();
    let index = wrong(meta.producer.load(Acquire));
    consumer.store(index, Release);
    ring.raw.request(uapi::KICK, 0).unwrap();
    // While a chain runs, the driver reads the index only after the chain.
    wait::until(&format!("a fault after consumer index {index:#x}"), || {
        (meta.flags.load(Acquire) & FAULTED != 0).then_some(())
    });
    assert_eq!(meta.fault.load(Relaxed), Fault::Consumer as u32, "after {index:#x}");
    assert!(ring.raw.stats().bad_consumer > 0, "after {index:#x}");
}

/// Whatever indices the reader writes, the driver overwrites no slot that was not returned.
fn check_impossible_indices(config: Config) {
    let background = BackgroundStream::start(DEVICES[1]);
    let ring = Ring::of(config);
    let meta = ring.meta();
    let consumer = &ring.page.consumer().consumer;
    for epoch in 0..8 {
        // Returns all frames of the last epoch.
        let correct = meta.producer.load(Acquire);
        consumer.store(correct, Release);
        if epoch > 0 {
            ring.raw.request(uapi::STOP, 0).unwrap();
            ring.raw.request(uapi::KICK, 0).unwrap();
        }
        let mut held = Held::of(&ring, correct);
        while_writing_impossible_indices(&ring, correct, epoch, || {
            for round in 0..50 {
                ring.start();
                // Gives the engine time in some rounds.
                if round % 4 == 0 {
                    sleep(Duration::from_millis(3));
                }
                ring.raw.request(uapi::KICK, 0).unwrap();
                held.check();
            }
        });
        // The correct index is enough to fill the ring.
        consumer.store(correct, Release);
        ring.start();
        let full = correct.wrapping_add(config.slots);
        wait::until("a full ring", || (meta.producer.load(Acquire) == full).then_some(()));
        held.check();
        assert_eq!(held.slots.len(), config.slots as usize);
        check_detection(&ring, correct, |_| correct.wrapping_sub(1));
        check_detection(&ring, correct, |producer| producer.wrapping_add(1));
        held.check();
    }
    drop(ring);
    background.finish();
    check_streams(&DEVICES);
}

#[test]
fn impossible_indices_take_no_slot_under_backpressure() {
    let _board = BoardLock::acquire();
    check_impossible_indices(GOOD);
}

#[test]
fn impossible_indices_take_no_slot_under_drop() {
    let _board = BoardLock::acquire();
    check_impossible_indices(DROPPING);
}

/// Random indices, some of which return slots. The reader may then see frames change, but the
/// driver keeps working and the other device notices nothing.
#[test]
fn random_indices_affect_only_their_own_stream() {
    let _board = BoardLock::acquire();
    let background = BackgroundStream::start(DEVICES[1]);
    for config in [GOOD, DROPPING, Config { slots: 1024, frame_bytes: 4, ..GOOD }] {
        let ring = Ring::of(config);
        let done = AtomicBool::new(false);
        scope(|threads| {
            for thread in 0..3 {
                let (ring, done) = (&ring, &done);
                threads.spawn(move || {
                    let mut random = Random::new(7, thread);
                    while !done.load(Relaxed) {
                        let near = ring.meta().producer.load(Relaxed);
                        let far = random.number() as u32;
                        let index =
                            if random.once_in(2) { near.wrapping_sub(far % 32) } else { far };
                        ring.page.consumer().consumer.store(index, Relaxed);
                    }
                });
            }
            let rounds = catch_unwind(AssertUnwindSafe(|| {
                for _ in 0..300 {
                    ring.start();
                    ring.raw.request(uapi::KICK, 0).unwrap();
                    wait::events(&ring.raw);
                }
            }));
            done.store(true, Relaxed);
            rounds.unwrap_or_else(|panic| resume_unwind(panic));
        });
        let correct = ring.meta().producer.load(Acquire);
        check_detection(&ring, correct, |producer| producer.wrapping_add(1 << 31));
    }
    background.finish();
    check_streams(&DEVICES);
}

/// Frames that the reader does not return stay as they are.
#[test]
fn a_reader_that_returns_no_slot_keeps_its_frames() {
    let _board = BoardLock::acquire();
    let background = BackgroundStream::start(DEVICES[1]);
    for config in [GOOD, DROPPING] {
        let ring = Ring::of(config);
        let meta = ring.meta();
        ring.start();
        let full = config.slots;
        wait::until("a full ring", || (meta.producer.load(Acquire) == full).then_some(()));
        let mut held = Held::of(&ring, 0);
        held.check();
        for _ in 0..200 {
            ring.raw.request(uapi::KICK, 0).unwrap();
            wait::events(&ring.raw);
            held.check();
        }
        if config.policy == DROPPING.policy {
            // Frames due meanwhile are counted as lost.
            wait::until("losses", || (meta.lost.load(Relaxed) > 20).then_some(()));
        }
        // A restarted stream gets no slot either.
        ring.raw.request(uapi::STOP, 0).unwrap();
        ring.start();
        let seen = background.frames();
        wait::until("frames of the other device", || {
            (background.frames() > seen + 10).then_some(())
        });
        held.check();
        assert_eq!(meta.producer.load(Acquire), full);
        assert_eq!(ring.raw.stats().bad_consumer, 0);
    }
    background.finish();
    check_streams(&DEVICES);
}

/// What the reader does when it is killed: phases of the program `hold_device`.
const PHASES: [&str; 12] = [
    "open",
    "configured",
    "mapped",
    "started",
    "stopped",
    "poll",
    "read",
    "reading",
    "frames-in-hand",
    "configuring",
    "starting-and-stopping",
    "mapping",
];

/// The device is free as soon as the killed reader has ended, and works as before.
#[test]
fn a_killed_reader_frees_the_device() {
    let _board = BoardLock::acquire();
    let background = BackgroundStream::start(DEVICES[1]);
    let mut random = Random::new(9, 0);
    for round in 0..6 {
        for phase in PHASES {
            let holder = Run::of("hold_device", &[DEVICES[0], phase]).start();
            assert_eq!(holder.line(), "ready", "{phase}");
            assert_eq!(Raw::try_open(DEVICES[0], 0).map(drop), Err(Errno::EBUSY), "{phase}");
            sleep(Duration::from_micros(random.below(20_000)));
            holder.signal(Signal::SIGKILL);
            let done = holder.finish();
            assert_eq!(done.status.signal(), Some(Signal::SIGKILL as i32), "{phase}: {done:?}");
            let next = Raw::try_open(DEVICES[0], 0);
            assert_eq!(next.as_ref().err(), None, "round {round}, after {phase}");
            assert_eq!(Attributes::of(0).read(Attribute::State).unwrap(), "idle", "{phase}");
        }
        check_streams(&DEVICES[..1]);
    }
    background.finish();
    check_streams(&DEVICES);
}
