// SPDX-License-Identifier: MIT OR Apache-2.0
//! The device without the library: any request with any argument.

use dmaframe_abi::uapi::{self, Config, Stats};
use nix::errno::Errno;
use std::fs::{File, OpenOptions};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// An open device.
#[derive(Debug)]
pub struct Raw {
    file: File,
}

impl Raw {
    /// Opens `path`.
    ///
    /// # Errors
    ///
    /// Those of open(2).
    pub fn try_open(path: &str, flags: i32) -> Result<Self, Errno> {
        let file = OpenOptions::new().read(true).write(true).custom_flags(flags).open(path);
        file.map(|file| Self { file })
            .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap()))
    }

    /// Opens `path`.
    ///
    /// # Panics
    ///
    /// If it cannot be opened.
    pub fn open(path: &str) -> Self {
        match Self::try_open(path, 0) {
            Ok(raw) => raw,
            Err(errno) => panic!("open {path}: {errno}"),
        }
    }

    /// Opens `path` for reading only.
    ///
    /// # Panics
    ///
    /// If it cannot be opened.
    pub fn open_read_only(path: &str) -> Self {
        Self { file: File::open(path).unwrap() }
    }

    /// Opens `path`, configures a stream with `config` and starts it.
    ///
    /// # Panics
    ///
    /// If the driver refuses a request.
    pub fn streaming(path: &str, config: Config) -> (Self, Config) {
        let raw = Self::open(path);
        let made = raw.configure(config).unwrap();
        raw.request(uapi::START, 0).unwrap();
        (raw, made)
    }

    /// The file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// An ioctl with any number or address as its argument.
    ///
    /// # Errors
    ///
    /// Those of ioctl(2).
    pub fn request(&self, request: u32, argument: usize) -> Result<(), Errno> {
        // SAFETY: a correct driver writes at most the bytes that the request encodes. Each caller
        // passes memory of at least this length, or an invalid address.
        let done = unsafe { libc::ioctl(self.file.as_raw_fd(), request.into(), argument) };
        Errno::result(done).map(drop)
    }

    /// An ioctl with the structure `given`. Returns what the driver made of it.
    ///
    /// # Errors
    ///
    /// Those of ioctl(2).
    pub fn exchange<T: FromBytes + IntoBytes + Immutable>(
        &self,
        request: u32,
        mut given: T,
    ) -> Result<T, Errno> {
        self.request(request, (&raw mut given).addr())?;
        Ok(given)
    }

    /// `CONFIGURE`.
    ///
    /// # Errors
    ///
    /// Those of ioctl(2).
    pub fn configure(&self, config: Config) -> Result<Config, Errno> {
        self.exchange(uapi::CONFIGURE, config)
    }

    /// `GET_STATS`.
    ///
    /// # Panics
    ///
    /// If it fails.
    pub fn stats(&self) -> Stats {
        self.exchange(uapi::GET_STATS, Stats::default()).unwrap()
    }
}

impl From<File> for Raw {
    fn from(file: File) -> Self {
        Self { file }
    }
}

impl AsFd for Raw {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
