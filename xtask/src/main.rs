// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask`: builds the kernel, the module and the guest, runs them and tests them.

mod bench;
mod builder;
mod emulator;
mod guest;
mod host;
mod image;
mod kernel;
mod test;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

use crate::guest::stream::Stream;
use crate::guest::{GUEST_FAILED, Guest};
use crate::host::progress::say;
use crate::test::Selection;
use crate::test::soak::Soak;

/// Build all of dmaframe and run it on a board emulated by QEMU.
///
/// Slow builds are cached in $DMAFRAME_CACHE; if that is unset, in $XDG_CACHE_HOME/dmaframe or
/// ~/.cache/dmaframe. Set KERNEL_SRC to a directory to build the kernel from your own source.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Compare the performance of dmaframe with other ways to move data.
    ///
    /// Prints the ratios, and writes RESULTS.md, chart.svg and results.json to tests/bench. Takes 5
    /// to 10 minutes; the first run also builds one more kernel.
    Bench(bench::Bench),
    /// Build your own Rust crate or C file for the guest.
    ///
    /// The programs are static aarch64 binaries, which also run on any aarch64 board. They go to
    /// target/build, and their paths to standard output.
    Build(guest::build::Arguments),
    /// Boot the guest, run a command in it as root, and exit with the command's status.
    ///
    /// The command's output goes to standard output. Without a command, opens an interactive
    /// console.
    Guest(guest::command::Arguments),
    /// Build the SD card image with Buildroot.
    ///
    /// An interrupted build resumes where it stopped. The sources of this checkout are always
    /// rebuilt.
    Image(image::Arguments),
    /// Boot the guest, stream frames from DMA to a program, and verify every byte.
    ///
    /// Rates go to standard error while the stream runs. The summary is the last line on standard
    /// output.
    Run(Stream),
    /// Run a soak test: random streams, killed readers, invalid ring writes, unbinds, reloads.
    ///
    /// Prints a line a minute and a summary. Fails if a byte is wrong, a loss is not accounted for
    /// or the kernel reports a problem.
    Soak(Soak),
    /// Run every check and test, on the host and in the guest.
    Test(Selection),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match perform(arguments.command) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            say(format_args!("{error:#}"));
            ExitCode::from(GUEST_FAILED)
        }
    }
}

fn perform(task: Task) -> Result<u8> {
    let checkout = checkout()?;
    match task {
        Task::Bench(arguments) => bench::run(&checkout, &arguments),
        Task::Build(arguments) => guest::build::run(&checkout, &arguments),
        Task::Guest(arguments) => guest::command::run(&checkout, arguments),
        Task::Image(arguments) => image::build(&checkout, &arguments),
        Task::Run(stream) => guest::stream::run(&checkout, &stream),
        Task::Soak(soak) => {
            test::soak::run(&Guest::ready(&checkout, soak.kernel)?, &checkout, &soak)
        }
        Task::Test(selection) => Ok(u8::from(!test::run(&checkout, &selection))),
    }
}

/// The root of the checkout: the parent of this package's directory.
fn checkout() -> Result<PathBuf> {
    let package =
        std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let checkout =
        Path::new(&package).parent().context("the package xtask has no parent directory")?;
    checkout.canonicalize().with_context(|| format!("resolving {}", checkout.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_definition_is_valid() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
    }
}
