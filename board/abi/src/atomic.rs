// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0
//! The atomics of shared memory: those of `core`, or loom's in builds for the model checker.

#[cfg(not(loom))]
pub(crate) use core::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
