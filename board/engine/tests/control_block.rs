// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0
//! Chains of control blocks, followed as the engine would follow them.

use dmaframe_engine::chain::{Limits, PlanError, Segment, Width};
use dmaframe_engine::control_block::{BULK, Chain, ControlBlock, FULL, LITE, limits};
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
    confirmed: false,
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

/// TI of `segment` on a channel of `limits`.
fn ti(limits: Limits, segment: Segment) -> u32 {
    let mut pool = [ControlBlock::default(); 2];
    let mut chain = Chain::new(&mut pool, POOL, limits).unwrap();
    chain.append(&[segment, SEGMENT]).unwrap();
    chain.finish().unwrap();
    pool[0].transfer_information
}

// Bits by number, from the data sheet's table of TI (pages 50 to 52): 3 WAIT_RESP, 4 DEST_INC,
// 5 DEST_WIDTH, 8 SRC_INC, 9 SRC_WIDTH, 10 SRC_DREQ, 15:12 BURST_LENGTH, 20:16 PERMAP.

/// Memory to memory: wide writes that do not wait for each other, and bursts as long as the
/// channel's buffer holds (pages 63 and 64).
#[test]
fn transfers_between_memory() {
    let wide = Segment { width: Width::Bits128, ..SEGMENT };
    for (channel, lite, narrow_ti, wide_ti) in [
        // Channels 0 and 15: 8 beats of 32 bits, 8 of 128.
        (0, false, 0x7130, 0x7330),
        (15, false, 0x7130, 0x7330),
        // Full channels: 8 beats of 32 bits, 2 of 128.
        (1, false, 0x7130, 0x1330),
        (5, false, 0x7130, 0x1330),
        (6, false, 0x7130, 0x1330),
        // Lite channels: 4 beats of 32 bits, 1 of 128.
        (7, true, 0x3130, 0x0330),
        (10, true, 0x3130, 0x0330),
    ] {
        let limits = limits(channel, lite);
        assert_eq!(ti(limits, SEGMENT), narrow_ti, "channel {channel}");
        assert_eq!(ti(limits, wide), wide_ti, "channel {channel}");
    }
}

/// The address of wide writes advances by 32 (page 51).
#[test]
fn writes_are_wide_between_multiples_of_32_bytes() {
    for (destination, bytes, expected) in [
        (0xd000_0020, 4096, 0x7130),
        (0xd000_0000, 32, 0x7130),
        (0xd000_0010, 4096, 0x7110),
        (0xd000_0004, 4096, 0x7110),
        (0xd000_0000, 4112, 0x7110),
        (0xd000_0000, 4100, 0x7110),
        (0xd000_0000, 4, 0x7110),
    ] {
        let segment = Segment { destination, bytes, ..SEGMENT };
        assert_eq!(ti(FULL, segment), expected, "{bytes} bytes to {destination:#x}");
    }
}

/// A register that nothing paces: single reads and writes.
#[test]
fn transfers_from_a_fixed_address() {
    assert_eq!(ti(FULL, Segment { source_increments: false, ..SEGMENT }), 0x0010);
}

/// As mainline's bcm2835_dma_prep_slave_sg() has it: WAIT_RESP, S_DREQ, D_INC and PER_MAP.
#[test]
fn transfers_that_a_dreq_paces() {
    for (dreq, fixed, incrementing) in [
        // 3 is the receiver of PCM, 31 the highest.
        (1, 0x0001_0418, 0x0001_0518),
        (3, 0x0003_0418, 0x0003_0518),
        (31, 0x001f_0418, 0x001f_0518),
    ] {
        for limits in [FULL, BULK, LITE] {
            let paced = Segment { dreq, source_increments: false, ..SEGMENT };
            assert_eq!(ti(limits, paced), fixed);
            assert_eq!(ti(limits, Segment { dreq, ..SEGMENT }), incrementing);
        }
    }
}

/// A stamp: one read, and a write that has arrived before the block ends.
#[test]
fn transfers_that_are_confirmed() {
    let stamp = Segment { bytes: 4, source_increments: false, confirmed: true, ..SEGMENT };
    assert_eq!(ti(FULL, stamp), 0x0018);
    assert_eq!(ti(FULL, Segment { confirmed: true, ..SEGMENT }), 0x0118);
}

#[test]
fn addresses_and_length() {
    let block = encoded(Segment { bytes: 0x3fff_fffc, destination: 0x8000_0000, ..SEGMENT });
    assert_eq!((block.source, block.destination), (0xc000_0000, 0x8000_0000));
    assert_eq!((block.length, block.stride, block.reserved), (0x3fff_fffc, 0, [0; 2]));
}

#[test]
fn limits_of_the_channels() {
    assert_eq!((FULL.descriptor_bytes, FULL.granularity, FULL.address_bits), (32, 4, 32));
    assert_eq!(FULL.transfer_bytes, 0x3fff_fffc);
    assert_eq!((FULL.burst_32, FULL.burst_128), (8, 2));
    assert_eq!(BULK, Limits { burst_128: 8, ..FULL });
    assert_eq!(LITE, Limits { transfer_bytes: 0xfffc, burst_32: 4, burst_128: 1, ..FULL });
    for channel in 1..15 {
        assert_eq!(limits(channel, false), FULL);
        assert_eq!(limits(channel, true), LITE);
    }
}

/// The eight words of each control block of a frame of 64 bytes of memory, and of one of 8 bytes of
/// the PCM receiver's FIFO, on a full channel.
#[test]
fn frames_in_words() {
    use dmaframe_engine::chain::{Block, Origin, Plan, plan_frame};
    let memory = Origin {
        bus: 0xc030_0000,
        bytes: 4096,
        offset: 0x40,
        increments: true,
        width: Width::Bits32,
        dreq: 0,
    };
    let pcm =
        Origin { bus: 0x7e20_3004, bytes: 4, offset: 0, increments: false, dreq: 3, ..memory };
    let slot = [Block { bus: 0xc040_0000, bytes: 4096 }];
    let words = |origin, bytes| {
        let (mut pool, mut plan) = ([ControlBlock::default(); 3], Plan::new());
        plan_frame(&FULL, 0x7e00_3004, origin, &slot, bytes, &mut plan).unwrap();
        let mut chain = Chain::new(&mut pool, 0xc050_0000, FULL).unwrap();
        chain.append(&plan).unwrap();
        assert_eq!(chain.finish(), Some(3));
        pool.map(|block| zerocopy::transmute!(block)) as [[u32; 8]; 3]
    };
    let start = [0x0018, 0x7e00_3004, 0xc040_0020, 4, 0, 0xc050_0020, 0, 0];
    let end = [0x0019, 0x7e00_3004, 0xc040_0028, 4, 0, 0, 0, 0];
    assert_eq!(
        words(&memory, 64),
        [start, [0x7130, 0xc030_0040, 0xc040_0040, 64, 0, 0xc050_0040, 0, 0], end]
    );
    assert_eq!(
        words(&pcm, 8),
        [start, [0x0003_0418, 0x7e20_3004, 0xc040_0040, 8, 0, 0xc050_0040, 0, 0], end]
    );
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
