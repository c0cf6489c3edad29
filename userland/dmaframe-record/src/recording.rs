// SPDX-License-Identifier: MIT OR Apache-2.0
//! The recording: reads the frames of a file, with their headers.

use crate::buffer::Buffer;
use crate::ending::Ending;
use crate::npy::{self, NpyReader};
use crate::pcapng;
use crate::pcapng_reader::PcapngReader;
use crate::raw::RawReader;
use crate::{Description, Error, FrameRef, Result};
use dmaframe_abi::frame;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

/// Bytes read at once.
const READ: usize = 256 << 10;

/// Reads one file of a format.
pub(crate) trait Reader: Send {
    /// Reads the next frame into the buffer, which is clear. Returns whether there is one.
    fn next(&mut self, buffer: &mut Buffer) -> Result<bool>;

    /// The ending, once there is no next frame.
    fn ending(&self) -> Option<&Ending>;
}

/// A recording that is read. Every frame keeps the header that driver and engine wrote.
pub struct Recording {
    reader: Box<dyn Reader>,
    description: Description,
    buffer: Buffer,
    ended: bool,
}

impl Recording {
    /// Opens a file. Its contents tell the format.
    ///
    /// # Errors
    ///
    /// [`Error::Read`], [`Error::Unknown`], [`Error::Malformed`].
    pub fn open(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let file = File::open(path).map_err(|error| Error::read(&name, error))?;
        Self::read(file, &name)
    }

    /// Reads a recording from `file`, whose name is for messages.
    ///
    /// # Errors
    ///
    /// Those of [`Recording::open`].
    pub fn read(file: impl Read + Send + 'static, name: &str) -> Result<Self> {
        let mut file = BufReader::with_capacity(READ, file);
        let start = start(&mut file).map_err(|error| Error::read(name, error))?;
        let name = name.to_owned();
        let rest: Box<dyn Read + Send> = Box::new(std::io::Cursor::new(start.clone()).chain(file));
        let (reader, description): (Box<dyn Reader>, _) = if start.starts_with(npy::MAGIC) {
            let (reader, description) = NpyReader::begin(rest, name)?;
            (Box::new(reader), description)
        } else if start.starts_with(&pcapng::SECTION.to_le_bytes()) {
            let (reader, description) = PcapngReader::begin(rest, name)?;
            (Box::new(reader), description)
        } else if start.iter().zip(frame::MAGIC.to_le_bytes()).all(|(&byte, magic)| byte == magic) {
            // Raw frames. An empty file has none.
            (Box::new(RawReader::new(rest, name)), Description::default())
        } else {
            return Err(Error::Unknown { name });
        };
        Ok(Self { reader, description, buffer: Buffer::default(), ended: false })
    }

    /// The stream that was recorded, as far as the file says.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// The next frame; `None` after the last one. The payload is aligned for types of up to 64
    /// bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Read`], [`Error::Malformed`]. No frame comes after an error.
    // A lending iterator, which `Iterator` cannot be.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<FrameRef<'_>>> {
        self.buffer.clear();
        if self.ended {
            return Ok(None);
        }
        // An error ends the recording, too.
        self.ended = true;
        if !self.reader.next(&mut self.buffer)? {
            return Ok(None);
        }
        self.ended = false;
        match self.buffer.frame() {
            Ok(frame) => Ok(Some(frame)),
            // The reader has parsed it.
            Err(error) => Err(Error::Refused(error.to_string())),
        }
    }

    /// Why the recording ends where it does. Known once [`Recording::next`] has returned `None`.
    pub fn ending(&self) -> Option<&Ending> {
        self.reader.ending()
    }
}

#[cfg(feature = "replay")]
impl dmaframe::Frames for Recording {
    type Frame<'a> = FrameRef<'a>;
    type Error = Error;

    fn next_frame(&mut self) -> Result<Option<FrameRef<'_>>> {
        self.next()
    }
}

impl std::fmt::Debug for Recording {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recording").field("description", &self.description).finish_non_exhaustive()
    }
}

/// The first bytes, which tell the format.
fn start(file: &mut impl Read) -> std::io::Result<Vec<u8>> {
    let mut start = Vec::new();
    file.take(8).read_to_end(&mut start)?;
    Ok(start)
}
