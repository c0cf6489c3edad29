// SPDX-License-Identifier: MIT OR Apache-2.0
//! A file that grows by whole frames: if it takes no more, it is cut after a whole frame.

use crate::medium::Medium;
use crate::{Error, Result};
use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, SeekFrom};

/// Bytes that are collected before they are written.
const BATCH: usize = 256 << 10;
/// Parts of this length are written from where they are.
const LARGE: usize = 32 << 10;
/// Ends of frames in the file that are remembered, as places to cut it.
const REMEMBERED: usize = 64;

/// The end of a frame in the file.
#[derive(Clone, Copy, Debug, Default)]
struct Bound {
    offset: u64,
    frames: u64,
}

/// A file, and what is to be written to it.
pub(crate) struct Sink {
    medium: Box<dyn Medium>,
    name: String,
    pending: Vec<u8>,
    /// Where `pending` goes.
    at: u64,
    /// The ends of frames that can be cut at, in order. There is always one.
    bounds: VecDeque<Bound>,
    /// How far the file got when it took no more.
    failed: Option<u64>,
}

impl Sink {
    pub(crate) fn new((medium, name): (Box<dyn Medium>, String)) -> Self {
        let bounds = VecDeque::from([Bound::default()]);
        Self { medium, name, pending: Vec::new(), at: 0, bounds, failed: None }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whole frames, those that are not written yet included.
    pub(crate) fn frames(&self) -> u64 {
        self.bounds.back().map_or(0, |bound| bound.frames)
    }

    /// Bytes, those that are not written yet included.
    pub(crate) fn bytes(&self) -> u64 {
        self.at + self.pending.len() as u64
    }

    /// Adds bytes.
    pub(crate) fn put(&mut self, bytes: &[u8]) -> Result<()> {
        if bytes.len() >= LARGE {
            return self.write(bytes);
        }
        self.pending.extend_from_slice(bytes);
        if self.pending.len() >= BATCH { self.flush() } else { Ok(()) }
    }

    /// What was added up to here is whole. It ends `frames` frames.
    pub(crate) fn whole(&mut self, frames: u64) {
        let bound = Bound { offset: self.bytes(), frames: self.frames() + frames };
        self.bounds.push_back(bound);
        // Bounds in `pending` are all needed: nobody knows how far the write will get.
        while self.bounds.len() > REMEMBERED && self.bounds[1].offset <= self.at {
            self.bounds.pop_front();
        }
    }

    /// Writes everything.
    pub(crate) fn flush(&mut self) -> Result<()> {
        if self.pending.is_empty() { Ok(()) } else { self.write(&[]) }
    }

    /// Writes everything, and brings it to the disk.
    pub(crate) fn sync(&mut self) -> Result<()> {
        self.flush()?;
        self.medium.sync().map_err(|error| Error::write(&self.name, error))
    }

    /// Writes over bytes that were written before.
    pub(crate) fn patch(&mut self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.flush()?;
        let mut patch = || {
            self.medium.seek(SeekFrom::Start(offset))?;
            self.medium.write_all(bytes)?;
            self.medium.seek(SeekFrom::Start(self.at)).map(drop)
        };
        patch().map_err(|error| Error::write(&self.name, error))
    }

    /// Ends the frames: nothing but an end that is not longer than `room` bytes comes after this.
    /// A file that took no more is cut after a frame, so that there is as much room.
    pub(crate) fn end_frames(&mut self, room: u64) -> Result<()> {
        let Some(reached) = self.failed else { return Ok(()) };
        self.pending.clear();
        if !self.medium.rewinds() {
            return Ok(());
        }
        while self.bounds.len() > 1 && self.bounds[self.bounds.len() - 1].offset + room > reached {
            self.bounds.pop_back();
        }
        self.at = self.bounds.back().map_or(0, |bound| bound.offset);
        self.failed = None;
        let mut cut = || {
            self.medium.set_len(self.at)?;
            self.medium.seek(SeekFrom::Start(self.at)).map(drop)
        };
        cut().map_err(|error| Error::write(&self.name, error))
    }

    /// Writes the end of the file. A pipe that takes no more gets none.
    pub(crate) fn end(&mut self, bytes: &[u8]) -> Result<()> {
        if self.failed.is_some() {
            return Ok(());
        }
        self.pending.extend_from_slice(bytes);
        self.sync()
    }

    fn write(&mut self, more: &[u8]) -> Result<()> {
        if let Some(reached) = self.failed {
            let what = io::Error::other(format!("it took no more after {reached} bytes"));
            return Err(Error::write(&self.name, what));
        }
        let total = (self.pending.len() + more.len()) as u64;
        let mut slices = [IoSlice::new(&self.pending), IoSlice::new(more)];
        let mut rest = &mut slices[..];
        let mut written = 0;
        while written < total {
            match self.medium.write_vectored(rest) {
                Ok(0) => return Err(self.fail(written, ErrorKind::WriteZero.into())),
                Ok(count) => {
                    written += count as u64;
                    IoSlice::advance_slices(&mut rest, count);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.fail(written, error)),
            }
        }
        self.at += total;
        self.pending.clear();
        Ok(())
    }

    fn fail(&mut self, written: u64, error: io::Error) -> Error {
        self.failed = Some(self.at + written);
        Error::write(&self.name, error)
    }
}

impl std::fmt::Debug for Sink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sink")
            .field("name", &self.name)
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}
