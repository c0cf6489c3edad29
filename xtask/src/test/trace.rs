// SPDX-License-Identifier: MIT OR Apache-2.0
//! Checks that a module built without the trace has no byte of defmt, and that this machine decodes
//! a trace that was saved in the guest.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::guest::{Guest, Job};
use crate::host::program::cargo;
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

/// Writes a few records, saves them in `$1` and prints them.
const SAVE: &str = "dmaframe stream --frames 3 >/dev/null && \
    dmaframe trace --since-boot --raw $1 && dmaframe trace --since-boot";
const SAVED: &str = "/tmp/saved.trace";

/// Saves a trace in the guest, decodes it here, and compares the lines.
pub(super) fn decode_here(guest: &Guest, checkout: &Path) -> Result<()> {
    let file = checkout.join("target/saved.trace");
    let job = Job {
        command: ["sh", "-euc", SAVE, "save", SAVED].map(str::to_owned).into(),
        get: vec![(SAVED.to_owned(), file.clone())],
        ..Job::default()
    };
    let mut there = String::new();
    let status = guest.run(&job, |output| {
        output.read_to_string(&mut there).context("reading the guest's output").map(drop)
    })?;
    if status != 0 {
        bail!("saving a trace failed with status {status}: {there}");
    }
    let mut decode = Command::new(cargo());
    decode.args(["run", "--quiet", "--package", "dmaframe-cli", "--", "trace", "--from"]);
    decode.arg(&file).arg("--elf").arg(guest.module()).current_dir(checkout);
    let here = decode.output().context("starting cargo")?;
    let text = String::from_utf8_lossy(&here.stdout);
    if !here.status.success() || text != there || !there.contains(" start dmaframe0 ") {
        let errors = String::from_utf8_lossy(&here.stderr);
        bail!("the guest decoded:\n{there}and this machine:\n{text}{errors}");
    }
    Ok(())
}

fn has_defmt(module: &Path) -> Result<bool> {
    let bytes = fs::read(module).with_context(|| format!("reading {}", module.display()))?;
    Ok(bytes.windows(NAME.len()).any(|window| window == NAME))
}
