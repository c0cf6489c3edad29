// SPDX-License-Identifier: MIT OR Apache-2.0
//! The kernel: its source, its configuration and its build.

pub(crate) mod module;

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::builder::{Builder, pair};
use crate::host::cache::{Cache, Key, copy_directory};
use crate::host::progress::{Step, log_tail, say};

pub(crate) const VERSION: &str = "7.3.4";
/// Where the tarball and, beside it, its checksums are published.
const TARBALLS: &str = "https://cdn.kernel.org/pub/linux/kernel/v7.x";
/// The distribution's package of the same version.
const PACKAGE: &str = "linux-source-7.3";
/// The script's way of saying that the network, not the file, was the trouble.
const UNREACHABLE: i32 = 3;
/// And that it was the file.
const MISMATCH: i32 = 4;
/// Lines that a build from nothing prints, about.
const BUILD_LINES: u64 = 1640;
/// In a kernel's directory of the cache: that it is configured.
const CONFIGURED: &str = "configured";
/// How many seconds it took to build from nothing, at one go.
const SECONDS: &str = "seconds";
const DEVICE_TREE: &str = "broadcom/bcm2837-rpi-3-b.dtb";
/// What every make of the kernel or of a module for it is given. `-@` keeps the device tree's
/// symbols, which overlays refer to.
const MAKE: &[&str] = &["ARCH=arm64", "DTC_FLAGS=-@"];

/// Arguments: where to work, the version, where tarballs are.
const FETCH_TARBALL: &str = r#"
cd "$1"
tarball=linux-$2.tar.xz
curl -fsS --connect-timeout 5 --retry 2 -o sha256sums.asc "$3/sha256sums.asc" || exit 3
grep "  $tarball\$" sha256sums.asc > checksum || { echo "$tarball is not in sha256sums.asc"; exit 4; }
curl -fsS --connect-timeout 5 --retry 3 -C - -o "$tarball" "$3/$tarball" || exit 3
sha256sum -c checksum || { rm -f "$tarball"; exit 4; }
rm -rf tree
mkdir tree
tar -xf "$tarball" --strip-components=1 -C tree
rm "$tarball"
"#;

/// Arguments: where to work, the version, the package. The package lists are fetched anew, since
/// the builder's may name a package that its mirror has replaced.
const FETCH_PACKAGE: &str = r#"
cd "$1"
rm -rf apt package tree
mkdir -p apt/lists/partial apt/cache/archives/partial package tree
set -- "$@" -o APT::Sandbox::User=root -o APT::Architectures=amd64 \
	-o "Dir::State::Lists=$PWD/apt/lists" -o "Dir::Cache=$PWD/apt/cache"
version=$2 name=$3
shift 3
apt-get "$@" update
apt-get "$@" download "$name=$version-*"
dpkg -x "$name"_*.deb package
rm "$name"_*.deb
tar -xf package/usr/src/"$name".tar.xz --strip-components=1 -C tree
rm -rf apt package
"#;

/// Arguments: source, build directory, the fragments' names with a space after each, then make's
/// arguments.
const CONFIGURE: &str = r#"
source=$1 build=$2 fragments=$3
shift 3
mkdir -p "$build"
make -C "$source" O="$build" "$@" allnoconfig
cd "$source"
scripts/kconfig/merge_config.sh -m -O "$build" "$build/.config" $fragments
make -C "$source" O="$build" "$@" olddefconfig
"#;

/// Which configuration of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Flavour {
    /// What the image ships.
    Default,
    /// With the kernel's own checkers, many times slower: memory, locking, sleeping, leaks.
    Debug,
    /// What the image ships, and modules that dmaframe is measured beside.
    Bench,
}

