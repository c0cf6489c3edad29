// SPDX-License-Identifier: MIT OR Apache-2.0
//! The device tree of the board, with overlays merged as the firmware does it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::builder::Builder;
use crate::host::progress::Step;
use crate::kernel::{Flavour, Kernel};

const COMPILE: &str = include_str!("../../guest/compile-overlays");

/// Merges compiled overlays into a compiled device tree.
pub(crate) fn apply(
    builder: &Builder,
    base: &Path,
    overlays: &[PathBuf],
    output: &Path,
) -> Result<()> {
    let mut merge = builder.command("fdtoverlay");
    merge.arg("-i").arg(builder.inside(base)?).arg("-o").arg(builder.inside(output)?);
    for overlay in overlays {
        merge.arg(builder.inside(overlay)?);
    }
    // fdtoverlay fails without an overlay.
    if overlays.is_empty() {
        fs::copy(base, output).with_context(|| format!("writing {}", output.display()))?;
        return Ok(());
    }
    let merged = merge.output().context("starting fdtoverlay")?;
    if !merged.status.success() {
        bail!("fdtoverlay: {}\n{}", merged.status, String::from_utf8_lossy(&merged.stderr));
    }
    Ok(())
}

/// Adds the seed of the kernel's address randomization, as the firmware does. It is constant, so that
/// runs repeat.
fn add_seed(builder: &Builder, tree: &Path) -> Result<()> {
    let mut put = builder.command("fdtput");
    put.args(["-t", "x"]).arg(builder.inside(tree)?);
    let put = put.args(["/chosen", "kaslr-seed", "646d6166", "72616d65"]);
    let output = put.output().context("starting fdtput")?;
    if !output.status.success() {
        bail!("fdtput: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

/// Compiles the overlays of the checkout and merges them into the device tree of the kernel.
/// Returns the path of the result.
pub(crate) fn merge(builder: &Builder, checkout: &Path, kernel: &Kernel) -> Result<PathBuf> {
    let output = checkout.join(format!("target/dts-{}", kernel.key()));
    fs::create_dir_all(&output).with_context(|| format!("making {}", output.display()))?;
    let mut overlays = vec![checkout.join("dts/dmaframe.dtso")];
    if kernel.flavour() == Flavour::Bench {
        overlays.push(checkout.join("tests/bench/channels.dtso"));
    }
    let mut arguments = vec![builder.inside(kernel.source())?, builder.inside(&output)?];
    for overlay in &overlays {
        arguments.push(builder.inside(overlay)?);
    }

    let step = Step::short("merging the device tree");
    step.run(&mut builder.script(COMPILE, arguments), &checkout.join("target/log/dts.log"))?;
    let tree = output.join("board.dtb");
    let compiled: Vec<PathBuf> = overlays
        .iter()
        .filter_map(|overlay| overlay.file_stem())
        .map(|name| output.join(name).with_extension("dtbo"))
        .collect();
    apply(builder, &kernel.device_tree(), &compiled, &tree)?;
    add_seed(builder, &tree)?;
    step.done();
    Ok(tree)
}
