// SPDX-License-Identifier: MIT OR Apache-2.0
//! The device without the library, and common configurations.

use dmaframe_abi::uapi::Config;

pub use dmaframe_compliance::raw::Raw;

/// A configuration that every device accepts: 16 frames of 4096 bytes of the pattern, unpaced.
pub const GOOD: Config = Config {
    source: 0,
    frame_bytes: 4096,
    slots: 16,
    policy: 0,
    interval_us: 0,
    flags: 0,
    slot_stride: 0,
    header_bytes: 0,
    slots_bytes: 0,
    reserved: [0; 3],
};

/// Like [`GOOD`], but the first frame is due after a minute.
pub const QUIET: Config = Config { interval_us: 60_000_000, ..GOOD };
