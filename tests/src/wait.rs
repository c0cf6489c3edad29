// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bounded waits.

use crate::LIMIT;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::fd::AsFd;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Looks again and again until `look` has something.
///
/// # Panics
///
/// After [`LIMIT`], naming `what` did not come.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < deadline, "waited {LIMIT:?} in vain for: {what}");
        sleep(Duration::from_millis(2));
    }
}

/// What poll(2) reports at once.
///
/// # Panics
///
/// If poll(2) fails.
pub fn events(file: impl AsFd) -> PollFlags {
    poll_for(file, PollTimeout::ZERO)
}

/// What poll(2) reports when it has slept; empty after [`LIMIT`].
///
/// # Panics
///
/// If poll(2) fails.
pub fn wake(file: impl AsFd) -> PollFlags {
    poll_for(file, PollTimeout::try_from(LIMIT).unwrap())
}

fn poll_for(file: impl AsFd, timeout: PollTimeout) -> PollFlags {
    let mut fds = [PollFd::new(file.as_fd(), PollFlags::POLLIN | PollFlags::POLLRDNORM)];
    poll(&mut fds, timeout).unwrap();
    fds[0].revents().unwrap()
}

/// Waits until thread `tid` of this process sleeps in the kernel.
///
/// # Panics
///
/// After [`LIMIT`].
pub fn asleep(tid: nix::unistd::Pid) {
    until("a thread to fall asleep", || {
        let stat = std::fs::read_to_string(format!("/proc/self/task/{tid}/stat")).ok()?;
        // The name before may hold anything; the state is the letter after its bracket.
        let (_, rest) = stat.rsplit_once(") ")?;
        rest.starts_with('S').then_some(())
    });
}
