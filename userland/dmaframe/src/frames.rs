// SPDX-License-Identifier: MIT OR Apache-2.0
//! What gives frames: a stream, or something that takes its place in a test.

use crate::{DeviceStamps, Error, Frame, OwnedFrame, Stream};
use dmaframe_abi::frame::Header;
use std::ops::Deref;

/// A frame: it dereferences to its payload.
pub trait FrameData: Deref<Target = [u8]> {
    /// The header as the driver and the engine wrote it.
    fn header(&self) -> &Header;

    /// Number of the frame. It counts every frame of the source since the start, taken or lost.
    fn sequence(&self) -> u64 {
        self.header().sequence.get()
    }

    /// Number of frames lost between the previous frame and this one.
    fn lost(&self) -> u64 {
        self.header().lost.get()
    }

    /// When the engine wrote the frame.
    fn device_stamps(&self) -> DeviceStamps {
        let header = self.header();
        DeviceStamps { start: header.device_start.get(), end: header.device_end.get() }
    }

    /// CLOCK_MONOTONIC in nanoseconds when the driver published the frame.
    fn published_ns(&self) -> u64 {
        self.header().published_ns.get()
    }
}

/// What gives frames, one at a time.
///
/// A program that takes its frames from `impl Frames` instead of [`Stream`] also takes them from a
/// recording (`Recording` of the crate `dmaframe-record`), and is tested without a board.
///
/// ```
/// use dmaframe::{FrameData, Frames};
///
/// fn lost<F: Frames>(frames: &mut F) -> Result<u64, F::Error> {
///     let mut lost = 0;
///     while let Some(frame) = frames.next_frame()? {
///         lost += frame.lost();
///     }
///     Ok(lost)
/// }
/// ```
pub trait Frames {
    /// A frame that is lent.
    type Frame<'a>: FrameData
    where
        Self: 'a;
    /// Why no frame comes.
    type Error: std::error::Error + Send + Sync + 'static;

    /// The next frame; `None` at the end.
    ///
    /// # Errors
    ///
    /// The error of the stream or recording that the frames come from.
    fn next_frame(&mut self) -> Result<Option<Self::Frame<'_>>, Self::Error>;
}

impl FrameData for Frame<'_> {
    fn header(&self) -> &Header {
        self.header()
    }
}

impl FrameData for OwnedFrame {
    fn header(&self) -> &Header {
        self.header()
    }
}

impl Frames for Stream {
    type Frame<'a> = Frame<'a>;
    type Error = Error;

    fn next_frame(&mut self) -> Result<Option<Frame<'_>>, Error> {
        self.next()
    }
}
