// SPDX-License-Identifier: MIT OR Apache-2.0
//! `/dev/copying`, the character driver that copies each frame.

use crate::Result;
use std::fs::{self, File};
use std::hint::black_box;
use std::io::Read;

const PARAMETERS: &str = "/sys/module/copying/parameters";

/// An open stream of copied frames.
#[derive(Debug)]
pub(crate) struct Copying {
    file: File,
    frame: Vec<u8>,
    number: u64,
}

impl Copying {
    /// Starts a stream with a frame of `bytes` bytes every `interval_us` microseconds.
    pub(crate) fn open(bytes: u32, interval_us: u32) -> Result<Self> {
        for (name, value) in [("bytes", bytes), ("interval_us", interval_us)] {
            fs::write(format!("{PARAMETERS}/{name}"), value.to_string())?;
        }
        let file = File::open("/dev/copying")?;
        Ok(Self { file, frame: vec![1; bytes as usize], number: 0 })
    }

    /// Waits for a frame.
    pub(crate) fn take(&mut self) -> Result<()> {
        self.file.read_exact(black_box(&mut self.frame))?;
        let mut number = [0; 8];
        number.copy_from_slice(&self.frame[..8]);
        self.number += 1;
        if u64::from_ne_bytes(number) == self.number {
            Ok(())
        } else {
            Err(format!("frame {} of /dev/copying has a wrong number", self.number).into())
        }
    }
}
