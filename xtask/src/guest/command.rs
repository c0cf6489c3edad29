// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask guest`: runs a command in the guest, or an interactive console.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;

use super::addition::Addition;
use super::{Guest, Job, output};
use crate::kernel::Flavour;

/// Arguments of `cargo xtask guest`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
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
    /// Build a test program (storm, lifecycle, soak, trace_cost) and add it to the guest
    #[arg(long, value_name = "NAME")]
    build: Vec<String>,
    /// Add a parameter, such as threadirqs, to the kernel command line
    #[arg(long, value_name = "PARAMETER")]
    append: Vec<String>,
    /// Count instructions instead of time: durations in the guest do not depend on the host's load
    #[arg(long)]
    counted: bool,
    /// The command and its arguments
    #[arg(last = true, value_name = "CMD")]
    command: Vec<String>,
}

/// Runs the command and returns its exit status.
pub(crate) fn run(checkout: &Path, arguments: Arguments) -> Result<u8> {
    let Arguments { kernel, put, get, timeout, with, build, append, counted, command } = arguments;
    let put = put.iter().map(|put| parse_put(put)).collect::<Result<_>>()?;
    let get = get.iter().map(|get| parse_get(get)).collect::<Result<_>>()?;
    let mut job = Job { command, put, get, timeout, with, append, counted, ..Job::default() };
    let guest = Guest::ready(checkout, kernel)?;
    for name in &build {
        job.put.push(guest.test_program(name)?);
    }
    guest.run(&job, output::print)
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
