// SPDX-License-Identifier: MIT OR Apache-2.0
//! The procedural macros of defmt, which the kernel's rustc loads when it compiles the module.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::Builder;
use super::crates::Crates;
use crate::host::cache::{Cache, Key};
use crate::host::program::jobs;
use crate::host::progress::Step;

const FILE: &str = "libdefmt_macros.so";

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
        let step = Step::short("building the macros of defmt");
        step.run(&mut build, &cache.log("defmt-macros"))?;
        step.done();
        fs::copy(target.join("release").join(FILE), part.join(FILE))
            .with_context(|| format!("copying {FILE}"))?;
        fs::remove_dir_all(&target).with_context(|| format!("removing {}", target.display()))
    })?;
    Ok(directory.join(FILE))
}