impl Flavour {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Debug => "debug",
            Self::Bench => "bench",
        }
    }

    /// Reads the name of one that tests run on.
    pub(crate) fn tested() -> impl TypedValueParser<Value = Self> {
        let tested = [Self::Default, Self::Debug];
        PossibleValuesParser::new(tested.iter().filter_map(Self::to_possible_value))
            .try_map(|name| Self::from_str(&name, false))
    }

    /// The configuration fragments, in the checkout.
    fn fragments(self) -> &'static [&'static str] {
        match self {
            Self::Default => &["buildroot/linux/kernel.config"],
            Self::Debug => &["buildroot/linux/kernel.config", "buildroot/linux/debug.config"],
            Self::Bench => &["buildroot/linux/kernel.config", "tests/bench/bench.config"],
        }
    }

    /// The compiler of its C files, as make is told it: GCC is the faster one and the image's, but
    /// KASAN and Rust together need clang. GCC is spared to keep how each macro came about, for its
    /// messages alone: a twentieth of its time.
    fn compiler(self) -> &'static [&'static str] {
        match self {
            Self::Default | Self::Bench => &[
                "CROSS_COMPILE=aarch64-linux-gnu-",
                // Not among the kernel's own flags, which bindgen hands to clang.
                "CC=aarch64-linux-gnu-gcc -ftrack-macro-expansion=0",
            ],
            Self::Debug => &["LLVM=1"],
        }
    }

    /// The one whose objects it begins with, where they are there.
    fn like(self) -> Option<Self> {
        match self {
            Self::Default | Self::Debug => None,
            Self::Bench => Some(Self::Default),
        }
    }

    fn make(self) -> impl Iterator<Item = &'static str> {
        self.compiler().iter().chain(MAKE).copied()
    }

    fn duration(self) -> &'static str {
        match self {
            Self::Default | Self::Bench => "8 to 15 minutes on 2 cores, once",
            Self::Debug => "about 20 minutes on 2 cores, once",
        }
    }
}

/// A built kernel.
#[derive(Debug)]
pub(crate) struct Kernel {
    key: Key,
    flavour: Flavour,
    source: Source,
    build: PathBuf,
}

impl Kernel {
    /// Finds the kernel in the cache, or builds it.
    pub(crate) fn ready(
        cache: &Cache,
        builder: &Builder,
        checkout: &Path,
        own_source: Option<&Path>,
        flavour: Flavour,
    ) -> Result<Self> {
        let source = source(cache, builder, own_source)?;
        let key = key(builder, checkout, &source, flavour)?;
        let directory = cache.directory(&directory(&key, flavour), |part| {
            if let Some(like) = flavour.like() {
                let like = directory(&self::key(builder, checkout, &source, like)?, like);
                begin_with(&cache.path().join(like), part)?;
            }
            build(cache, builder, checkout, &source.tree, flavour, part)
        })?;
        Ok(Self { key, flavour, source, build: directory.join("build") })
    }

