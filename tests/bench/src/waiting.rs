// SPDX-License-Identifier: MIT OR Apache-2.0
//! `/dev/waiting`: an interrupt and whoever waits for it, with nothing in between.

use crate::{Result, processor};
use std::fs::{self, File};
use std::io::Read;

const PARAMETERS: &str = "/sys/module/waiting/parameters";

/// An interrupt that comes again and again.
#[derive(Debug)]
pub(crate) struct Waiting {
    file: File,
}

impl Waiting {
    /// `/dev/NAME`, an interrupt each `interval_us`, on the processor where the engine's are.
    pub(crate) fn open(name: &str, interval_us: u32) -> Result<Self> {
        fs::write(format!("{PARAMETERS}/interval_us"), interval_us.to_string())?;
        processor::bind(processor::INTERRUPTS)?;
        let file = File::open(format!("/dev/{name}"))?;
        processor::bind(processor::READER)?;
        Ok(Self { file })
    }

    /// Waits for the next: CLOCK_MONOTONIC in nanoseconds, as it was in the interrupt.
    pub(crate) fn take(&mut self) -> Result<u64> {
        let mut stamp = [0; 8];
        self.file.read_exact(&mut stamp)?;
        Ok(u64::from_ne_bytes(stamp))
    }
}
