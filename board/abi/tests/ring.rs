// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0
//! Both sides of the ring's protocol, compared with models.

use dmaframe_abi::ring::{
    BadConsumer, BadRing, Consumer, ConsumerPage, DETACHED, FAULTED, MAGIC, MAP_CONSUMER, MAP_META,
    MAP_SLOTS, Meta, NEED_KICK, Producer, STOPPED,
};
use proptest::prelude::*;
use std::collections::{HashSet, VecDeque};
use std::mem::offset_of;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::time::{Duration, Instant};

/// Fewer cases under Miri, which is slow.
const CASES: u32 = if cfg!(miri) { 8 } else { 256 };
const FRAMES: u32 = if cfg!(miri) { 200 } else { 50_000 };

fn pages(slots: u32, index: u32) -> (Meta, ConsumerPage) {
    let (meta, page) = (Meta::default(), ConsumerPage::default());
    meta.magic.store(MAGIC, Relaxed);
    meta.slots.store(slots, Relaxed);
    meta.producer.store(index, Relaxed);
    page.consumer.store(index, Relaxed);
    (meta, page)
}

/// First indices, some of them close to a wrap.
fn start() -> impl Strategy<Value = u32> {
    prop_oneof![Just(0), any::<u32>(), (0u32..40).prop_map(|n| u32::MAX - n), Just(1 << 31)]
}

#[test]
fn layout() {
    assert_eq!(MAGIC.to_le_bytes(), *b"DMARING1");
    let geometry = [
        offset_of!(Meta, magic),
        offset_of!(Meta, struct_bytes),
        offset_of!(Meta, slots),
        offset_of!(Meta, slot_stride),
        offset_of!(Meta, header_bytes),
        offset_of!(Meta, frame_bytes),
        offset_of!(Meta, source),
        offset_of!(Meta, policy),
        offset_of!(Meta, interval_us),
        offset_of!(Meta, stamp_hz),
        offset_of!(Meta, stream),
    ];
    assert_eq!(geometry, [0, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44]);
    let producer = [
        offset_of!(Meta, producer),
        offset_of!(Meta, flags),
        offset_of!(Meta, fault),
        offset_of!(Meta, kick_at),
    ];
    assert_eq!(producer, [64, 68, 72, 76]);
    let counters = [
        offset_of!(Meta, frames),
        offset_of!(Meta, lost),
        offset_of!(Meta, bytes),
        offset_of!(Meta, errors),
    ];
    assert_eq!(counters, [128, 136, 144, 152]);
    assert_eq!((size_of::<Meta>(), size_of::<ConsumerPage>()), (192, 64));
    assert_eq!(offset_of!(ConsumerPage, consumer), 0);
}

/// The values in the reference: programs in other languages have them as literals.
#[test]
fn wire_constants() {
    assert_eq!(MAGIC, 0x3147_4e49_5241_4d44);
    assert_eq!(NEED_KICK, 1);
    assert_eq!(STOPPED, 2);
    assert_eq!(FAULTED, 4);
    assert_eq!(DETACHED, 8);
    assert_eq!(MAP_META, 0);
    assert_eq!(MAP_CONSUMER, 0x1_0000_0000);
    assert_eq!(MAP_SLOTS, 0x2_0000_0000);
}

#[test]
fn impossible_geometry_is_refused() {
    for slots in [0, 1, 3, 5, 1023, 2048, 1 << 31, u32::MAX] {
        assert!(Producer::new(slots).is_none(), "{slots}");
        let (meta, page) = pages(slots, 0);
        assert!(matches!(Consumer::new(&meta, &page), Err(BadRing)), "{slots}");
    }
    for slots in (1..=10).map(|n| 1 << n) {
        assert_eq!(Producer::new(slots).unwrap().free(), slots);
        let (meta, page) = pages(slots, 0);
        assert!(Consumer::new(&meta, &page).is_ok());
        meta.magic.store(MAGIC ^ 1, Relaxed);
        assert!(matches!(Consumer::new(&meta, &page), Err(BadRing)));
    }
}

