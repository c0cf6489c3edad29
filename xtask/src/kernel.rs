// SPDX-License-Identifier: MIT OR Apache-2.0
//! The kernel: its source, configuration and build, and modules for it.

pub(crate) mod configuration;
mod flavour;
pub(crate) mod module;
mod source;

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};

pub(crate) use self::flavour::Flavour;
use self::source::Source;
use crate::builder::{Builder, pair};
use crate::host::cache::{Cache, Key};
use crate::host::program::jobs;
use crate::host::progress::Step;
use crate::host::tree::copy_directory;

pub(crate) const VERSION: &str = "7.3.4";
/// Approximate number of lines that a full build prints.
const BUILD_LINES: u64 = 1640;
/// Name of a file in the kernel's cache directory. It exists when the kernel has been configured.
const CONFIGURED: &str = "configured";
/// Name of a file in the kernel's cache directory. It contains the seconds that a full,
/// uninterrupted build took.
const SECONDS: &str = "seconds";
/// The boards that the image runs on. QEMU emulates the first.
pub(crate) const BOARDS: &[&str] = &[
    "bcm2837-rpi-3-b",
    "bcm2837-rpi-3-b-plus",
    "bcm2837-rpi-3-a-plus",
    "bcm2837-rpi-cm3-io3",
    "bcm2837-rpi-2-b",
    "bcm2837-rpi-zero-2-w",
];

/// A built kernel.
#[derive(Debug)]
pub(crate) struct Kernel {
    key: Key,
    flavour: Flavour,
    source: Source,
    build: PathBuf,
}

impl Kernel {
    /// Returns the kernel, which is built if the cache does not have it.
    pub(crate) fn ready(
        cache: &Cache,
        builder: &Builder,
        checkout: &Path,
        own_source: Option<&Path>,
        flavour: Flavour,
    ) -> Result<Self> {
        let source = Source::ready(cache, builder, own_source)?;
        let key = key(builder, checkout, &source, flavour)?;
        let directory = cache.directory(&directory(&key, flavour), |part| {
            if let Some(base) = flavour.base() {
                let base = directory(&self::key(builder, checkout, &source, base)?, base);
                copy_objects(&cache.path().join(base), part)?;
            }
            build(cache, builder, checkout, &source.tree, flavour, part)
        })?;
        Ok(Self { key, flavour, source, build: directory.join("build") })
    }

    /// Seconds that a full build of this source with the given flavour took, if known.
    pub(crate) fn seconds_of(
        &self,
        cache: &Cache,
        builder: &Builder,
        checkout: &Path,
        flavour: Flavour,
    ) -> Result<Option<f64>> {
        let key = key(builder, checkout, &self.source, flavour)?;
        let file = cache.path().join(directory(&key, flavour)).join(SECONDS);
        Ok(fs::read_to_string(file).ok().and_then(|seconds| seconds.trim().parse().ok()))
    }

    pub(crate) fn key(&self) -> &Key {
        &self.key
    }

    pub(crate) fn flavour(&self) -> Flavour {
        self.flavour
    }

    /// The source tree.
    pub(crate) fn source(&self) -> &Path {
        &self.source.tree
    }

    /// The boot image.
    pub(crate) fn image(&self) -> PathBuf {
        self.build.join("arch/arm64/boot/Image")
    }

    /// The final configuration.
    pub(crate) fn configuration(&self) -> PathBuf {
        self.build.join(".config")
    }

    /// The device tree of the board that QEMU emulates.
    pub(crate) fn device_tree(&self) -> PathBuf {
        self.build.join("arch/arm64/boot/dts").join(target(BOARDS[0]))
    }

    /// The device trees of all boards that the image runs on.
    pub(crate) fn device_trees(&self) -> impl Iterator<Item = PathBuf> + '_ {
        BOARDS.iter().map(|board| self.build.join("arch/arm64/boot/dts").join(target(board)))
    }

    /// The modules that belong to the kernel.
    pub(crate) fn modules(&self) -> Result<Vec<PathBuf>> {
        let order = self.build.join("modules.order");
        let order =
            fs::read_to_string(&order).with_context(|| format!("reading {}", order.display()))?;
        Ok(order.lines().map(|line| self.build.join(line).with_extension("ko")).collect())
    }

    /// A make command that builds modules for this kernel.
    ///
    /// It starts in the source directory. The Makefile in the build directory does not work,
    /// because it contains the temporary path at which the kernel was built.
    pub(crate) fn make(&self, builder: &Builder) -> Result<std::process::Command> {
        let mut make = builder.command("make");
        make.arg("-C").arg(builder.inside(&self.source.tree)?);
        make.arg(pair("O", &builder.inside(&self.build)?)).args(self.flavour.make());
        Ok(make)
    }
}

/// The make target of a board's device tree, and its path below the directory of device trees.
fn target(board: &str) -> String {
    format!("broadcom/{board}.dtb")
}

/// The hash of everything that a kernel is made from.
fn key(builder: &Builder, checkout: &Path, source: &Source, flavour: Flavour) -> Result<Key> {
    let mut inputs = vec![
        builder.key().to_string(),
        flavour.make().collect::<Vec<_>>().join(" "),
        BOARDS.join(" "),
        source.origin.clone(),
    ];
    for fragment in flavour.fragments() {
        let path = checkout.join(fragment);
        let text =
            fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        inputs.extend(configuration::settings(&text).map(str::to_owned));
    }
    Ok(Key::of(inputs))
}

/// The name of a kernel's directory in the cache.
fn directory(key: &Key, flavour: Flavour) -> String {
    format!("linux-{VERSION}-{}-{key}", flavour.name())
}

/// Copies the objects of another flavour to `part`, the directory of a new kernel. make rebuilds
/// what depends on the difference of the configurations.
fn copy_objects(base: &Path, part: &Path) -> Result<()> {
    if !base.exists() || part.exists() {
        return Ok(());
    }
    copy_directory(base, part)?;
    for name in [CONFIGURED, SECONDS] {
        match fs::remove_file(part.join(name)) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("removing {name}"));
            }
            _ => {}
        }
    }
    Ok(())
}

fn build(
    cache: &Cache,
    builder: &Builder,
    checkout: &Path,
    source: &Path,
    flavour: Flavour,
    part: &Path,
) -> Result<()> {
    let build = part.join("build");
    let configured = part.join(CONFIGURED);
    let full = !part.exists();
    let started = Instant::now();
    fs::create_dir_all(part).with_context(|| format!("making {}", part.display()))?;
    let source_inside = builder.inside(source)?;
    let build_inside = builder.inside(&build)?;

    // Configuring again would make an interrupted build start from the beginning.
    if !configured.exists() {
        configuration::make(cache, builder, checkout, source, flavour, &build)?;
        fs::write(&configured, "").context("recording that the kernel is configured")?;
    }

    let step = Step::long(
        &format!("building Linux {VERSION}, {} configuration", flavour.name()),
        flavour.duration(),
    )
    .expect_lines(BUILD_LINES);
    let mut make = builder.command("make");
    make.arg("-C")
        .arg(source_inside)
        .arg(pair("O", &build_inside))
        .args(flavour.make())
        .arg(jobs());
    make.args(["Image", "modules"]).args(BOARDS.iter().map(|board| target(board)));
    step.run(&mut make, &cache.log(&format!("linux-{}", flavour.name())))?;
    step.done();
    if full {
        fs::write(part.join(SECONDS), format!("{:.0}\n", started.elapsed().as_secs_f64()))
            .context("recording the build time of the kernel")?;
    }
    Ok(())
}
