// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask build`: builds the user's own crate or C file as static programs for the guest.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;

use super::local_packages::LocalPackages;
use super::program::{RUSTFLAGS, TARGET, executables};
use crate::builder::Builder;
use crate::builder::crates::Crates;
use crate::host::cache::Cache;
use crate::host::lock::Lock;
use crate::host::program::jobs;
use crate::host::progress::say;

/// The output directory, in the checkout.
const OUTPUT: &str = "target/build";
/// The version of Rust in the builder.
const RUST: &str = "1.85";

const HELP: &str = r#"A crate is built with Rust 1.85. Its dependencies may come from crates.io, from git, and from relative
paths such as { path = "../dmaframe/userland/dmaframe" }. The host's cargo downloads them. If a
dependency needs a newer Rust, set rust-version = "1.85" in Cargo.toml and run
CARGO_RESOLVER_INCOMPATIBLE_RUST_VERSIONS=fallback cargo update.

Examples:
  cargo xtask build ../my-reader
  cargo xtask guest --put target/build/my-reader -- /root/my-reader
  cargo xtask build ../read.c -- -lm
  cargo xtask guest --put target/build/read -- /root/read"#;

/// Arguments of `cargo xtask build`.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct Arguments {
    /// Directory of a crate, or a file whose name ends with .c
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// Further arguments for `cargo build` or gcc, such as --example monitor or -lm
    #[arg(last = true, value_name = "ARGUMENT")]
    arguments: Vec<String>,
}

/// Builds the programs and prints their paths.
pub(crate) fn run(checkout: &Path, arguments: &Arguments) -> Result<u8> {
    for program in programs(checkout, &arguments.path, &arguments.arguments)? {
        let name = file_name(&program)?;
        say(format_args!(
            "to run it in the guest: cargo xtask guest --put {} -- /root/{name}",
            program.display()
        ));
        println!("{}", program.display());
    }
    Ok(0)
}

/// Builds the programs of a crate or a C file and returns their paths. `arguments` are passed to
/// cargo or gcc.
pub(crate) fn programs(checkout: &Path, path: &Path, arguments: &[String]) -> Result<Vec<PathBuf>> {
    let source = path.canonicalize().with_context(|| format!("cannot build {}", path.display()))?;
    let cache = Cache::open()?;
    let output = checkout.join(OUTPUT);
    fs::create_dir_all(&output).with_context(|| format!("making {}", output.display()))?;
    let _lock = Lock::exclusive(&checkout.join("target/build.lock"))?;
    let build = Build { checkout, cache: &cache, output: &output, arguments };
    if source.join("Cargo.toml").is_file() {
        build.rust(&source)
    } else if source.is_file() && source.extension().is_some_and(|extension| extension == "c") {
        Ok(vec![build.c(&source)?])
    } else {
        bail!(
            "cannot build {}: expected a directory with a Cargo.toml, or a .c file",
            path.display()
        );
    }
}

struct Build<'a> {
    checkout: &'a Path,
    cache: &'a Cache,
    output: &'a Path,
    /// For cargo or gcc.
    arguments: &'a [String],
}

impl Build<'_> {
    /// Builds the programs of a crate and copies them to the output directory.
    fn rust(&self, directory: &Path) -> Result<Vec<PathBuf>> {
        let name = file_name(directory)?;
        let local = LocalPackages::of(directory)?;
        let crates = Crates::ready(self.cache, &local.workspace)?;
        let mut builder = Builder::ready(self.cache, self.checkout, None)?;
        let manifest = self.inside(&mut builder, &local.root, &directory.join("Cargo.toml"))?;

        let cargo = || -> Result<Command> {
            let target = ("CARGO_TARGET_DIR", "/src/target/build/objects");
            let mut build = crates.cargo(&builder, &[RUSTFLAGS, target])?;
            build.args(["build", "--locked", "--release", "--target", TARGET, &jobs()]);
            build.arg("--manifest-path").arg(&manifest).args(self.arguments);
            Ok(build)
        };
        // The user sees what cargo prints. Its machine-readable messages, which name the programs,
        // come from a second run that has nothing to build.
        let status = cargo()?.status().context("starting cargo in the builder")?;
        if !status.success() {
            bail!("cannot build {name} with Rust {RUST} ({status}); see cargo xtask build --help");
        }
        let messages = cargo()?
            .args(["--quiet", "--message-format=json"])
            .output()
            .context("starting cargo in the builder")?;
        let built = executables(&String::from_utf8_lossy(&messages.stdout));
        let mut programs = Vec::new();
        for program in built.programs.into_iter().chain(built.tests) {
            let path = program.strip_prefix("/src").map(|rest| self.checkout.join(rest));
            let path = path.with_context(|| format!("{} is not in /src", program.display()))?;
            let copy = self.output.join(file_name(&path)?);
            fs::copy(&path, &copy).with_context(|| format!("copying {}", path.display()))?;
            programs.push(copy);
        }
        if programs.is_empty() {
            bail!("the crate {name} has no program: it needs a src/main.rs or a [[bin]] section");
        }
        Ok(programs)
    }

    /// Compiles a C file to a program in the output directory.
    fn c(&self, file: &Path) -> Result<PathBuf> {
        let directory = file.parent().context("the file has no directory")?;
        let stem = file.file_stem().context("the file has no name")?;
        let mut builder = Builder::ready(self.cache, self.checkout, None)?;
        let source = self.inside(&mut builder, directory, file)?;
        let program = self.output.join(stem);

        let mut gcc = builder.command("aarch64-linux-gnu-gcc");
        gcc.args(["-static", "-O2", "-g", "-Wall", "-Wextra", "-o"]);
        // The arguments follow the source, because a library has to follow what uses it.
        gcc.arg(builder.inside(&program)?).arg(source).args(self.arguments);
        let status = gcc.status().context("starting gcc in the builder")?;
        if !status.success() {
            bail!("cannot compile {} ({status})", file.display());
        }
        Ok(program)
    }

    /// The path in the builder of a file in the directory `root`, which is mounted if necessary.
    fn inside(&self, builder: &mut Builder, root: &Path, file: &Path) -> Result<PathBuf> {
        if root.starts_with(self.checkout) {
            return builder.inside(file);
        }
        let rest = file
            .strip_prefix(root)
            .with_context(|| format!("{} is not in {}", file.display(), root.display()))?;
        Ok(builder.mount(root).join(rest))
    }
}

fn file_name(path: &Path) -> Result<String> {
    let name = path.file_name().with_context(|| format!("{} has no name", path.display()))?;
    Ok(name.to_string_lossy().into_owned())
}
