// SPDX-License-Identifier: MIT OR Apache-2.0
//! Programs for the guest: the commands and the tests.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::builder::Builder;
use crate::builder::crates::Crates;
use crate::host::cache::{Cache, Key};
use crate::host::program::jobs;
use crate::host::progress::Step;
use crate::host::tree::{collect_files, copy_directory};

pub(super) const TARGET: &str = "aarch64-unknown-linux-gnu";
/// Programs are static because the guest has no libraries. LLD links much faster than GCC's default
/// linker.
pub(super) const RUSTFLAGS: (&str, &str) = (
    "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS",
    "-C target-feature=+crt-static -C linker=aarch64-linux-gnu-gcc -C link-arg=-fuse-ld=lld",
);

/// Packages of the workspace without a program.
const LIBRARIES: &[&str] = &["dmaframe", "dmaframe-abi", "dmaframe-engine", "dmaframe-record"];

/// The packages of the workspace that are built for the guest, and their manifests.
const MEMBERS: &[(&str, &str)] = &[
    ("dmaframe", "userland/dmaframe/Cargo.toml"),
    ("dmaframe-abi", "board/abi/Cargo.toml"),
    ("dmaframe-bench", "tests/bench/Cargo.toml"),
    ("dmaframe-cli", "userland/dmaframe-cli/Cargo.toml"),
    ("dmaframe-compliance", "tests/compliance/Cargo.toml"),
    ("dmaframe-engine", "board/engine/Cargo.toml"),
    ("dmaframe-record", "userland/dmaframe-record/Cargo.toml"),
    ("dmaframe-tests", "tests/Cargo.toml"),
];

/// The manifest of the workspace.
const WORKSPACE: &str = "Cargo.toml";

/// The commands in the guest.
pub(crate) const COMMANDS: &[&str] = &["dmaframe", "dmaframe-compliance"];

/// Directories with the sources of the commands.
const SOURCES: &[&str] = &["board", "tests/compliance", "userland"];

/// Builds the given commands for the guest. Returns the name and the file of each.
///
/// The first build in a checkout goes to the cache, where other checkouts of the same sources find
/// it. Later builds stay in the checkout, because the cache would grow with every change.
pub(crate) fn commands(
    cache: &Cache,
    builder: &Builder,
    checkout: &Path,
    crates: &Crates,
    names: &[&'static str],
) -> Result<Vec<(&'static str, PathBuf)>> {
    let dependencies = Dependencies::of(cache, builder, checkout, crates)?;
    let mut files = Vec::new();
    for source in SOURCES {
        collect_files(&checkout.join(source), &mut files)?;
    }
    let mut inputs = vec![dependencies.key.to_string().into_bytes()];
    for path in files {
        let contents = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        let name = path.strip_prefix(checkout).unwrap_or(&path);
        inputs.extend([name.as_os_str().as_bytes().to_vec(), contents]);
    }
    let key = Key::of(inputs);

    let command = |name: &'static str| {
        let build = || -> Result<PathBuf> {
            let built = dependencies.build(name)?;
            dependencies.keep()?;
            Ok(built)
        };
        if dependencies.built(name).exists() {
            return Ok((name, build()?));
        }
        let kept = cache.directory(&format!("{name}-{key}"), |part| {
            let built = build()?;
            fs::create_dir_all(part).with_context(|| format!("making {}", part.display()))?;
            fs::copy(&built, part.join(name))
                .with_context(|| format!("caching {}", built.display()))?;
            Ok(())
        })?;
        Ok((name, kept.join(name)))
    };
    names.iter().copied().map(command).collect()
}

/// Compiled third-party crates. They are cached, so that the first build in a checkout can use
/// those of an earlier checkout.
///
/// The packages of the workspace are not cached: cargo compares their objects with the modification
/// times of the sources, which differ between checkouts.
struct Dependencies<'a> {
    key: Key,
    cache: &'a Cache,
    builder: &'a Builder,
    crates: &'a Crates,
    checkout: &'a Path,
    /// The target directory in the checkout.
    target: PathBuf,
}

impl<'a> Dependencies<'a> {
    fn of(
        cache: &'a Cache,
        builder: &'a Builder,
        checkout: &'a Path,
        crates: &'a Crates,
    ) -> Result<Self> {
        let mut inputs = vec![builder.key().to_string(), RUSTFLAGS.1.to_owned()];
        // Objects contain the paths of their sources in the builder.
        inputs.push(builder.inside(crates.directory())?.display().to_string());
        let manifests = MEMBERS.iter().map(|(_, manifest)| *manifest);
        for manifest in manifests.chain([WORKSPACE]) {
            let path = checkout.join(manifest);
            inputs.push(
                fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?,
            );
        }
        let target = checkout.join("target/guest");
        Ok(Self { key: Key::of(inputs), cache, builder, crates, checkout, target })
    }

