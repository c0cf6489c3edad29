// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0
//! The frame header's layout and parser, and the correction of torn stamps.

use dmaframe_abi::frame::{
    FrameError, HEADER_BYTES, Header, MAGIC, STAMP_BYTES, STAMP_END, STAMP_START, TOO_FAST,
    VERSION, parse, untear,
};
use proptest::prelude::*;
use std::mem::offset_of;
use zerocopy::IntoBytes;

fn frame(payload: &[u8]) -> Vec<u8> {
    let header = Header {
        magic: MAGIC.into(),
        version: VERSION.into(),
        header_bytes: (HEADER_BYTES as u16).into(),
        payload_bytes: (payload.len() as u32).into(),
        sequence: 7.into(),
        ..Header::default()
    };
    [header.as_bytes(), payload].concat()
}

#[test]
fn layout() {
    assert_eq!(size_of::<Header>(), 64);
    let offsets = [
        offset_of!(Header, magic),
        offset_of!(Header, version),
        offset_of!(Header, header_bytes),
        offset_of!(Header, sequence),
        offset_of!(Header, lost),
        offset_of!(Header, payload_bytes),
        offset_of!(Header, source),
        offset_of!(Header, flags),
        offset_of!(Header, device_start),
        offset_of!(Header, device_end),
        offset_of!(Header, published_ns),
        offset_of!(Header, stream),
        offset_of!(Header, reserved),
    ];
    assert_eq!(offsets, [0, 4, 6, 8, 16, 24, 28, 30, 32, 40, 48, 56, 60]);
    assert_eq!((STAMP_START, STAMP_END, STAMP_BYTES), (32, 40, 8));
    assert_eq!((MAGIC, VERSION, HEADER_BYTES), (0x4641_4d44, 1, 64));
    assert_eq!(TOO_FAST, 1);
    assert_eq!(&frame(&[])[..8], b"DMAF\x01\x00\x40\x00");
}

#[test]
fn parse_splits_header_and_payload() {
    let mut bytes = frame(b"payload!");
    bytes.extend_from_slice(b"what else the slot holds");
    let (header, payload) = parse(&bytes).unwrap();
    assert_eq!((header.sequence.get(), payload), (7, &b"payload!"[..]));
    assert_eq!(parse(&frame(&[])).unwrap().1, b"");
}

#[test]
fn parse_refuses_each_kind_of_damage() {
    let good = frame(&[1, 2, 3, 4]);
    for have in 0..HEADER_BYTES {
        assert_eq!(
            parse(&good[..have]).unwrap_err(),
            FrameError::Short { need: HEADER_BYTES, have }
        );
    }
    for have in HEADER_BYTES..good.len() {
        assert_eq!(parse(&good[..have]).unwrap_err(), FrameError::Short { need: good.len(), have });
    }
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        parse(&bytes).unwrap_err()
    };
    assert_eq!(with(0, b'd'), FrameError::Magic(u32::from_le_bytes(*b"dMAF")));
    assert_eq!(with(4, 2), FrameError::Version { version: 2, header_bytes: 64 });
    assert_eq!(with(6, 65), FrameError::Version { version: 1, header_bytes: 65 });
    assert_eq!(
        with(27, 0xff),
        FrameError::Short { need: HEADER_BYTES + 0xff00_0004, have: good.len() }
    );
}

proptest! {
    #![proptest_config(ProptestConfig {
        // Fewer cases under Miri, which is slow.
        cases: if cfg!(miri) { 8 } else { 256 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn parse_accepts_any_bytes_without_panic(
        mut bytes in prop::collection::vec(any::<u8>(), 0..200),
        prefix in 0usize..=8,
    ) {
        // Valid header fields up to a random point, so that every check of the parser is reached.
        let good = frame(&[]);
        let known = prefix.min(bytes.len());
        bytes[..known].copy_from_slice(&good[..known]);
        match parse(&bytes) {
            Ok((header, payload)) => {
                prop_assert_eq!(payload.len(), header.payload_bytes.get() as usize);
                prop_assert_eq!(header.as_bytes(), &bytes[..HEADER_BYTES]);
                prop_assert_eq!(payload, &bytes[HEADER_BYTES..HEADER_BYTES + payload.len()]);
            }
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }

    #[test]
    fn parse_needs_no_alignment(
        payload in prop::collection::vec(any::<u8>(), 0..64),
        shift in 0usize..16,
    ) {
        let bytes = [vec![0; shift], frame(&payload)].concat();
        prop_assert_eq!(parse(&bytes[shift..]).unwrap().1, &payload[..]);
    }

    #[test]
    fn stamps_that_are_not_torn_stay(start in any::<u64>(), ticks in 0u64..=1 << 31) {
        let end = start.saturating_add(ticks);
        prop_assert_eq!(untear(start, end), (start, end));
    }

    /// The counter is at `high << 32 | 0xffff_ffff` when its low word is read, and has wrapped
    /// when its high word is: the stamp says `high + 1` with the old low word.
    #[test]
    fn a_torn_start_is_corrected(high in 0u64..u64::from(u32::MAX), ticks in 1u64..1 << 31) {
        let start = high << 32 | 0xffff_ffff;
        let torn = (high + 1) << 32 | 0xffff_ffff;
        prop_assert_eq!(untear(torn, start + ticks), (start, start + ticks));
    }

    #[test]
    fn a_torn_end_is_corrected(high in 0u64..u64::from(u32::MAX), ticks in 0u64..1 << 31) {
        let end = high << 32 | 0xffff_ffff;
        let torn = (high + 1) << 32 | 0xffff_ffff;
        prop_assert_eq!(untear(end - ticks, torn), (end - ticks, end));
    }

    /// The stamps come from outside: no values may cause a panic.
    #[test]
    fn untear_accepts_any_stamps_without_panic(start in any::<u64>(), end in any::<u64>()) {
        untear(start, end);
        untear(start & 0xffff_ffff, end & 0xffff_ffff);
        untear(start, end & 0xffff_ffff);
    }
}

#[test]
fn stamps_around_the_first_wrap() {
    // The engine never wrote the start, 40 minutes after power-on.
    untear(0, 2_400_000_000);
    untear(u64::MAX, 0);
    untear(0, u64::MAX);
    assert_eq!(untear(0, 0), (0, 0));
    assert_eq!(untear(0, 1 << 31), (0, 1 << 31));
    // The first wrap, at 71 minutes.
    assert_eq!(untear(0x1_ffff_ffff, 0x1_0000_0003), (0xffff_ffff, 0x1_0000_0003));
    assert_eq!(untear(0xffff_fff0, 0x1_ffff_ffff), (0xffff_fff0, 0xffff_ffff));
    // Stamps on both sides of a wrap, neither torn.
    assert_eq!(untear(0xffff_ffff, 0x1_0000_0000), (0xffff_ffff, 0x1_0000_0000));
}
