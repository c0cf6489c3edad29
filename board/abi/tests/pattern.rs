// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0
//! The pattern, as a reader computes it.

use dmaframe_abi::pattern::{REFERENCE_BYTES, fill, mismatch, offset, word};
use proptest::prelude::*;
use std::collections::HashSet;
use std::sync::LazyLock;

static REFERENCE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut block = vec![0; REFERENCE_BYTES];
    fill(&mut block);
    block
});

/// Frame `sequence`, computed byte by byte.
fn frame(sequence: u64, bytes: usize) -> Vec<u8> {
    let start = offset(sequence) as usize;
    (start..start + bytes).map(|at| REFERENCE[at % REFERENCE_BYTES]).collect()
}

#[test]
fn wire_constants() {
    assert_eq!(REFERENCE_BYTES, 262_144);
    assert_eq!([0, 1, 2, 3, 65_535].map(offset), [0, 98_284, 196_568, 32_708, 163_860]);
}

#[test]
fn offsets_repeat_only_after_65536_frames() {
    let seen: HashSet<u32> = (0..65_536).map(offset).collect();
    assert_eq!(seen.len(), 65_536);
    assert!(seen.iter().all(|at| at % 4 == 0 && (*at as usize) < REFERENCE_BYTES));
    assert!((0..1000).all(|n| offset(n) == offset(n + 65_536)));
    // The product wraps at 2^64 without a break in the offsets.
    for n in [u64::MAX / 24_571, u64::MAX - 1, u64::MAX] {
        assert_eq!(offset(n), offset(n % 65_536));
    }
}

#[test]
fn words_are_distinct_and_match_published_values() {
    let seen: HashSet<u32> = (0..REFERENCE_BYTES as u32 / 4).map(word).collect();
    assert_eq!(seen.len(), REFERENCE_BYTES / 4);
    // Published values of MurmurHash3's finalizer.
    assert_eq!(word(0), 0);
    assert_eq!(word(1), 0x514e_28b7);
    assert_eq!(word(2), 0x30f4_c306);
    // Computed separately. Below 0x10000 the first step of the function has no effect.
    assert_eq!(word(0xffff), 0xa23b_ae67);
    assert_eq!(word(0x1_0000), 0x0ea3_4562);
    assert_eq!(word(0x1234_5678), 0xe37c_d1bc);
    assert_eq!(word(0x8000_0000), 0x6d3c_65a0);
    assert_eq!(word(0xffff_ffff), 0x81f1_6f39);
    assert_eq!(REFERENCE[4..8], word(1).to_le_bytes());
    assert_eq!(REFERENCE[REFERENCE_BYTES - 4..], word(65_535).to_le_bytes());
}

#[test]
fn a_flipped_bit_is_found_at_every_byte() {
    // Across the end of the reference block, which this frame passes.
    let sequence = (0..).find(|&n| offset(n) as usize > REFERENCE_BYTES - 256).unwrap();
    let mut payload = frame(sequence, 1024);
    assert_eq!(mismatch(&REFERENCE, sequence, &payload), None);
    for at in 0..payload.len() {
        for bit in 0..8 {
            payload[at] ^= 1 << bit;
            assert_eq!(mismatch(&REFERENCE, sequence, &payload), Some(at));
            payload[at] ^= 1 << bit;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn frames_of_any_length_match(
        sequence in any::<u64>(),
        bytes in 1usize..700_000,
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1u8..=255), 1..4),
    ) {
        let mut payload = frame(sequence, bytes);
        prop_assert_eq!(mismatch(&REFERENCE, sequence, &payload), None);
        let flips: std::collections::BTreeMap<usize, u8> =
            flips.iter().map(|(at, flip)| (at.index(bytes), *flip)).collect();
        for (at, flip) in &flips {
            payload[*at] ^= flip;
        }
        // The first difference is reported.
        prop_assert_eq!(mismatch(&REFERENCE, sequence, &payload), flips.keys().next().copied());
    }

    #[test]
    fn frames_differ_from_each_other(sequence in any::<u64>(), ahead in 1u64..65_536) {
        let payload = frame(sequence, 64);
        prop_assert!(mismatch(&REFERENCE, sequence.wrapping_add(ahead), &payload).is_some());
    }
}

#[test]
fn an_empty_payload_matches() {
    assert_eq!(mismatch(&REFERENCE, 3, &[]), None);
}
