// SPDX-License-Identifier: MIT OR Apache-2.0
//! Checks the device tree and its binding with the schema tools.

use std::path::Path;

use anyhow::{Result, bail};

use crate::builder::python;
use crate::guest::Guest;

/// The prefix of our schema files. Other nodes of the board are not checked.
const OURS: &str = "dmaframe";

/// Checks the binding, then the device tree of the guest against it.
pub(crate) fn check(guest: &Guest, checkout: &Path) -> Result<()> {
    let builder = guest.builder();
    let tools = builder.inside(&python::tools(guest.cache(), builder, checkout, "schema")?)?;
    let bindings = builder.inside(&checkout.join("dts"))?;
    let tree = builder.inside(guest.device_tree())?;

    // For some violations both tools print a message but exit with 0.
    for (tool, arguments) in [
        ("dt-doc-validate", vec![bindings.clone()]),
        ("dt-validate", vec!["-l".into(), OURS.into(), "-s".into(), bindings, tree]),
    ] {
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
