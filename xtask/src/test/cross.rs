// SPDX-License-Identifier: MIT OR Apache-2.0
//! Builds the command with `cross`, in a container, and streams with it in the guest.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::guest::{Guest, Job, output};

const TARGET: &str = "aarch64-unknown-linux-gnu";
/// The environment variable that selects the container engine of cross.
const ENGINE: &str = "CROSS_CONTAINER_ENGINE";

/// The container engine that cross uses. `None` if the engine or cross does not work.
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

/// Builds the command with cross and streams 1000 frames with it.
pub(crate) fn check(guest: &Guest, checkout: &Path, engine: &str) -> Result<()> {
    let log = checkout.join("target/log/cross.log");
    let output = Command::new("cross")
        .args(["-v", "build", "--release", "--target", TARGET, "--package", "dmaframe-cli"])
        .args(["--target-dir", "target/cross"])
        .current_dir(checkout)
        .env(ENGINE, engine)
        // cross has to choose the toolchain, instead of using the cargo that started xtask.
        .env_remove("CARGO")
        .stdin(Stdio::null())
        .output()
        .context("starting cross")?;
    let text = [output.stdout, output.stderr].concat();
    fs::write(&log, &text).with_context(|| format!("writing {}", log.display()))?;
    if !output.status.success() {
        bail!("cross: {}; its output is in {}", output.status, log.display());
    }
    // If cross cannot use a container, it builds on the host without a message.
    let text = String::from_utf8_lossy(&text);
    if !text.lines().any(|line| ran_in_container(line, engine)) {
        bail!("cross did not use a container; its output is in {}", log.display());
    }
    let program = checkout.join("target/cross").join(TARGET).join("release/dmaframe");
    let stream = ["/root/dmaframe-cross", "stream", "--frames", "1000", "--verify"];
    let job = Job {
        command: stream.map(str::to_owned).to_vec(),
        put: vec![(program, stream[0].to_owned())],
        ..Job::default()
    };
    match guest.run(&job, output::print)? {
        0 => Ok(()),
        status => bail!("the command built by cross failed with status {status}"),
    }
}

/// Whether this line of the output of cross shows that it starts a container.
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
    fn start_of_a_container_is_detected() {
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
