// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0
//! Both sides of the ring's protocol under loom: every interleaving, and every value that the
//! memory orders allow a load to return.
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test --profile loom --package dmaframe-abi --test loom \
//!     --target-dir target/loom
//! ```
#![cfg(loom)]

use dmaframe_abi::ring::{Consumer, ConsumerPage, MAGIC, Meta, Producer};
use loom::cell::UnsafeCell;
use loom::sync::atomic::Ordering::Relaxed;
use loom::sync::{Arc, Condvar, Mutex, MutexGuard};
use loom::thread;

/// The state that the driver's lock protects.
struct Driver {
    producer: Producer,
    asleep: bool,
}

/// A ring, and the system calls of its device file.
struct Ring {
    meta: Meta,
    page: ConsumerPage,
    /// loom reports an access of one side that can race with a write of the other.
    slots: Vec<UnsafeCell<u32>>,
    driver: Mutex<Driver>,
    kicked: Condvar,
    published: Condvar,
}

impl Ring {
    fn new(slots: u32, index: u32) -> Self {
        let ring = Self {
            meta: Meta::default(),
            page: ConsumerPage::default(),
            slots: (0..slots).map(|_| UnsafeCell::new(u32::MAX)).collect(),
            driver: Mutex::new(Driver {
                producer: Producer::starting_at(slots, index).unwrap(),
                asleep: false,
            }),
            kicked: Condvar::new(),
            published: Condvar::new(),
        };
        ring.meta.magic.store(MAGIC, Relaxed);
        ring.meta.slots.store(slots, Relaxed);
        ring.meta.producer.store(index, Relaxed);
        ring.page.consumer.store(index, Relaxed);
        ring
    }

    /// The driver: fills half of the ring at a time without holding the lock, and sleeps while less
    /// than that is free.
    fn drive(&self, frames: u32) {
        let half = self.slots.len() as u32 / 2;
        let mut next = 0;
        let mut driver = self.driver.lock().unwrap();
        while next < frames {
            driver.producer.reclaim(&self.page).unwrap();
            if driver.producer.free() < half {
                driver.producer.ask_kick(&self.meta);
                driver.producer.reclaim(&self.page).unwrap();
                if driver.producer.free() < half {
                    driver = self.sleep(driver);
                    continue;
                }
            }
            driver.producer.clear_kick(&self.meta);
            let count = driver.producer.free().min(half).min(frames - next);
            let filled: Vec<usize> = (0..count).map(|ahead| driver.producer.slot(ahead)).collect();
            drop(driver);
            for slot in filled {
                // SAFETY: the slot is the driver's, which is what loom checks here.
                self.slots[slot].with_mut(|slot| unsafe { *slot = next });
                next += 1;
            }
            driver = self.driver.lock().unwrap();
            driver.producer.publish(&self.meta, count);
            self.published.notify_one();
        }
    }

    /// Sleeps until a kick. If none comes, loom reports a deadlock.
    fn sleep<'a>(&'a self, mut driver: MutexGuard<'a, Driver>) -> MutexGuard<'a, Driver> {
        driver.asleep = true;
        while driver.asleep {
            driver = self.kicked.wait(driver).unwrap();
        }
        driver
    }

    /// The ioctl KICK. A driver that is awake ignores it, which is the worst case.
    fn kick(&self) {
        let mut driver = self.driver.lock().unwrap();
        if driver.asleep {
            driver.asleep = false;
            self.kicked.notify_one();
        }
    }

    /// poll(2): sleeps until a frame is ready.
    fn poll(&self, consumer: &Consumer) {
        let mut driver = self.driver.lock().unwrap();
        while consumer.ready(&self.meta).unwrap() == 0 {
            driver = self.published.wait(driver).unwrap();
        }
    }

    /// The reader: gets every frame once, complete and in order.
    fn read(&self, frames: u32) {
        let mut consumer = Consumer::new(&self.meta, &self.page).unwrap();
        let mut next = 0;
        while next < frames {
            let ready = consumer.ready(&self.meta).unwrap();
            if ready == 0 {
                self.poll(&consumer);
            }
            for _ in 0..ready {
                // SAFETY: the slot is the reader's, which is what loom checks here.
                let frame = self.slots[consumer.slot()].with(|slot| unsafe { *slot });
                assert_eq!(frame, next);
                next += 1;
                if consumer.release(&self.meta, &self.page) {
                    self.kick();
                }
            }
        }
        assert_eq!(consumer.ready(&self.meta), Ok(0));
    }
}

/// A first index close to the wrap at 2^32.
const INDEX: u32 = u32::MAX;

/// Streams `frames` frames, with at most `preemptions` preemptions.
fn stream(slots: u32, frames: u32, preemptions: usize) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(preemptions);
    model.check(move || {
        let ring = Arc::new(Ring::new(slots, INDEX));
        let driver = thread::spawn({
            let ring = Arc::clone(&ring);
            move || ring.drive(frames)
        });
        ring.read(frames);
        driver.join().unwrap();
    });
}

#[test]
fn two_slots_lose_no_frame_and_no_kick() {
    stream(2, 4, 3);
}

#[test]
fn four_slots_lose_no_frame_and_no_kick() {
    stream(4, 7, 3);
}

/// Every interleaving, without a bound on preemptions. Neither side waits, which keeps their number
/// small.
#[test]
fn slots_are_handed_over_in_every_interleaving() {
    loom::model(|| {
        let ring = Arc::new(Ring::new(2, INDEX));
        let driver = thread::spawn({
            let ring = Arc::clone(&ring);
            move || {
                let mut driver = ring.driver.lock().unwrap();
                for next in 0..3 {
                    let producer = &mut driver.producer;
                    producer.reclaim(&ring.page).unwrap();
                    if producer.free() == 0 {
                        return;
                    }
                    // SAFETY: the slot is the driver's, which is what loom checks here.
                    ring.slots[producer.slot(0)].with_mut(|slot| unsafe { *slot = next });
                    producer.publish(&ring.meta, 1);
                }
            }
        });
        let mut consumer = Consumer::new(&ring.meta, &ring.page).unwrap();
        let mut next = 0;
        for _ in 0..3 {
            if consumer.ready(&ring.meta).unwrap() > 0 {
                // SAFETY: the slot is the reader's, which is what loom checks here.
                let frame = ring.slots[consumer.slot()].with(|slot| unsafe { *slot });
                assert_eq!(frame, next);
                next += 1;
                assert!(!consumer.release(&ring.meta, &ring.page), "a kick that nobody asked");
            }
        }
        driver.join().unwrap();
    });
}

/// Every interleaving of a driver that goes to sleep and a reader that returns a slot: the driver
/// sees the slot, or the reader sees that it must kick.
#[test]
fn a_returned_slot_is_seen_or_kicked_for_in_every_interleaving() {
    for slots in [2, 4] {
        loom::model(move || {
            let ring = Arc::new(Ring::new(slots, INDEX));
            ring.driver.lock().unwrap().producer.publish(&ring.meta, slots);
            let driver = thread::spawn({
                let ring = Arc::clone(&ring);
                move || {
                    let mut driver = ring.driver.lock().unwrap();
                    driver.producer.ask_kick(&ring.meta);
                    driver.producer.reclaim(&ring.page).unwrap();
                    driver.producer.free() < slots / 2
                }
            });
            let mut consumer = Consumer::new(&ring.meta, &ring.page).unwrap();
            let mut kicked = false;
            for _ in 0..slots / 2 {
                kicked |= consumer.release(&ring.meta, &ring.page);
            }
            let asleep = driver.join().unwrap();
            assert!(!asleep || kicked, "asleep for good");
        });
    }
}