#[derive(Clone, Copy, Debug)]
enum Act {
    /// Fill and publish up to that many free slots; the number may be larger than the free slots.
    Publish(u32),
    Reclaim,
    /// Read and return up to that many frames.
    Read(u32),
    /// The reader ends, and another one continues.
    Reopen,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0u32..20).prop_map(Act::Publish),
        3 => Just(Act::Reclaim),
        4 => (0u32..20).prop_map(Act::Read),
        1 => Just(Act::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: CASES,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Under every schedule, each frame comes once and in order, and the producer writes only to
    /// slots that were returned to it.
    #[test]
    fn nothing_is_lost_repeated_or_overwritten(
        slots in (1u32..=5).prop_map(|n| 1 << n),
        index in start(),
        acts in prop::collection::vec(act(), 1..200),
    ) {
        let (meta, page) = pages(slots, index);
        let mut producer = Producer::starting_at(slots, index).unwrap();
        let mut consumer = Consumer::new(&meta, &page).unwrap();
        let mut memory = vec![u64::MAX; slots as usize];
        // The model: a queue of frames published and not returned, and one of frames returned and
        // not reclaimed.
        let mut ready: VecDeque<(usize, u64)> = VecDeque::new();
        let mut returned = 0;
        let (mut written, mut read) = (0, 0);
        for act in acts {
            match act {
                Act::Publish(count) => {
                    let free = producer.free();
                    prop_assert_eq!(free, slots - ready.len() as u32 - returned);
                    let mut taken = HashSet::new();
                    for ahead in 0..count.min(free) {
                        let slot = producer.slot(ahead);
                        prop_assert!(ready.iter().all(|(unreturned, _)| *unreturned != slot));
                        prop_assert!(taken.insert(slot), "slot {} handed out twice", slot);
                        memory[slot] = written;
                        ready.push_back((slot, written));
                        written += 1;
                    }
                    producer.publish(&meta, count);
                }
                Act::Reclaim => {
                    prop_assert_eq!(producer.reclaim(&page), Ok(returned));
                    returned = 0;
                }
                Act::Read(count) => {
                    prop_assert_eq!(consumer.ready(&meta), Ok(ready.len() as u32));
                    for _ in 0..count.min(ready.len() as u32) {
                        prop_assert_eq!(Some((consumer.slot(), read)), ready.pop_front());
                        prop_assert_eq!(memory[consumer.slot()], read);
                        prop_assert!(!consumer.release(&meta, &page), "a kick that nobody asked");
                        read += 1;
                        returned += 1;
                    }
                }
                Act::Reopen => consumer = Consumer::new(&meta, &page).unwrap(),
            }
            prop_assert_eq!(producer.ready() + producer.free(), slots);
            if returned == 0 {
                prop_assert_eq!(producer.oldest(), ready.front().map(|(slot, _)| *slot));
            }
        }
        // The remaining frames arrive too.
        while let Some((slot, frame)) = ready.pop_front() {
            prop_assert_eq!((consumer.slot(), memory[slot], read), (slot, frame, frame));
            let _ = consumer.release(&meta, &page);
            read += 1;
        }
        prop_assert_eq!((consumer.ready(&meta), read), (Ok(0), written));
    }

    /// An index that no reader can have reached is refused and changes nothing.
    #[test]
    fn an_impossible_consumer_index_changes_nothing(
        slots in (1u32..=10).prop_map(|n| 1 << n),
        index in start(),
        published in any::<u32>(),
        honest in any::<u32>(),
        lie in prop_oneof![any::<u32>(), 0u32..2100, (0u32..2100).prop_map(|n| u32::MAX - n)],
    ) {
        let (meta, page) = pages(slots, index);
        let mut producer = Producer::starting_at(slots, index).unwrap();
        let published = published % (slots + 1);
        producer.publish(&meta, published);
        let tail = index.wrapping_add(honest % (published + 1));
        let head = index.wrapping_add(published);
        page.consumer.store(tail, Relaxed);
        producer.reclaim(&page).unwrap();
        let before = (producer.free(), producer.ready(), producer.slot(0), producer.oldest());

        let found = tail.wrapping_add(lie);
        page.consumer.store(found, Relaxed);
        let result = producer.reclaim(&page);
        if lie <= head.wrapping_sub(tail) {
            prop_assert_eq!(result, Ok(lie));
            prop_assert_eq!(producer.ready(), head.wrapping_sub(found));
        } else {
            prop_assert_eq!(result, Err(BadConsumer { found, tail, head }));
            let after = (producer.free(), producer.ready(), producer.slot(0), producer.oldest());
            prop_assert_eq!(after, before);
            page.consumer.store(head, Relaxed);
            prop_assert_eq!(producer.reclaim(&page), Ok(head.wrapping_sub(tail)));
            prop_assert_eq!(producer.free(), slots);
        }
    }

    #[test]
    fn a_producer_index_out_of_reach_is_refused(
        slots in (1u32..=10).prop_map(|n| 1 << n),
        index in start(),
        ahead in prop_oneof![0u32..2100, any::<u32>()],
    ) {
        let (meta, page) = pages(slots, index);
        let consumer = Consumer::new(&meta, &page).unwrap();
        meta.producer.store(index.wrapping_add(ahead), Relaxed);
        let expected = if ahead > slots { Err(BadRing) } else { Ok(ahead) };
        prop_assert_eq!(consumer.ready(&meta), expected);
    }
}

