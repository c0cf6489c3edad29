// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0
//! Plans, executed byte by byte by a model of an engine.

use dmaframe_abi::frame::{HEADER_BYTES, STAMP_BYTES, STAMP_END, STAMP_START};
use dmaframe_abi::pattern;
use dmaframe_abi::stream::FRAME_BYTES_MAX;
use dmaframe_engine::chain::{
    Block, Limits, MAX_SEGMENTS, Origin, Plan, PlanError, SLOT_BLOCKS, Segment, Width,
    longest_payload, plan_frame,
};
use dmaframe_engine::control_block::{FULL, LITE};
use dmaframe_engine::register::SYSTEM_TIMER_BUS;
use proptest::prelude::*;

const STAMP: u64 = SYSTEM_TIMER_BUS as u64;
const SOURCE: u64 = 0xc000_0000;
const SLOT: u64 = 0xd000_0000;
/// Distance between two blocks of a slot, so that a write past a block's end is noticed.
const GAP: u64 = 0x100;
const UNTOUCHED: u16 = u16::MAX;

/// A model of an engine with a counter, a source and a slot. It runs segments as the hardware would
/// and panics at any other address.
struct Engine<'a> {
    origin: &'a Origin,
    blocks: &'a [Block],
    /// The slot's bytes, block after block; [`UNTOUCHED`] where nothing was written.
    slot: Vec<u16>,
    /// The offset in `slot` of each write, in order.
    written: Vec<usize>,
    stamps: u32,
    samples: u32,
}

