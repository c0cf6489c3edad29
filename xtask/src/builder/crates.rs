// SPDX-License-Identifier: MIT OR Apache-2.0
//! The crates in Cargo.lock, vendored for the builder's cargo.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{Builder, CACHE};
use crate::host::cache::{Cache, Key};
use crate::host::program::cargo;
use crate::host::progress::Step;

/// The vendored sources of every crate in Cargo.lock.
#[derive(Debug)]
pub(crate) struct Crates {
    directory: PathBuf,
}

impl Crates {
    /// Returns the crates, which the host's cargo downloads if the cache does not have them.
    pub(crate) fn ready(cache: &Cache, checkout: &Path) -> Result<Self> {
        let lock = checkout.join("Cargo.lock");
        let lock = fs::read(&lock).with_context(|| format!("reading {}", lock.display()))?;
        let name = format!("crates-{}", Key::of([lock]));
        let directory = cache.directory(&name, |part| {
            let step = Step::long("downloading the crates in Cargo.lock", "once");
            let mut vendor = Command::new(cargo());
            vendor.args(["vendor", "--locked"]).arg(part.join("vendor")).current_dir(checkout);
            step.run(&mut vendor, &cache.log("crates"))?;
            step.done();
            let home = part.join("home");
            fs::create_dir_all(&home).with_context(|| format!("making {}", home.display()))?;
            fs::write(
                home.join("config.toml"),
                format!(
                    "[source.crates-io]\nreplace-with = \"vendored\"\n\
                     [source.vendored]\ndirectory = \"{CACHE}/{name}/vendor\"\n"
                ),
            )
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

    /// The builder's cargo. It uses these crates instead of a registry, and no network.
    pub(crate) fn cargo(&self, builder: &Builder, variables: &[(&str, &str)]) -> Result<Command> {
        let home = builder.inside(&self.directory)?.join("home").display().to_string();
        let fixed = [
            ("CARGO_HOME", home.as_str()),
            ("CARGO_NET_OFFLINE", "true"),
            ("CARGO_TARGET_DIR", "/src/target/guest"),
        ];
        Ok(builder.command_with("cargo", fixed.iter().chain(variables).copied()))
    }
}
