// SPDX-License-Identifier: MIT OR Apache-2.0
//! The stream: a device's ring, mapped into this process.

use crate::canceller::Canceller;
use crate::device::Handle;
use crate::event_log::{debug, trace};
use crate::frame::Shared;
use crate::mapping::Ring;
use crate::{Error, Frame, OwnedFrame, Result, Stats};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::{Duration, Instant};

/// A configured stream. It lends one [`Frame`] at a time, oldest first; [`Frame::into_owned`] takes
/// a frame out of it.
///
/// In an event loop, wait until its file descriptor ([`AsFd`]) is readable, then take frames with
/// [`Stream::try_next`] until that returns [`Poll::Pending`].
///
/// Dropping it stops the engine.
#[derive(Debug)]
pub struct Stream {
    shared: Arc<Shared>,
    started: bool,
    canceller: Option<Canceller>,
}

/// Counters of a stream since its start, from the ring's meta page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Frames published.
    pub frames: u64,
    /// Frames lost: due while no slot was free.
    pub lost: u64,
    /// Bytes of payload published.
    pub bytes: u64,
    /// Errors of the engine.
    pub errors: u64,
}

/// The result of a look at the ring.
enum Look {
    Frame,
    Nothing,
    End,
}

impl Stream {
    pub(crate) fn new(handle: Arc<Handle>, ring: Ring) -> Self {
        Self { shared: Arc::new(Shared { handle, ring }), started: false, canceller: None }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    fn handle(&self) -> &Handle {
        &self.shared.handle
    }

    fn ring(&self) -> &Ring {
        &self.shared.ring
    }

    /// The path of the device.
    pub fn path(&self) -> &Path {
        self.handle().path()
    }

    /// Slots of the ring.
    pub fn slots(&self) -> u32 {
        self.ring().geometry().slots
    }

    /// Bytes of a frame's payload.
    pub fn frame_bytes(&self) -> u32 {
        self.ring().geometry().frame_bytes
    }

    /// Ticks per second of the device stamps.
    pub fn stamp_hz(&self) -> u32 {
        self.ring().geometry().stamp_hz
    }

    /// Which stream of the device this is: one more at every start.
    pub fn number(&self) -> u32 {
        self.ring().meta().stream.load(Ordering::Relaxed)
    }

    /// How many of the [`Stream::slots`] hold a frame that was published and not returned, without a
    /// system call. A frame that the stream has lent is one of them.
    pub fn fill(&self) -> Result<u32> {
        self.ring().fill().map_err(|what| self.broken(what))
    }

    /// The counters, without a system call. They stay readable when the device is gone.
    pub fn counters(&self) -> Counters {
        let meta = self.ring().meta();
        Counters {
            frames: meta.frames.load(Ordering::Relaxed),
            lost: meta.lost.load(Ordering::Relaxed),
            bytes: meta.bytes.load(Ordering::Relaxed),
            errors: meta.errors.load(Ordering::Relaxed),
        }
    }

    /// All counters, from the driver.
    pub fn stats(&self) -> Result<Stats> {
        self.handle().stats()
    }

    /// Starts the engine. The sequence begins at 0, after the frames of an earlier start that are
    /// still ready.
    ///
    /// # Errors
    ///
    /// [`Error::Running`] if it runs already, [`Error::Gone`].
    pub fn start(&mut self) -> Result<()> {
        if self.ring().flags().detached {
            return Err(self.gone());
        }
        self.handle().start()?;
        self.started = true;
        let resumed = self.ring().resume();
        resumed.map_err(|what| self.broken(what))
    }

    /// Stops the engine; frames that are ready stay readable. Stopping twice is no error.
    pub fn stop(&mut self) -> Result<()> {
        self.handle().stop()
    }

    /// The next frame; sleeps while none is ready. `None` when the stream was stopped and all its
    /// frames were taken.
    ///
    /// # Errors
    ///
    /// [`Error::Faulted`] and [`Error::Gone`], each after the last frame; [`Error::NotStarted`];
    /// [`Error::Cancelled`].
    // A lending iterator, which `Iterator` cannot be.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<Frame<'_>>> {
        loop {
            match self.look()? {
                Look::Frame => return Frame::next(self).map(Some),
                Look::End => return Ok(None),
                Look::Nothing => self.wait(PollTimeout::NONE)?,
            }
        }
    }

    /// All frames that are ready, but at most `most`: never sleeps, and makes no system call.
    ///
    /// # Errors
    ///
    /// Those of [`Stream::next`] if no frame is ready. The end of the stream is an empty vector.
    pub fn take_ready(&mut self, most: usize) -> Result<Vec<OwnedFrame>> {
        let mut frames = Vec::new();
        while frames.len() < most {
            match self.try_next() {
                Ok(Poll::Ready(Some(frame))) => frames.push(frame.into_owned()),
                Ok(_) => break,
                // The frames before an error come first; the next call reports it.
                Err(_) if !frames.is_empty() => break,
                Err(error) => return Err(error),
            }
        }
        Ok(frames)
    }

