// SPDX-License-Identifier: MIT OR Apache-2.0
//! The builder's root: Debian's packages, and how they are installed.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::host::cache::{Cache, Key};
use crate::host::program::{as_root, need};
use crate::host::progress::Step;

const SUITE: &str = "trixie";
const ARCHITECTURES: &str = "amd64,arm64";
/// What the builder, the kernel's source and its build take together.
const DISK_GB: u64 = 12;

/// What is installed, grouped by what needs it.
const PACKAGES: &[&str] = &[
    // fetching and unpacking
    "ca-certificates",
    "curl",
    "xz-utils",
    "cpio",
    // the kernel
    "bc",
    "bindgen",
    "bison",
    "clang",
    "flex",
    "gcc",
    "kmod",
    "libc6-dev",
    "libelf-dev",
    "libssl-dev",
    "lld",
    "llvm",
    "make",
    "pahole",
    "perl",
    "python3",
    "rsync",
    "rust-src",
    "rustc",
    // device tree: compiler, and what the schema tools stand on
    "device-tree-compiler",
    "python3-libfdt",
    "python3-venv",
    "python3-yaml",
    // userland for the guest, and checks of it
    "cargo",
    "gcc-aarch64-linux-gnu",
    "libc6-dev:arm64",
    "libstd-rust-dev:arm64",
    "rust-clippy",
    "rustfmt",
    // the guest
    "busybox-static:arm64",
    "qemu-system-arm",
];

/// What those bring and nothing here reads, two thirds of all files: documentation, compilers for
/// the guest, libraries to make others with, the compiler's source beside that of its library.
const LEFT_OUT: &[&str] = &[
    "/usr/share/doc/*",
    "/usr/share/locale/*",
    "/usr/share/man/*",
    "/usr/lib/aarch64-linux-gnu/libLLVM*",
    "/usr/lib/aarch64-linux-gnu/librustc_driver*",
    "/usr/lib/llvm-*/lib/libclang*.a",
    // A star would match slashes too, and with them the library's own directories of this name.
    "/usr/src/rustc-?.??.?/compiler/*",
    "/usr/src/rustc-?.??.?/src/*",
];

/// Run by mmdebstrap, with the root as `$1`, when the packages are in.
const CUSTOMIZE: &[&str] = &[
    // The kernel's source package; the mirror is whatever the suite itself came from.
    r#"sed -n "s/ trixie / trixie-backports /p" "$1/etc/apt/sources.list" > "$1/etc/apt/sources.list.d/backports.list""#,
    // Where the checkout, the cache, the user's own kernel source and two files of the host appear.
    r#"mkdir -p "$1/src" "$1/cache" "$1/kernel" && rm -f "$1/etc/resolv.conf" && touch "$1/etc/resolv.conf" "$1/etc/pip.conf""#,
];

/// What the root is made from.
pub(super) fn key() -> Key {
    Key::of([SUITE, ARCHITECTURES].iter().chain(PACKAGES).chain(CUSTOMIZE))
}

pub(super) fn make(cache: &Cache, part: &Path) -> Result<()> {
    cache.need_free(DISK_GB, "a first build")?;
    if part.exists() {
        // A root that is half installed cannot be resumed.
        remove_root(part)?;
    }
    let step = Step::long(
        &format!("making the builder, a Debian {SUITE} root with the pinned compilers and QEMU"),
        "about 2 minutes and 2 GB, once",
    );
    let mut command = mmdebstrap(cache)?;
    command.arg("--variant=apt").arg(format!("--architectures={ARCHITECTURES}"));
    command.arg(format!("--include={}", PACKAGES.join(",")));
    for hook in CUSTOMIZE {
        command.arg(format!("--customize-hook={hook}"));
    }
    command.arg("--customize-hook=chroot \"$1\" rm -rf /var/cache/apt/archives");
    // What is cut short is made anew.
    command.arg("--dpkgopt=force-unsafe-io");
    for pattern in LEFT_OUT {
        command.arg(format!("--dpkgopt=path-exclude={pattern}"));
    }
    command.arg(SUITE).arg(part);
    step.run(&mut command, &cache.log("builder"))?;
    step.done();
    Ok(())
}

/// mmdebstrap with the right to make a root, installed first where it is missing.
pub(crate) fn mmdebstrap(cache: &Cache) -> Result<Command> {
    if !cfg!(target_arch = "x86_64") {
        bail!(
            "the builder is an x86-64 root, which {} cannot run: use an x86-64 machine",
            std::env::consts::ARCH
        );
    }
    need(cache, "mmdebstrap", &["mmdebstrap", "debian-archive-keyring"])?;
    let mut command = as_root("mmdebstrap")?;
    command.args(["--mode=root", "--quiet"]);
    for option in apt_options() {
        command.arg(format!("--aptopt={option}"));
    }
    Ok(command)
}

fn remove_root(path: &Path) -> Result<()> {
    // A mmdebstrap that was killed leaves its mounts behind; there may be none.
    for mounted in ["proc", "sys", "dev"] {
        let mut umount = as_root("umount")?;
        umount.args(["--recursive", "--lazy"]).arg(path.join(mounted));
        let _ = umount.stderr(Stdio::null()).status();
    }
    let status = as_root("rm")?.args(["-rf", "--one-file-system"]).arg(path).status();
    if !status.context("starting rm")?.success() {
        bail!("cannot remove {}: remove it by hand", path.display());
    }
    Ok(())
}

/// The host's own apt settings that decide whether a mirror can be reached and believed.
fn apt_options() -> Vec<String> {
    let wanted = ["::Proxy", "::Check-Valid-Until", "::Check-Date", "::CaInfo"];
    let Ok(output) = Command::new("apt-config").args(["dump", "Acquire"]).output() else {
        return Vec::new();
    };
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter(|line| {
            let name = line.split(' ').next().unwrap_or_default();
            wanted.iter().any(|end| name.ends_with(end)) && !line.ends_with("\"\";")
        })
        .map(|line| line.trim_end_matches(';').to_owned())
        .collect()
}
