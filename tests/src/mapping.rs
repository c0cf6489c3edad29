// SPDX-License-Identifier: MIT OR Apache-2.0
//! mmap(2) without the library, on the board's pages.

pub use dmaframe_compliance::mapping::Mapping;

/// Bytes of a page.
pub const PAGE: usize = 4096;
