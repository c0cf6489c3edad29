// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0
//! Chains of control blocks, followed as the engine would follow them.

use dmaframe_engine::chain::{Limits, PlanError, Segment, Width};
use dmaframe_engine::control_block::{Chain, ControlBlock, FULL, LITE};
use proptest::prelude::*;
use std::mem::offset_of;
use zerocopy::IntoBytes;

const POOL: u64 = 0xc010_0000;

const SEGMENT: Segment = Segment {
    source: 0xc000_0000,
    destination: 0xd000_0000,
    bytes: 4096,
    source_increments: true,
    width: Width::Bits32,
    dreq: 0,
};

fn encoded(segment: Segment) -> ControlBlock {
    let mut pool = [ControlBlock::default(); 2];
    let mut chain = Chain::new(&mut pool, POOL, FULL).unwrap();
    chain.append(&[segment, SEGMENT]).unwrap();
    chain.finish().unwrap();
    pool[0]
}

#[test]
fn the_eight_words() {
    let block = ControlBlock {
        transfer_information: 1,
        source: 2,
        destination: 3,
        length: 4,
        stride: 5,
        next: 6,
        reserved: [7, 8],
    };
    let words: Vec<u8> = (1u32..9).flat_map(u32::to_le_bytes).collect();
    assert_eq!(block.as_bytes(), words);
    assert_eq!(offset_of!(ControlBlock, next), 0x14);
}

// Bits by number, from the data sheet's table of TI: 3 WAIT_RESP, 4 DEST_INC, 8 SRC_INC,
// 9 SRC_WIDTH128, 10 SRC_DREQ, 15:12 BURST, 20:16 PERMAP.
#[test]
fn bits_of_a_transfer() {
    let ti = |segment| encoded(segment).transfer_information;
    let always = 1 << 3 | 1 << 4;
    assert_eq!(ti(SEGMENT), always | 1 << 8 | 7 << 12);
    assert_eq!(ti(Segment { source_increments: false, ..SEGMENT }), always);
    assert_eq!(
        ti(Segment { width: Width::Bits128, ..SEGMENT }),
        always | 1 << 8 | 1 << 9 | 7 << 12
    );
    for dreq in 1..32 {
        let paced = Segment { dreq, source_increments: false, ..SEGMENT };
        assert_eq!(ti(paced), always | 1 << 10 | u32::from(dreq) << 16);
        // Paced by a DREQ: one word for each request, no burst.
        assert_eq!(
            ti(Segment { dreq, ..SEGMENT }),
            always | 1 << 8 | 1 << 10 | u32::from(dreq) << 16
        );
    }
    let block = encoded(Segment { bytes: 0x3fff_fffc, destination: 0x8000_0000, ..SEGMENT });
    assert_eq!((block.source, block.destination), (0xc000_0000, 0x8000_0000));
    assert_eq!((block.length, block.stride, block.reserved), (0x3fff_fffc, 0, [0; 2]));
}

