// SPDX-License-Identifier: MIT OR Apache-2.0
//! The readers of recordings: files of any format, from anybody.
#![no_main]

use dmaframe_record::Recording;
use libfuzzer_sys::fuzz_target;
use std::io::Cursor;

fuzz_target!(|file: &[u8]| {
    let Ok(mut recording) = Recording::read(Cursor::new(file.to_vec()), "fuzz") else { return };
    let mut bytes = 0;
    loop {
        match recording.next() {
            Ok(Some(frame)) => {
                assert_eq!(frame.payload.len(), frame.header.payload_bytes.get() as usize);
                bytes += size_of_val(frame.header) + frame.payload.len();
            }
            Ok(None) => {
                assert!(recording.ending().is_some());
                break;
            }
            Err(error) => {
                assert!(!error.to_string().is_empty());
                break;
            }
        }
    }
    assert!(bytes <= file.len());
    // No frame comes after the end.
    assert!(matches!(recording.next(), Ok(None)));
});
