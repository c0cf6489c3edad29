// SPDX-License-Identifier: MIT OR Apache-2.0
//! A stream for tokio, with the feature `tokio`.

use crate::{Error, OwnedFrame, Result, Stream};
use std::task::Poll;
use tokio::io::unix::AsyncFd;

/// A [`Stream`] whose frames are awaited. Frames that are ready cost no system call.
///
/// ```no_run
/// # async fn f(stream: dmaframe::Stream) -> dmaframe::Result<()> {
/// let mut stream = dmaframe::AsyncStream::new(stream)?;
/// stream.start()?;
/// while let Some(frame) = stream.next().await? {
///     println!("frame {}: {} bytes", frame.sequence(), frame.len());
/// }
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct AsyncStream(AsyncFd<Stream>);

impl AsyncStream {
    /// Registers `stream` with the runtime that runs this.
    ///
    /// # Errors
    ///
    /// [`Error::Runtime`] if the runtime cannot watch the device.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O enabled.
    pub fn new(stream: Stream) -> Result<Self> {
        // SAFETY: The descriptor is that of the stream's open file, which the stream keeps open until
        // it is dropped. Nothing replaces the stream: `self` gives out shared references only.
        let registered = unsafe { AsyncFd::register(stream) };
        registered.map(Self).map_err(|error| Error::Runtime(error.into_parts().1))
    }

    /// The stream, for its counters and its geometry.
    pub fn stream(&self) -> &Stream {
        self.0.get_ref()
    }

    /// Starts the engine, as [`Stream::start`] does.
    ///
    /// # Errors
    ///
    /// Those of [`Stream::start`].
    pub fn start(&mut self) -> Result<()> {
        self.0.get_mut().start()
    }

    /// Stops the engine, as [`Stream::stop`] does.
    ///
    /// # Errors
    ///
    /// Those of [`Stream::stop`].
    pub fn stop(&mut self) -> Result<()> {
        self.0.get_mut().stop()
    }

    /// The next frame. `None` if the stream was stopped and all of its frames were taken.
    ///
    /// Cancel safe: a frame is taken only when it is returned.
    ///
    /// # Errors
    ///
    /// Those of [`Stream::next`].
    pub async fn next(&mut self) -> Result<Option<OwnedFrame>> {
        if let Poll::Ready(frame) = take(self.0.get_mut())? {
            return Ok(frame);
        }
        loop {
            let mut guard = self.0.readable_mut().await.map_err(Error::Runtime)?;
            match take(guard.get_inner_mut())? {
                Poll::Ready(frame) => return Ok(frame),
                Poll::Pending => guard.clear_ready(),
            }
        }
    }
}

fn take(stream: &mut Stream) -> Result<Poll<Option<OwnedFrame>>> {
    Ok(match stream.try_next()? {
        Poll::Ready(frame) => Poll::Ready(frame.map(crate::Frame::into_owned)),
        Poll::Pending => Poll::Pending,
    })
}
