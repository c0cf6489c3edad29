// SPDX-License-Identifier: MIT OR Apache-2.0
//! The machine that xtask runs on: the cache it keeps there, the programs it starts, and what it
//! says while it works.

pub(crate) mod cache;
pub(crate) mod lock;
pub(crate) mod program;
pub(crate) mod progress;
pub(crate) mod scratch;
pub(crate) mod terminal;
pub(crate) mod tree;
