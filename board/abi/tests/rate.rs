// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0
//! Which frames are too fast for a source with a rate.

use dmaframe_abi::rate::{Duration, RATE_HZ_MAX, RATE_HZ_MIN, READS_MIN, TICKS_MIN};
use proptest::prelude::*;

const STAMP_HZ: u32 = 1_000_000;

#[test]
fn bounds() {
    assert_eq!((RATE_HZ_MIN, RATE_HZ_MAX, READS_MIN, TICKS_MIN), (1, 100_000_000, 256, 2));
}

#[test]
fn a_frame_is_too_fast_below_half_of_its_time() {
    // 1024 samples of 32 bits at 96 kHz: 10.67 ms.
    let duration = Duration::new(96_000, 1024, STAMP_HZ).unwrap();
    assert_eq!(duration, Duration { expected: 10_666, shortest: 5333 });
    for (start, end, too_fast) in [
        (100, 100, true),
        (100, 100 + 5332, true),
        (100, 100 + 5333, false),
        (100, 100 + 10_666, false),
        (u64::MAX - 1, u64::MAX, true),
        (0, u64::MAX, false),
    ] {
        assert_eq!(duration.is_too_fast(start, end), too_fast, "{start} to {end}");
    }
}

#[test]
fn short_frames_and_sources_without_a_rate_are_not_judged() {
    assert_eq!(Duration::new(0, 1024, STAMP_HZ), None);
    assert_eq!(Duration::new(1, 255, STAMP_HZ), None);
    assert!(Duration::new(1, 256, STAMP_HZ).is_some());
    // 4 us are expected; of 3 us the half is less than two ticks.
    assert!(Duration::new(64_000_000, 256, STAMP_HZ).is_some());
    assert_eq!(Duration::new(64_000_001, 256, STAMP_HZ), None);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// A source at its rate is never too fast, although 64 words had waited in its FIFO and the
    /// stamps are rounded down.
    #[test]
    fn a_full_fifo_is_no_reason(
        rate_hz in RATE_HZ_MIN..=RATE_HZ_MAX,
        reads in READS_MIN..=4 << 20,
        start_ns in 0u64..1 << 40,
    ) {
        if let Some(duration) = Duration::new(rate_hz, reads, STAMP_HZ) {
            let end_ns = start_ns + u64::from(reads - 64) * 1_000_000_000 / u64::from(rate_hz);
            prop_assert!(!duration.is_too_fast(start_ns / 1000, end_ns / 1000));
        }
    }

    #[test]
    fn any_arguments_are_accepted(
        rate_hz: u32, reads: u32, stamp_hz: u32, start: u64, end: u64,
    ) {
        if let Some(duration) = Duration::new(rate_hz, reads, stamp_hz) {
            prop_assert!(duration.shortest >= TICKS_MIN && duration.shortest <= duration.expected);
            prop_assert_eq!(duration.is_too_fast(end, end), true);
            prop_assert_eq!(duration.is_too_fast(start, start.saturating_add(duration.shortest)),
                start > u64::MAX - duration.shortest);
        }
    }
}
