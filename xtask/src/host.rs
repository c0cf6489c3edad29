// SPDX-License-Identifier: MIT OR Apache-2.0
//! The machine that xtask runs on: the cache it keeps there, and what it says while it works.

pub(crate) mod cache;
pub(crate) mod progress;
