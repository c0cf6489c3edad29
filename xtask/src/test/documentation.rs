// SPDX-License-Identifier: MIT OR Apache-2.0
//! Builds the documentation of all crates. A warning is a failure.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::cargo::succeed;
use crate::host::program::cargo;

/// Builds the documentation of the workspace, private items of programs included.
pub(super) fn check(checkout: &Path) -> Result<()> {
    let mut doc = Command::new(cargo());
    doc.args(["doc", "--quiet", "--workspace", "--no-deps"]);
    doc.current_dir(checkout).env("RUSTDOCFLAGS", "-Dwarnings");
    succeed(&mut doc)
}
