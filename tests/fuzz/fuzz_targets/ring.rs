// SPDX-License-Identifier: MIT OR Apache-2.0
//! Each side of the ring protocol with arbitrary values from the other side.
#![no_main]

use arbitrary::Arbitrary;
use dmaframe_abi::ring::{BadConsumer, Consumer, ConsumerPage, MAGIC, Meta, Producer};
use dmaframe_abi::stream::{SLOTS_MAX, SLOTS_MIN};
use libfuzzer_sys::fuzz_target;
use std::sync::atomic::Ordering::Relaxed;

#[derive(Debug, Arbitrary)]
struct Input {
    slots: u32,
    index: u32,
    magic: Option<u64>,
    acts: Vec<Act>,
}

#[derive(Debug, Arbitrary)]
enum Act {
    /// The reader writes this index.
    Consumer(u32),
    /// The reader writes an index this far after its last valid one.
    Ahead(u8),
    Reclaim,
    Publish(u32),
    Ask,
    Clear,
    /// The driver's page contains these values.
    Meta {
        producer: u32,
        flags: u32,
        kick_at: u32,
    },
    Read,
    Release,
}

fuzz_target!(|input: Input| {
    // All valid ring lengths, and some invalid ones.
    let slots = if input.slots % 4 == 0 { input.slots } else { 1 << (input.slots % 12) };
    let sound = slots.is_power_of_two() && (SLOTS_MIN..=SLOTS_MAX).contains(&slots);
    let (meta, page) = (Meta::default(), ConsumerPage::default());
    meta.magic.store(input.magic.unwrap_or(MAGIC), Relaxed);
    meta.slots.store(slots, Relaxed);
    meta.producer.store(input.index, Relaxed);
    page.consumer.store(input.index, Relaxed);
    let producer = Producer::starting_at(slots, input.index);
    let consumer = Consumer::new(&meta, &page);
    assert_eq!(producer.is_some(), sound);
    assert_eq!(consumer.is_ok(), sound && input.magic.is_none_or(|magic| magic == MAGIC));
    let (Some(mut producer), Ok(mut consumer)) = (producer, consumer) else { return };

    // A model of the driver's private indices, which only valid reader indices may move.
    let (mut head, mut tail) = (u64::from(input.index), u64::from(input.index));
    for act in input.acts {
        match act {
            Act::Consumer(index) => page.consumer.store(index, Relaxed),
            Act::Ahead(more) => {
                page.consumer.store((tail as u32).wrapping_add(more.into()), Relaxed)
            }
            Act::Reclaim => {
                let found = page.consumer.load(Relaxed);
                // The index from `tail` to `head` with these low 32 bits, if there is one.
                let good = (tail..=head).find(|index| *index as u32 == found);
                match (producer.reclaim(&page), good) {
                    (Ok(returned), Some(index)) => {
                        assert_eq!(u64::from(returned), index - tail);
                        tail = index;
                    }
                    (Err(bad), None) => {
                        let expected = BadConsumer { found, tail: tail as u32, head: head as u32 };
                        assert_eq!(bad, expected);
                    }
                    (result, good) => panic!("{result:?} where {good:?} is right"),
                }
            }
            Act::Publish(count) => {
                let count = count % (2 * slots);
                head += u64::from(count.min(producer.free()));
                producer.publish(&meta, count);
                assert_eq!(meta.producer.load(Relaxed), head as u32);
            }
            Act::Ask => producer.ask_kick(&meta),
            Act::Clear => producer.clear_kick(&meta),
            Act::Meta { producer, flags, kick_at } => {
                meta.producer.store(producer, Relaxed);
                meta.flags.store(flags, Relaxed);
                meta.kick_at.store(kick_at, Relaxed);
            }
            Act::Read => {
                if let Ok(ready) = consumer.ready(&meta) {
                    assert!(ready <= slots);
                }
            }
            Act::Release => {
                let _ = consumer.release(&meta, &page);
            }
        }
        assert_eq!(u64::from(producer.ready()), head - tail);
        assert_eq!(producer.ready() + producer.free(), slots);
        assert!(consumer.slot() < slots as usize);
        for ahead in 0..producer.free() {
            let slot = (head + u64::from(ahead)) % u64::from(slots);
            assert_eq!(producer.slot(ahead) as u64, slot);
        }
        let oldest = (head > tail).then(|| (tail % u64::from(slots)) as usize);
        assert_eq!(producer.oldest(), oldest);
    }
});
