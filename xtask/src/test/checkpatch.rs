// SPDX-License-Identifier: MIT OR Apache-2.0
//! checkpatch, the style checker of the kernel.

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::guest::Guest;
use crate::host::tree::collect_files;

/// Fails if checkpatch reports an error. Warnings are ignored.
pub(super) fn check(guest: &Guest, checkout: &Path) -> Result<()> {
    let builder = guest.builder();
    let mut files = Vec::new();
    for directory in ["driver", "dts", "tests/bench/peers"] {
        collect_files(&checkout.join(directory), &mut files)?;
    }
    let script = guest.kernel().source().join("scripts/checkpatch.pl");
    let mut check = builder.command("perl");
    check.arg(builder.inside(&script)?).args(["--no-tree", "--terse", "--no-summary", "-f"]);
    for file in &files {
        check.arg(builder.inside(file)?);
    }
    let output = check.output().context("starting checkpatch")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let errors: Vec<&str> = text.lines().filter(|line| line.contains(": ERROR:")).collect();
    if !errors.is_empty() {
        bail!("{}", errors.join("\n"));
    }
    // The exit status is not zero for warnings too. Without output, checkpatch did not run.
    if text.is_empty() && !output.status.success() {
        bail!("checkpatch: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}
