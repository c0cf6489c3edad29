// SPDX-License-Identifier: MIT OR Apache-2.0
//! The device-tree binding and the final tree, checked by the schema tools.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::builder::Builder;
use crate::cache::{Cache, Key};
use crate::guest::Guest;
use crate::progress::Step;

const REQUIREMENTS: &str = include_str!("../schema/requirements.txt");
/// What our schema files' names begin with: the board's other nodes are not ours to judge.
const OURS: &str = "dmaframe";

/// Arguments: where the tools go, the list of what they are. libfdt is the builder's.
const INSTALL: &str = r#"
python3 -m venv --system-site-packages "$1"
"$1/bin/pip" install --quiet --no-deps --only-binary :all: -r "$2"
"#;

/// Checks the binding itself, then the device tree that the guest boots with against it.
pub(crate) fn check(guest: &Guest, checkout: &Path) -> Result<()> {
    let builder = guest.builder();
    let tools = builder.inside(&tools(guest.cache(), builder, checkout)?)?;
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

fn tools(cache: &Cache, builder: &Builder, checkout: &Path) -> Result<PathBuf> {
    let key = Key::of([REQUIREMENTS, &builder.key().to_string()]);
    cache.directory(&format!("schema-tools-{key}"), |part| {
        let step = Step::long("installing the device-tree schema tools", "once");
        let list = builder.inside(&checkout.join("xtask/schema/requirements.txt"))?;
        step.run(
            &mut builder.script(INSTALL, [builder.inside(part)?, list]),
            &cache.log("schema-tools"),
        )?;
        step.done();
        Ok(())
    })
}
