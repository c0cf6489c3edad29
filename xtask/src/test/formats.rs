// SPDX-License-Identifier: MIT OR Apache-2.0
//! Opens recordings with the tools of their ecosystems: NumPy, tshark, sigrok-cli, sox, SigMF's
//! validator.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::cargo::succeed;
use crate::builder::{Builder, python};
use crate::host::cache::Cache;
use crate::host::program::cargo;

/// Makes recordings of synthetic frames on the host, and opens them in a root file system of its own.
pub(super) fn check(cache: &Cache, checkout: &Path) -> Result<()> {
    let directory = checkout.join("target/formats");
    if directory.exists() {
        fs::remove_dir_all(&directory)
            .with_context(|| format!("removing {}", directory.display()))?;
    }
    fs::create_dir_all(&directory).with_context(|| format!("making {}", directory.display()))?;
    let mut synthesize = Command::new(cargo());
    synthesize.args(["run", "--quiet", "--package", "dmaframe-record", "--example", "synthesize"]);
    succeed(synthesize.arg("--").arg(&directory).current_dir(checkout))?;

    let root = Builder::of_formats(cache, checkout)?;
    let environment = python::tools(cache, &root, checkout, "formats")?;
    let mut opened = root.command("sh");
    // The first line of the script `python3` has the temporary path of the environment.
    opened.args(["-c", r#""$1/bin/python3" "$2" "$3""#, "sh"]);
    opened.arg(root.inside(&environment)?);
    opened.arg(root.inside(&checkout.join("xtask/test/formats/check.py"))?);
    opened.arg(root.inside(&directory)?);
    succeed(&mut opened)?;
    // Their largest file is 10 GB, most of which is not on the disk.
    fs::remove_dir_all(&directory).with_context(|| format!("removing {}", directory.display()))
}
