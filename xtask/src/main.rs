// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask`: builds the kernel, the module and the guest, runs them and tests them.

mod bench;
mod builder;
mod guest;
mod host;
mod image;
mod kernel;
mod test;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Args, Parser, Subcommand};

use crate::guest::addition::Addition;
use crate::guest::stream::Stream;
use crate::guest::{GUEST_FAILED, Guest, Job};
use crate::host::progress::say;
use crate::kernel::Flavour;
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
    /// Compare the performance of dmaframe with other ways to move data, in one guest.
    ///
    /// Prints the ratios, and writes RESULTS.md, chart.svg and results.json to tests/bench. Takes 5
    /// to 10 minutes; the first run also builds one more kernel.
    Bench(bench::Bench),
    /// Boot the guest, run a command in it as root, and exit with the command's status.
    ///
    /// The command's output goes to standard output. Without a command, opens an interactive
    /// console.
    Guest(GuestArguments),
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

#[derive(Debug, Args)]
struct GuestArguments {
    /// Kernel configuration
    #[arg(long, value_enum, default_value = "default")]
    kernel: Flavour,
    /// Copy a file and its mode into the guest, by default to /root/NAME
    #[arg(long, value_name = "FILE[:GUESTPATH]")]
    put: Vec<String>,
    /// Copy a file out of the guest after the command exits
    #[arg(long, value_name = "GUESTPATH:FILE")]
    get: Vec<String>,
    /// Kill the guest after this many seconds
    #[arg(long, value_name = "S")]
    timeout: Option<u64>,
    /// Add a Debian program to the guest
    #[arg(long, value_enum, value_name = "PROGRAM")]
    with: Vec<Addition>,
    /// Build a test program (storm, lifecycle, soak) and add it to the guest
    #[arg(long, value_name = "NAME")]
    build: Vec<String>,
    /// The command and its arguments
    #[arg(last = true, value_name = "CMD")]
    command: Vec<String>,
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
        Task::Guest(arguments) => {
            let mut job = job(
                arguments.put,
                arguments.get,
                arguments.timeout,
                arguments.with,
                arguments.command,
            )?;
            let guest = Guest::ready(&checkout, arguments.kernel)?;
            for name in &arguments.build {
                job.put.push(guest.test_program(name)?);
            }
            guest.run(&job, guest::output::print)
        }
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

fn job(
    put: Vec<String>,
    get: Vec<String>,
    timeout: Option<u64>,
    with: Vec<Addition>,
    command: Vec<String>,
) -> Result<Job> {
    let put = put.iter().map(|put| parse_put(put)).collect::<Result<_>>()?;
    let get = get.iter().map(|get| parse_get(get)).collect::<Result<_>>()?;
    Ok(Job { command, put, get, timeout, with, ..Job::default() })
}

fn parse_put(put: &str) -> Result<(PathBuf, String)> {
    let (file, path) = match put.split_once(':') {
        Some((file, path)) => (file, Some(path.to_owned())),
        None => (put, None),
    };
    let file = PathBuf::from(file);
    if !file.is_file() {
        bail!("--put {put}: {} is not a file", file.display());
    }
    let path = match path {
        Some(path) => path,
        None => {
            let name = file
                .file_name()
                .with_context(|| format!("--put {put}: the path has no file name"))?;
            format!("/root/{}", name.to_string_lossy())
        }
    };
    Ok((file, path))
}

fn parse_get(get: &str) -> Result<(String, PathBuf)> {
    match get.split_once(':') {
        Some((path, file)) if !path.is_empty() && !file.is_empty() => {
            Ok((path.to_owned(), PathBuf::from(file)))
        }
        _ => bail!("--get {get}: expected GUESTPATH:FILE"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_definition_is_valid() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
    }

    #[test]
    fn put_and_get_arguments_are_parsed() {
        let here = env!("CARGO_MANIFEST_DIR");
        let file = format!("{here}/Cargo.toml");
        assert_eq!(parse_put(&file).unwrap().1, "/root/Cargo.toml");
        assert_eq!(parse_put(&format!("{file}:/etc/x")).unwrap().1, "/etc/x");
        assert!(parse_put("/no/such/file").is_err());
        assert_eq!(parse_get("/tmp/a:b").unwrap(), ("/tmp/a".to_owned(), PathBuf::from("b")));
        assert!(parse_get("/tmp/a").is_err());
    }
}