    /// A handle that ends a blocked [`Stream::next`] or [`Stream::next_timeout`] from another
    /// thread.
    ///
    /// # Errors
    ///
    /// [`Error::Canceller`] if there is no file descriptor for it.
    pub fn canceller(&mut self) -> Result<Canceller> {
        match &self.canceller {
            Some(canceller) => Ok(canceller.clone()),
            None => Ok(self.canceller.insert(Canceller::new()?).clone()),
        }
    }

    /// The next frame if one is ready: never sleeps, and costs no system call.
    /// `Ready(None)` is the end of the stream.
    ///
    /// # Errors
    ///
    /// As [`Stream::next`].
    pub fn try_next(&mut self) -> Result<Poll<Option<Frame<'_>>>> {
        Ok(match self.look()? {
            Look::Frame => Poll::Ready(Some(Frame::next(self)?)),
            Look::End => Poll::Ready(None),
            Look::Nothing => Poll::Pending,
        })
    }

    /// The next frame; sleeps while none is ready, but not longer than `timeout`, after which it
    /// is `Pending`. `Ready(None)` is the end of the stream.
    ///
    /// # Errors
    ///
    /// As [`Stream::next`].
    pub fn next_timeout(&mut self, timeout: Duration) -> Result<Poll<Option<Frame<'_>>>> {
        // The clock is looked at only once there is a reason to sleep.
        let mut deadline = None;
        loop {
            match self.look()? {
                Look::Frame => return Ok(Poll::Ready(Some(Frame::next(self)?))),
                Look::End => return Ok(Poll::Ready(None)),
                Look::Nothing => {}
            }
            let now = Instant::now();
            let deadline = *deadline.get_or_insert(now + timeout);
            if now >= deadline {
                return Ok(Poll::Pending);
            }
            // Rounded up: a rest below a millisecond must not become a busy loop.
            let rest = (deadline - now).as_nanos().div_ceil(1_000_000);
            let rest = PollTimeout::try_from(rest).unwrap_or(PollTimeout::MAX);
            self.wait(rest)?;
        }
    }

    fn look(&self) -> Result<Look> {
        let ring = self.ring();
        if ring.look().map_err(|what| self.broken(what))? {
            return Ok(Look::Frame);
        }
        // The flags come before a second look: a frame published before the flag was set is seen.
        let flags = ring.flags();
        if ring.look().map_err(|what| self.broken(what))? {
            return Ok(Look::Frame);
        }
        if let Some(fault) = flags.fault {
            debug!(path = ?self.path(), fault = ?fault, "the stream is faulted");
            return Err(Error::Faulted { path: self.path().to_owned(), fault });
        }
        if flags.detached {
            return Err(self.gone());
        }
        if !self.started {
            return Err(Error::NotStarted { path: self.path().to_owned() });
        }
        Ok(if flags.stopped { Look::End } else { Look::Nothing })
    }

    /// Sleeps until there may be something to see.
    fn wait(&self, timeout: PollTimeout) -> Result<()> {
        let mut fds = vec![PollFd::new(self.handle().as_fd(), PollFlags::POLLIN)];
        fds.extend(self.canceller.iter().map(|it| PollFd::new(it.as_fd(), PollFlags::POLLIN)));
        trace!(path = ?self.path(), timeout = ?timeout, "wait");
        match poll(&mut fds, timeout) {
            // After a signal the caller looks again.
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(Error::request(self.path(), "poll", errno)),
        }
        let hung_up = fds[0].revents().is_some_and(|events| events.contains(PollFlags::POLLHUP));
        // The ring reports it too, unless the device went before the ring had its meta page.
        if hung_up && !self.ring().flags().detached {
            return Err(self.gone());
        }
        match &self.canceller {
            Some(canceller) if canceller.take() => Err(Error::Cancelled),
            _ => Ok(()),
        }
    }

    fn gone(&self) -> Error {
        Error::Gone { path: self.path().to_owned() }
    }

    fn broken(&self, what: String) -> Error {
        Error::Ring { path: self.path().to_owned(), what }
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle().as_fd()
    }
}

impl AsRawFd for Stream {
    fn as_raw_fd(&self) -> RawFd {
        self.handle().as_fd().as_raw_fd()
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // A ring without a device must not stop the stream that came after it.
        if self.started && !self.ring().flags().detached {
            // It fails only if the device is gone, and then nothing runs.
            let _ = self.handle().stop();
        }
    }
}

#[cfg(test)]
mod tests;