    /// Seconds that a kernel of the same source took to build from nothing, where that was noted.
    pub(crate) fn seconds_of(
        &self,
        cache: &Cache,
        builder: &Builder,
        checkout: &Path,
        flavour: Flavour,
    ) -> Result<Option<f64>> {
        let key = key(builder, checkout, &self.source, flavour)?;
        let note = cache.path().join(directory(&key, flavour)).join(SECONDS);
        Ok(fs::read_to_string(note).ok().and_then(|seconds| seconds.trim().parse().ok()))
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

    /// Its final configuration.
    pub(crate) fn configuration(&self) -> PathBuf {
        self.build.join(".config")
    }

    /// The board's device tree.
    pub(crate) fn device_tree(&self) -> PathBuf {
        self.build.join("arch/arm64/boot/dts").join(DEVICE_TREE)
    }

    /// The kernel's own modules.
    pub(crate) fn modules(&self) -> Result<Vec<PathBuf>> {
        let order = self.build.join("modules.order");
        let order =
            fs::read_to_string(&order).with_context(|| format!("reading {}", order.display()))?;
        Ok(order.lines().map(|line| self.build.join(line).with_extension("ko")).collect())
    }

    /// A make of the kernel's, for modules.
    ///
    /// The makefile that the kernel leaves in its build directory names the place where the
    /// kernel was made, which is not where it is kept.
    pub(crate) fn make(&self, builder: &Builder) -> Result<std::process::Command> {
        let mut make = builder.command("make");
        make.arg("-C").arg(builder.inside(&self.source.tree)?);
        make.arg(pair("O", &builder.inside(&self.build)?)).args(self.flavour.make());
        Ok(make)
    }
}

/// What a kernel is made from.
fn key(builder: &Builder, checkout: &Path, source: &Source, flavour: Flavour) -> Result<Key> {
    let mut inputs = vec![
        builder.key().to_string(),
        flavour.make().collect::<Vec<_>>().join(" "),
        DEVICE_TREE.to_owned(),
        source.origin.clone(),
    ];
    for fragment in flavour.fragments() {
        let path = checkout.join(fragment);
        inputs.push(
            fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?,
        );
    }
    Ok(Key::of(inputs))
}

/// Its directory's name in the cache.
fn directory(key: &Key, flavour: Flavour) -> String {
    format!("linux-{VERSION}-{}-{key}", flavour.name())
}

/// Begins a kernel with another's objects: make builds anew what their configurations differ in.
fn begin_with(like: &Path, part: &Path) -> Result<()> {
    if !like.exists() || part.exists() {
        return Ok(());
    }
    copy_directory(like, part)?;
    for note in [CONFIGURED, SECONDS] {
        match fs::remove_file(part.join(note)) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("removing {note}"));
            }
            _ => {}
        }
    }
    Ok(())
}

#[derive(Debug)]
struct Source {
    /// Where it came from, for the key.
    origin: String,
    tree: PathBuf,
}

fn source(cache: &Cache, builder: &Builder, own: Option<&Path>) -> Result<Source> {
    if let Some(tree) = own {
        let makefile = fs::read_to_string(tree.join("Makefile"))
            .with_context(|| format!("KERNEL_SRC={} is no kernel source", tree.display()))?;
        let origin = format!("{}\n{makefile}", tree.display());
        return Ok(Source { origin, tree: tree.to_owned() });
    }
    let directory = cache.directory(&format!("linux-{VERSION}"), |part| {
        fs::create_dir_all(part).with_context(|| format!("making {}", part.display()))?;
        fetch(cache, builder, part)
    })?;
    let origin = fs::read_to_string(directory.join("origin"))
        .context("reading the kernel source's origin")?;
    Ok(Source { origin, tree: directory.join("tree") })
}

