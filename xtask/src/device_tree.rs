// SPDX-License-Identifier: MIT OR Apache-2.0
//! The board's device tree with the project's overlay in it, as the firmware would merge them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::builder::Builder;
use crate::kernel::Kernel;
use crate::progress::Step;

/// Arguments: overlay source, kernel source, output directory.
const COMPILE: &str = r#"
cpp -nostdinc -undef -x assembler-with-cpp -I "$2/scripts/dtc/include-prefixes" "$1" "$3/dmaframe.dts"
dtc -@ -I dts -O dtb -o "$3/dmaframe.dtbo" "$3/dmaframe.dts"
"#;

/// Merges compiled overlays into a compiled tree, as the firmware does.
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
    // With nothing to merge it would print its usage.
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

/// Compiles the overlay and merges it into the kernel's device tree.
pub(crate) fn merge(builder: &Builder, checkout: &Path, kernel: &Kernel) -> Result<PathBuf> {
    let output = checkout.join(format!("target/dts-{}", kernel.key()));
    fs::create_dir_all(&output).with_context(|| format!("making {}", output.display()))?;
    let overlay = checkout.join("dts/dmaframe.dtso");
    let arguments = [&overlay, kernel.source(), &output].map(|path: &Path| builder.inside(path));
    let arguments = arguments.into_iter().collect::<Result<Vec<_>>>()?;

    let step = Step::short("merging the device tree");
    step.run(&mut builder.script(COMPILE, arguments), &checkout.join("target/log/dts.log"))?;
    let tree = output.join("board.dtb");
    apply(builder, &kernel.device_tree(), &[output.join("dmaframe.dtbo")], &tree)?;
    step.done();
    Ok(tree)
}
