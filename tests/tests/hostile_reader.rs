// SPDX-License-Identifier: MIT OR Apache-2.0
//! A hostile reader of one device: it gets no slot that it did not return, and harms nobody else.

use dmaframe::pattern;
use dmaframe::sysfs::{Attribute, Attributes};
use dmaframe_abi::frame::parse;
use dmaframe_abi::ring::{FAULTED, MAP_CONSUMER, MAP_META, MAP_SLOTS, Meta};
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

/// Paced, and without a reader soon full.
const DROPPING: Config = Config { policy: 1, interval_us: 500, ..GOOD };

/// A configured device with its three regions.
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

    /// Starts it anew, unless it runs.
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

/// The frames that the driver has published and that were never returned: they do not change.
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

    /// Verifies what was published since, and that all that was there before is as it was.
    fn look(&mut self) {
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

/// Runs `work` while three threads write indices at full speed, of which none returns a slot to
/// the driver: each is impossible, or `honest`, where the reader really is.
fn while_lying<T>(ring: &Ring, honest: u32, seed: u64, work: impl FnOnce() -> T) -> T {
    let done = AtomicBool::new(false);
    scope(|threads| {
        for thread in 0..3 {
            let done = &done;
            threads.spawn(move || {
                let mut random = Random::new(seed, thread);
                let consumer = &ring.page.consumer().consumer;
                while !done.load(Relaxed) {
                    let lie = random.number() as u32;
                    // Half of the time the truth: the engine is to run.
                    let lies = random.once_in(2) && lie.wrapping_sub(honest) > ring.made.slots;
                    consumer.store(if lies { lie } else { honest }, Relaxed);
                }
            });
        }
        // A failure in `work` must not leave the threads running.
        let outcome = catch_unwind(AssertUnwindSafe(work));
        done.store(true, Relaxed);
        outcome.unwrap_or_else(|panic| resume_unwind(panic))
    })
}

/// Whatever is written, no slot is overwritten that was not returned.
fn lie_at_full_speed(config: Config) {
    let background = BackgroundStream::start(DEVICES[1]);
    let ring = Ring::of(config);
    let meta = ring.meta();
    let consumer = &ring.page.consumer().consumer;
    let mut faults = 0;
    for epoch in 0..8 {
        // All that was there is returned, honestly.
        let honest = meta.producer.load(Acquire);
        consumer.store(honest, Release);
        if epoch > 0 {
            ring.raw.request(uapi::STOP, 0).unwrap();
            ring.raw.request(uapi::KICK, 0).unwrap();
        }
        let mut held = Held::of(&ring, honest);
        while_lying(&ring, honest, epoch, || {
            for round in 0..50 {
                ring.start();
                // In some rounds the engine gets its time.
                if round % 4 == 0 {
                    sleep(Duration::from_millis(3));
                }
                ring.raw.request(uapi::KICK, 0).unwrap();
                faults += u32::from(meta.flags.load(Acquire) & FAULTED != 0);
                held.look();
            }
        });
        // The truth is enough to fill the ring.
        consumer.store(honest, Release);
        ring.start();
        let full = honest.wrapping_add(config.slots);
        wait::until("a full ring", || (meta.producer.load(Acquire) == full).then_some(()));
        held.look();
        assert_eq!(held.slots.len(), config.slots as usize);
    }
    assert!(faults > 0, "no lie was found out");
    drop(ring);
    background.finish();
    check_streams(&DEVICES);
}

#[test]
fn one_that_lies_at_full_speed_under_backpressure() {
    let _board = BoardLock::acquire();
    lie_at_full_speed(GOOD);
}

#[test]
fn one_that_lies_at_full_speed_under_drop() {
    let _board = BoardLock::acquire();
    lie_at_full_speed(DROPPING);
}

/// Indices of which some do return slots: then frames may change under a reader that said so.
#[test]
fn one_that_writes_anything_at_full_speed() {
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
                let mut faults = 0;
                for _ in 0..300 {
                    ring.start();
                    ring.raw.request(uapi::KICK, 0).unwrap();
                    wait::events(&ring.raw);
                    faults += u32::from(ring.meta().flags.load(Acquire) & FAULTED != 0);
                }
                assert!(faults > 0, "no lie was found out");
            }));
            done.store(true, Relaxed);
            rounds.unwrap_or_else(|panic| resume_unwind(panic));
        });
    }
    background.finish();
    check_streams(&DEVICES);
}

/// The frames that it keeps are its own for as long as it keeps them.
#[test]
fn one_that_never_returns_a_slot() {
    let _board = BoardLock::acquire();
    let background = BackgroundStream::start(DEVICES[1]);
    for config in [GOOD, DROPPING] {
        let ring = Ring::of(config);
        let meta = ring.meta();
        ring.start();
        let full = config.slots;
        wait::until("a full ring", || (meta.producer.load(Acquire) == full).then_some(()));
        let mut held = Held::of(&ring, 0);
        held.look();
        for _ in 0..200 {
            ring.raw.request(uapi::KICK, 0).unwrap();
            wait::events(&ring.raw);
            held.look();
        }
        if config.policy == DROPPING.policy {
            // What was due meanwhile is lost, and said to be.
            wait::until("losses", || (meta.lost.load(Relaxed) > 20).then_some(()));
        }
        // A stream that begins anew gets no slot either.
        ring.raw.request(uapi::STOP, 0).unwrap();
        ring.start();
        let seen = background.frames();
        wait::until("the neighbour's frames", || (background.frames() > seen + 10).then_some(()));
        held.look();
        assert_eq!(meta.producer.load(Acquire), full);
        assert_eq!(ring.raw.stats().bad_consumer, 0);
    }
    background.finish();
    check_streams(&DEVICES);
}

/// What a reader may be doing when it is killed, by the names of the program `hold_device`.
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

/// The device is free as soon as its reader is dead, and as good as before.
#[test]
fn one_that_is_killed() {
    let _board = BoardLock::acquire();
    let background = BackgroundStream::start(DEVICES[1]);
    let mut random = Random::new(9, 0);
    for round in 0..6 {
        for phase in PHASES {
            let holder = Run::of("hold_device", &[DEVICES[0], phase]).start();
            assert_eq!(holder.line(), "there", "{phase}");
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
