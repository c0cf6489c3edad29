// SPDX-License-Identifier: MIT OR Apache-2.0
//! Checkers that are written in Python, each set of them in an environment of its own.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::builder::Builder;
use crate::host::cache::{Cache, Key};
use crate::host::progress::Step;

/// Arguments: where the tools go, the list of what they are. libfdt is the builder's.
const INSTALL: &str = r#"
python3 -m venv --system-site-packages "$1"
"$1/bin/pip" install --quiet --no-deps --only-binary :all: -r "$2"
"#;

/// Finds in the cache, or installs, what `xtask/NAME/requirements.txt` lists.
pub(crate) fn tools(
    cache: &Cache,
    builder: &Builder,
    checkout: &Path,
    name: &str,
) -> Result<PathBuf> {
    let list = checkout.join("xtask").join(name).join("requirements.txt");
    let requirements =
        fs::read_to_string(&list).with_context(|| format!("reading {}", list.display()))?;
    let key = Key::of([requirements, builder.key().to_string()]);
    let tools = format!("{name}-tools");
    cache.directory(&format!("{tools}-{key}"), |part| {
        let step = Step::long(&format!("installing the tools that check {name}"), "once");
        let arguments = [builder.inside(part)?, builder.inside(&list)?];
        step.run(&mut builder.script(INSTALL, arguments), &cache.log(&tools))?;
        step.done();
        Ok(())
    })
}
