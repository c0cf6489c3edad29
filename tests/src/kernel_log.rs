// SPDX-License-Identifier: MIT OR Apache-2.0
//! The messages of the kernel.

use nix::libc::O_NONBLOCK;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;

/// More than the length of any record of `/dev/kmsg`.
const RECORD_BYTES: usize = 8192;

/// The kernel's messages since this value was made.
#[derive(Debug)]
pub struct KernelLog(File);

impl KernelLog {
    /// Starts after the latest message.
    ///
    /// # Panics
    ///
    /// If `/dev/kmsg` cannot be read.
    pub fn from_now() -> Self {
        let mut log =
            OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open("/dev/kmsg").unwrap();
        log.seek(SeekFrom::End(0)).unwrap();
        Self(log)
    }

    /// Whether one of the messages contains `words`.
    ///
    /// # Panics
    ///
    /// If `/dev/kmsg` cannot be read.
    pub fn says(self, words: &str) -> bool {
        self.messages().iter().any(|message| message.contains(words))
    }

    /// The messages, each with the prefix of `/dev/kmsg`.
    ///
    /// # Panics
    ///
    /// If `/dev/kmsg` cannot be read.
    pub fn messages(mut self) -> Vec<String> {
        let mut messages = Vec::new();
        let mut record = [0; RECORD_BYTES];
        loop {
            match self.0.read(&mut record) {
                Ok(bytes) => messages.push(String::from_utf8_lossy(&record[..bytes]).into_owned()),
                // Older records were overwritten.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => (),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return messages,
                Err(error) => panic!("cannot read /dev/kmsg: {error}"),
            }
        }
    }
}
