// SPDX-License-Identifier: MIT OR Apache-2.0
//! Kernel modules, built out of tree. Nothing is written to their source directories.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::builder::crates::Crates;
use crate::builder::{Builder, macros, pair};
use crate::host::cache::Cache;
use crate::host::program::jobs;
use crate::host::progress::Step;
use crate::kernel::{Flavour, Kernel};

/// How the module is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variant {
    /// As on the image.
    Product,
    /// Checked by clippy. A warning is a failure.
    Clippy,
    /// Without CONFIG_DMAFRAME_TRACE. A warning is a failure.
    WithoutTrace,
}

/// Builds `dmaframe.ko` for `kernel` and returns its path. `crates` are the third-party crates that
/// it contains.
pub(crate) fn build(
    cache: &Cache,
    builder: &Builder,
    checkout: &Path,
    kernel: &Kernel,
    crates: &Crates,
    variant: Variant,
) -> Result<PathBuf> {
    let name = match variant {
        Variant::Product => "driver",
        Variant::Clippy => "driver-clippy",
        Variant::WithoutTrace => "driver-without-trace",
    };
    let output = checkout.join(format!("target/{name}-{}", kernel.key()));
    fs::create_dir_all(&output).with_context(|| format!("making {}", output.display()))?;
    let log = checkout.join(format!("target/log/{name}.log"));

    let step = Step::short("building the module");
    let mut make = out_of_tree(
        builder,
        kernel,
        &[
            ("M", checkout.join("driver")),
            ("MO", output.clone()),
            ("CRATES", crates.sources()),
            ("BOARD", checkout.join("board")),
        ],
    )?;
    if kernel.flavour() == Flavour::Debug {
        make.arg("CONFIG_DMAFRAME_FAULT_INJECTION=y");
    }
    if variant != Variant::WithoutTrace {
        let macros = macros::defmt(cache, builder, crates)?;
        make.arg("CONFIG_DMAFRAME_TRACE=y");
        make.arg(pair("DEFMT_MACROS", &builder.inside(&macros)?));
    }
    if variant == Variant::Clippy {
        make.arg("CLIPPY=1");
    }
    make.arg("modules");
    step.run(&mut make, &log)?;
    step.done();

    if variant != Variant::Product {
        refuse_warnings(&log)?;
    }
    Ok(output.join("dmaframe.ko"))
}

/// Builds the modules in a directory of the checkout that need no other sources. Returns the output
/// directory.
pub(crate) fn build_others(
    builder: &Builder,
    checkout: &Path,
    kernel: &Kernel,
    directory: &str,
) -> Result<PathBuf> {
    let name = directory.replace('/', "-");
    let output = checkout.join(format!("target/{name}-{}", kernel.key()));
    fs::create_dir_all(&output).with_context(|| format!("making {}", output.display()))?;
    let step = Step::short(&format!("building the modules of {directory}"));
    let variables = [("M", checkout.join(directory)), ("MO", output.clone())];
    let mut make = out_of_tree(builder, kernel, &variables)?;
    let log = checkout.join(format!("target/log/{name}.log"));
    step.run(make.arg("modules"), &log)?;
    step.done();
    refuse_warnings(&log)?;
    Ok(output)
}

fn out_of_tree(
    builder: &Builder,
    kernel: &Kernel,
    variables: &[(&str, PathBuf)],
) -> Result<Command> {
    let mut make = kernel.make(builder)?;
    make.arg(jobs());
    for (variable, path) in variables {
        make.arg(pair(variable, builder.inside(path)?));
    }
    Ok(make)
}

fn refuse_warnings(log: &Path) -> Result<()> {
    let text = fs::read_to_string(log).with_context(|| format!("reading {}", log.display()))?;
    let count = warnings(&text);
    if count > 0 {
        bail!("the build has {count} warnings\n{text}");
    }
    Ok(())
}

/// The number of warnings in the log of a build. Compilers print `warning` at the start of a line
/// or after a location.
fn warnings(log: &str) -> usize {
    let warns = |line: &&str| {
        let lower = line.to_ascii_lowercase();
        lower.starts_with("warning") || lower.contains(": warning: ")
    };
    log.lines().filter(warns).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_counted() {
        let log = "  CC [M]  a.o\nwarning: unused variable\n  --> b.rs\nc.c:3:1: warning: unused\nWARNING: modpost: missing\n";
        assert_eq!(warnings(log), 3);
        assert_eq!(warnings("  RUSTC [M] warn.o\n"), 0);
    }
}
