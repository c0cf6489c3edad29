// SPDX-License-Identifier: MIT OR Apache-2.0
//! Raw: frames one after the other, each with its header, as read(2) on the device gives them.
//!
//! A loss is in the header of the next frame. There is no place for the description, nor for losses
//! after the last frame.

use crate::buffer::Buffer;
use crate::ending::{Ending, Reason};
use crate::recorder::Writer;
use crate::recording::Reader;
use crate::sink::Sink;
use crate::{Error, FrameRef, Result};
use dmaframe_abi::frame::HEADER_BYTES;
use std::io::Read;
use zerocopy::IntoBytes;

#[derive(Debug)]
pub(crate) struct RawWriter(pub(crate) Sink);

impl Writer for RawWriter {
    fn sink(&mut self) -> Option<&mut Sink> {
        Some(&mut self.0)
    }

    fn frame(&mut self, frame: FrameRef<'_>) -> Result<()> {
        self.0.put(frame.header.as_bytes())?;
        self.0.put(frame.payload)?;
        self.0.whole(1);
        Ok(())
    }

    fn finish(&mut self, ending: &Ending) -> Result<Option<String>> {
        self.0.end_frames(0)?;
        self.0.end(&[])?;
        let lost = ending.lost;
        Ok((lost > 0).then(|| {
            format!(
                "{}: {lost} frames were lost after the last one, which a raw file cannot show",
                self.0.name()
            )
        }))
    }
}

pub(crate) struct RawReader {
    file: Box<dyn Read + Send>,
    name: String,
    offset: u64,
    frames: u64,
    ending: Option<Ending>,
}

impl RawReader {
    pub(crate) fn new(file: Box<dyn Read + Send>, name: String) -> Self {
        Self { file, name, offset: 0, frames: 0, ending: None }
    }
}

impl Reader for RawReader {
    fn next(&mut self, buffer: &mut Buffer) -> Result<bool> {
        let read = |error| Error::read(&self.name, error);
        let whole = if buffer.fill(&mut *self.file, HEADER_BYTES).map_err(read)? {
            let payload = buffer
                .payload_bytes()
                .map_err(|what| Error::malformed(&self.name, self.offset, what))?;
            buffer.fill(&mut *self.file, HEADER_BYTES + payload).map_err(read)?
        } else {
            false
        };
        if whole {
            self.frames += 1;
            self.offset += buffer.filled() as u64;
        } else {
            self.ending = Some(match buffer.filled() {
                0 => Ending::complete(),
                bytes => Ending::because(
                    Reason::Cut,
                    format!("it ends {bytes} bytes into the frame after {} others", self.frames),
                ),
            });
        }
        Ok(whole)
    }

    fn ending(&self) -> Option<&Ending> {
        self.ending.as_ref()
    }
}
