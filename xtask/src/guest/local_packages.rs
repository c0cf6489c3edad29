// SPDX-License-Identifier: MIT OR Apache-2.0
//! A crate on the host, and the crates that it finds by their paths.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::host::program::cargo;

/// A crate and the crates that it finds by their paths.
#[derive(Debug)]
pub(super) struct LocalPackages {
    /// The root of the workspace of the crate, which contains Cargo.lock.
    pub(super) workspace: PathBuf,
    /// The deepest directory that contains all these crates and their workspaces.
    pub(super) root: PathBuf,
}

impl LocalPackages {
    /// The crate in this directory.
    pub(super) fn of(directory: &Path) -> Result<Self> {
        let mut metadata = Command::new(cargo());
        metadata.args(["metadata", "--format-version", "1"]).current_dir(directory);
        let output = metadata.output().context("starting cargo")?;
        if !output.status.success() {
            bail!(
                "cargo metadata in {}: {}\n{}",
                directory.display(),
                output.status,
                String::from_utf8_lossy(&output.stderr)
            );
        }
        let metadata = serde_json::from_slice(&output.stdout)
            .context("parsing the output of cargo metadata")?;
        Self::parse(&metadata)
    }

    fn parse(metadata: &Value) -> Result<Self> {
        let path = |value: &Value| value.as_str().map(PathBuf::from);
        let workspace =
            path(&metadata["workspace_root"]).context("cargo metadata names no workspace")?;
        let mut root = workspace.clone();
        let packages = metadata["packages"].as_array().map_or(&[][..], Vec::as_slice);
        // Packages from a registry or from git have a source.
        for package in packages.iter().filter(|package| package["source"].is_null()) {
            let manifest = path(&package["manifest_path"]).context("a package has no manifest")?;
            // A dependency inherits values from the workspace that it belongs to.
            for directory in manifest.ancestors().skip(1) {
                if directory.join("Cargo.toml").is_file() {
                    root = common(&root, directory);
                }
            }
            root = common(&root, &manifest);
        }
        Ok(Self { workspace, root })
    }
}

/// The deepest directory that contains both paths.
fn common(one: &Path, other: &Path) -> PathBuf {
    let pairs = one.components().zip(other.components());
    pairs.take_while(|(one, other)| one == other).map(|(one, _)| one).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn root_contains_the_crate_and_its_path_dependencies() {
        let local = LocalPackages::parse(&json!({
            "workspace_root": "/home/me/app",
            "packages": [
                { "source": null, "manifest_path": "/home/me/app/Cargo.toml" },
                { "source": null, "manifest_path": "/home/me/dmaframe/userland/dmaframe/Cargo.toml" },
                { "source": "registry+https://example.org", "manifest_path": "/root/x/Cargo.toml" },
            ],
        }))
        .unwrap();
        assert_eq!(local.workspace, Path::new("/home/me/app"));
        assert_eq!(local.root, Path::new("/home/me"));
    }

    #[test]
    fn crate_without_path_dependencies_is_its_own_root() {
        let local = LocalPackages::parse(&json!({
            "workspace_root": "/no/app",
            "packages": [{ "source": null, "manifest_path": "/no/app/Cargo.toml" }],
        }))
        .unwrap();
        assert_eq!(local.root, Path::new("/no/app"));
    }
}
