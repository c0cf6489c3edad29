// SPDX-License-Identifier: MIT OR Apache-2.0
//! Programs of the host: how to find, install and run them, also as root.

use std::ffi::OsString;
use std::process::Command;

use anyhow::{Context, Result, bail};
use nix::unistd::geteuid;

use super::cache::Cache;
use super::progress::{Step, say};

/// The cargo that started xtask, or the one in `PATH`.
pub(crate) fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// The `-j` option for make and cargo: one job per processor, and one more that may wait for I/O.
pub(crate) fn jobs() -> String {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    format!("-j{}", processors + 1)
}

/// Whether a directory in `PATH` contains the program.
pub(crate) fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

/// Installs the packages with apt-get if the host does not have the program.
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
        // The package lists may be missing, or older than the mirror.
        let mut update = as_root("apt-get")?;
        step.run(update.args(["--quiet", "update"]), &cache.log("apt-get-update"))?;
        step.run(&mut install, &log)?;
    }
    step.done();
    Ok(())
}

/// A command that runs the program as root, with sudo if necessary.
pub(crate) fn as_root(program: &str) -> Result<Command> {
    if geteuid().is_root() {
        return Ok(Command::new(program));
    }
    if !on_path("sudo") {
        bail!("{program} needs root here: run as root, or install sudo");
    }
    // Later steps run without a terminal, so sudo has to ask for the password now.
    say(format_args!("{program} needs root: asking sudo"));
    let status = Command::new("sudo").arg("--validate").status().context("starting sudo")?;
    if !status.success() {
        bail!("sudo refused to run {program}: run as root, or as a user that may use sudo");
    }
    let mut command = Command::new("sudo");
    command.arg(program);
    Ok(command)
}
