// SPDX-License-Identifier: MIT OR Apache-2.0
//! The host: the machine that xtask runs on. The cache, locks, directories and programs there, and
//! the progress that xtask prints.

pub(crate) mod cache;
pub(crate) mod lock;
pub(crate) mod program;
pub(crate) mod progress;
pub(crate) mod scratch;
pub(crate) mod terminal;
pub(crate) mod tree;
