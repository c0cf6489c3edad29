// SPDX-License-Identifier: MIT OR Apache-2.0
//! The commands, the guest's tests, and the crates they and the module are made of.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::builder::{Builder, CACHE};
use crate::cache::{Cache, Key, copy_directory};
use crate::kernel::jobs;
use crate::progress::Step;

const TARGET: &str = "aarch64-unknown-linux-gnu";
/// Static: the guest has no libraries.
const RUSTFLAGS: (&str, &str) = (
    "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS",
    "-C target-feature=+crt-static -C linker=aarch64-linux-gnu-gcc",
);

/// The sources of every crate in Cargo.lock, in the cache, and a cargo that takes them from there.
#[derive(Debug)]
pub(crate) struct Crates {
    directory: PathBuf,
}

impl Crates {
    /// Finds them in the cache, or fetches them as the host's cargo would.
    pub(crate) fn ready(cache: &Cache, checkout: &Path) -> Result<Self> {
        let lock = checkout.join("Cargo.lock");
        let lock = fs::read(&lock).with_context(|| format!("reading {}", lock.display()))?;
        let name = format!("crates-{}", Key::of([lock]));
        let directory = cache.directory(&name, |part| {
            let step = Step::long("fetching the crates that Cargo.lock names", "once");
            let mut vendor = Command::new(cargo());
            vendor.args(["vendor", "--locked"]).arg(part.join("vendor")).current_dir(checkout);
            step.run(&mut vendor, &cache.log("crates"))?;
            step.done();
            let home = part.join("home");
            fs::create_dir_all(&home).with_context(|| format!("making {}", home.display()))?;
            fs::write(
                home.join("config.toml"),
                format!(
                    "[source.crates-io]\nreplace-with = \"vendored\"\n\
                     [source.vendored]\ndirectory = \"{CACHE}/{name}/vendor\"\n"
                ),
            )
            .context("writing cargo's configuration")
        })?;
        Ok(Self { directory })
    }

    /// The directory with a directory of its name for each crate.
    pub(crate) fn sources(&self) -> PathBuf {
        self.directory.join("vendor")
    }

    /// The builder's cargo, with these crates for a registry and no network.
    pub(crate) fn cargo(&self, builder: &Builder, variables: &[(&str, &str)]) -> Result<Command> {
        let home = builder.inside(&self.directory)?.join("home").display().to_string();
        let fixed = [
            ("CARGO_HOME", home.as_str()),
            ("CARGO_NET_OFFLINE", "true"),
            ("CARGO_TARGET_DIR", "/src/target/guest"),
        ];
        Ok(builder.command_with("cargo", fixed.iter().chain(variables).copied()))
    }
}

/// The cargo that runs us, or the one on the path.
pub(crate) fn cargo() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// The packages whose sources are the checkout's own.
const MEMBERS: &[(&str, &str)] = &[
    ("dmaframe", "userland/Cargo.toml"),
    ("dmaframe-bench", "tests/bench/Cargo.toml"),
    ("dmaframe-board", "board/Cargo.toml"),
    ("dmaframe-compliance", "compliance/Cargo.toml"),
    ("dmaframe-tests", "tests/Cargo.toml"),
];

/// How they are built.
const WORKSPACE: &str = "Cargo.toml";

/// The commands that the guest has, each of a package of its name.
pub(crate) const COMMANDS: [&str; 2] = ["dmaframe", "dmaframe-compliance"];

/// Builds the commands for the guest, and returns the directory that they are in.
///
/// A checkout's first build begins with the crates that an earlier checkout's build left in the
/// cache. The members' own objects stay out of it: cargo tells their age by the sources' times,
/// which mean nothing in another checkout.
pub(crate) fn commands(
    cache: &Cache,
    builder: &Builder,
    checkout: &Path,
    crates: &Crates,
) -> Result<PathBuf> {
    let target = checkout.join("target/guest");
    let mut inputs = vec![builder.key().to_string(), RUSTFLAGS.1.to_owned()];
    // Where the builder sees them: objects name their sources.
    inputs.push(builder.inside(&crates.directory)?.display().to_string());
    let manifests = MEMBERS.iter().map(|(_, manifest)| *manifest);
    for manifest in manifests.chain([WORKSPACE]) {
        let path = checkout.join(manifest);
        inputs.push(
            fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?,
        );
    }
    let dependencies = format!("dependencies-{}", Key::of(inputs));

    let step = Step::short("building the commands for the guest");
    let kept = cache.path().join(&dependencies);
    if !target.exists() && kept.exists() {
        copy_directory(&kept, &target)?;
    }
    let mut build = crates.cargo(builder, &[RUSTFLAGS])?;
    build.args(["build", "--locked", "--release", "--target", TARGET]);
    build.args([&jobs(), "--bins"]);
    build.args(COMMANDS.iter().flat_map(|package| ["--package", package]));
    step.run(&mut build, &checkout.join("target/log/userland.log"))?;
    step.done();

    cache.directory(&dependencies, |part| {
        copy_directory(&target, part)?;
        let mut clean = crates.cargo(builder, &[])?;
        clean.args(["clean", "--locked", "--release", "--target", TARGET, "--target-dir"]);
        clean.arg(builder.inside(part)?);
        for (package, _) in MEMBERS {
            clean.args(["--package", package]);
        }
        Step::short("keeping the crates' objects").run(&mut clean, &cache.log("dependencies"))
    })?;
    Ok(target.join(TARGET).join("release"))
}

/// Builds one program of a package for the guest.
pub(crate) fn program(
    builder: &Builder,
    checkout: &Path,
    crates: &Crates,
    package: &str,
    name: &str,
) -> Result<PathBuf> {
    let step = Step::short(&format!("building {name} for the guest"));
    let mut build = crates.cargo(builder, &[RUSTFLAGS])?;
    build.args(["build", "--locked", "--release", "--target", TARGET]);
    build.args([&jobs(), "--package", package, "--bin", name]);
    step.run(&mut build, &checkout.join(format!("target/log/{name}.log")))?;
    step.done();
    Ok(checkout.join("target/guest").join(TARGET).join("release").join(name))
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
pub(crate) fn tests(builder: &Builder, checkout: &Path, crates: &Crates) -> Result<GuestTests> {
    let step = Step::short("building the guest's tests");
    let log = checkout.join("target/log/tests.log");
    let mut build = crates.cargo(builder, &[RUSTFLAGS])?;
    build.args(["test", "--locked", "--release", "--target", TARGET]);
    build.args([
        &jobs(),
        "--package",
        "dmaframe-tests",
        "--no-run",
        "--message-format=json-render-diagnostics",
    ]);
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
