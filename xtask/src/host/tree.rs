// SPDX-License-Identifier: MIT OR Apache-2.0
//! Directory trees: listing and copying them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// Adds every file below a directory to `files`, and sorts `files`.
pub(crate) fn collect_files(directory: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries =
        fs::read_dir(directory).with_context(|| format!("reading {}", directory.display()))?;
    for entry in entries {
        let path = entry.with_context(|| format!("reading {}", directory.display()))?.path();
        if path.is_dir() {
            collect_files(&path, files)?;
        } else {
            files.push(path);
        }
    }
    files.sort();
    Ok(())
}

/// Copies a directory tree with its time stamps. `to` never holds a partial copy.
pub(crate) fn copy_directory(from: &Path, to: &Path) -> Result<()> {
    let part = to.with_extension("copy");
    let copied = Command::new("sh")
        .args(["-euc", r#"rm -rf "$2" "$3"; cp -a --reflink=auto "$1" "$2"; mv "$2" "$3""#, "sh"])
        .args([from, &part, to])
        .status()
        .context("starting sh")?;
    if !copied.success() {
        bail!("cannot copy {} to {}", from.display(), to.display());
    }
    Ok(())
}
