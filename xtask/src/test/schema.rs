// SPDX-License-Identifier: MIT OR Apache-2.0
//! The device-tree binding and the final tree, checked by the schema tools.

use std::path::Path;

use anyhow::{Result, bail};

use crate::builder::python;
use crate::guest::Guest;

/// What our schema files' names begin with: the board's other nodes are not ours to judge.
const OURS: &str = "dmaframe";

/// Checks the binding itself, then the device tree that the guest boots with against it.
pub(crate) fn check(guest: &Guest, checkout: &Path) -> Result<()> {
    let builder = guest.builder();
    let tools = builder.inside(&python::tools(guest.cache(), builder, checkout, "schema")?)?;
    let bindings = builder.inside(&checkout.join("dts"))?;
    let tree = builder.inside(guest.device_tree())?;

    // Both tools tell of a violation in words, and not always by their status.
    for (tool, arguments) in [
        ("dt-doc-validate", vec![bindings.clone()]),
        ("dt-validate", vec!["-l".into(), OURS.into(), "-s".into(), bindings, tree]),
    ] {
        // Started through its Python: the script names the place where the tools were made.
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
