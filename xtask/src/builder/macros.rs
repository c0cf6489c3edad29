// SPDX-License-Identifier: MIT OR Apache-2.0
//! The procedural macros of defmt, which the kernel's rustc loads when it compiles the module.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::Builder;
use super::crates::Crates;
use crate::host::cache::{Cache, Key};
use crate::host::program::jobs;
use crate::host::progress::Step;

/// The beginning of the file's name. rustc finds the macros by their whole name, in which cargo puts
/// a hash.
const FILE: &str = "libdefmt_macros-";

/// Returns the file with the macros. The builder's cargo builds it if the cache does not have it:
/// the builder's rustc also compiles the kernel.
pub(crate) fn defmt(cache: &Cache, builder: &Builder, crates: &Crates) -> Result<PathBuf> {
    let sources = builder.inside(crates.directory())?.display().to_string();
    let key = Key::of([builder.key().to_string(), sources]);
    let directory = cache.directory(&format!("defmt-macros-{key}"), |part| {
        let target = part.join("target");
        fs::create_dir_all(&target).with_context(|| format!("making {}", target.display()))?;
        let inside = builder.inside(&target)?.display().to_string();
        let mut build = crates.cargo(builder, &[("CARGO_TARGET_DIR", &inside)])?;
        build.args(["build", "--locked", "--release", "--package", "defmt-macros", &jobs()]);
        // cargo builds a dependency only together with a package that uses it.
        build.args(["--package", "dmaframe-engine", "--features", "dmaframe-engine/defmt"]);
        let step = Step::short("building the macros of defmt");
        step.run(&mut build, &cache.log("defmt-macros"))?;
        step.done();
        let file = find(&target.join("release/deps"))?;
        let name = file.file_name().unwrap_or_default();
        fs::copy(&file, part.join(name)).with_context(|| format!("copying {}", file.display()))?;
        fs::remove_dir_all(&target).with_context(|| format!("removing {}", target.display()))
    })?;
    find(&directory)
}

fn find(directory: &Path) -> Result<PathBuf> {
    let entries =
        fs::read_dir(directory).with_context(|| format!("reading {}", directory.display()))?;
    for entry in entries {
        let path = entry.with_context(|| format!("reading {}", directory.display()))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(FILE) && name.ends_with(".so") {
            return Ok(path);
        }
    }
    bail!("{} contains no {FILE}*.so", directory.display())
}
