// SPDX-License-Identifier: MIT OR Apache-2.0
//! The SD card image. Buildroot builds it on the host, with the external tree of this checkout.

mod boot_partition;
pub(crate) mod card;
pub(crate) mod chart;
mod console;

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::builder::{PROXIES, pair};
use crate::host::cache::Cache;
use crate::host::progress::{Step, log_tail, say};

/// The release of Buildroot that the external tree supports, its repository, and the commit that
/// the downloaded release must have.
const RELEASE: &str = "2026.08-rc1";
const REPOSITORY: &str = "https://gitlab.com/buildroot.org/buildroot.git";
const COMMIT: &str = "5e53766dec8f09daf5a06dc2ba25536e4bb63360";
const DEFCONFIG: &str = "dmaframe_rpi3_defconfig";
/// Packages that are built from this checkout. Buildroot does not detect changes of their sources.
const OWN: &[&str] = &["dmaframe", "dmaframe-userland", "dmaframe-compliance"];
const HOST_BINDGEN: &str = "BR2_LINUX_KERNEL_EXT_RUST_BINDGEN_MACHINE=y\n";
/// Disk space for a build: sources, toolchain, and the objects of LLVM.
const DISK_GB: u64 = 25;
/// Buildroot prints this before each step.
const STEP: &str = ">>> ";

/// The only environment variables that are passed to Buildroot. Variables that cargo sets for xtask
/// would affect the cargo of Buildroot.
const VARIABLES: &[&str] = &["PATH", "HOME", "LANG", "TERM", "LIBCLANG_PATH"];

const FETCH: &str = include_str!("../image/fetch-buildroot");

/// Arguments of `cargo xtask image`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Use this Buildroot tree instead of downloading the release
    #[arg(long, value_name = "DIR")]
    buildroot: Option<PathBuf>,
    /// Build in this directory instead of target/image
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Use the host's bindgen and libclang instead of building LLVM
    #[arg(long)]
    machine_bindgen: bool,
}

/// Builds the image. Continues an interrupted build.
pub(crate) fn build(checkout: &Path, arguments: &Arguments) -> Result<u8> {
    let cache = Cache::open()?;
    let buildroot = match &arguments.buildroot {
        Some(tree) => buildroot_at(tree)?,
        None => fetched(&cache)?,
    };
    let output = arguments.output.clone().unwrap_or_else(|| checkout.join("target/image"));
    fs::create_dir_all(&output).with_context(|| format!("making {}", output.display()))?;
    let output =
        output.canonicalize().with_context(|| format!("resolving {}", output.display()))?;
    let make = Make { checkout, cache: &cache, buildroot: &buildroot, output: &output };

    let log = output.join("build.log");
    configure(&make, arguments.machine_bindgen, &log)?;
    let packages = packages(&make)?;
    say(format_args!(
        "building the image of {packages} packages (1 to 3 hours on 2 cores the first time, {}); log: {}",
        if arguments.machine_bindgen { "without LLVM" } else { "half of it for LLVM" },
        log.display()
    ));
    let started = Instant::now();
    let mut build = make.command();
    // The first build needs no rebuild.
    for own in OWN.iter().filter(|own| output.join("build").join(own).exists()) {
        build.arg(format!("{own}-rebuild"));
    }
    run(build.arg("all"), &log, packages)?;

    let image = output.join("images/sdcard.img");
    let bytes = fs::metadata(&image)
        .with_context(|| format!("Buildroot did not create {}", image.display()))?
        .len();
    say(format_args!(
        "{}: {} MiB, done in {} s",
        image.display(),
        bytes >> 20,
        started.elapsed().as_secs()
    ));
    say(format_args!("to boot it in QEMU: cargo xtask run --image {}", image.display()));
    println!("{}", image.display());
    Ok(0)
}

