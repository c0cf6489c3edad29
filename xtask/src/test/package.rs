// SPDX-License-Identifier: MIT OR Apache-2.0
//! Packages the crates that can be published, and builds the packages.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::cargo::succeed;
use crate::host::program::cargo;

/// Packages all publishable crates of the workspace together, because they depend on each other and
/// the registry may not have their current versions. cargo builds each package to verify it.
pub(super) fn check(checkout: &Path) -> Result<()> {
    let crates = publishable(checkout)?;
    if crates.is_empty() {
        bail!("the workspace has no crate to publish");
    }
    // cargo assumes that a version of a package never changes. It would use the sources and objects
    // of an earlier check, so both go to a new directory.
    let target = checkout.join("target/package");
    match fs::remove_dir_all(&target) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("removing {}", target.display()));
        }
        _ => {}
    }
    let mut package = Command::new(cargo());
    package.env("CARGO_HOME", home(&target)?);
    package.args(["package", "--quiet", "--allow-dirty", "--target-dir"]).arg(&target);
    for name in &crates {
        package.args(["--package", name]);
    }
    succeed(package.current_dir(checkout))
}

/// Makes a home directory for cargo. It shares the user's configuration and downloads, but not the
/// unpacked sources.
fn home(target: &Path) -> Result<PathBuf> {
    let users = match std::env::var_os("CARGO_HOME").filter(|path| !path.is_empty()) {
        Some(path) => PathBuf::from(path),
        None => std::env::home_dir().context("the user has no home directory")?.join(".cargo"),
    };
    let home = target.join("home");
    fs::create_dir_all(home.join("registry"))
        .with_context(|| format!("making {}", home.display()))?;
    for name in ["config", "config.toml", "registry/cache", "registry/index"] {
        let shared = users.join(name);
        if shared.exists() {
            symlink(&shared, home.join(name))
                .with_context(|| format!("linking {}", shared.display()))?;
        }
    }
    Ok(home)
}

/// The names of the packages in the workspace that may be published.
fn publishable(checkout: &Path) -> Result<Vec<String>> {
    let mut metadata = Command::new(cargo());
    metadata.args(["metadata", "--no-deps", "--format-version", "1"]).current_dir(checkout);
    let output = metadata.output().context("starting cargo")?;
    if !output.status.success() {
        bail!("cargo metadata: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    let metadata: Value =
        serde_json::from_slice(&output.stdout).context("parsing the output of cargo metadata")?;
    let packages = metadata["packages"].as_array().map_or(&[][..], Vec::as_slice);
    Ok(names(packages))
}

/// `publish` lists the allowed registries: it is null if all are allowed, and empty if none is.
fn names(packages: &[Value]) -> Vec<String> {
    let allowed = |package: &&Value| package["publish"].is_null();
    packages
        .iter()
        .filter(allowed)
        .filter_map(|package| package["name"].as_str().map(str::to_owned))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn crates_that_must_not_be_published_are_skipped() {
        let packages =
            [json!({ "name": "a", "publish": null }), json!({ "name": "b", "publish": [] })];
        assert_eq!(names(&packages), ["a"]);
    }

    #[test]
    fn the_library_and_what_it_depends_on_are_publishable() {
        let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let crates = publishable(&checkout).unwrap();
        for wanted in
            ["dmaframe-abi", "dmaframe-engine", "dmaframe", "dmaframe-record", "dmaframe-cli"]
        {
            assert!(crates.iter().any(|name| name == wanted), "{wanted}");
        }
        assert!(!crates.iter().any(|name| name == "xtask"));
    }
}
