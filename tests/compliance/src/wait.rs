// SPDX-License-Identifier: MIT OR Apache-2.0
//! Waits with a limit.

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::Pid;
use std::fmt;
use std::os::fd::AsFd;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The limit of a wait has passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimedOut {
    what: String,
    limit: Duration,
}

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "waited {:?} without success for: {}", self.limit, self.what)
    }
}

impl std::error::Error for TimedOut {}

/// Calls `look` repeatedly until it returns a value.
///
/// # Errors
///
/// After `limit`; the error contains `what`.
pub fn until<T>(
    limit: Duration,
    what: &str,
    mut look: impl FnMut() -> Option<T>,
) -> Result<T, TimedOut> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(seen) = look() {
            return Ok(seen);
        }
        if Instant::now() >= deadline {
            return Err(TimedOut { what: what.to_owned(), limit });
        }
        sleep(Duration::from_millis(2));
    }
}

/// Waits in poll(2) for at most `limit`. Returns its events, or none if nothing woke it.
///
/// # Errors
///
/// Those of poll(2).
pub fn readable(file: impl AsFd, limit: Duration) -> nix::Result<PollFlags> {
    let mut fds = [PollFd::new(file.as_fd(), PollFlags::POLLIN | PollFlags::POLLRDNORM)];
    let asked = Instant::now();
    poll(&mut fds, PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX))?;
    // After a timeout poll(2) reports the current events, as if something had woken it.
    if !limit.is_zero() && asked.elapsed() >= limit {
        return Ok(PollFlags::empty());
    }
    Ok(fds[0].revents().unwrap_or(PollFlags::empty()))
}

/// Waits until thread `tid` of this process sleeps in the kernel.
///
/// # Errors
///
/// If the thread does not sleep within `limit`.
pub fn asleep(limit: Duration, tid: Pid) -> Result<(), TimedOut> {
    until(limit, "a thread to fall asleep", || {
        let stat = std::fs::read_to_string(format!("/proc/self/task/{tid}/stat")).ok()?;
        // The name in parentheses may contain anything; the state follows the last parenthesis.
        let (_, rest) = stat.rsplit_once(") ")?;
        rest.starts_with('S').then_some(())
    })
}
