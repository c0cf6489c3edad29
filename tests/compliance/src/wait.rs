// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bounded waits.

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::Pid;
use std::fmt;
use std::os::fd::AsFd;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Something did not come in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimedOut {
    what: String,
    limit: Duration,
}

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "waited {:?} in vain for: {}", self.limit, self.what)
    }
}

impl std::error::Error for TimedOut {}

/// Looks again and again until `look` has something.
///
/// # Errors
///
/// After `limit`, that `what` did not come.
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

/// What poll(2) reports at once, or when it is woken within `limit`; empty if it is not.
///
/// # Errors
///
/// Those of poll(2).
pub fn readable(file: impl AsFd, limit: Duration) -> nix::Result<PollFlags> {
    let mut fds = [PollFd::new(file.as_fd(), PollFlags::POLLIN | PollFlags::POLLRDNORM)];
    let asked = Instant::now();
    poll(&mut fds, PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX))?;
    // At the end of its time it looks once more, and would hide that nobody woke it.
    if !limit.is_zero() && asked.elapsed() >= limit {
        return Ok(PollFlags::empty());
    }
    Ok(fds[0].revents().unwrap_or(PollFlags::empty()))
}

/// Waits until thread `tid` of this process sleeps in the kernel.
///
/// # Errors
///
/// If it does not within `limit`.
pub fn asleep(limit: Duration, tid: Pid) -> Result<(), TimedOut> {
    until(limit, "a thread to fall asleep", || {
        let stat = std::fs::read_to_string(format!("/proc/self/task/{tid}/stat")).ok()?;
        // The name before may hold anything; the state is the letter after its bracket.
        let (_, rest) = stat.rsplit_once(") ")?;
        rest.starts_with('S').then_some(())
    })
}
