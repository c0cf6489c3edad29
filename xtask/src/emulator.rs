// SPDX-License-Identifier: MIT OR Apache-2.0
//! The emulator: QEMU, built with this project's model of the board's DMA engine.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::builder::Builder;
use crate::host::cache::{Cache, Key};
use crate::host::lock::Lock;
use crate::host::progress::Step;
use crate::host::tree::collect_files;

/// The series of releases whose devices the model fits to. It is that of Debian trixie.
const SERIES: &str = "10.0";
/// The sources of the model, in the checkout.
const DEVICES: &str = "tests/emulator/device";
const PROGRAM: &str = "qemu-system-aarch64";
/// Approximate number of lines that a full build prints.
const BUILD_LINES: u64 = 1600;
const FETCH_SOURCE: &str = include_str!("../emulator/fetch-source");
const BUILD: &str = include_str!("../emulator/build");

/// The built emulator.
#[derive(Debug)]
pub(crate) struct Emulator {
    program: PathBuf,
}

impl Emulator {
    /// Returns the emulator, which is built if the cache does not have it.
    pub(crate) fn ready(cache: &Cache, checkout: &Path) -> Result<Self> {
        let root = Builder::key_of_qemu().to_string();
        let tree = Key::of([&root, SERIES, FETCH_SOURCE, BUILD]);
        let name = format!("emulator-{}", key(&tree, &checkout.join(DEVICES))?);
        let directory = cache.directory(&name, |part| {
            let mut builder = Builder::of_qemu(cache, checkout)?;
            let tree = source(cache, &builder, &format!("qemu-{tree}"))?;
            build(cache, &mut builder, checkout, &tree, part)
        })?;
        Ok(Self { program: directory.join(PROGRAM) })
    }

    /// The program of QEMU. It runs in the builder.
    pub(crate) fn program(&self) -> &Path {
        &self.program
    }
}

/// The hash of everything that the emulator is made from.
fn key(tree: &Key, devices: &Path) -> Result<Key> {
    let mut files = Vec::new();
    collect_files(devices, &mut files)?;
    let mut inputs = vec![tree.to_string().into_bytes()];
    for file in files {
        let name = file.strip_prefix(devices).unwrap_or(&file);
        inputs.push(name.to_string_lossy().into_owned().into_bytes());
        inputs.push(fs::read(&file).with_context(|| format!("reading {}", file.display()))?);
    }
    Ok(Key::of(inputs))
}

/// The directory with the source of QEMU, where the objects of all builds go too.
fn source(cache: &Cache, builder: &Builder, name: &str) -> Result<PathBuf> {
    cache.directory(name, |part| {
        fs::create_dir_all(part).with_context(|| format!("making {}", part.display()))?;
        let step = Step::long("downloading the source of QEMU", "40 MB, once");
        let arguments = [builder.inside(part)?, PathBuf::from(SERIES)];
        step.run(&mut builder.script(FETCH_SOURCE, arguments), &cache.log("qemu-source"))
            .context("cannot download the source of QEMU: check the network")?;
        step.done();
        Ok(())
    })
}

fn build(
    cache: &Cache,
    builder: &mut Builder,
    checkout: &Path,
    tree: &Path,
    part: &Path,
) -> Result<()> {
    fs::create_dir_all(part).with_context(|| format!("making {}", part.display()))?;
    // Checkouts with other devices build in the same directory.
    let _lock = Lock::exclusive(&tree.with_extension("build.lock"))?;
    let full = !tree.join("build/build.ninja").exists();
    let step = if full {
        Step::long("building QEMU with the model of the engine", "2 minutes on 2 cores, once")
            .expect_lines(BUILD_LINES)
    } else {
        Step::short("building the model of the engine")
    };
    // The objects know the path of the source, so it has to be the same for each build.
    let arguments =
        [builder.mount(tree), builder.inside(&checkout.join(DEVICES))?, builder.inside(part)?];
    step.run(&mut builder.script(BUILD, arguments), &cache.log("qemu"))?;
    step.done();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_depends_on_names_and_contents_of_the_devices() {
        let directory = tempfile::tempdir().unwrap();
        let key = || key(&Key::of(["tree"]), directory.path()).unwrap();
        fs::write(directory.path().join("a.c"), "1").unwrap();
        let first = key();
        fs::write(directory.path().join("a.c"), "2").unwrap();
        let changed = key();
        fs::rename(directory.path().join("a.c"), directory.path().join("b.c")).unwrap();
        assert!(first != changed && changed != key() && key() == key());
    }
}