    fn name(&self) -> String {
        format!("dependencies-{}", self.key)
    }

    /// The path of a program that is built in the checkout.
    fn built(&self, name: &str) -> PathBuf {
        self.target.join(TARGET).join("release").join(name)
    }

    /// Builds a program in the checkout.
    fn build(&self, name: &str) -> Result<PathBuf> {
        let step = Step::short(&format!("building {name} for the guest"));
        let mut build = self.cargo("build")?;
        build.args(["--bin", name]);
        step.run(&mut build, &self.checkout.join(format!("target/log/{name}.log")))?;
        step.done();
        Ok(self.built(name))
    }

    /// A cargo command that builds for the guest in the checkout. It always selects all packages
    /// with programs, so that the features of each crate stay the same and it is built once.
    fn cargo(&self, command: &str) -> Result<Command> {
        let kept = self.cache.path().join(self.name());
        if !self.target.exists() && kept.exists() {
            copy_directory(&kept, &self.target)?;
        }
        let mut cargo = self.crates.cargo(self.builder, &[RUSTFLAGS])?;
        cargo.args([command, "--locked", "--release", "--target", TARGET, &jobs()]);
        for (package, _) in MEMBERS.iter().filter(|(package, _)| !LIBRARIES.contains(package)) {
            cargo.args(["--package", package]);
        }
        Ok(cargo)
    }

    /// Copies the compiled crates from the checkout to the cache.
    fn keep(&self) -> Result<()> {
        self.cache.directory(&self.name(), |part| {
            copy_directory(&self.target, part)?;
            let mut clean = self.crates.cargo(self.builder, &[])?;
            clean.args(["clean", "--locked", "--release", "--target", TARGET, "--target-dir"]);
            clean.arg(self.builder.inside(part)?);
            for (package, _) in MEMBERS {
                clean.args(["--package", package]);
            }
            let log = self.cache.log("dependencies");
            Step::short("caching the compiled crates").run(&mut clean, &log)
        })?;
        Ok(())
    }
}

/// Builds one program for the guest.
pub(crate) fn program(
    cache: &Cache,
    builder: &Builder,
    checkout: &Path,
    crates: &Crates,
    name: &str,
) -> Result<PathBuf> {
    Dependencies::of(cache, builder, checkout, crates)?.build(name)
}

/// Programs of the package `dmaframe-tests`, built for the guest.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct GuestTests {
    /// Test harnesses.
    pub(crate) tests: Vec<PathBuf>,
    /// Programs that the tests start.
    pub(crate) programs: Vec<PathBuf>,
}

/// Builds the tests that run inside the guest.
pub(crate) fn tests(
    cache: &Cache,
    builder: &Builder,
    checkout: &Path,
    crates: &Crates,
) -> Result<GuestTests> {
    let step = Step::short("building the guest tests");
    let log = checkout.join("target/log/tests.log");
    let mut build = Dependencies::of(cache, builder, checkout, crates)?.cargo("test")?;
    // Of the selected packages, only dmaframe-tests has integration tests.
    build.args(["--test", "*", "--no-run"]);
    build.arg("--message-format=json-render-diagnostics");
    step.run(&mut build, &log)?;
    step.done();
    let messages =
        fs::read_to_string(&log).with_context(|| format!("reading {}", log.display()))?;
    let mut built = executables(&messages);
    for path in built.tests.iter_mut().chain(&mut built.programs) {
        if let Ok(rest) = path.strip_prefix("/src") {
            *path = checkout.join(rest);
        }
    }
    Ok(built)
}

/// Finds the executables in the output of cargo: JSON objects, one a line, mixed with other lines.
pub(super) fn executables(messages: &str) -> GuestTests {
    let mut built = GuestTests::default();
    for message in messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        if let Some(path) = message["executable"].as_str() {
            if message["profile"]["test"] == true {
                built.tests.push(PathBuf::from(path));
            } else {
                built.programs.push(PathBuf::from(path));
            }
        }
    }
    built
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_and_programs_are_distinguished() {
        let messages = concat!(
            "   Compiling x\n",
            r#"{"reason":"compiler-artifact","profile":{"test":false},"executable":null}"#,
            "\n",
            r#"{"reason":"compiler-artifact","profile":{"test":true},"executable":"/src/target/ring-1"}"#,
            "\n",
            r#"{"reason":"compiler-artifact","profile":{"test":false},"executable":"/src/target/slow"}"#,
            "\n",
            r#"{"reason":"build-finished","success":true}"#,
        );
        let built = executables(messages);
        assert_eq!(built.tests, [PathBuf::from("/src/target/ring-1")]);
        assert_eq!(built.programs, [PathBuf::from("/src/target/slow")]);
    }
}
