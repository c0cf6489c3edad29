// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command `dmaframe`.

mod command;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    match command::run(command::Cli::parse()) {
        Ok(code) => code,
        // Whoever read the output has seen enough.
        Err(error) if command::is_broken_pipe(error.as_ref()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("dmaframe: {error}");
            ExitCode::FAILURE
        }
    }
}