/// Byte `at` of a source in memory.
fn source_byte(at: u64) -> u8 {
    (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
}

impl<'a> Engine<'a> {
    fn new(origin: &'a Origin, blocks: &'a [Block]) -> Self {
        let bytes: usize = blocks.iter().map(|block| block.bytes as usize).sum();
        let slot = vec![UNTOUCHED; bytes];
        Self { origin, blocks, slot, written: Vec::new(), stamps: 0, samples: 0 }
    }

    fn write(&mut self, bus: u64, byte: u8) {
        let mut before = 0;
        for block in self.blocks {
            if (block.bus..block.bus + u64::from(block.bytes)).contains(&bus) {
                let at = before + (bus - block.bus) as usize;
                assert_eq!(self.slot[at], UNTOUCHED, "byte {at} of the slot written again");
                self.slot[at] = byte.into();
                self.written.push(at);
                return;
            }
            before += block.bytes as usize;
        }
        panic!("a write to {bus:#x}, which is not in the slot");
    }

    fn run(&mut self, segment: &Segment) {
        if segment.source == STAMP {
            self.stamps += 1;
            assert_eq!((segment.bytes, segment.confirmed), (4, true));
            for (i, byte) in (self.stamps << 24 | self.stamps).to_le_bytes().iter().enumerate() {
                self.write(segment.destination + i as u64, *byte);
            }
            return;
        }
        assert_eq!((segment.dreq, segment.confirmed), (self.origin.dreq, false));
        let width = segment.width.bytes();
        for read in 0..segment.bytes / width {
            for i in 0..width {
                let byte = if segment.source_increments {
                    let at = segment.source + u64::from(read * width + i) - self.origin.bus;
                    assert!(at < self.origin.bytes.into(), "a read past the source, at {at}");
                    source_byte(at)
                } else {
                    assert_eq!(segment.source, self.origin.bus);
                    self.samples.to_le_bytes()[i as usize % 4]
                };
                self.write(segment.destination + u64::from(read * width + i), byte);
            }
            self.samples += 1;
        }
    }
}

fn blocks_of(sizes: &[u32]) -> Vec<Block> {
    let mut bus = SLOT;
    let mut blocks = Vec::new();
    for &bytes in sizes {
        blocks.push(Block { bus, bytes });
        bus += u64::from(bytes) + GAP;
    }
    blocks
}

/// The number of transfers that a frame needs, counted read by read.
fn transfers(limits: &Limits, origin: &Origin, blocks: &[Block], payload_bytes: u32) -> usize {
    let width = origin.width.bytes();
    let longest = limits.transfer_bytes / width * width;
    let (mut transfers, mut left) = (2, payload_bytes);
    let mut source = origin.offset;
    for (n, block) in blocks.iter().enumerate() {
        let mut run = 0;
        let header = if n == 0 { HEADER_BYTES as u32 } else { 0 };
        for _ in 0..(block.bytes - header) / width {
            if left == 0 {
                return transfers;
            }
            if run == 0 || run == longest || (origin.increments && source == origin.bytes) {
                transfers += 1;
                run = 0;
            }
            if source == origin.bytes {
                source = 0;
            }
            run += width;
            left -= width;
            source += if origin.increments { width } else { 0 };
        }
    }
    assert_eq!(left, 0, "the slot is too short for the test");
    transfers
}

fn check(
    limits: &Limits,
    origin: &Origin,
    blocks: &[Block],
    payload_bytes: u32,
) -> Result<(), TestCaseError> {
    let mut plan = Plan::new();
    let result = plan_frame(limits, STAMP, origin, blocks, payload_bytes, &mut plan);
    let expected = transfers(limits, origin, blocks, payload_bytes);
    if expected > MAX_SEGMENTS {
        prop_assert_eq!(result, Err(PlanError::TooManySegments { most: MAX_SEGMENTS }));
        prop_assert!(plan.is_empty());
        return Ok(());
    }
    prop_assert_eq!(result, Ok(()));
    prop_assert_eq!(plan.len(), expected);

    let mut engine = Engine::new(origin, blocks);
    for segment in &plan {
        limits.check(segment).unwrap();
        engine.run(segment);
    }
    // The order of the writes: one stamp, the payload once and in order, the other stamp.
    let payload = HEADER_BYTES..HEADER_BYTES + payload_bytes as usize;
    let order: Vec<usize> = (STAMP_START..STAMP_START + STAMP_BYTES)
        .chain(payload.clone())
        .chain(STAMP_END..STAMP_END + STAMP_BYTES)
        .collect();
    prop_assert_eq!(&engine.written, &order);
    let stamp = |at: usize| {
        let bytes: Vec<u8> = engine.slot[at..at + 4].iter().map(|&byte| byte as u8).collect();
        u32::from_le_bytes(bytes.try_into().unwrap())
    };
    prop_assert_eq!(stamp(STAMP_START), 1 << 24 | 1);
    prop_assert_eq!(stamp(STAMP_END), 2 << 24 | 2);
    let width = origin.width.bytes() as usize;
    for (i, &byte) in engine.slot[payload].iter().enumerate() {
        let expected = if origin.increments {
            source_byte((u64::from(origin.offset) + i as u64) % u64::from(origin.bytes))
        } else {
            ((i / width) as u32).to_le_bytes()[i % 4]
        };
        prop_assert_eq!(byte, u16::from(expected), "byte {} of the payload", i);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_byte_arrives_once_and_in_order(
        wide in any::<bool>(),
        increments in any::<bool>(),
        dreq in 0u8..32,
        source_units in 1u32..64,
        offset_unit in any::<u32>(),
        sizes in prop::collection::vec(0u32..40, 1..12),
        first in 4u32..40,
        longest in 4u32..200,
        payload in any::<u32>(),
    ) {
        let width = if wide { Width::Bits128 } else { Width::Bits32 };
        let unit = width.bytes();
        let origin = Origin {
            bus: SOURCE,
            bytes: source_units * unit,
            offset: offset_unit % source_units * unit,
            increments,
            width,
            dreq,
        };
        let mut sizes: Vec<u32> = sizes.iter().map(|size| size * unit).collect();
        sizes[0] = HEADER_BYTES as u32 + (first - 4) * unit;
        let room = (sizes.iter().sum::<u32>() - HEADER_BYTES as u32) / unit;
        prop_assume!(room > 0);
        // Not a multiple of 16, so that a wide transfer must be cut below it.
        let limits = Limits { transfer_bytes: (longest * 4).max(unit), ..FULL };
        check(&limits, &origin, &blocks_of(&sizes), (payload % room + 1) * unit)?;
    }

    #[test]
    fn an_incrementing_source_starts_again_at_its_end(units in 1u32..40, offset in any::<u32>(), words in 1u32..400) {
        let origin = Origin {
            bus: SOURCE,
            bytes: units * 4,
            offset: offset % units * 4,
            increments: true,
            width: Width::Bits32,
            dreq: 0,
        };
        check(&FULL, &origin, &blocks_of(&[4096]), words * 4)?;
    }

    /// Any arguments give a plan within the limits, or an error and an empty plan.
    #[test]
    fn any_arguments_are_planned_or_refused_without_panic(
        stamp in edge(),
        bus in edge(),
        bytes in any::<u32>(),
        offset in any::<u32>(),
        increments in any::<bool>(),
        wide in any::<bool>(),
        slot in prop::collection::vec((edge(), prop_oneof![0u32..9000, any::<u32>()]), 0..8),
        payload in prop_oneof![0u32..9000, any::<u32>()],
        address_bits in prop_oneof![Just(32u32), Just(40), Just(64)],
    ) {
        let width = if wide { Width::Bits128 } else { Width::Bits32 };
        let limits = Limits { address_bits, ..FULL };
        let origin = Origin { bus, bytes, offset, increments, width, dreq: 0 };
        let slot: Vec<Block> = slot.iter().map(|&(bus, bytes)| Block { bus, bytes }).collect();
        let mut plan = Plan::new();
        match plan_frame(&limits, stamp, &origin, &slot, payload, &mut plan) {
            Ok(()) => {
                let moved: u64 = plan.iter().map(|segment| u64::from(segment.bytes)).sum();
                prop_assert_eq!(moved, u64::from(payload) + 2 * STAMP_BYTES as u64);
                for segment in &plan {
                    prop_assert_eq!(limits.check(segment), Ok(()));
                }
            }
            Err(_) => prop_assert!(plan.is_empty()),
        }
    }
}

fn edge() -> impl Strategy<Value = u64> {
    prop_oneof![
        any::<u64>(),
        (0u64..64).prop_map(|n| n * 4),
        (0u64..8192).prop_map(|n| 0x1_0000_0000 - n * 4),
        (0u64..8192).prop_map(|n| u64::MAX - n),
    ]
}

fn memory(bytes: u32, offset: u32) -> Origin {
    Origin { bus: SOURCE, bytes, offset, increments: true, width: Width::Bits32, dreq: 0 }
}

/// The error of `plan_frame`, which must also empty the plan.
fn refused(limits: &Limits, stamp: u64, origin: &Origin, slot: &[Block], bytes: u32) -> PlanError {
    let mut plan = Plan::new();
    let good = memory(64, 0);
    plan_frame(&FULL, STAMP, &good, &blocks_of(&[4096]), 256, &mut plan).unwrap();
    assert!(!plan.is_empty());
    let error = plan_frame(limits, stamp, origin, slot, bytes, &mut plan).unwrap_err();
    assert!(plan.is_empty(), "{error:?} left a plan");
    error
}

#[test]
fn payload_lengths() {
    let slot = blocks_of(&[4096]);
    for bytes in [0, 1, 2, 3, 5, 4095, u32::MAX] {
        let error = refused(&FULL, STAMP, &memory(64, 0), &slot, bytes);
        assert_eq!(error, PlanError::BadLength { bytes });
    }
    // A multiple of 4 to which a header cannot be added.
    let error = refused(&FULL, STAMP, &memory(64, 0), &slot, u32::MAX - 3);
    assert_eq!(error, PlanError::BadLength { bytes: u32::MAX - 3 });
}

#[test]
fn offsets() {
    let slot = blocks_of(&[4096]);
    for offset in [64, 68, u32::MAX] {
        let error = refused(&FULL, STAMP, &memory(64, offset), &slot, 4);
        assert_eq!(error, PlanError::BadOffset { offset });
    }
    assert_eq!(refused(&FULL, STAMP, &memory(0, 0), &slot, 4), PlanError::BadOffset { offset: 0 });
    // Not a whole word.
    let error = refused(&FULL, STAMP, &memory(64, 2), &slot, 32);
    assert_eq!(error, PlanError::Misaligned { bus: SOURCE + 2, align: 4 });
    // The source's length is not a multiple of 4, so its last transfer would not be either.
    assert_eq!(
        refused(&FULL, STAMP, &memory(62, 0), &slot, 64),
        PlanError::BadLength { bytes: 62 }
    );
}

#[test]
fn slots_too_small() {
    let origin = memory(64, 0);
    let short = |sizes: &[u32], bytes| refused(&FULL, STAMP, &origin, &blocks_of(sizes), bytes);
    assert_eq!(short(&[4096], 4096), PlanError::SlotTooSmall { need: 4160, have: 4096 });
    assert_eq!(short(&[4096, 60], 4096), PlanError::SlotTooSmall { need: 4160, have: 4156 });
    assert_eq!(short(&[], 4), PlanError::SlotTooSmall { need: 68, have: 0 });
    // The header must lie in one block.
    assert_eq!(short(&[32, 4096], 4), PlanError::SlotTooSmall { need: 68, have: 4128 });
    let mut plan = Plan::new();
    let exact = blocks_of(&[64, 4096]);
    assert_eq!(plan_frame(&FULL, STAMP, &origin, &exact, 4096, &mut plan), Ok(()));
}

#[test]
fn alignment() {
    let slot = blocks_of(&[4096]);
    let misaligned = |bus, align| PlanError::Misaligned { bus, align };
    assert_eq!(refused(&FULL, STAMP + 2, &memory(64, 0), &slot, 4), misaligned(STAMP + 2, 4));
    let origin = Origin { bus: SOURCE + 1, ..memory(64, 0) };
    assert_eq!(refused(&FULL, STAMP, &origin, &slot, 4), misaligned(SOURCE + 1, 4));
    let slot = [Block { bus: SLOT + 2, bytes: 4096 }];
    let at = SLOT + 2 + STAMP_START as u64;
    assert_eq!(refused(&FULL, STAMP, &memory(64, 0), &slot, 4), misaligned(at, 4));
    // Only the second block is misaligned.
    let slot = [Block { bus: SLOT, bytes: 64 }, Block { bus: SLOT + 0x101, bytes: 64 }];
    assert_eq!(refused(&FULL, STAMP, &memory(64, 0), &slot, 4), misaligned(SLOT + 0x101, 4));
    // A block whose length is not a multiple of 4 cannot be filled to its end.
    let slot = blocks_of(&[66, 4096]);
    assert_eq!(refused(&FULL, STAMP, &memory(64, 0), &slot, 64), PlanError::BadLength { bytes: 2 });
}

#[test]
fn addresses_beyond_32_bits() {
    const EDGE: u64 = 1 << 32;
    let (origin, slot) = (memory(64, 0), blocks_of(&[4096]));
    let unreachable = |bus| PlanError::Unreachable { bus };
    assert_eq!(refused(&FULL, EDGE, &origin, &slot, 4), unreachable(EDGE));
    let high = Origin { bus: EDGE - 60, ..origin };
    assert_eq!(refused(&FULL, STAMP, &high, &slot, 64), unreachable(EDGE - 60));
    let block = [Block { bus: EDGE - 4096, bytes: 8192 }];
    let error = refused(&FULL, STAMP, &memory(8192, 0), &block, 4096);
    assert_eq!(error, unreachable(EDGE - 4096 + HEADER_BYTES as u64));
    assert_eq!(refused(&FULL, STAMP, &origin, &block, 4096), unreachable(EDGE));
    let block = [Block { bus: EDGE, bytes: 4096 }];
    assert_eq!(refused(&FULL, STAMP, &origin, &block, 4), unreachable(EDGE + 32));
    let block = [Block { bus: u64::MAX - 3, bytes: 4096 }];
    assert!(matches!(
        refused(&FULL, STAMP, &origin, &block, 4),
        PlanError::Unreachable { .. } | PlanError::Misaligned { .. }
    ));

    // The last bytes below the edge are within reach.
    let mut plan = Plan::new();
    let high = Origin { bus: EDGE - 64, ..origin };
    let block = [Block { bus: EDGE - 4096, bytes: 4096 }];
    assert_eq!(plan_frame(&FULL, STAMP, &high, &block, 4032, &mut plan), Ok(()));
    assert_eq!(FULL.highest_address(), 0xffff_ffff);
    assert_eq!(Limits { address_bits: 64, ..FULL }.highest_address(), u64::MAX);
    assert_eq!(Limits { address_bits: 40, ..FULL }.highest_address(), 0xff_ffff_ffff);
}

#[test]
fn wide_reads() {
    let slot = blocks_of(&[4096]);
    let wide = |bus, bytes, offset| Origin { bus, width: Width::Bits128, ..memory(bytes, offset) };
    let mut plan = Plan::new();
    assert_eq!(plan_frame(&FULL, STAMP, &wide(SOURCE, 64, 16), &slot, 64, &mut plan), Ok(()));
    assert!(plan[1..plan.len() - 1].iter().all(|segment| segment.width == Width::Bits128));
    assert_eq!((plan[0].width, plan[plan.len() - 1].width), (Width::Bits32, Width::Bits32));

    let misaligned = |bus| PlanError::Misaligned { bus, align: 16 };
    let refused = |origin: &Origin, bytes| refused(&FULL, STAMP, origin, &slot, bytes);
    assert_eq!(refused(&wide(SOURCE + 4, 64, 0), 64), misaligned(SOURCE + 4));
    assert_eq!(refused(&wide(SOURCE, 64, 16 + 8), 32), misaligned(SOURCE + 24));
    assert_eq!(refused(&wide(SOURCE, 64, 0), 20), PlanError::BadLength { bytes: 20 });
    assert_eq!(refused(&wide(SOURCE, 40, 0), 64), PlanError::BadLength { bytes: 40 });
    assert_eq!(Width::from_bytes(16), Some(Width::Bits128));
    assert_eq!(Width::from_bytes(4), Some(Width::Bits32));
    assert!((0..64).filter(|n| ![4, 16].contains(n)).all(|n| Width::from_bytes(n).is_none()));
}

#[test]
fn lite_channels() {
    let origin = memory(1 << 20, 0);
    let slot = blocks_of(&[1 << 20]);
    let mut plan = Plan::new();
    plan_frame(&LITE, STAMP, &origin, &slot, 65_532, &mut plan).unwrap();
    assert_eq!(plan.len(), 3);
    plan_frame(&LITE, STAMP, &origin, &slot, 65_536, &mut plan).unwrap();
    assert_eq!(plan[1..3].iter().map(|segment| segment.bytes).collect::<Vec<_>>(), [65_532, 4]);
    // A wide transfer ends at a whole read.
    let wide = Origin { width: Width::Bits128, ..origin };
    plan_frame(&LITE, STAMP, &wide, &slot, 65_536, &mut plan).unwrap();
    assert_eq!(plan[1..3].iter().map(|segment| segment.bytes).collect::<Vec<_>>(), [65_520, 16]);

    // What a full channel moves in one transfer, a lite one does not.
    let segment = Segment { bytes: 65_536, ..plan[1] };
    assert_eq!(LITE.check(&segment), Err(PlanError::BadLength { bytes: 65_536 }));
    assert_eq!(FULL.check(&segment), Ok(()));
    for bytes in [1 << 30, u32::MAX - 3, 2, 0] {
        let segment = Segment { bytes, ..plan[0] };
        assert_eq!(FULL.check(&segment), Err(PlanError::BadLength { bytes }));
    }

    // The longest frame does not fit.
    let slot = blocks_of(&[FRAME_BYTES_MAX + 4096]);
    assert_eq!(
        refused(&LITE, STAMP, &memory(FRAME_BYTES_MAX, 0), &slot, FRAME_BYTES_MAX),
        PlanError::TooManySegments { most: MAX_SEGMENTS }
    );
}

#[test]
fn too_many_transfers() {
    // 126 transfers for the payload and two for the stamps fit; one more does not.
    let slot = blocks_of(&[8192]);
    let mut plan = Plan::new();
    plan_frame(&FULL, STAMP, &memory(4, 0), &slot, 126 * 4, &mut plan).unwrap();
    assert_eq!(plan.len(), MAX_SEGMENTS);
    for words in [127, 128, 1000] {
        assert_eq!(
            refused(&FULL, STAMP, &memory(4, 0), &slot, words * 4),
            PlanError::TooManySegments { most: MAX_SEGMENTS }
        );
    }
}

#[test]
fn a_fixed_source_is_read_at_one_address() {
    let origin = Origin { increments: false, dreq: 5, ..memory(4, 0) };
    check(&FULL, &origin, &blocks_of(&[128, 64, 4096]), 2048).unwrap();
    // Only the register itself must be within reach, whatever the length of the transfer.
    let top = Origin { bus: 0xffff_fffc, ..origin };
    let mut plan = Plan::new();
    assert_eq!(plan_frame(&FULL, STAMP, &top, &blocks_of(&[8192]), 4096, &mut plan), Ok(()));
}

/// Plans the longest frame of the pattern from every offset into a slot of blocks of these sizes.
/// Returns the largest number of transfers.
fn longest_frames_fit(sizes: &[u32]) -> usize {
    let slot = blocks_of(sizes);
    let mut plan = Plan::new();
    let mut most = 0;
    for sequence in 0..65_536 {
        let origin = memory(pattern::REFERENCE_BYTES as u32, pattern::offset(sequence));
        plan_frame(&FULL, STAMP, &origin, &slot, FRAME_BYTES_MAX, &mut plan).unwrap();
        most = most.max(plan.len());
    }
    most
}

#[test]
fn the_longest_frame_fits_ordinary_blocks() {
    // Blocks as the page allocator returns them: 4 MiB at most, and one page for the rest.
    let most = longest_frames_fit(&[4 << 20, 4 << 20, 4 << 20, 4 << 20, 4096]);
    assert!(most <= MAX_SEGMENTS);
}

#[test]
fn the_longest_frame_fits_as_many_blocks_as_a_slot_has() {
    // Fragmented memory: smaller and smaller blocks, until the largest number of blocks is reached.
    let page = 4096;
    let mut sizes = vec![page; SLOT_BLOCKS];
    sizes[..31].fill(512 * 1024);
    let left = FRAME_BYTES_MAX + page - sizes.iter().sum::<u32>();
    sizes[31] += left;
    assert_eq!(sizes.iter().sum::<u32>(), FRAME_BYTES_MAX + page);
    // 64 ends of the source, 47 ends of a block, the frame's end and two stamps, if none coincide.
    let most = longest_frames_fit(&sizes);
    assert!((110..=114).contains(&most), "{most} transfers");
    assert!(most <= MAX_SEGMENTS);
}

/// A slot of as many blocks as there can be, for `payload` bytes: all but the last of one page.
fn scattered(payload: u32) -> Vec<Block> {
    let bytes = payload + HEADER_BYTES as u32;
    let pages = (bytes / 4096).min(SLOT_BLOCKS as u32 - 1);
    let mut blocks: Vec<_> =
        (0..pages).map(|n| Block { bus: SLOT + u64::from(n) * 8192, bytes: 4096 }).collect();
    blocks.push(Block { bus: SLOT + u64::from(pages) * 8192, bytes: bytes.next_multiple_of(4096) });
    blocks
}

#[test]
fn the_longest_payload_can_be_planned_from_every_offset() {
    for (limits, source, increments) in [
        (FULL, 4, false),
        (FULL, 4, true),
        (FULL, 8, true),
        (FULL, 4096, true),
        (FULL, pattern::REFERENCE_BYTES as u32, true),
        (LITE, 4, false),
        (LITE, 8, true),
        (LITE, pattern::REFERENCE_BYTES as u32, true),
    ] {
        let most = longest_payload(&limits, increments.then_some(source), Width::Bits32);
        assert!(most > 0 && most % 4 == 0);
        for offset in [0, source / 8 * 4, source - 4] {
            let origin = Origin {
                bus: SOURCE,
                bytes: source,
                offset,
                increments,
                width: Width::Bits32,
                dreq: 0,
            };
            let mut plan = Plan::new();
            plan_frame(&limits, STAMP, &origin, &scattered(most), most, &mut plan).unwrap();
        }
    }
}

#[test]
fn longest_payloads() {
    let (full, lite) = (
        |bytes| longest_payload(&FULL, bytes, Width::Bits32),
        |bytes| longest_payload(&LITE, bytes, Width::Bits32),
    );
    // 128 transfers less two stamps and 47 ends of blocks are 79: one is left after 78 repetitions.
    assert_eq!(full(Some(8)), 8 * 78);
    assert_eq!(full(Some(pattern::REFERENCE_BYTES as u32)), FRAME_BYTES_MAX);
    assert_eq!(full(None), FRAME_BYTES_MAX);
    assert_eq!(lite(None), 79 * 0xfffc);
    assert_eq!(longest_payload(&FULL, Some(16), Width::Bits128), 16 * 78);
}

#[test]
fn errors_name_the_refused_value() {
    for (error, text) in [
        (PlanError::BadLength { bytes: 6 }, "a transfer of 6 bytes cannot be run"),
        (
            PlanError::Misaligned { bus: 0x1002, align: 4 },
            "bus address 0x1002 is not a multiple of 4",
        ),
        (
            PlanError::Unreachable { bus: 0x1_0000_0000 },
            "bus address 0x100000000 is out of the engine's reach",
        ),
        (PlanError::BadOffset { offset: 9 }, "offset 9 is past the end of the source"),
        (
            PlanError::SlotTooSmall { need: 4160, have: 4096 },
            "a frame of 4160 bytes does not fit a slot of 4096",
        ),
        (PlanError::TooManySegments { most: 128 }, "more than 128 transfers"),
    ] {
        assert_eq!(error.to_string(), text);
    }
}
