// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0
//! The layout and the parser of the frame header.

use dmaframe_abi::frame::{
    FrameError, HEADER_BYTES, Header, MAGIC, STAMP_BYTES, STAMP_END, STAMP_START, TOO_FAST,
    VERSION, parse,
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
    assert_eq!((STAMP_START, STAMP_END, STAMP_BYTES), (32, 40, 4));
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
}
