// SPDX-License-Identifier: MIT OR Apache-2.0
//! Random calls: everything that a program can do with the devices, in random order, from several
//! processes at once.
//!
//! `storm [--seed S] [--calls N] [--processes P] [--device PATH]...` makes N calls. Call number i
//! of a process depends only on the seed, the process's number and i, so the same seed makes the
//! same calls, whatever the earlier calls returned. The calls write to nothing but the devices. At
//! the end an ordinary stream must pass on each device.

mod call;
mod controller;
mod generic_netlink;
mod options;
mod tally;
mod worker;

use options::Options;
use std::process::ExitCode;

fn main() -> ExitCode {
    let outcome = Options::parse().and_then(|options| match options.process {
        None => controller::run(&options),
        Some(process) => worker::run(&options, process),
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("storm: {error}");
            ExitCode::FAILURE
        }
    }
}
