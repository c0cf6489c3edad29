// SPDX-License-Identifier: MIT OR Apache-2.0
//! The board's device tree with the project's overlay in it, as the firmware would merge them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::builder::Builder;
use crate::kernel::Kernel;
use crate::progress::Step;

/// Arguments: overlay source, kernel source, base, output directory.
const MERGE: &str = r#"
cpp -nostdinc -undef -x assembler-with-cpp -I "$2/scripts/dtc/include-prefixes" "$1" "$4/dmaframe.dts"
dtc -@ -I dts -O dtb -o "$4/dmaframe.dtbo" "$4/dmaframe.dts"
fdtoverlay -i "$3" -o "$4/board.dtb" "$4/dmaframe.dtbo"
"#;

/// Compiles the overlay and merges it into the kernel's device tree.
pub(crate) fn merge(builder: &Builder, checkout: &Path, kernel: &Kernel) -> Result<PathBuf> {
    let output = checkout.join(format!("target/dts-{}", kernel.key()));
    fs::create_dir_all(&output).with_context(|| format!("making {}", output.display()))?;
    let overlay = checkout.join("dts/dmaframe.dtso");
    let arguments = [&overlay, kernel.source(), &kernel.device_tree(), &output]
        .map(|path: &Path| builder.inside(path));
    let arguments = arguments.into_iter().collect::<Result<Vec<_>>>()?;

    let step = Step::short("merging the device tree");
    step.run(&mut builder.script(MERGE, arguments), &checkout.join("target/log/dts.log"))?;
    step.done();
    Ok(output.join("board.dtb"))
}
