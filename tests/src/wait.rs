// SPDX-License-Identifier: MIT OR Apache-2.0
//! Waits bounded by [`LIMIT`].

use crate::LIMIT;
use dmaframe_compliance::wait;
use nix::poll::PollFlags;
use std::os::fd::AsFd;
use std::time::Duration;

/// Looks again and again until `look` has something.
///
/// # Panics
///
/// After [`LIMIT`], naming `what` did not come.
pub fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    wait::until(LIMIT, what, look).unwrap_or_else(|late| panic!("{late}"))
}

/// What poll(2) reports at once.
///
/// # Panics
///
/// If poll(2) fails.
pub fn events(file: impl AsFd) -> PollFlags {
    wait::readable(file, Duration::ZERO).unwrap()
}

/// What poll(2) reports at once, or when it is woken; empty after [`LIMIT`].
///
/// # Panics
///
/// If poll(2) fails.
pub fn wake(file: impl AsFd) -> PollFlags {
    wait::readable(file, LIMIT).unwrap()
}

/// Waits until thread `tid` of this process sleeps in the kernel.
///
/// # Panics
///
/// After [`LIMIT`].
pub fn asleep(tid: nix::unistd::Pid) {
    wait::asleep(LIMIT, tid).unwrap_or_else(|late| panic!("{late}"));
}
