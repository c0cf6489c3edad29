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
    let mut overlays = vec![checkout.join("dts/dmaframe.dtso")];
    if kernel.flavour() == Flavour::Bench {
        overlays.push(checkout.join("tests/bench/channels.dtso"));
    }
    let output = checkout.join(format!("target/dts-{}", kernel.key()));
    let log = checkout.join("target/log/dts.log");
    let tree = add(builder, kernel, &kernel.device_tree(), &overlays, &output, &log)?;
    add_seed(builder, &tree)?;
    Ok(tree)
}

/// Compiles overlays and merges them into the device tree `base`. Returns the path of the result,
/// which is in the directory `output` of the checkout or the cache.
pub(crate) fn add(
    builder: &Builder,
    kernel: &Kernel,
    base: &Path,
    overlays: &[PathBuf],
    output: &Path,
    log: &Path,
) -> Result<PathBuf> {
    let step = Step::short("merging the device tree");
    let mut compiled = Vec::new();
    for (number, overlay) in overlays.iter().enumerate() {
        // Overlays from different directories may have the same name.
        let directory = output.join(number.to_string());
        fs::create_dir_all(&directory)
            .with_context(|| format!("making {}", directory.display()))?;
        let name = overlay
            .file_name()
            .with_context(|| format!("{} has no file name", overlay.display()))?;
        let source = match builder.inside(overlay) {
            Ok(source) => source,
            Err(_) => {
                let copy = directory.join(name);
                fs::copy(overlay, &copy)
                    .with_context(|| format!("copying {}", overlay.display()))?;
                builder.inside(&copy)?
            }
        };
        let arguments = [builder.inside(kernel.source())?, builder.inside(&directory)?, source];
        step.run(&mut builder.script(COMPILE, arguments), log)
            .with_context(|| format!("compiling {}", overlay.display()))?;
        compiled.push(directory.join(name).with_extension("dtbo"));
    }
    let tree = output.join("board.dtb");
    apply(builder, base, &compiled, &tree)?;
    step.done();
    Ok(tree)
}
