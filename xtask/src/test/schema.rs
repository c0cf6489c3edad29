// SPDX-License-Identifier: MIT OR Apache-2.0
//! Checks the device tree and its binding with the schema tools.

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::builder::python;
use crate::guest::{Guest, device_tree};

/// The prefix of our schema files. Other nodes of the board are not checked.
const OURS: &str = "dmaframe";

/// Checks the binding, then the device trees of all boards with the overlay against it.
pub(crate) fn check(guest: &Guest, checkout: &Path) -> Result<()> {
    let builder = guest.builder();
    let tools = builder.inside(&python::tools(guest.cache(), builder, checkout, "schema")?)?;
    let bindings = builder.inside(&checkout.join("dts"))?;
    let directory = guest.device_tree().parent().context("the device tree has no directory")?;
    let mut validate = vec!["-l".into(), OURS.into(), "-s".into(), bindings.clone()];
    for base in guest.kernel().device_trees() {
        let name = base.file_name().context("the device tree has no name")?;
        let tree = directory.join(name);
        device_tree::apply(builder, &base, &[directory.join("dmaframe.dtbo")], &tree)
            .with_context(|| format!("merging the overlay into {}", base.display()))?;
        validate.push(builder.inside(&tree)?);
    }

    // For some violations both tools print a message but exit with 0.
    for (tool, arguments) in [("dt-doc-validate", vec![bindings]), ("dt-validate", validate)] {
        // The first line of the script contains the temporary path of the environment.
        let mut command = builder.command("sh");
        command.args([
            "-c",
            r#"tools=$1 tool=$2; shift 2; "$tools/bin/python3" "$tools/bin/$tool" "$@" 2>&1"#,
            "sh",
        ]);
        command.arg(&tools).arg(tool).args(&arguments);
        let output = command.output()?;
        if !output.status.success() || !output.stdout.is_empty() {
            bail!("{tool}: {}\n{}", output.status, String::from_utf8_lossy(&output.stdout));
        }
    }
    Ok(())
}
