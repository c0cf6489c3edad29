// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a recording is written to.

use crate::Result;
use std::fs::File;
use std::io::{self, Seek, Write};

/// A file, or what takes its place.
pub trait Medium: Write + Seek + Send {
    /// Cuts the file to `bytes`.
    ///
    /// # Errors
    ///
    /// Those of the system.
    fn set_len(&mut self, bytes: u64) -> io::Result<()>;

    /// Whether it can be rewound and cut. A pipe cannot.
    fn rewinds(&self) -> bool {
        true
    }

    /// Brings what was written to the disk.
    ///
    /// # Errors
    ///
    /// Those of the system.
    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Medium for File {
    fn set_len(&mut self, bytes: u64) -> io::Result<()> {
        File::set_len(self, bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_all()
    }
}

/// Opens the files of a recording.
pub trait Target: Send {
    /// Whether the files can be rewound. A pipe cannot.
    fn rewinds(&self) -> bool;

    /// Opens the file of a part of the recording, counted from 1, and empties it. Some formats have
    /// more than one file a part: `extension` then takes the place of the name's own.
    ///
    /// Returns the file and its name.
    ///
    /// # Errors
    ///
    /// [`Error::Write`](crate::Error::Write).
    fn open(
        &mut self,
        part: u32,
        extension: Option<&'static str>,
    ) -> Result<(Box<dyn Medium>, String)>;

    /// Takes words for people: why the recording goes on in another file, and what the file cannot
    /// show.
    fn note(&mut self, words: &str);
}
