// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0
//! The ioctl interface, compared with a C compiler's numbers.
//!
//! The numbers were printed by a C program from `<linux/ioctl.h>` and structures of `__u8`,
//! `__u32` and `__u64` in the same order, built with `-Wpadded`.

use dmaframe_abi::stream::{Policy, Shape};
use dmaframe_abi::uapi::{self, Config, ConfigError, Info, NAME_BYTES, SourceInfo, Stats};
use proptest::prelude::*;
use std::mem::offset_of;
use zerocopy::{FromBytes, IntoBytes};

#[test]
fn flags_and_lengths() {
    assert_eq!((uapi::IOC_TYPE, NAME_BYTES), (0xdf, 32));
    assert_eq!((uapi::SOURCE_INCREMENTS, uapi::SOURCE_PATTERN), (1, 2));
}

#[test]
fn requests() {
    assert_eq!(uapi::GET_INFO, 0x8080_df00);
    assert_eq!(uapi::GET_SOURCE, 0xc068_df01);
    assert_eq!(uapi::GET_CONFIG, 0x8040_df02);
    assert_eq!(uapi::CONFIGURE, 0xc040_df03);
    assert_eq!(uapi::START, 0x0000_df04);
    assert_eq!(uapi::STOP, 0x0000_df05);
    assert_eq!(uapi::KICK, 0x0000_df06);
    assert_eq!(uapi::GET_STATS, 0x8080_df07);
}

macro_rules! offsets {
    ($type:ident: $($field:ident)*) => { [$(offset_of!($type, $field)),*] };
}

#[test]
fn layouts() {
    assert_eq!(
        offsets!(Info: engine device channel sources state frame_bytes_max frame_granularity
            slots_max stamp_hz ring_bytes_max interval_us_min interval_us_max reserved),
        [0, 32, 36, 40, 44, 48, 52, 56, 60, 64, 72, 76, 80]
    );
    assert_eq!(
        offsets!(SourceInfo: index flags name bus bytes width dreq frame_bytes interval_us frame_bytes_max
            rate_hz reserved),
        [0, 4, 8, 40, 48, 52, 56, 60, 64, 68, 72, 76]
    );
    assert_eq!(
        offsets!(Config: source frame_bytes slots policy interval_us flags slot_stride
            header_bytes slots_bytes reserved),
        [0, 4, 8, 12, 16, 20, 24, 28, 32, 40]
    );
    assert_eq!(
        offsets!(Stats: frames lost bytes errors overruns chains interrupts kicks bad_consumer
            state fault error_bits stream too_fast reserved),
        [0, 8, 16, 24, 32, 40, 48, 56, 64, 72, 76, 80, 84, 88, 96]
    );
    assert_eq!(size_of::<Info>(), 128);
    assert_eq!(size_of::<SourceInfo>(), 104);
    assert_eq!(size_of::<Config>(), 64);
    assert_eq!(size_of::<Stats>(), 128);
}

#[test]
fn defaults_are_all_zero() {
    assert!(Info::default().as_bytes().iter().all(|&byte| byte == 0));
    assert!(SourceInfo::default().as_bytes().iter().all(|&byte| byte == 0));
    assert!(Config::default().as_bytes().iter().all(|&byte| byte == 0));
    assert!(Stats::default().as_bytes().iter().all(|&byte| byte == 0));
}

const SHAPE: Shape =
    Shape { source: 1, frame_bytes: 4096, slots: 16, policy: Policy::Drop, interval_us: 1000 };

#[test]
fn a_shape_survives_the_conversion_to_config() {
    let config = Config::from(SHAPE);
    assert_eq!(config.shape(), Ok(SHAPE));
    assert_eq!(config.as_bytes()[20..], [0; 44]);
}

#[test]
fn config_refuses_each_invalid_field() {
    let good = Config::from(SHAPE);
    for bit in 0..32 {
        let flags = 1 << bit;
        assert_eq!(Config { flags, ..good }.shape(), Err(ConfigError::Flags(flags)));
    }
    for policy in [2, 3, u32::MAX] {
        assert_eq!(Config { policy, ..good }.shape(), Err(ConfigError::Policy(policy)));
    }
    // Every bit after the flags that the caller must pass as zero.
    for bit in 24 * 8..64 * 8 {
        let mut bytes = [0; 64];
        bytes.copy_from_slice(good.as_bytes());
        bytes[bit / 8] |= 1 << (bit % 8);
        let config = Config::read_from_bytes(&bytes).unwrap();
        assert_eq!(config.shape(), Err(ConfigError::Reserved), "bit {bit}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// A config that is accepted converts back to the same bits: no field is ignored.
    #[test]
    fn config_accepts_any_bytes(mut bytes in any::<[[u8; 16]; 4]>(), zeroes in 0usize..64) {
        let bytes = bytes.as_mut_bytes();
        bytes[64 - zeroes..].fill(0);
        let config = Config::read_from_bytes(bytes).unwrap();
        if let Ok(shape) = config.shape() {
            prop_assert_eq!(Config::from(shape), config);
        }
    }

    #[test]
    fn names_are_padded_and_terminated(name in prop::collection::vec(1u8.., 0..80)) {
        let field = uapi::name_field(&name);
        let kept = name.len().min(NAME_BYTES - 1);
        prop_assert_eq!(uapi::field_name(&field), &name[..kept]);
        prop_assert!(field[kept..].iter().all(|&byte| byte == 0));
    }
}

#[test]
fn a_name_without_nul_is_the_whole_field() {
    assert_eq!(uapi::field_name(&[b'x'; NAME_BYTES]), [b'x'; NAME_BYTES]);
    assert_eq!(uapi::field_name(&[0; NAME_BYTES]), b"");
}
