// SPDX-License-Identifier: MIT OR Apache-2.0
//! A datagram from the kernel: answers, refusals with their words, events.
#![no_main]

use dmaframe::netlink::understand;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|datagram: &[u8]| {
    if let Err(error) = understand(datagram) {
        assert!(!error.to_string().is_empty());
    }
});
