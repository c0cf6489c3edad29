// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0
//! The atomics of shared memory: the language's, or loom's where every interleaving is tried.

#[cfg(not(loom))]
pub(crate) use core::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
