// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cross`: the command as a user's machine builds it in a container, streaming in the guest.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::guest::{Guest, Job, output};

const TARGET: &str = "aarch64-unknown-linux-gnu";
/// Where cross looks for the engine that runs its containers.
const ENGINE: &str = "CROSS_CONTAINER_ENGINE";

/// The container engine that cross would take; `None` if it or cross is not there, or does not run.
pub(crate) fn engine() -> Option<String> {
    let runs = |program: &str, argument: &str| {
        let mut probe = Command::new(program);
        probe.arg(argument).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        probe.status().is_ok_and(|status| status.success())
    };
    let wanted = std::env::var(ENGINE).ok().filter(|engine| !engine.is_empty());
    let engines = wanted.map_or_else(|| vec!["docker".into(), "podman".into()], |one| vec![one]);
    let engine = engines.into_iter().find(|engine| runs(engine, "info"))?;
    runs("cross", "--version").then_some(engine)
}

/// Builds the command with cross, then streams with it.
pub(crate) fn check(guest: &Guest, checkout: &Path, engine: &str) -> Result<()> {
    let log = checkout.join("target/log/cross.log");
    let output = Command::new("cross")
        .args(["-v", "build", "--release", "--target", TARGET, "--package", "dmaframe-cli"])
        .args(["--target-dir", "target/cross"])
        .current_dir(checkout)
        .env(ENGINE, engine)
        // The toolchain is for cross to choose, not for the cargo that runs us.
        .env_remove("CARGO")
        .stdin(Stdio::null())
        .output()
        .context("starting cross")?;
    let said = [output.stdout, output.stderr].concat();
    fs::write(&log, &said).with_context(|| format!("writing {}", log.display()))?;
    if !output.status.success() {
        bail!("cross: {}; what it said is in {}", output.status, log.display());
    }
    // Where it finds no way into a container, cross builds on the host and says nothing.
    let said = String::from_utf8_lossy(&said);
    if !said.lines().any(|line| ran_in_container(line, engine)) {
        bail!("cross built outside of any container; what it said is in {}", log.display());
    }
    let program = checkout.join("target/cross").join(TARGET).join("release/dmaframe");
    let stream = ["/root/crossed", "stream", "--frames", "1000", "--verify"];
    let job = Job {
        command: stream.map(str::to_owned).to_vec(),
        put: vec![(program, stream[0].to_owned())],
        ..Job::default()
    };
    match guest.run(&job, output::print)? {
        0 => Ok(()),
        status => bail!("the command that cross built ended with status {status}"),
    }
}

/// Whether cross says in this line that it starts a container.
fn ran_in_container(line: &str, engine: &str) -> bool {
    let mut words = line.split_ascii_whitespace().skip_while(|word| {
        Path::new(word.trim_matches('"')).file_name().is_none_or(|name| name != engine)
    });
    words.next().is_some() && words.next() == Some("run")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_is_told_from_the_host() {
        for line in
            ["+ /usr/bin/podman run --userns host", "+ \"/src\" /usr/bin/podman run --rm image"]
        {
            assert!(ran_in_container(line, "podman"), "{line}");
        }
        for line in [
            "+ /usr/bin/podman",
            "+ \"/src/podman\" /usr/bin/docker run",
            "+ \"/src\" /usr/bin/podman build --tag run",
            "+ cargo build --target aarch64-unknown-linux-gnu",
        ] {
            assert!(!ran_in_container(line, "podman"), "{line}");
        }
    }
}
