// SPDX-License-Identifier: MIT OR Apache-2.0
//! Checks `cargo xtask build`: builds a crate outside the workspace and a C file, and runs both.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::guest::{Guest, Job, build};

/// What the programs print.
const OUTPUT: &str = "Rust opened /dev/dmaframe0\nC opened /dev/dmaframe0\n";

/// Fails if a program cannot be built, or does not open the device in the guest.
pub(super) fn check(guest: &Guest, checkout: &Path) -> Result<()> {
    let sources = checkout.join("xtask/test/build");
    // A copy, because cargo writes a Cargo.lock. The versions are those of the workspace.
    let copy = checkout.join("target/build/test");
    let crate_directory = copy.join("reader");
    fs::create_dir_all(crate_directory.join("src"))
        .with_context(|| format!("making {}", copy.display()))?;
    for (from, to) in [
        (sources.join("reader/Cargo.toml"), "reader/Cargo.toml"),
        (sources.join("reader/src/main.rs"), "reader/src/main.rs"),
        (checkout.join("Cargo.lock"), "reader/Cargo.lock"),
    ] {
        fs::copy(&from, copy.join(to)).with_context(|| format!("copying {}", from.display()))?;
    }
    let mut programs = build::programs(checkout, &crate_directory, &[])?;
    programs.extend(build::programs(checkout, &sources.join("opener.c"), &[])?);

    let put = programs.into_iter().zip(["/root/reader", "/root/opener"].map(str::to_owned));
    let command = ["sh", "-c", "/root/reader && /root/opener"].map(str::to_owned).into();
    let job = Job { command, put: put.collect(), ..Job::default() };
    let mut text = String::new();
    let status = guest.run(&job, |output| {
        output.read_to_string(&mut text).context("reading the guest's output").map(drop)
    })?;
    if status != 0 || text != OUTPUT {
        bail!("the programs exited with status {status}; their output:\n{text}");
    }
    Ok(())
}
