// SPDX-License-Identifier: MIT OR Apache-2.0
//! Compares the configuration of the image's kernel with the kernel's own recommendations: the
//! defaults of arm64, the errata of the Cortex-A53, and the hardening fragments in the source.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::builder::pair;
use crate::guest::Guest;
use crate::kernel::Flavour;
use crate::kernel::configuration::{setting, values};

/// The fragment that gives the reason for each option that is off.
const FRAGMENT: &str = "buildroot/linux/kernel.config";
/// Fragments in the kernel's source with the hardening that its developers recommend.
const RECOMMENDED: &[&str] =
    &["kernel/configs/hardening.config", "arch/arm64/configs/hardening.config"];
/// Files in the kernel's source whose options are checked if arm64's defaults turn them on.
const DEFAULTS: &[&str] = &["arch/arm64/Kconfig", "security/Kconfig", "security/Kconfig.hardening"];
/// The processor of the BCM2837.
const PROCESSOR: &str = "Cortex-A53";

/// Fails if an option that the kernel recommends is off, and the fragment has no reason for it.
pub(super) fn check(guest: &Guest, checkout: &Path) -> Result<()> {
    let source = guest.kernel().source();
    let read = |path: &Path| {
        fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))
    };
    let defaults = checkout.join("target/arm64-defaults");
    let (builder, inside) = (guest.builder(), guest.builder().inside(&defaults)?);
    let mut make = builder.command("make");
    make.arg("-sC").arg(builder.inside(source)?).arg(pair("O", &inside));
    make.args(Flavour::Default.make()).arg("alldefconfig");
    let output = make.output().context("starting make")?;
    if !output.status.success() {
        bail!("make alldefconfig: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    let defaults = read(&defaults.join(".config"))?;
    let defaults = values(&defaults);

    let mut wanted = BTreeMap::new();
    for path in DEFAULTS {
        let text = read(&source.join(path))?;
        wanted.extend(recommended_defaults(&text, &defaults));
    }
    for path in RECOMMENDED {
        let text = read(&source.join(path))?;
        wanted.extend(
            values(&text).into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
    }
    // A renamed file or a changed format must not make the check pass.
    for name in
        ["ARM64_ERRATUM_843419", "UNMAP_KERNEL_AT_EL0", "STACKPROTECTOR_STRONG", "COMPAT_BRK"]
    {
        if !wanted.contains_key(name) {
            bail!("the kernel's source no longer recommends {name}: correct {}", file!());
        }
    }
    let config = read(&guest.kernel().configuration())?;
    let fragment = read(&checkout.join(FRAGMENT))?;
    let without = without_reason(&wanted, &values(&config), &reasons(&fragment));
    if !without.is_empty() {
        bail!(
            "the kernel recommends these options. Set them in {FRAGMENT}, or add a line \
             \"# CONFIG_NAME is not set\" below a comment \"# Off: reason\": {}",
            without.join(", ")
        );
    }
    Ok(())
}

/// The options that a Kconfig file lets a user select and that the defaults turn on, and the errata
/// of the processor. Errata of other processors are left out.
fn recommended_defaults(
    kconfig: &str,
    defaults: &BTreeMap<&str, &str>,
) -> BTreeMap<String, String> {
    let mut options: Vec<(&str, String)> = Vec::new();
    for line in kconfig.lines() {
        let words = line.trim_start();
        if let Some(name) =
            words.strip_prefix("config ").or_else(|| words.strip_prefix("menuconfig "))
        {
            options.push((name.trim(), String::new()));
        } else if let Some((_, text)) = options.last_mut() {
            text.push_str(words);
            text.push('\n');
        }
    }
    let recommended = |(name, text): &(&str, String)| {
        let prompt = text.lines().find(|line| line.starts_with("bool \""));
        let selectable = prompt.is_some();
        let erratum = name.contains("ERRATUM")
            || name.contains("WORKAROUND")
            || prompt.is_some_and(|prompt| prompt.contains("Workaround"));
        if erratum {
            selectable && text.contains(PROCESSOR) && text.contains("default y")
        } else {
            selectable && defaults.get(name) == Some(&"y")
        }
    };
    options
        .into_iter()
        .filter(recommended)
        .map(|(name, _)| (name.to_owned(), "y".to_owned()))
        .collect()
}

/// The options that a fragment disables below a comment `# Off: reason`, up to the next empty line.
fn reasons(fragment: &str) -> BTreeSet<&str> {
    let mut reasons = BTreeSet::new();
    for paragraph in fragment.split("\n\n") {
        let mut explained = false;
        for line in paragraph.lines() {
            match setting(line) {
                Some((name, "n")) if explained => {
                    reasons.insert(name);
                }
                Some(_) => {}
                None => explained |= line.starts_with("# Off: "),
            }
        }
    }
    reasons
}

/// The wanted options that neither have their value nor a reason.
fn without_reason(
    wanted: &BTreeMap<String, String>,
    config: &BTreeMap<&str, &str>,
    reasons: &BTreeSet<&str>,
) -> Vec<String> {
    wanted
        .iter()
        .filter(|(name, value)| config.get(name.as_str()).copied().unwrap_or("n") != **value)
        .filter(|(name, _)| !reasons.contains(name.as_str()))
        .map(|(name, value)| format!("CONFIG_{name}={value}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KCONFIG: &str = "config ARM64_ERRATUM_1\n\tbool \"Cortex-A53: 1: words\"\n\tdefault y\n\n\
        config ARM64_ERRATUM_2\n\tbool \"Cortex-A57: 2: words\"\n\tdefault y\n\n\
        config HIDDEN\n\tdef_bool y\n\nmenuconfig SHOWN\n\tbool \"words\"\n\tdefault y\n\n\
        config OFF\n\tbool \"words\"\n";

    #[test]
    fn recommended_options_are_found() {
        let defaults = values("CONFIG_ARM64_ERRATUM_2=y\nCONFIG_HIDDEN=y\nCONFIG_SHOWN=y\n");
        let found: Vec<_> = recommended_defaults(KCONFIG, &defaults).into_keys().collect();
        assert_eq!(found, ["ARM64_ERRATUM_1", "SHOWN"]);
    }

    #[test]
    fn reason_stands_above_the_option() {
        let fragment = "# Off: the board has none of these.\n# CONFIG_A is not set\n\n\
            # CONFIG_B is not set\n\nCONFIG_D=y\n# Off: no network,\n# no card.\n# CONFIG_C is not set\n";
        assert_eq!(reasons(fragment), BTreeSet::from(["A", "C"]));
    }

    #[test]
    fn option_without_reason_is_reported() {
        let wanted = [("A", "y"), ("B", "y"), ("C", "n"), ("D", "y"), ("E", "n")];
        let wanted = wanted.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let config = values("CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=y\n");
        let missing = without_reason(&wanted, &config, &BTreeSet::from(["D"]));
        assert_eq!(missing, ["CONFIG_B=y", "CONFIG_C=n"]);
    }
}
