// SPDX-License-Identifier: MIT OR Apache-2.0
//! The configuration of the kernel, which is made of fragments.

use std::collections::BTreeMap;
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

/// The lines of `wanted` that are not in effect in `config`. If several lines set one option, the
/// last one counts.
fn dropped(config: &str, wanted: &str) -> Vec<String> {
    let have = values(config);
    let line = |(name, value): (&str, &str)| match value {
        "n" => format!("# CONFIG_{name} is not set"),
        _ => format!("CONFIG_{name}={value}"),
    };
    // An option that the configuration does not mention is off.
    let lacks = |(name, value): &(&str, &str)| have.get(name).unwrap_or(&"n") != value;
    values(wanted).into_iter().filter(lacks).map(line).collect()
}

/// The options of a configuration and their values. The value of a disabled option is `n`.
pub(crate) fn values(config: &str) -> BTreeMap<&str, &str> {
    config.lines().filter_map(setting).collect()
}

/// The lines of a fragment that set or disable an option. The others are comments.
pub(super) fn settings(fragment: &str) -> impl Iterator<Item = &str> {
    fragment.lines().filter(|line| setting(line).is_some())
}

/// The option that a line sets or disables, and its value.
pub(crate) fn setting(line: &str) -> Option<(&str, &str)> {
    let off = line.strip_prefix("# CONFIG_").and_then(|line| line.strip_suffix(" is not set"));
    off.map(|name| (name, "n")).or_else(|| line.strip_prefix("CONFIG_")?.split_once('='))
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
