// SPDX-License-Identifier: MIT OR Apache-2.0
//! The ioctl structures, in both directions.
#![no_main]

use dmaframe_abi::frame::HEADER_BYTES;
use dmaframe_abi::netlink::Event;
use dmaframe_abi::stream::{Fault, Policy, RING_BYTES_MAX, State};
use dmaframe_abi::uapi::{Config, NAME_BYTES, SourceInfo, Stats, field_name, name_field};
use libfuzzer_sys::fuzz_target;
use zerocopy::FromBytes;

const PAGES: [u32; 3] = [4096, 16384, 65536];

fn config(bytes: &[u8]) {
    let Ok((config, _)) = Config::read_from_prefix(bytes) else { return };
    // Reserved fields other than zero are refused early, so the rest is also tested with zeros.
    let plain = Config {
        source: config.source,
        frame_bytes: config.frame_bytes,
        slots: config.slots,
        policy: config.policy % 3,
        interval_us: config.interval_us,
        ..Config::default()
    };
    for config in [config, plain] {
        let Ok(shape) = config.shape() else { continue };
        assert_eq!(Config::from(shape), config);
        for page in PAGES {
            match shape.check(4, page) {
                Ok(()) => {
                    let stride = shape.slot_stride(page);
                    assert!(stride % page == 0 && stride > shape.frame_bytes);
                    assert!(stride - shape.frame_bytes < page + HEADER_BYTES as u32);
                    assert!(u64::from(stride) * u64::from(shape.slots) <= RING_BYTES_MAX);
                }
                Err(error) => assert!(!error.to_string().is_empty()),
            }
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    config(bytes);
    if let Ok((source, _)) = SourceInfo::read_from_prefix(bytes) {
        let name = field_name(&source.name);
        assert!(!name.contains(&0));
        assert!(name.len() == NAME_BYTES || field_name(&name_field(name)) == name);
    }
    if let Ok((stats, _)) = Stats::read_from_prefix(bytes) {
        assert_eq!(State::try_from(stats.state).map_or_else(|raw| raw, |s| s as u32), stats.state);
        assert_eq!(Fault::try_from(stats.fault).map_or_else(|raw| raw, |f| f as u32), stats.fault);
    }
    if let Ok((raw, _)) = u32::read_from_prefix(bytes) {
        assert_eq!(Policy::try_from(raw).map_or_else(|raw| raw, |policy| policy as u32), raw);
        assert_eq!(Event::try_from(raw).map_or_else(|raw| raw, |event| event as u32), raw);
    }
    let field = name_field(bytes);
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len()).min(NAME_BYTES - 1);
    assert_eq!(field_name(&field), &bytes[..end]);
});
