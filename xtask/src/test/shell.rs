// SPDX-License-Identifier: MIT OR Apache-2.0
//! Checks all shell scripts of the checkout with shellcheck.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::builder::python;
use crate::guest::Guest;
use crate::host::tree::collect_files;

/// Directories with generated files.
const GENERATED: &[&str] = &[".git", "target"];
/// Names of interpreters that shellcheck understands.
const SHELLS: &[&str] = &["sh", "bash"];

/// Fails if shellcheck reports anything.
pub(super) fn check(guest: &Guest, checkout: &Path) -> Result<()> {
    let builder = guest.builder();
    let tools = builder.inside(&python::tools(guest.cache(), builder, checkout, "buildroot")?)?;
    let scripts = scripts(checkout)?;
    if scripts.is_empty() {
        bail!("the checkout contains no shell scripts");
    }
    let mut check = builder.command(&tools.join("bin/shellcheck").to_string_lossy());
    check.arg("--color=never");
    for script in &scripts {
        check.arg(builder.inside(script)?);
    }
    let output = check.output().context("starting shellcheck")?;
    if !output.status.success() {
        let messages = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        bail!("shellcheck: {}\n{messages}{errors}", output.status);
    }
    Ok(())
}

/// The files whose first line names a shell.
fn scripts(checkout: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let entries =
        fs::read_dir(checkout).with_context(|| format!("reading {}", checkout.display()))?;
    for entry in entries {
        let path = entry.with_context(|| format!("reading {}", checkout.display()))?.path();
        if path.is_dir() && !GENERATED.iter().any(|name| path.ends_with(name)) {
            collect_files(&path, &mut files)?;
        }
    }
    let mut scripts = Vec::new();
    let generated =
        |path: &Path| path.iter().any(|name| GENERATED.iter().any(|directory| name == *directory));
    for file in files.into_iter().filter(|file| !file.strip_prefix(checkout).is_ok_and(generated)) {
        let text = fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
        let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
        if is_shell(&String::from_utf8_lossy(first)) {
            scripts.push(file);
        }
    }
    Ok(scripts)
}

/// Whether this first line of a file names a shell.
fn is_shell(first: &str) -> bool {
    let Some(command) = first.strip_prefix("#!") else { return false };
    let mut words = command.split_ascii_whitespace().map(|word| word.rsplit('/').next());
    words.any(|name| name.is_some_and(|name| SHELLS.contains(&name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shells_are_distinguished_from_other_interpreters() {
        for first in ["#!/bin/sh", "#! /bin/sh -e", "#!/usr/bin/env bash", "#!/bin/busybox sh"] {
            assert!(is_shell(first), "{first}");
        }
        for first in ["#!/usr/bin/env python3", "# sh", "", "#!/bin/fish"] {
            assert!(!is_shell(first), "{first}");
        }
    }

    #[test]
    fn scripts_of_the_checkout_are_found() {
        let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let scripts = scripts(&checkout).unwrap();
        for wanted in [".ci/run", "xtask/guest/init", "buildroot/package/dmaframe/S20dmaframe"] {
            assert!(scripts.iter().any(|script| script.ends_with(wanted)), "{wanted}");
        }
    }
}
