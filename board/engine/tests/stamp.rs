// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0
//! Stamps of 32 bits, extended to 64.

use dmaframe_engine::stamp::{Timeline, counter, unwritten};
use proptest::prelude::*;
use std::cell::Cell;

#[test]
fn a_counter_that_wraps_between_its_words() {
    for step in [0, 1, 7] {
        for before in 0..40 {
            let first = 0x5_0000_0000 - before;
            // A counter that advances by `step` at each read of one of its words.
            let now = Cell::new(first);
            let read = counter(|register| {
                let value = now.replace(now.get() + step);
                // Page 172: CLO and CHI.
                match register {
                    0x04 => value as u32,
                    0x08 => (value >> 32) as u32,
                    other => panic!("a read of register {other:#x}"),
                }
            });
            assert!((first..=now.get()).contains(&read), "{first:#x} {step}: {read:#x}");
        }
    }
}

#[test]
fn stamps_around_the_wrap() {
    let mut timeline = Timeline::new(0x1_ffff_fff0);
    assert_eq!(timeline.extend(0xffff_fff0), 0x1_ffff_fff0);
    assert_eq!(timeline.extend(0xffff_ffff), 0x1_ffff_ffff);
    assert_eq!(timeline.extend(0x0000_0000), 0x2_0000_0000);
    assert_eq!(timeline.extend(0x0000_0000), 0x2_0000_0000);
    // 71 minutes less one tick later.
    assert_eq!(timeline.extend(0xffff_ffff), 0x2_ffff_ffff);
    // At the end of the counter, after 584,000 years.
    let mut timeline = Timeline::new(u64::MAX);
    assert_eq!(timeline.extend(3), 3);
}

#[test]
fn what_stands_for_no_stamp() {
    assert_eq!(unwritten(0x7_0000_1000), 0x0fff);
    assert_eq!(unwritten(0x7_0000_0000), 0xffff_ffff);
    // No stamp of the next 71 minutes.
    for ticks in [0, 1, 1 << 31, u64::from(u32::MAX) - 1] {
        let reference = 0x7_89ab_cdef;
        assert_ne!(unwritten(reference), (reference + ticks) as u32);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// All frames of a chain end after the reference was read, and each stamp is exact.
    #[test]
    fn stamps_of_a_chain(
        reference in 0u64..1 << 62,
        steps in prop::collection::vec(prop_oneof![0u64..100, 0..=u64::from(u32::MAX)], 1..200),
    ) {
        let mut timeline = Timeline::new(reference);
        let mut now = reference;
        for step in steps {
            now += step;
            prop_assert_eq!(timeline.extend(now as u32), now);
        }
    }

    /// The stamps come from outside: no values may cause a panic, and none goes back.
    #[test]
    fn any_stamps_are_in_order(reference in 0u64..1 << 62, low in any::<u32>(), next in any::<u32>()) {
        let mut timeline = Timeline::new(reference);
        let first = timeline.extend(low);
        prop_assert!(first >= reference);
        prop_assert!(timeline.extend(next) >= first);
    }
}
