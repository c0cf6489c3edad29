// SPDX-License-Identifier: MIT OR Apache-2.0
//! The parser of consecutive frames, as read(2) returns them and files store them.
#![no_main]

use dmaframe_abi::frame::{FrameError, HEADER_BYTES, parse};
use libfuzzer_sys::fuzz_target;
use zerocopy::IntoBytes;

fuzz_target!(|recording: &[u8]| {
    let mut rest = recording;
    let error = loop {
        match parse(rest) {
            Ok((header, payload)) => {
                let frame = HEADER_BYTES + payload.len();
                assert_eq!(payload.len(), header.payload_bytes.get() as usize);
                assert_eq!([header.as_bytes(), payload].concat(), rest[..frame]);
                rest = &rest[frame..];
            }
            Err(error) => break error,
        }
    };
    assert!(!error.to_string().is_empty());
    if let FrameError::Short { need, have } = error {
        assert!(need > have && have == rest.len());
    }
});
