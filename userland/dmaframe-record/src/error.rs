// SPDX-License-Identifier: MIT OR Apache-2.0
//! Errors, each with its remedy.

use std::io::{self, ErrorKind};

/// An error. Its message names the file and the value that was wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file cannot be written.
    #[error("cannot write {name}: {source}")]
    Write {
        /// The file.
        name: String,
        /// The system's error.
        source: io::Error,
    },
    /// A file cannot be read.
    #[error("cannot read {name}: {source}")]
    Read {
        /// The file.
        name: String,
        /// The system's error.
        source: io::Error,
    },
    /// The file is no recording that this crate reads.
    #[error("{name}: no recording of frames; npy, pcapng and raw files can be read")]
    Unknown {
        /// The file.
        name: String,
    },
    /// The file is damaged, or made by another program in a way that this crate does not read.
    #[error("{name}: {what}, at byte {offset}")]
    Malformed {
        /// The file.
        name: String,
        /// The part that does not fit.
        what: String,
        /// Where in the file.
        offset: u64,
    },
    /// The format cannot express what is asked of it.
    #[error("{0}")]
    Refused(String),
}

impl Error {
    pub(crate) fn write(name: &str, source: io::Error) -> Self {
        Self::Write { name: name.to_owned(), source }
    }

    pub(crate) fn read(name: &str, source: io::Error) -> Self {
        Self::Read { name: name.to_owned(), source }
    }

    pub(crate) fn malformed(name: &str, offset: u64, what: impl Into<String>) -> Self {
        Self::Malformed { name: name.to_owned(), what: what.into(), offset }
    }

    /// Whether the file system, or a limit on the file, has no room for more.
    pub fn is_full(&self) -> bool {
        use ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        self.io().is_some_and(|kind| matches!(kind, StorageFull | QuotaExceeded | FileTooLarge))
    }

    /// Whether the reader of a pipe closed it.
    pub fn is_closed(&self) -> bool {
        self.io() == Some(ErrorKind::BrokenPipe)
    }

    fn io(&self) -> Option<ErrorKind> {
        match self {
            Self::Write { source, .. } => Some(source.kind()),
            _ => None,
        }
    }
}
