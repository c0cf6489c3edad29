// SPDX-License-Identifier: MIT OR Apache-2.0
//! Waits that end after [`LIMIT`].

use crate::LIMIT;
use dmaframe_compliance::wait;
use nix::poll::PollFlags;
use std::os::fd::AsFd;
use std::time::Duration;

/// Calls `look` repeatedly until it returns a value.
///
/// # Panics
///
/// After [`LIMIT`]; the message contains `what`.
pub fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    wait::until(LIMIT, what, look).unwrap_or_else(|late| panic!("{late}"))
}

/// The events that poll(2) reports without waiting.
///
/// # Panics
///
/// If poll(2) fails.
pub fn events(file: impl AsFd) -> PollFlags {
    wait::readable(file, Duration::ZERO).unwrap()
}

/// Waits in poll(2) and returns its events; none after [`LIMIT`].
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
