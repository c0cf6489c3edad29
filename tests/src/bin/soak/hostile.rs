// SPDX-License-Identifier: MIT OR Apache-2.0
//! A reader that writes what it likes into its consumer page.

use crate::chance::Chance;
use crate::tally::Tally;
use dmaframe_abi::ring::{FAULTED, MAP_CONSUMER, MAP_META, MAP_SLOTS};
use dmaframe_abi::stream::Fault;
use dmaframe_abi::uapi::{self, Config};
use dmaframe_tests::mapping::{Mapping, PAGE};
use dmaframe_tests::raw::{GOOD, Raw};
use dmaframe_tests::wait;
use libc::{MAP_SHARED, PROT_READ, PROT_WRITE};
use std::sync::atomic::Ordering::{Relaxed, Release};

const ROUNDS: u64 = 4;
const VALUES: u64 = 2000;

pub(crate) fn lie(device: &str, chance: &mut Chance, tally: &Tally) {
    let slots = 2 << chance.below(5);
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
        // Any distance but those that an honest reader can have reached.
        let reach = u64::from(slots) + 1;
        let lie = tail.wrapping_add((reach + chance.below((1 << 32) - reach)) as u32);
        page.consumer.store(lie, Release);
        raw.request(uapi::KICK, 0).unwrap();
        let lied = format!("consumer {lie:#x} of producer {head:#x}, {slots} slots");
        assert_eq!(meta.flags.load(Relaxed) & FAULTED, FAULTED, "{lied}");
        assert_eq!(meta.fault.load(Relaxed), Fault::Consumer as u32, "{lied}");
        assert!(raw.stats().bad_consumer >= 1, "{lied}");
        // Not a slot was given away that the reader did not return.
        assert_eq!(meta.producer.load(Relaxed), head, "{lied}");
        assert!(memory.copy(0, before.len()) == before, "{lied}: a slot was overwritten");
        tally.hostile(1);
        page.consumer.store(head, Release);
        raw.request(uapi::START, 0).unwrap();
        head = head.wrapping_add(slots);
    }

    // At full speed, with no regard to what comes of it.
    for _ in 0..VALUES {
        let near = meta.producer.load(Relaxed).wrapping_sub(chance.below(64) as u32);
        let value = if chance.once_in(2) { near } else { chance.number() as u32 };
        page.consumer.store(value, Release);
        if chance.once_in(8) {
            raw.request(uapi::KICK, 0).unwrap();
        }
        if chance.once_in(64) {
            // Refused while it runs.
            let _ = raw.request(uapi::START, 0);
        }
    }
    tally.hostile(VALUES);
}