#[test]
fn the_driver_returns_the_oldest_frame_for_read() {
    let (meta, page) = pages(4, u32::MAX);
    let mut producer = Producer::starting_at(4, u32::MAX).unwrap();
    assert_eq!(producer.oldest(), None);
    producer.publish(&meta, 9);
    for (left, slot) in [(3, 3), (2, 0), (1, 1), (0, 2)] {
        assert_eq!(producer.oldest(), Some(slot));
        page.consumer.store(producer.after_oldest(), Relaxed);
        assert_eq!((producer.reclaim(&page), producer.ready()), (Ok(1), left));
    }
}

#[test]
fn no_kick_is_needed_until_half_of_the_ring_is_free() {
    for slots in (1..=10).map(|n| 1u32 << n) {
        for index in [0, u32::MAX - slots / 2, u32::MAX - slots, u32::MAX] {
            let (meta, page) = pages(slots, index);
            let mut producer = Producer::starting_at(slots, index).unwrap();
            let mut consumer = Consumer::new(&meta, &page).unwrap();
            producer.publish(&meta, slots);
            producer.ask_kick(&meta);
            for returned in 1..=slots {
                assert_eq!(consumer.release(&meta, &page), returned >= slots / 2, "{returned}");
            }
            producer.reclaim(&page).unwrap();
            producer.publish(&meta, slots);
            producer.clear_kick(&meta);
            assert!((0..slots).all(|_| !consumer.release(&meta, &page)));
        }
    }
}

#[test]
fn asking_for_a_kick_leaves_other_flags() {
    let (meta, _) = pages(4, 0);
    let producer = Producer::new(4).unwrap();
    meta.flags.store(STOPPED | DETACHED, Relaxed);
    producer.ask_kick(&meta);
    assert_eq!(meta.flags.load(Relaxed), STOPPED | DETACHED | NEED_KICK);
    producer.clear_kick(&meta);
    assert_eq!(meta.flags.load(Relaxed), STOPPED | DETACHED);
}

/// The producer's state between two accesses to shared memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Producing {
    Look,
    /// About to write `kick_at`.
    Mark,
    /// About to set the flag.
    Ask,
    LookAgain,
    Clear,
    Publish,
    Asleep,
}

/// The state of both sides and of shared memory. Each step builds the sides of the ring from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct State {
    producing: Producing,
    head: u32,
    tail: u32,
    /// The reader has written its index and not yet loaded the flag.
    releasing: bool,
    consumer: u32,
    need_kick: u32,
    kick_at: u32,
    kicked: bool,
}

/// A model of a driver that sleeps until half of its ring is free. Each step is one access to
/// shared memory.
struct Model {
    slots: u32,
    last: u32,
}

impl Model {
    fn pages(&self, state: &State) -> (Meta, ConsumerPage) {
        let (meta, page) = pages(self.slots, state.consumer);
        meta.producer.store(state.head, Relaxed);
        meta.flags.store(state.need_kick, Relaxed);
        meta.kick_at.store(state.kick_at, Relaxed);
        (meta, page)
    }

    fn producer(&self, state: &State) -> Producer {
        let (scratch, _) = pages(self.slots, 0);
        let mut producer = Producer::starting_at(self.slots, state.tail).unwrap();
        producer.publish(&scratch, state.head.wrapping_sub(state.tail));
        producer
    }

    fn after_producer(&self, state: &State) -> Vec<State> {
        let (meta, page) = self.pages(state);
        let mut producer = self.producer(state);
        let mut next = *state;
        let half = self.slots / 2;
        match state.producing {
            Producing::Look | Producing::LookAgain => {
                if state.head == self.last {
                    return vec![];
                }
                producer.reclaim(&page).unwrap();
                next.tail = state.consumer;
                next.producing = match state.producing {
                    _ if producer.free() >= half => Producing::Clear,
                    Producing::Look => Producing::Mark,
                    _ => Producing::Asleep,
                };
                // A kick before this step has no effect: the driver has just loaded the index.
                next.kicked = false;
            }
            Producing::Mark => {
                // The first half of `ask_kick`, which then runs whole: it writes this again.
                producer.ask_kick(&meta);
                next.kick_at = meta.kick_at.load(Relaxed);
                next.producing = Producing::Ask;
            }
            Producing::Ask => {
                producer.ask_kick(&meta);
                next.need_kick = meta.flags.load(Relaxed);
                next.producing = Producing::LookAgain;
            }
            Producing::Clear => {
                producer.clear_kick(&meta);
                next.need_kick = meta.flags.load(Relaxed);
                next.producing = Producing::Publish;
            }
            Producing::Publish => {
                let left = self.last.wrapping_sub(state.head);
                return (1..=half.min(left))
                    .map(|count| {
                        let mut producer = self.producer(state);
                        producer.publish(&meta, count);
                        let head = meta.producer.load(Relaxed);
                        State { head, producing: Producing::Look, ..*state }
                    })
                    .collect();
            }
            Producing::Asleep => {
                if !state.kicked {
                    return vec![];
                }
                next.kicked = false;
                next.producing = Producing::Look;
            }
        }
        vec![next]
    }

