// SPDX-License-Identifier: MIT OR Apache-2.0
//! Checks and tests that cargo runs on the host.

use std::io::BufReader;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::report::{Count, pass_through};
use crate::guest::Guest;
use crate::host::program::cargo;
use crate::host::progress::say;

/// The host's cargo with a component of rustup. If the host does not have the component, the
/// builder's cargo.
fn cargo_with(tool: &str, checkout: &Path, guest: Option<&Guest>) -> Result<Command> {
    let mut probe = Command::new(cargo());
    probe.args([tool, "--version"]).current_dir(checkout);
    let has = probe.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if has.is_ok_and(|status| status.success()) {
        let mut cargo = Command::new(cargo());
        cargo.arg(tool).current_dir(checkout);
        return Ok(cargo);
    }
    match guest {
        Some(guest) => {
            say(format_args!("this host has no cargo {tool}: using that of the builder"));
            let mut cargo = guest.crates().cargo(guest.builder(), &[])?;
            cargo.arg(tool);
            Ok(cargo)
        }
        None => bail!(
            "this host has no cargo {tool}: install it with rustup component add {}",
            component(tool)
        ),
    }
}

fn component(tool: &str) -> &str {
    if tool == "fmt" { "rustfmt" } else { tool }
}

pub(super) fn format(checkout: &Path, guest: Option<&Guest>) -> Result<()> {
    succeed(cargo_with("fmt", checkout, guest)?.args(["--all", "--check", "--", "--color=never"]))
}

pub(super) fn clippy(checkout: &Path, guest: Option<&Guest>) -> Result<()> {
    let mut clippy = cargo_with("clippy", checkout, guest)?;
    succeed(clippy.args(["--quiet", "--workspace", "--all-targets", "--", "--deny", "warnings"]))
}

pub(super) fn host_tests(checkout: &Path, filter: Option<&str>, count: &mut Count) -> Result<()> {
    let mut cargo = Command::new(cargo());
    cargo.args(["test", "--workspace", "--no-fail-fast"]);
    for elsewhere in ["dmaframe-tests", "dmaframe-emulator"] {
        cargo.args(["--exclude", elsewhere]);
    }
    cargo.current_dir(checkout).arg("--").args(filter);
    tests(cargo, count)
}

/// Runs a cargo command that tests, and counts the results.
pub(super) fn tests(mut cargo: Command, count: &mut Count) -> Result<()> {
    cargo.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = cargo.spawn().context("starting cargo")?;
    if let Some(output) = child.stdout.take() {
        pass_through(&mut BufReader::new(output), count)?;
    }
    let status = child.wait().context("waiting for cargo")?;
    if !status.success() {
        bail!("cargo test: {status}");
    }
    Ok(())
}

/// Runs a command and fails if the command fails. Its output is not redirected.
pub(super) fn succeed(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status =
        command.stdin(Stdio::null()).status().with_context(|| format!("starting {program}"))?;
    if !status.success() {
        bail!("{status}");
    }
    Ok(())
}
