// SPDX-License-Identifier: MIT OR Apache-2.0
//! The configuration of the kernel, which is made of fragments.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::{Flavour, VERSION};
use crate::builder::Builder;
use crate::host::cache::Cache;
use crate::host::progress::Step;

const CONFIGURE: &str = include_str!("../../kernel/configure");

/// Configures the kernel in `source`. The result is in the directory `build`.
pub(super) fn make(
    cache: &Cache,
    builder: &Builder,
    checkout: &Path,
    source: &Path,
    flavour: Flavour,
    build: &Path,
) -> Result<()> {
    let fragments: Vec<PathBuf> =
        flavour.fragments().iter().map(|path| checkout.join(path)).collect();
    let step = Step::short(&format!("configuring Linux {VERSION}"));
    let mut names = OsString::new();
    for fragment in &fragments {
        names.push(builder.inside(fragment)?);
        names.push(" ");
    }
    let mut arguments = vec![builder.inside(source)?.into(), builder.inside(build)?.into(), names];
    arguments.extend(flavour.make().map(OsString::from));
    step.run(&mut builder.script(CONFIGURE, arguments), &cache.log("linux-configure"))?;
    step.done();
    refuse_dropped(&build.join(".config"), &fragments)
}

/// Fails if the configuration lacks lines of the fragments. Kconfig drops lines whose dependencies
/// are not met without a message.
fn refuse_dropped(config: &Path, fragments: &[PathBuf]) -> Result<()> {
    let config =
        fs::read_to_string(config).with_context(|| format!("reading {}", config.display()))?;
    let mut wanted = String::new();
    for fragment in fragments {
        wanted += &fs::read_to_string(fragment)
            .with_context(|| format!("reading {}", fragment.display()))?;
    }
    let dropped = dropped(&config, &wanted);
    if !dropped.is_empty() {
        bail!("Kconfig dropped these lines of the configuration fragments: {}", dropped.join(", "));
    }
    Ok(())
}

/// The lines of `wanted` that are not in effect in `config`. If several lines set one symbol, the
/// last one counts.
fn dropped<'a>(config: &str, wanted: &'a str) -> Vec<&'a str> {
    let have: HashSet<&str> = config.lines().collect();
    let set: HashSet<&str> = have.iter().filter_map(|line| symbol(line)).collect();
    let mut last = HashMap::new();
    for line in wanted.lines() {
        if let Some(symbol) = unset(line).or_else(|| symbol(line)) {
            last.insert(symbol, line);
        }
    }
    let mut dropped: Vec<&str> = last
        .into_iter()
        .filter(|&(symbol, line)| match unset(line) {
            Some(_) => set.contains(symbol),
            None => !have.contains(line),
        })
        .map(|(_, line)| line)
        .collect();
    dropped.sort_unstable();
    dropped
}

/// The lines of a fragment that set or disable a symbol. The others are comments.
pub(super) fn settings(fragment: &str) -> impl Iterator<Item = &str> {
    fragment.lines().filter(|line| symbol(line).or_else(|| unset(line)).is_some())
}

/// The symbol that a line of a configuration sets.
fn symbol(line: &str) -> Option<&str> {
    line.split_once('=').map(|(symbol, _)| symbol).filter(|symbol| symbol.starts_with("CONFIG_"))
}

/// The symbol that a line of a configuration disables.
fn unset(line: &str) -> Option<&str> {
    line.strip_prefix("# ")?.strip_suffix(" is not set")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_not_settings() {
        let fragment = "# words\n\nCONFIG_A=y\n# more words\n# CONFIG_B is not set\n";
        let found: Vec<_> = settings(fragment).collect();
        assert_eq!(found, ["CONFIG_A=y", "# CONFIG_B is not set"]);
    }

    #[test]
    fn dropped_lines_are_found() {
        let config = "CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_SIZE=64\n";
        assert!(
            dropped(config, "# words\n\nCONFIG_A=y\n# CONFIG_B is not set\nCONFIG_SIZE=64\n")
                .is_empty()
        );
        assert_eq!(dropped(config, "CONFIG_B=y\nCONFIG_SIZE=6\n"), ["CONFIG_B=y", "CONFIG_SIZE=6"]);
        assert_eq!(dropped(config, "# CONFIG_A is not set\n"), ["# CONFIG_A is not set"]);
        // A later fragment overrides an earlier one.
        assert!(dropped(config, "# CONFIG_A is not set\nCONFIG_A=y\n").is_empty());
        assert_eq!(dropped(config, "CONFIG_A=y\nCONFIG_A=m\n"), ["CONFIG_A=m"]);
        // A symbol that the configuration does not mention is not set.
        assert!(dropped(config, "# CONFIG_C is not set\n").is_empty());
    }
}
