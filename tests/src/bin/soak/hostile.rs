// SPDX-License-Identifier: MIT OR Apache-2.0
//! A reader that writes wrong indices into its consumer page.

use crate::tally::Tally;
use dmaframe_abi::ring::{FAULTED, MAP_CONSUMER, MAP_META, MAP_SLOTS};
use dmaframe_abi::stream::Fault;
use dmaframe_abi::uapi::{self, Config};
use dmaframe_tests::Random;
use dmaframe_tests::mapping::{Mapping, PAGE};
use dmaframe_tests::raw::{GOOD, Raw};
use dmaframe_tests::wait;
use libc::{MAP_SHARED, PROT_READ, PROT_WRITE};
use std::sync::atomic::Ordering::{Relaxed, Release};

const ROUNDS: u64 = 4;
const VALUES: u64 = 2000;

pub(crate) fn read(device: &str, random: &mut Random, tally: &Tally) {
    let slots = 2 << random.below(5);
    let (raw, made) = Raw::streaming(device, Config { slots, ..GOOD });
    let meta = Mapping::read_only(&raw, MAP_META, PAGE).unwrap();
    let page = Mapping::new(&raw, MAP_CONSUMER, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED).unwrap();
    let memory = Mapping::read_only(&raw, MAP_SLOTS, made.slots_bytes as usize).unwrap();
    let (meta, page) = (meta.meta(), page.consumer());

    let mut head = slots;
    for _ in 0..ROUNDS {
        wait::until("a full ring", || (meta.producer.load(Relaxed) == head).then_some(()));
        let before = memory.copy(0, made.slots_bytes as usize);
        let tail = head.wrapping_sub(slots);
        // Any index that an honest reader cannot have written.
        let reach = u64::from(slots) + 1;
        let index = tail.wrapping_add((reach + random.below((1 << 32) - reach)) as u32);
        page.consumer.store(index, Release);
        raw.request(uapi::KICK, 0).unwrap();
        let what = format!("consumer {index:#x} of producer {head:#x}, {slots} slots");
        assert_eq!(meta.flags.load(Relaxed) & FAULTED, FAULTED, "{what}");
        assert_eq!(meta.fault.load(Relaxed), Fault::Consumer as u32, "{what}");
        assert!(raw.stats().bad_consumer >= 1, "{what}");
        // The driver reused no slot that the reader did not return.
        assert_eq!(meta.producer.load(Relaxed), head, "{what}");
        assert!(memory.copy(0, before.len()) == before, "{what}: a slot was overwritten");
        tally.hostile(1);
        page.consumer.store(head, Release);
        raw.request(uapi::START, 0).unwrap();
        head = head.wrapping_add(slots);
    }

    // Any values, as fast as possible.
    for _ in 0..VALUES {
        let near = meta.producer.load(Relaxed).wrapping_sub(random.below(64) as u32);
        let value = if random.once_in(2) { near } else { random.next() as u32 };
        page.consumer.store(value, Release);
        if random.once_in(8) {
            raw.request(uapi::KICK, 0).unwrap();
        }
        if random.once_in(64) {
            // The driver refuses this while the stream runs.
            let _ = raw.request(uapi::START, 0);
        }
    }
    tally.hostile(VALUES);
}
