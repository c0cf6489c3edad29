// SPDX-License-Identifier: MIT OR Apache-2.0
//! Checks of the external tree for Buildroot. They do not need Buildroot, except for the comparison
//! of kernel configurations, which needs a built image.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::builder::python;
use crate::guest::Guest;
use crate::host::progress::say;
use crate::host::tree::collect_files;
use crate::kernel::Kernel;

/// Prefixes of the symbols that the tree has to define.
const OURS: &[&str] = &["BR2_DMAFRAME_", "BR2_PACKAGE_DMAFRAME", "BR2_LINUX_KERNEL_EXT_"];

const SYMBOLS: &str = include_str!("../../test/buildroot/kconfig-symbols.py");

/// Checks the Kconfig files, the symbols in all other files, and the style of all files.
pub(crate) fn check(guest: &Guest, checkout: &Path) -> Result<()> {
    let builder = guest.builder();
    let tools = builder.inside(&python::tools(guest.cache(), builder, checkout, "buildroot")?)?;
    let tree = checkout.join("buildroot");

    let mut parse = builder.command(&tools.join("bin/python3").to_string_lossy());
    let defined = output(parse.arg("-c").arg(SYMBOLS).arg(builder.inside(&tree)?), "kconfig")?;
    let defined: BTreeSet<String> = defined.lines().map(str::to_owned).collect();
    let mut used = BTreeSet::new();
    let mut files = Vec::new();
    collect_files(&tree, &mut files)?;
    let mut faults = Vec::new();
    for file in &files {
        let text =
            fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
        faults.extend(style(&text).map(|fault| format!("{}: {fault}", file.display())));
        if !file.to_string_lossy().contains("Config") {
            used.extend(ours(&text));
        }
    }
    faults.extend(used.difference(&defined).map(|name| format!("{name} is not defined")));
    if !faults.is_empty() {
        bail!("{}", faults.join("\n"));
    }
    Ok(())
}

/// Compares the kernel configurations of the image and the guest, if the image has been built.
pub(crate) fn same_kernel(kernel: &Kernel, checkout: &Path) -> Result<()> {
    let build = checkout.join("target/image/build");
    let image = build.join(format!("linux-{}/.config", crate::kernel::VERSION));
    if !image.exists() {
        say("skipped: target/image contains no image");
        return Ok(());
    }
    let read = |path: &Path| {
        fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))
    };
    let differences = differences(&read(&image)?, &read(&kernel.configuration())?);
    if !differences.is_empty() {
        bail!(
            "the kernel configurations of the image (+) and the guest (-) differ:\n{}",
            differences.join("\n")
        );
    }
    Ok(())
}

/// Prefixes of symbols that depend on the compilers. They may differ.
const COMPILERS: &[&str] = &[
    "AS_",
    "BINDGEN_",
    "CC_",
    "CLANG_",
    "GCC_",
    "HAVE_RUST",
    "LD_",
    "LLD_",
    "PAHOLE_",
    "RUSTC_",
    "TOOLS_",
    "TOOLCHAIN_",
    "ARCH_USES_CFI_",
    "ARM64_USE_",
    "BUILDTIME_",
    "OBJTOOL",
];

fn differences(image: &str, guest: &str) -> Vec<String> {
    fn lines(config: &str) -> BTreeSet<&str> {
        let symbol = |line: &str| {
            let line = line.strip_prefix("# ").unwrap_or(line);
            line.strip_prefix("CONFIG_").map(str::to_owned)
        };
        let counts = |line: &&str| {
            symbol(line)
                .is_some_and(|symbol| !COMPILERS.iter().any(|name| symbol.starts_with(name)))
        };
        config.lines().filter(counts).collect()
    }
    let (image, guest) = (lines(image), lines(guest));
    let only_image = image.difference(&guest).map(|line| format!("+{line}"));
    only_image.chain(guest.difference(&image).map(|line| format!("-{line}"))).collect()
}

/// The symbols with a prefix in [`OURS`] that a text contains.
fn ours(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .filter(|word| OURS.iter().any(|ours| word.starts_with(ours)))
        .map(str::to_owned)
}

/// Violations of the style rules that Buildroot has for all files.
fn style(text: &str) -> impl Iterator<Item = String> + '_ {
    let lines = text.lines().enumerate().filter_map(|(index, line)| {
        let fault = if line.ends_with([' ', '\t']) {
            "trailing white space"
        } else if line.contains('\r') {
            "carriage return"
        } else {
            return None;
        };
        Some(format!("line {}: {fault}", index + 1))
    });
    let end = (!text.ends_with('\n') || text.ends_with("\n\n"))
        .then(|| "the file does not end with exactly one newline".to_owned());
    lines.chain(end)
}

/// The output of a tool. Fails with the output if the tool fails.
fn output(command: &mut Command, tool: &str) -> Result<String> {
    let output = command.output().with_context(|| format!("starting {tool}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        bail!("{tool}: {}\n{text}{errors}", output.status);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_of_the_tree_are_found() {
        let text = "ifeq ($(BR2_PACKAGE_DMAFRAME_X),y)\nBR2_DMAFRAME_DATA=y\nBR2_aarch64=y\n";
        let found: Vec<_> = ours(text).collect();
        assert_eq!(found, ["BR2_PACKAGE_DMAFRAME_X", "BR2_DMAFRAME_DATA"]);
    }

    #[test]
    fn style_violations_are_found() {
        assert_eq!(style("a\nb\n").count(), 0);
        assert_eq!(style("a \n").count(), 1);
        assert_eq!(style("a").count(), 1);
        assert_eq!(style("a\n\n").count(), 1);
    }

    #[test]
    fn symbols_of_compilers_are_not_compared() {
        let image = "CONFIG_CC_VERSION_TEXT=\"a\"\nCONFIG_SMP=y\n# CONFIG_VT is not set\n";
        let guest = "CONFIG_CC_VERSION_TEXT=\"b\"\nCONFIG_SMP=y\n# CONFIG_VT is not set\n";
        assert!(differences(image, guest).is_empty());
        let guest = "CONFIG_SMP=y\nCONFIG_VT=y\n";
        assert_eq!(differences(image, guest), ["+# CONFIG_VT is not set", "-CONFIG_VT=y"]);
    }
}
