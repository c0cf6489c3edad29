// SPDX-License-Identifier: MIT OR Apache-2.0
//! Makes the builder, the kernel, the module and the guest, and runs them.

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

/// Builds the whole of dmaframe and runs it on a board in QEMU.
///
/// What is slow to make is kept in $DMAFRAME_CACHE, else $XDG_CACHE_HOME/dmaframe, else
/// ~/.cache/dmaframe. KERNEL_SRC names a directory to take the kernel's source from.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Measure dmaframe beside its peers in one guest: ratios, a table, a chart.
    ///
    /// Writes tests/bench/RESULTS.md, chart.svg and results.json there. Takes 5 to 10 minutes,
    /// and on a first run those of one more kernel.
    Bench(bench::Bench),
    /// Boot the guest, run a command in it as root, and exit with its status.
    ///
    /// The command's output is on standard output. Without a command: an interactive console.
    Guest(GuestArguments),
    /// Build the SD card's image with Buildroot.
    ///
    /// Begun again, it goes on where it was; our own sources are always built anew.
    Image(image::Arguments),
    /// Boot the guest and stream frames from DMA to a program, verifying every byte.
    ///
    /// Live rates are on standard error; the last line on standard output is the outcome.
    Run(Stream),
    /// Stream, kill, lie, unbind and reload by chance for minutes on end.
    ///
    /// A line a minute, then one of figures; it fails unless every byte was right, every loss was
    /// accounted for and the kernel had no complaint.
    Soak(Soak),
    /// Run every check and test, host and guest.
    Test(Selection),
}

#[derive(Debug, Args)]
struct GuestArguments {
    /// The kernel's configuration
    #[arg(long, value_enum, default_value = "default")]
    kernel: Flavour,
    /// Copy a file into the guest, to /root/NAME unless a path is given, keeping its mode
    #[arg(long, value_name = "FILE[:GUESTPATH]")]
    put: Vec<String>,
    /// Copy a file out of the guest when the command has ended
    #[arg(long, value_name = "GUESTPATH:FILE")]
    get: Vec<String>,
    /// End the guest by force after this many seconds
    #[arg(long, value_name = "S")]
    timeout: Option<u64>,
    /// Have a program of Debian's in the guest
    #[arg(long, value_enum, value_name = "PROGRAM")]
    with: Vec<Addition>,
    /// Build a program of the tests (storm, lifecycle, ...) and have it in the guest
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

/// The directory above this package's.
fn checkout() -> Result<PathBuf> {
    let package =
        std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let checkout = Path::new(&package).parent().context("this package lies in no checkout")?;
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
            let name =
                file.file_name().with_context(|| format!("--put {put}: a file has a name"))?;
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
        _ => bail!("--get {get}: must be GUESTPATH:FILE"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_sound() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
    }

    #[test]
    fn put_and_get() {
        let here = env!("CARGO_MANIFEST_DIR");
        let file = format!("{here}/Cargo.toml");
        assert_eq!(parse_put(&file).unwrap().1, "/root/Cargo.toml");
        assert_eq!(parse_put(&format!("{file}:/etc/x")).unwrap().1, "/etc/x");
        assert!(parse_put("/no/such/file").is_err());
        assert_eq!(parse_get("/tmp/a:b").unwrap(), ("/tmp/a".to_owned(), PathBuf::from("b")));
        assert!(parse_get("/tmp/a").is_err());
    }
}
