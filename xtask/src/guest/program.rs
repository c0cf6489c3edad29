// SPDX-License-Identifier: MIT OR Apache-2.0
//! The commands, the guest's tests, and the crates they and the module are made of.

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

const TARGET: &str = "aarch64-unknown-linux-gnu";
/// Static: the guest has no libraries. LLD takes a fraction of the time of GCC's own linker, for
/// dozens of programs.
const RUSTFLAGS: (&str, &str) = (
    "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS",
    "-C target-feature=+crt-static -C linker=aarch64-linux-gnu-gcc -C link-arg=-fuse-ld=lld",
);

/// Members without a program.
const LIBRARIES: &[&str] = &["dmaframe", "dmaframe-abi", "dmaframe-engine"];

/// The packages whose sources are the checkout's own.
const MEMBERS: &[(&str, &str)] = &[
    ("dmaframe", "userland/dmaframe/Cargo.toml"),
    ("dmaframe-abi", "board/abi/Cargo.toml"),
    ("dmaframe-bench", "tests/bench/Cargo.toml"),
    ("dmaframe-cli", "userland/dmaframe-cli/Cargo.toml"),
    ("dmaframe-compliance", "tests/compliance/Cargo.toml"),
    ("dmaframe-engine", "board/engine/Cargo.toml"),
    ("dmaframe-tests", "tests/Cargo.toml"),
];

/// How they are built.
const WORKSPACE: &str = "Cargo.toml";

/// The commands that the guest has.
pub(crate) const COMMANDS: &[&str] = &["dmaframe", "dmaframe-compliance"];

/// Directories of what the commands are compiled from, beside the crates.
const SOURCES: &[&str] = &["board", "tests/compliance", "userland"];

/// Builds these of the commands for the guest: each name with its file.
///
/// The first that a checkout builds is kept in the cache, for the next checkout of the same
/// sources; those that follow it there are a developer's, and too many.
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
                .with_context(|| format!("keeping {}", built.display()))?;
            Ok(())
        })?;
        Ok((name, kept.join(name)))
    };
    names.iter().copied().map(command).collect()
}

/// The crates' objects: a checkout's first build begins with those that an earlier checkout's left
/// in the cache.
///
/// The members' own objects stay out of it: cargo tells their age by the sources' times, which mean
/// nothing in another checkout.
struct Dependencies<'a> {
    key: Key,
    cache: &'a Cache,
    builder: &'a Builder,
    crates: &'a Crates,
    checkout: &'a Path,
    /// The checkout's own objects.
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
        // Where the builder sees them: objects name their sources.
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

    /// Where the checkout's own build of a program is.
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

    /// A cargo that builds for the guest in the checkout: of all packages with programs, whichever
    /// is wanted, for one set of features; so each crate is built once.
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

    /// Keeps what the checkout has built of them.
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
            Step::short("keeping the crates' objects").run(&mut clean, &log)
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
    /// What the harnesses start.
    pub(crate) programs: Vec<PathBuf>,
}

/// Builds the tests that run inside the guest.
pub(crate) fn tests(
    cache: &Cache,
    builder: &Builder,
    checkout: &Path,
    crates: &Crates,
) -> Result<GuestTests> {
    let step = Step::short("building the guest's tests");
    let log = checkout.join("target/log/tests.log");
    let mut build = Dependencies::of(cache, builder, checkout, crates)?.cargo("test")?;
    // Of these packages, dmaframe-tests alone has any such.
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

/// Reads cargo's messages, one JSON object a line among lines of other kinds.
fn executables(messages: &str) -> GuestTests {
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
    fn executables_are_told_apart() {
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