fn buildroot_at(tree: &Path) -> Result<PathBuf> {
    let tree = tree.canonicalize().with_context(|| format!("--buildroot {}", tree.display()))?;
    if !tree.join("package/pkg-generic.mk").is_file() {
        bail!("--buildroot {}: the directory contains no Buildroot", tree.display());
    }
    Ok(tree)
}

fn fetched(cache: &Cache) -> Result<PathBuf> {
    let directory = cache.directory(&format!("buildroot-{RELEASE}"), |part| {
        cache.need_free(DISK_GB, "building the image")?;
        fs::create_dir_all(part).with_context(|| format!("making {}", part.display()))?;
        let step = Step::long(&format!("downloading Buildroot {RELEASE}"), "10 MB, once");
        let mut fetch = Command::new("sh");
        fetch.args(["-c", FETCH, "sh"]).arg(part).args([REPOSITORY, RELEASE, COMMIT]);
        step.run(&mut fetch, &cache.log("buildroot")).with_context(|| {
            format!("cannot download Buildroot {RELEASE}: check the network, or use --buildroot")
        })?;
        step.done();
        Ok(())
    })?;
    Ok(directory.join("tree"))
}

struct Make<'a> {
    checkout: &'a Path,
    cache: &'a Cache,
    buildroot: &'a Path,
    output: &'a Path,
}

impl Make<'_> {
    fn command(&self) -> Command {
        let mut make = Command::new("make");
        make.env_clear();
        for name in VARIABLES.iter().chain(PROXIES) {
            if let Some(value) = std::env::var_os(name) {
                make.env(name, value);
            }
        }
        // Other checkouts and output directories use the same downloads.
        let downloads = std::env::var_os("BR2_DL_DIR").filter(|value| !value.is_empty());
        let downloads = downloads
            .unwrap_or_else(|| OsString::from(self.cache.path().join("buildroot-downloads")));
        make.env("BR2_DL_DIR", downloads);
        make.arg("-C").arg(self.buildroot);
        make.arg(pair("BR2_EXTERNAL", self.checkout.join("buildroot")));
        make.arg(pair("O", self.output));
        make
    }
}

/// Configures Buildroot, unless it is already configured from the same defconfig. Manual changes of
/// the configuration are kept in that case.
fn configure(make: &Make<'_>, machine_bindgen: bool, log: &Path) -> Result<()> {
    let from = make.checkout.join("buildroot/configs").join(DEFCONFIG);
    let mut wanted =
        fs::read_to_string(&from).with_context(|| format!("reading {}", from.display()))?;
    if machine_bindgen {
        wanted += HOST_BINDGEN;
    }
    let noted = make.output.join("defconfig-of-image");
    let configured = make.output.join(".config");
    if configured.exists() && fs::read_to_string(&noted).is_ok_and(|noted| noted == wanted) {
        return Ok(());
    }
    fs::write(&noted, &wanted).with_context(|| format!("writing {}", noted.display()))?;
    let step = Step::short("configuring Buildroot");
    let mut defconfig = make.command();
    defconfig.arg(pair("BR2_DEFCONFIG", &noted)).arg("defconfig");
    step.run(&mut defconfig, log)?;
    step.done();

    let config = fs::read_to_string(&configured)
        .with_context(|| format!("reading {}", configured.display()))?;
    let lost = lost(&config, &wanted);
    if !lost.is_empty() {
        // The next attempt has to configure again.
        let _ = fs::remove_file(&configured);
        bail!(
            "Buildroot dropped these lines of {DEFCONFIG}: {}; check that its release is {RELEASE}",
            lost.join(", ")
        );
    }
    Ok(())
}

/// The lines of `wanted` that the configuration lacks. Kconfig drops unknown symbols without a
/// message.
fn lost<'a>(config: &str, wanted: &'a str) -> Vec<&'a str> {
    let have: std::collections::HashSet<&str> = config.lines().collect();
    wanted.lines().filter(|line| line.contains("BR2_") && !have.contains(line)).collect()
}

