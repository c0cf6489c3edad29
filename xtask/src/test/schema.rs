// SPDX-License-Identifier: MIT OR Apache-2.0
//! Checks the device trees and their binding with the schema tools.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::suite::OVERLAYS;
use crate::builder::python;
use crate::guest::{Guest, device_tree};

/// The prefix of our schema files. Other nodes of the board are not checked.
const OURS: &str = "dmaframe";

/// Nodes of `tests/overlay/refused.dtso` that the binding refuses.
const REFUSED: [&str; 2] = ["dmaframe@7e007900", "dmaframe@7e007a00"];

/// Checks the binding, then the device trees of all boards with the overlay against it, then those of
/// the tests.
pub(crate) fn check(guest: &Guest, checkout: &Path) -> Result<()> {
    let builder = guest.builder();
    let tools = builder.inside(&python::tools(guest.cache(), builder, checkout, "schema")?)?;
    let bindings = builder.inside(&checkout.join("dts"))?;
    // For some violations both tools print a message but exit with 0.
    let run = |tool: &str, arguments: &[&Path]| {
        // The first line of the script contains the temporary path of the environment.
        let mut command = builder.command("sh");
        command.args([
            "-c",
            r#"tools=$1 tool=$2; shift 2; "$tools/bin/python3" "$tools/bin/$tool" "$@" 2>&1"#,
            "sh",
        ]);
        command.arg(&tools).arg(tool).args(arguments);
        let output = command.output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            bail!("{tool}: {}\n{text}", output.status);
        }
        Ok(text)
    };
    let silent = |tool: &str, arguments: &[&Path]| {
        let complaints = run(tool, arguments)?;
        if !complaints.is_empty() {
            bail!("{tool}:\n{complaints}");
        }
        Ok(())
    };

    let target = checkout.join("target");
    let log = target.join("log/schema-dts.log");
    let overlay = [checkout.join("dts/dmaframe.dtso")];
    let mut trees = Vec::new();
    for base in guest.kernel().device_trees() {
        let name = base.file_stem().context("the device tree has no name")?;
        let output = target.join("schema").join(name);
        let tree = device_tree::add(builder, guest.kernel(), &base, &overlay, &output, &log)
            .with_context(|| format!("merging the overlay into {}", base.display()))?;
        trees.push(builder.inside(&tree)?);
    }
    let [sources, refused] = OVERLAYS.map(|overlay| [checkout.join(overlay)]);
    let sources = guest.device_tree_of(&sources, &target.join("schema/sources"))?;
    trees.push(builder.inside(&sources)?);

    silent("dt-doc-validate", &[&bindings])?;
    let mut validate = vec![Path::new("-l"), Path::new(OURS), Path::new("-s"), &bindings];
    let options = validate.clone();
    validate.extend(trees.iter().map(PathBuf::as_path));
    silent("dt-validate", &validate)?;

    let refused = guest.device_tree_of(&refused, &target.join("schema/refused"))?;
    let refused = builder.inside(&refused)?;
    let complaints = run("dt-validate", &[&options[..], &[&refused]].concat())?;
    if let Some(node) = REFUSED.into_iter().find(|node| !complaints.contains(node)) {
        bail!("dt-validate accepts {node}:\n{complaints}");
    }
    Ok(())
}
