// SPDX-License-Identifier: MIT OR Apache-2.0
//! Ends a wait for a frame from outside.

use crate::{Error, Result};
use nix::errno::Errno;
use nix::sys::eventfd::{EfdFlags, EventFd};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

/// Ends a blocked [`Stream::next`](crate::Stream::next) from another thread or a signal handler.
#[derive(Clone, Debug)]
pub struct Canceller(Arc<EventFd>);

impl Canceller {
    pub(crate) fn new() -> Result<Self> {
        EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)
            .map(|event| Self(Arc::new(event)))
            .map_err(|errno| Error::Canceller(errno.into()))
    }

    /// Ends the current wait of the stream, or the next one if none is in progress, with
    /// [`Error::Cancelled`]. Frames that are ready come first. Several calls before a wait count as
    /// one.
    ///
    /// It makes one write(2), which a signal handler may do.
    pub fn cancel(&self) {
        // It fails only if the counter is full: the wait is cancelled already.
        let _ = self.0.write(1);
    }

    /// Whether [`Canceller::cancel`] was called since this was last called.
    pub(crate) fn take(&self) -> bool {
        !matches!(self.0.read(), Err(Errno::EAGAIN))
    }
}

impl AsFd for Canceller {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
