// SPDX-License-Identifier: MIT OR Apache-2.0
//! Clocks, in nanoseconds.

use crate::Result;
use nix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// CLOCK_MONOTONIC.
pub(crate) fn monotonic_ns() -> Result<u64> {
    read(ClockId::CLOCK_MONOTONIC)
}

/// Processor time of this thread, user and system.
pub(crate) fn thread_ns() -> Result<u64> {
    read(ClockId::CLOCK_THREAD_CPUTIME_ID)
}

fn read(clock: ClockId) -> Result<u64> {
    Ok(u64::try_from(Duration::from(clock_gettime(clock)?).as_nanos())?)
}
