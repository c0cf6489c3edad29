// SPDX-License-Identifier: MIT OR Apache-2.0
//! The parser of netlink datagrams: answers, errors with messages, and events.
#![no_main]

use dmaframe::netlink::understand;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|datagram: &[u8]| {
    if let Err(error) = understand(datagram) {
        assert!(!error.to_string().is_empty());
    }
});