#[test]
fn limits_of_the_channels() {
    assert_eq!((FULL.descriptor_bytes, FULL.granularity, FULL.address_bits), (32, 4, 32));
    assert_eq!(FULL.transfer_bytes, 0x3fff_fffc);
    assert_eq!(LITE, Limits { transfer_bytes: 0xfffc, ..FULL });
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Parts are appended while they fit. The engine then runs those that fitted, in order.
    #[test]
    fn the_engine_runs_what_was_appended(
        room in 1usize..64,
        pool_bus in (1u64..0x7ff_f000).prop_map(|n| n * 32),
        parts in prop::collection::vec((1usize..12, any::<bool>()), 0..12),
    ) {
        let mut pool = vec![ControlBlock::default(); room];
        let mut chain = Chain::new(&mut pool, pool_bus, FULL).unwrap();
        let mut expected: Vec<Segment> = Vec::new();
        for (count, good) in parts {
            let mut part: Vec<Segment> = (0..count)
                .map(|i| Segment { bytes: 4 * (expected.len() + i + 1) as u32, ..SEGMENT })
                .collect();
            if !good {
                part[count - 1].bytes = 6;
            }
            let result = chain.append(&part);
            if expected.len() + count > room {
                prop_assert_eq!(result, Err(PlanError::TooManySegments { most: room }));
            } else if !good {
                prop_assert_eq!(result, Err(PlanError::BadLength { bytes: 6 }));
            } else {
                prop_assert_eq!(result, Ok(()));
                expected.extend(part);
            }
            // A part is appended completely or not at all.
            prop_assert_eq!(chain.len(), expected.len());
            prop_assert_eq!(chain.room(), room - expected.len());
            prop_assert_eq!(chain.is_empty(), expected.is_empty());
        }
        let finished = chain.finish();
        prop_assert_eq!(finished, (!expected.is_empty()).then_some(expected.len()));

        let mut walked = Vec::new();
        let mut next = if expected.is_empty() { 0 } else { pool_bus };
        while next != 0 {
            prop_assert_eq!(next % 32, 0);
            prop_assert!(walked.len() < expected.len(), "the chain has no end");
            let block = pool[usize::try_from((next - pool_bus) / 32).unwrap()];
            let last = walked.len() + 1 == expected.len();
            prop_assert_eq!(block.transfer_information & 1 != 0, last, "the interrupt");
            walked.push(block.length);
            next = block.next.into();
        }
        prop_assert_eq!(walked, expected.iter().map(|s| s.bytes).collect::<Vec<_>>());
        // Control blocks behind the chain are unchanged.
        prop_assert!(pool[expected.len()..].iter().all(|b| *b == ControlBlock::default()));
    }
}

#[test]
fn an_empty_chain_is_none() {
    let mut pool = [ControlBlock::default(); 4];
    assert_eq!(Chain::new(&mut pool, POOL, FULL).unwrap().finish(), None);
    assert_eq!(pool, [ControlBlock::default(); 4]);
    let mut chain = Chain::new(&mut [], POOL, FULL).unwrap();
    assert_eq!(chain.append(&[SEGMENT]), Err(PlanError::TooManySegments { most: 0 }));
    assert_eq!(chain.finish(), None);
}

#[test]
fn segments_that_a_lite_channel_cannot_run() {
    let mut pool = [ControlBlock::default(); 4];
    let mut chain = Chain::new(&mut pool, POOL, LITE).unwrap();
    let long = Segment { bytes: 65_536, ..SEGMENT };
    assert_eq!(chain.append(&[SEGMENT, long]), Err(PlanError::BadLength { bytes: 65_536 }));
    assert!(chain.is_empty());
    assert_eq!(chain.append(&[SEGMENT, Segment { bytes: 65_532, ..SEGMENT }]), Ok(()));
    assert_eq!(chain.finish(), Some(2));
}

#[test]
fn pools_at_invalid_addresses() {
    let refused = |bus, blocks: usize| {
        let mut pool = vec![ControlBlock::default(); blocks];
        Chain::new(&mut pool, bus, FULL).map(|chain| chain.len()).unwrap_err()
    };
    let unreachable = |bus| PlanError::Unreachable { bus };
    // A bus address of zero means the end of a chain.
    assert_eq!(refused(0, 1), unreachable(0));
    for bus in [1, 4, 16, 31] {
        let bus = POOL + bus;
        assert_eq!(refused(bus, 1), PlanError::Misaligned { bus, align: 32 });
    }
    const EDGE: u64 = 1 << 32;
    assert_eq!(refused(EDGE - 32, 2), unreachable(EDGE - 32));
    assert_eq!(refused(EDGE - 64, 3), unreachable(EDGE - 64));
    assert_eq!(refused(EDGE, 1), unreachable(EDGE));
    assert_eq!(refused(u64::MAX - 31, 1), unreachable(u64::MAX - 31));
}

/// A pool that ends at the highest address works up to its last control block; one that is longer
/// is refused.
#[test]
fn a_pool_that_ends_at_the_highest_address() {
    let bus = (1 << 32) - 64;
    let mut pool = [ControlBlock::default(); 2];
    match Chain::new(&mut pool, bus, FULL) {
        Err(error) => assert_eq!(error, PlanError::Unreachable { bus }),
        Ok(mut chain) => {
            chain.append(&[SEGMENT, SEGMENT]).unwrap();
            assert_eq!(chain.finish(), Some(2));
            assert_eq!((pool[0].next, pool[1].next), (0xffff_ffe0, 0));
        }
    }
}
