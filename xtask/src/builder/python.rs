// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tools from PyPI. Each set of tools has its own virtual environment.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::builder::Builder;
use crate::host::cache::{Cache, Key};
use crate::host::progress::Step;

const INSTALL: &str = include_str!("../../builder/install-python-tools");

/// Returns the virtual environment with the packages that `xtask/test/NAME/requirements.txt` lists.
/// They are installed if the cache does not have them.
pub(crate) fn tools(
    cache: &Cache,
    builder: &Builder,
    checkout: &Path,
    name: &str,
) -> Result<PathBuf> {
    let list = checkout.join("xtask/test").join(name).join("requirements.txt");
    let requirements =
        fs::read_to_string(&list).with_context(|| format!("reading {}", list.display()))?;
    let key = Key::of([requirements, builder.key().to_string()]);
    let tools = format!("{name}-tools");
    cache.directory(&format!("{tools}-{key}"), |part| {
        let step = Step::long(&format!("installing the Python tools for {name}"), "once");
        let arguments = [builder.inside(part)?, builder.inside(&list)?];
        step.run(&mut builder.script(INSTALL, arguments), &cache.log(&tools))?;
        step.done();
        Ok(())
    })
}
