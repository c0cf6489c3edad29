// SPDX-License-Identifier: MIT OR Apache-2.0
//! `/dev/waiting`: a periodic interrupt that wakes the reader directly.

use crate::{Result, processor};
use std::fs::{self, File};
use std::io::Read;

const PARAMETERS: &str = "/sys/module/waiting/parameters";

/// A periodic interrupt.
#[derive(Debug)]
pub(crate) struct Waiting {
    file: File,
}

impl Waiting {
    /// Opens `/dev/NAME`. The interrupt comes every `interval_us` microseconds, on the processor
    /// that handles the engine's interrupts.
    pub(crate) fn open(name: &str, interval_us: u32) -> Result<Self> {
        fs::write(format!("{PARAMETERS}/interval_us"), interval_us.to_string())?;
        processor::bind(processor::INTERRUPTS)?;
        let file = File::open(format!("/dev/{name}"))?;
        processor::bind(processor::READER)?;
        Ok(Self { file })
    }

    /// Waits for the next interrupt. Returns CLOCK_MONOTONIC, in nanoseconds, as read in its
    /// handler.
    pub(crate) fn take(&mut self) -> Result<u64> {
        let mut stamp = [0; 8];
        self.file.read_exact(&mut stamp)?;
        Ok(u64::from_ne_bytes(stamp))
    }
}