    fn after_consumer(&self, state: &State) -> Vec<State> {
        let (meta, page) = self.pages(state);
        if !state.releasing {
            let consumer = Consumer::new(&meta, &page).unwrap();
            if consumer.ready(&meta) == Ok(0) {
                return vec![];
            }
            // The first half of `release`, which then runs whole: it writes this again.
            let consumer = state.consumer.wrapping_add(1);
            return vec![State { consumer, releasing: true, ..*state }];
        }
        page.consumer.store(state.consumer.wrapping_sub(1), Relaxed);
        let mut consumer = Consumer::new(&meta, &page).unwrap();
        let kick = consumer.release(&meta, &page);
        assert_eq!(page.consumer.load(Relaxed), state.consumer);
        // A kick reaches only a producer that sleeps, which is the worst case.
        let kicked = state.kicked || (kick && state.producing == Producing::Asleep);
        vec![State { releasing: false, kicked, ..*state }]
    }
}

#[test]
fn a_sleeping_producer_is_kicked_in_every_interleaving() {
    let rings = [(2, 9), (4, 14), (8, 20)];
    for (slots, frames) in rings.into_iter().take(if cfg!(miri) { 1 } else { rings.len() }) {
        for index in [0, u32::MAX - 5, u32::MAX - slots] {
            let model = Model { slots, last: index.wrapping_add(frames) };
            let first = State {
                producing: Producing::Look,
                head: index,
                tail: index,
                releasing: false,
                consumer: index,
                need_kick: 0,
                kick_at: 0,
                kicked: false,
            };
            let (mut seen, mut open) = (HashSet::from([first]), vec![first]);
            let (mut slept, mut ended) = (false, false);
            while let Some(state) = open.pop() {
                let ready = state.head.wrapping_sub(state.consumer);
                assert!(ready <= slots, "{state:?}");
                if state.producing == Producing::Asleep && !state.releasing {
                    slept = true;
                    assert!(state.kicked || ready > slots / 2, "asleep for good: {state:?}");
                }
                let mut after = model.after_producer(&state);
                after.extend(model.after_consumer(&state));
                if after.is_empty() {
                    ended = true;
                    assert_eq!((state.head, state.consumer), (model.last, model.last));
                }
                open.extend(after.into_iter().filter(|state| seen.insert(*state)));
            }
            assert!(slept && ended);
        }
    }
}

/// The same with two threads and real calls. It does not show that the fences are needed: it passes
/// without them too, because a CPU rarely reorders just there. The model above and loom show it.
#[test]
fn a_sleeping_producer_is_kicked_across_threads() {
    for slots in [2, 4] {
        let index = u32::MAX - FRAMES / 2;
        let (meta, page) = pages(slots, index);
        let memory: Vec<AtomicU32> = (0..slots).map(|_| AtomicU32::new(0)).collect();
        let lost_kick = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let driver = scope.spawn(|| {
                let mut producer = Producer::starting_at(slots, index).unwrap();
                let mut frame = 0;
                while frame < FRAMES {
                    producer.reclaim(&page).unwrap();
                    while producer.free() < slots / 2 {
                        producer.ask_kick(&meta);
                        producer.reclaim(&page).unwrap();
                        if producer.free() >= slots / 2 {
                            break;
                        }
                        let since = Instant::now();
                        std::thread::park_timeout(Duration::from_secs(20));
                        if since.elapsed() >= Duration::from_secs(20) {
                            lost_kick.store(true, SeqCst);
                            return;
                        }
                        producer.reclaim(&page).unwrap();
                    }
                    producer.clear_kick(&meta);
                    let count = (slots / 2).min(FRAMES - frame);
                    for ahead in 0..count {
                        memory[producer.slot(ahead)].store(frame + ahead, Relaxed);
                    }
                    frame += count;
                    producer.publish(&meta, count);
                }
            });
            let mut consumer = Consumer::new(&meta, &page).unwrap();
            let mut frame = 0;
            while frame < FRAMES && !lost_kick.load(SeqCst) {
                if consumer.ready(&meta).unwrap() == 0 {
                    std::thread::yield_now();
                    continue;
                }
                assert_eq!(memory[consumer.slot()].load(Relaxed), frame);
                if consumer.release(&meta, &page) {
                    driver.thread().unpark();
                }
                frame += 1;
            }
            assert!(!lost_kick.load(SeqCst), "asleep for good after {frame} frames");
        });
    }
}
