// SPDX-License-Identifier: MIT OR Apache-2.0
//! Archives in the cpio format, which the kernel unpacks at boot.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result, bail};
use cpio::newc::{self, ModeFileType};

/// An archive that is being written. If a file contains several archives, the kernel unpacks one
/// after the other.
pub(crate) struct Archive<W: Write> {
    writer: W,
    /// Directories that the archive already contains.
    directories: BTreeSet<String>,
    inode: u32,
}

impl Archive<BufWriter<File>> {
    /// Creates a file for the archive.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let file = File::create(path).with_context(|| format!("creating {}", path.display()))?;
        Ok(Self::new(BufWriter::new(file)))
    }
}

impl<W: Write> Archive<W> {
    pub(crate) fn new(writer: W) -> Self {
        Self { writer, directories: BTreeSet::new(), inode: 0 }
    }

    /// Adds a directory and its parents.
    pub(crate) fn directory(&mut self, path: &str, mode: u32) -> Result<()> {
        let path = path.trim_matches('/');
        if path.is_empty() || self.directories.contains(path) {
            return Ok(());
        }
        self.parents(path)?;
        self.directories.insert(path.to_owned());
        self.entry(path, ModeFileType::Directory, mode, &[])
    }

    /// Adds a regular file that root owns, and its parent directories.
    pub(crate) fn file(&mut self, path: &str, mode: u32, contents: &[u8]) -> Result<()> {
        let path = path.trim_matches('/');
        if path.is_empty() {
            bail!("a file in the guest needs a name");
        }
        self.parents(path)?;
        self.entry(path, ModeFileType::Regular, mode, contents)
    }

    /// Adds a copy of a file of the host, with its mode.
    pub(crate) fn copy(&mut self, from: &Path, path: &str) -> Result<()> {
        let mut file = File::open(from).with_context(|| format!("opening {}", from.display()))?;
        let metadata = file.metadata().with_context(|| format!("reading {}", from.display()))?;
        if !metadata.is_file() {
            bail!("{} is not a regular file", from.display());
        }
        let mut contents = Vec::new();
        file.read_to_end(&mut contents).with_context(|| format!("reading {}", from.display()))?;
        self.file(path, metadata.permissions().mode() & 0o7777, &contents)
    }

    /// Adds a symbolic link and its parent directories.
    pub(crate) fn symlink(&mut self, path: &str, target: &str) -> Result<()> {
        let path = path.trim_matches('/');
        self.parents(path)?;
        self.entry(path, ModeFileType::Symlink, 0o777, target.as_bytes())
    }

    /// Writes the end of the archive and returns the writer.
    pub(crate) fn finish(self) -> Result<W> {
        let mut writer = newc::trailer(self.writer).context("writing the end of an archive")?;
        writer.flush().context("writing an archive")?;
        Ok(writer)
    }

    fn parents(&mut self, path: &str) -> Result<()> {
        match path.rsplit_once('/') {
            Some((parent, _)) => self.directory(parent, 0o755),
            None => Ok(()),
        }
    }

    fn entry(&mut self, path: &str, kind: ModeFileType, mode: u32, contents: &[u8]) -> Result<()> {
        let size = u32::try_from(contents.len())
            .with_context(|| format!("{path} is too large for the guest: the limit is 4 GiB"))?;
        self.inode += 1;
        let entry = newc::Builder::new(path).ino(self.inode).mode(mode).set_mode_file_type(kind);
        let mut writer = entry.write(&mut self.writer, size);
        writer
            .write_all(contents)
            .and_then(|()| writer.finish().map(drop))
            .context("writing an archive")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parent_directories_are_added_once_and_first() {
        let mut archive = Archive::new(Vec::new());
        archive.file("/a/b/one", 0o644, b"1").unwrap();
        archive.file("a/b/two", 0o4755, b"22").unwrap();
        archive.symlink("a/link", "b/two").unwrap();
        let bytes = archive.finish().unwrap();

        let mut rest = bytes.as_slice();
        let mut seen = Vec::new();
        loop {
            let reader = newc::Reader::new(rest).unwrap();
            let entry = reader.entry();
            if entry.is_trailer() {
                break;
            }
            seen.push((entry.name().to_owned(), entry.mode(), entry.file_size()));
            rest = reader.finish().unwrap();
        }
        assert_eq!(
            seen,
            [
                ("a".to_owned(), 0o40755, 0),
                ("a/b".to_owned(), 0o40755, 0),
                ("a/b/one".to_owned(), 0o100644, 1),
                ("a/b/two".to_owned(), 0o104755, 2),
                ("a/link".to_owned(), 0o120777, 5),
            ]
        );
    }

    #[test]
    fn file_without_a_name_is_refused() {
        assert!(Archive::new(Vec::new()).file("/", 0o644, b"").is_err());
    }
}
