// SPDX-License-Identifier: MIT OR Apache-2.0
//! The crates in a Cargo.lock, vendored for the builder's cargo.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{Builder, CACHE};
use crate::host::cache::{Cache, Key};
use crate::host::program::cargo;
use crate::host::progress::Step;

/// The vendored sources of every crate in the Cargo.lock of a workspace.
#[derive(Debug)]
pub(crate) struct Crates {
    directory: PathBuf,
}

impl Crates {
    /// Returns the crates, which the host's cargo downloads if the cache does not have them.
    pub(crate) fn ready(cache: &Cache, workspace: &Path) -> Result<Self> {
        let lock = workspace.join("Cargo.lock");
        let lock = fs::read(&lock).with_context(|| format!("reading {}", lock.display()))?;
        let name = format!("crates-{}", Key::of([lock]));
        let directory = cache.directory(&name, |part| {
            let step = Step::long("downloading the crates in Cargo.lock", "once");
            let home = part.join("home");
            fs::create_dir_all(&home).with_context(|| format!("making {}", home.display()))?;
            let (config, crates) = (home.join("config.toml"), part.join("vendor"));
            // cargo prints a configuration that replaces registries and git repositories.
            let mut vendor = Command::new("sh");
            vendor.args(["-euc", r#"config=$1; shift; exec "$@" >"$config""#, "sh"]).arg(&config);
            vendor.arg(cargo()).args(["vendor", "--locked"]).arg(&crates).current_dir(workspace);
            step.run(&mut vendor, &cache.log("crates"))?;
            step.done();
            let text = fs::read_to_string(&config).context("reading the configuration of cargo")?;
            let inside = format!("{CACHE}/{name}/vendor");
            fs::write(&config, text.replace(&crates.display().to_string(), &inside))
                .context("writing the configuration of cargo")
        })?;
        Ok(Self { directory })
    }

    /// Their directory in the cache.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The directory that contains one directory per crate.
    pub(crate) fn sources(&self) -> PathBuf {
        self.directory.join("vendor")
    }

    /// The builder's cargo. It uses these crates instead of a registry, and no network. It builds
    /// in target/guest unless `variables` contain another CARGO_TARGET_DIR.
    pub(crate) fn cargo(&self, builder: &Builder, variables: &[(&str, &str)]) -> Result<Command> {
        let home = builder.inside(&self.directory)?.join("home").display().to_string();
        let defaults = [
            ("CARGO_HOME", home.as_str()),
            ("CARGO_NET_OFFLINE", "true"),
            ("CARGO_TARGET_DIR", "/src/target/guest"),
        ];
        // env(1) uses the last of several values.
        Ok(builder.command_with("cargo", defaults.iter().chain(variables).copied()))
    }
}
