// SPDX-License-Identifier: MIT OR Apache-2.0
//! Files in a directory: the target of a recording that is no pipe.

use crate::medium::{Medium, Target};
use crate::{Error, Result};
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Numbers that are tried for the name of a part.
const TRIED: u32 = 100_000;

/// Files by a path: the first part has it, later ones have a number before the extension.
pub struct Directory {
    path: PathBuf,
    /// The number of the current part in its name.
    number: u32,
    part: u32,
    words: Box<dyn FnMut(&str) + Send>,
}

impl Directory {
    /// The file `path`, which replaces an existing one, and further files beside it, which never do.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), number: 1, part: 0, words: Box::new(|_| {}) }
    }

    /// Gives words for people to `words`.
    #[must_use]
    pub fn with_notes(self, words: impl FnMut(&str) + Send + 'static) -> Self {
        Self { words: Box::new(words), ..self }
    }

    /// `a/b.npy` is `a/b-2.npy` for the number 2.
    fn path(&self, number: u32, extension: Option<&str>) -> PathBuf {
        let mut path = self.path.clone();
        if number > 1 {
            let mut name = path.file_stem().unwrap_or_default().to_owned();
            name.push(format!("-{number}"));
            if let Some(extension) = self.path.extension() {
                name.push(".");
                name.push(extension);
            }
            path.set_file_name(name);
        }
        if let Some(extension) = extension {
            path.set_extension(OsString::from(extension));
        }
        path
    }
}

impl Target for Directory {
    fn rewinds(&self) -> bool {
        true
    }

    fn open(
        &mut self,
        part: u32,
        extension: Option<&'static str>,
    ) -> Result<(Box<dyn Medium>, String)> {
        // A second file of a part has the number of the first one.
        let first = part != std::mem::replace(&mut self.part, part);
        if first && part > 1 {
            self.number += 1;
        }
        for _ in 0..TRIED {
            let path = self.path(self.number, extension);
            let name = path.display().to_string();
            let opened = if first && part > 1 {
                OpenOptions::new().read(true).write(true).create_new(true).open(&path)
            } else {
                File::create(&path)
            };
            match opened {
                Ok(file) => return Ok((Box::new(file), name)),
                Err(error) if first && part > 1 && error.kind() == ErrorKind::AlreadyExists => {
                    self.number += 1;
                }
                Err(error) => return Err(Error::write(&name, error)),
            }
        }
        let name = self.path(self.number, extension).display().to_string();
        Err(Error::write(&name, ErrorKind::AlreadyExists.into()))
    }

    fn note(&mut self, words: &str) {
        (self.words)(words);
    }
}

impl std::fmt::Debug for Directory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Directory").field("path", &self.path).finish_non_exhaustive()
    }
}
