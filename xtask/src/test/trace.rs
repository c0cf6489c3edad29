// SPDX-License-Identifier: MIT OR Apache-2.0
//! Checks that a module built without the trace has no byte of defmt.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::guest::Guest;
use crate::kernel::module::{self, Variant};

/// In the names of defmt's sections, strings, functions and crates.
const NAME: &[u8] = b"defmt";

/// Builds the module without the trace, and looks for defmt in it and in the module that has it.
pub(super) fn check(guest: &Guest, checkout: &Path) -> Result<()> {
    let without = module::build(
        guest.cache(),
        guest.builder(),
        checkout,
        guest.kernel(),
        guest.crates(),
        Variant::WithoutTrace,
    )?;
    if !has_defmt(guest.module())? {
        bail!("{} has no defmt: this check would find nothing", guest.module().display());
    }
    if has_defmt(&without)? {
        bail!("{} was built without the trace and contains defmt", without.display());
    }
    Ok(())
}

fn has_defmt(module: &Path) -> Result<bool> {
    let bytes = fs::read(module).with_context(|| format!("reading {}", module.display()))?;
    Ok(bytes.windows(NAME.len()).any(|window| window == NAME))
}
