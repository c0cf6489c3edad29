// SPDX-License-Identifier: MIT OR Apache-2.0
//! Programs of this machine, and the right to run them as root.

use std::ffi::OsString;
use std::process::Command;

use anyhow::{Context, Result, bail};
use nix::unistd::geteuid;

use super::cache::Cache;
use super::progress::{Step, say};

/// The cargo that runs us, or the one on the path.
pub(crate) fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// One job for each processor, and one that waits for a disk.
pub(crate) fn jobs() -> String {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    format!("-j{}", processors + 1)
}

pub(crate) fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

/// Sees to it that the host has a program, from these packages where it is missing.
pub(crate) fn need(cache: &Cache, program: &str, packages: &[&str]) -> Result<()> {
    if on_path(program) {
        return Ok(());
    }
    if !on_path("apt-get") {
        bail!("{program} is missing and so is apt-get: install it with your package manager");
    }
    say(format_args!("installing {} with apt-get, for the builder", packages.join(" and ")));
    let step = Step::short(&format!("installing {program}"));
    let mut install = as_root("env")?;
    install.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet", "--yes"]);
    install.args(["--no-install-recommends", "install"]).args(packages);
    let log = cache.log("apt-get-install");
    if !step.status(&mut install, &log)?.success() {
        // A new machine knows no packages, an old one those that its mirror has replaced.
        let mut update = as_root("apt-get")?;
        step.run(update.args(["--quiet", "update"]), &cache.log("apt-get-update"))?;
        step.run(&mut install, &log)?;
    }
    step.done();
    Ok(())
}

pub(crate) fn as_root(program: &str) -> Result<Command> {
    if geteuid().is_root() {
        return Ok(Command::new(program));
    }
    if !on_path("sudo") {
        bail!("{program} needs root here: run as root, or install sudo");
    }
    // The steps that follow have no terminal to ask for a password on.
    say(format_args!("{program} needs root: asking sudo"));
    let status = Command::new("sudo").arg("--validate").status().context("starting sudo")?;
    if !status.success() {
        bail!("sudo refused to run {program}: run as root, or as a user that may use sudo");
    }
    let mut command = Command::new("sudo");
    command.arg(program);
    Ok(command)
}
