// SPDX-License-Identifier: MIT OR Apache-2.0
//! The options of the command line.

use dmaframe_tests::DEVICES;
use std::error::Error;

/// The options.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) seed: u64,
    /// Calls of all processes together.
    pub(crate) calls: u64,
    pub(crate) processes: u64,
    pub(crate) devices: Vec<String>,
    /// The number of this worker; `None` in the controlling process.
    pub(crate) process: Option<u64>,
}

impl Options {
    pub(crate) fn parse() -> Result<Self, Box<dyn Error>> {
        let mut options =
            Self { seed: 1, calls: 100_000, processes: 4, devices: Vec::new(), process: None };
        let mut arguments = std::env::args().skip(1);
        while let Some(option) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{option} needs a value"))?;
            match option.as_str() {
                "--seed" => options.seed = value.parse()?,
                "--calls" => options.calls = value.parse()?,
                "--processes" => options.processes = value.parse()?,
                "--device" => options.devices.push(value),
                "--process" => options.process = Some(value.parse()?),
                _ => return Err(format!("{option} is not an option").into()),
            }
        }
        if options.devices.is_empty() {
            options.devices = DEVICES.map(str::to_owned).into();
        }
        if options.processes == 0 {
            return Err("--processes 0: at least 1 is needed".into());
        }
        Ok(options)
    }
}
