// SPDX-License-Identifier: MIT OR Apache-2.0
//! mmap(2) without the library.

pub use dmaframe_compliance::mapping::Mapping;

/// Bytes of a page on the board.
pub const PAGE: usize = 4096;
