// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command `dmaframe`.

mod command;
#[cfg(test)]
mod pages;
mod scope;
mod terminal;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    match command::run(command::Cli::parse()) {
        Ok(code) => code,
        // The reader of the output closed it, which is no error.
        Err(error) if command::is_broken_pipe(error.as_ref()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("dmaframe: {error}");
            ExitCode::FAILURE
        }
    }
}