/// The number of packages that Buildroot will build.
fn packages(make: &Make<'_>) -> Result<usize> {
    let listed = make
        .command()
        .args(["--silent", "show-build-order"])
        .stdin(Stdio::null())
        .output()
        .context("starting make")?;
    if !listed.status.success() {
        bail!(
            "Buildroot cannot list the packages to build\n{}",
            String::from_utf8_lossy(&listed.stderr)
        );
    }
    Ok(String::from_utf8_lossy(&listed.stdout).lines().count())
}

/// Runs the build. Its output goes to the log; a message is printed for each package.
fn run(build: &mut Command, log: &Path, packages: usize) -> Result<()> {
    let mut log_file = File::create(log).with_context(|| format!("creating {}", log.display()))?;
    let errors = log_file.try_clone().context("sharing a log file")?;
    let mut child = build
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(errors)
        .spawn()
        .context("starting make")?;
    let started = Instant::now();
    let mut count = 0;
    let mut current = String::new();
    if let Some(output) = child.stdout.take() {
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        while output.read_until(b'\n', &mut line).context("reading make's output")? > 0 {
            log_file.write_all(&line).with_context(|| format!("writing {}", log.display()))?;
            if let Some(package) = package(&String::from_utf8_lossy(&line)) {
                if package != current {
                    count += 1;
                    let minutes = started.elapsed().as_secs() / 60;
                    say(format_args!("image: {package} ({count} of {packages}, {minutes} min)"));
                    current = package;
                }
            }
            line.clear();
        }
    }
    let status = child.wait().context("waiting for make")?;
    if !status.success() {
        bail!(
            "building the image failed ({status}); to continue, run the same command again\n{}",
            log_tail(log)
        );
    }
    Ok(())
}

/// The name and version of the package, if the line starts a step of a package.
fn package(line: &str) -> Option<String> {
    let (_, step) = line.split_once(STEP)?;
    // Steps of the whole image have no package name.
    let (name, rest) = step.split_once(' ').filter(|(name, _)| !name.is_empty())?;
    let (version, _) = rest.split_once(' ')?;
    // Packages of this checkout have no version.
    Some(format!("{name} {version}").trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn package_of_a_step_is_found() {
        let line = "\u{1b}[7m>>> host-m4 1.4.20 Extracting\u{1b}[27m\n";
        assert_eq!(package(line).unwrap(), "host-m4 1.4.20");
        assert_eq!(package(">>> dmaframe  Building\n").unwrap(), "dmaframe");
        assert_eq!(package(">>>   Finalizing target directory\n"), None);
        assert_eq!(package("gcc -c a.c\n"), None);
    }

    #[test]
    fn lost_lines_are_found() {
        let config = "BR2_A=y\n# BR2_B is not set\n";
        assert!(lost(config, "# words\nBR2_A=y\n# BR2_B is not set\n").is_empty());
        assert_eq!(lost(config, "BR2_A=n\nBR2_C=y\n"), ["BR2_A=n", "BR2_C=y"]);
    }

    #[test]
    fn directory_without_buildroot_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let error = buildroot_at(directory.path()).unwrap_err().to_string();
        assert!(error.contains("no Buildroot"), "{error}");
    }

    #[test]
    fn image_and_guest_have_the_same_kernel() {
        let defconfig = include_str!("../../buildroot/configs/dmaframe_rpi3_defconfig");
        let version = crate::kernel::VERSION;
        for line in [
            format!("BR2_LINUX_KERNEL_CUSTOM_VERSION_VALUE=\"{version}\""),
            "BR2_LINUX_KERNEL_CONFIG_FRAGMENT_FILES=\"$(BR2_EXTERNAL_DMAFRAME_PATH)/linux/kernel.config\"".to_owned(),
            "BR2_LINUX_KERNEL_EXT_ALLNOCONFIG=y".to_owned(),
        ] {
            assert!(defconfig.lines().any(|have| have == line), "{line}");
        }
    }
}