fn fetch(cache: &Cache, builder: &Builder, part: &Path) -> Result<()> {
    let inside = builder.inside(part)?;
    let argument = |text: &str| PathBuf::from(text);

    let log = cache.log("linux-tarball");
    let step = Step::long(&format!("fetching Linux {VERSION} from kernel.org"), "150 MB, once");
    let status = step.status(
        &mut builder.script(FETCH_TARBALL, [inside.clone(), argument(VERSION), argument(TARBALLS)]),
        &log,
    )?;
    drop(step);
    let origin = match status.code() {
        Some(0) => "kernel.org",
        Some(UNREACHABLE) => {
            say(
                "kernel.org cannot be reached: taking the distribution's package of the same version",
            );
            let step =
                Step::long(&format!("fetching Linux {VERSION} as {PACKAGE}"), "167 MB, once");
            step.run(
                &mut builder.script(FETCH_PACKAGE, [inside, argument(VERSION), argument(PACKAGE)]),
                &cache.log("linux-package"),
            )
            .with_context(|| {
                format!(
                    "no source of Linux {VERSION}: check the network, or set KERNEL_SRC to a directory that holds it"
                )
            })?;
            step.done();
            "package"
        }
        Some(MISMATCH) => bail!(
            "the tarball of Linux {VERSION} is not what its publisher lists: try again, or set KERNEL_SRC to a directory that holds the source\n{}",
            log_tail(&log)
        ),
        _ => bail!("fetching Linux {VERSION} failed ({status})\n{}", log_tail(&log)),
    };
    fs::write(part.join("origin"), origin).context("noting the kernel source's origin")
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
    let from_nothing = !part.exists();
    let started = Instant::now();
    fs::create_dir_all(part).with_context(|| format!("making {}", part.display()))?;
    let source_inside = builder.inside(source)?;
    let build_inside = builder.inside(&build)?;

    let fragments: Vec<PathBuf> =
        flavour.fragments().iter().map(|path| checkout.join(path)).collect();
    // Configuring again would make an interrupted build begin again.
    if !configured.exists() {
        let step = Step::short(&format!("configuring Linux {VERSION}"));
        let mut names = OsString::new();
        for fragment in &fragments {
            names.push(builder.inside(fragment)?);
            names.push(" ");
        }
        let mut arguments = vec![source_inside.clone().into(), build_inside.clone().into(), names];
        arguments.extend(flavour.make().map(OsString::from));
        step.run(&mut builder.script(CONFIGURE, arguments), &cache.log("linux-configure"))?;
        step.done();
        refuse_dropped(&build.join(".config"), &fragments)?;
        fs::write(&configured, "").context("noting that the kernel is configured")?;
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
    make.args(["Image", "modules", DEVICE_TREE]);
    step.run(&mut make, &cache.log(&format!("linux-{}", flavour.name())))?;
    step.done();
    if from_nothing {
        fs::write(part.join(SECONDS), format!("{:.0}\n", started.elapsed().as_secs_f64()))
            .context("noting how long the kernel took")?;
    }
    Ok(())
}

/// Kconfig drops what its dependencies do not allow, in silence.
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
        bail!(
            "the kernel's configuration cannot hold these lines of its fragments: {}",
            dropped.join(", ")
        );
    }
    Ok(())
}

/// The lines of `wanted` that `config` does not hold; of lines for one symbol the last counts.
fn dropped<'a>(config: &str, wanted: &'a str) -> Vec<&'a str> {
    let have: HashSet<&str> = config.lines().collect();
    let set: HashSet<&str> = have.iter().filter_map(|line| symbol(line)).collect();
    let mut last = HashMap::new();
    for line in wanted.lines() {
        if let Some(symbol) = unset(line).or_else(|| symbol(line)) {
            last.insert(symbol, line);
        }
    }
    let mut dropped: Vec<&str> = last
        .into_iter()
        .filter(|&(symbol, line)| match unset(line) {
            Some(_) => set.contains(symbol),
            None => !have.contains(line),
        })
        .map(|(_, line)| line)
        .collect();
    dropped.sort_unstable();
    dropped
}

/// The symbol that a configuration's line sets.
fn symbol(line: &str) -> Option<&str> {
    line.split_once('=').map(|(symbol, _)| symbol).filter(|symbol| symbol.starts_with("CONFIG_"))
}

/// The symbol that a configuration's line leaves out.
fn unset(line: &str) -> Option<&str> {
    line.strip_prefix("# ")?.strip_suffix(" is not set")
}

/// One job for each processor, and one that waits for a disk.
pub(crate) fn jobs() -> String {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    format!("-j{}", processors + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropped_lines_are_found() {
        let config = "CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_SIZE=64\n";
        assert!(
            dropped(config, "# words\n\nCONFIG_A=y\n# CONFIG_B is not set\nCONFIG_SIZE=64\n")
                .is_empty()
        );
        assert_eq!(dropped(config, "CONFIG_B=y\nCONFIG_SIZE=6\n"), ["CONFIG_B=y", "CONFIG_SIZE=6"]);
        assert_eq!(dropped(config, "# CONFIG_A is not set\n"), ["# CONFIG_A is not set"]);
        // A later fragment has the last word.
        assert!(dropped(config, "# CONFIG_A is not set\nCONFIG_A=y\n").is_empty());
        assert_eq!(dropped(config, "CONFIG_A=y\nCONFIG_A=m\n"), ["CONFIG_A=m"]);
        // What Kconfig does not even mention is not set.
        assert!(dropped(config, "# CONFIG_C is not set\n").is_empty());
    }
}
