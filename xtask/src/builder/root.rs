// SPDX-License-Identifier: MIT OR Apache-2.0
//! Root file systems: the builder's, and those that QEMU is built in and recordings are opened in.
//! Their Debian packages, and their installation.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::host::cache::{Cache, Key};
use crate::host::program::{as_root, need};
use crate::host::progress::Step;

const SUITE: &str = "trixie";
const ARCHITECTURES: &str = "amd64,arm64";
/// Disk space for the builder, the kernel source and one kernel build.
const DISK_GB: u64 = 12;

/// What a root file system is made from.
pub(super) struct Root {
    /// The beginning of its name in the cache.
    pub(super) name: &'static str,
    what: &'static str,
    duration: &'static str,
    architectures: &'static str,
    packages: &'static [&'static str],
    customize: &'static [&'static str],
}

/// The builder.
pub(super) const BUILDER: Root = Root {
    name: "builder",
    what: "the builder, a Debian trixie root file system with compilers and QEMU",
    duration: "about 2 minutes and 2 GB, once",
    architectures: ARCHITECTURES,
    packages: PACKAGES,
    customize: CUSTOMIZE,
};

/// What builds QEMU. It is apart, so that a change to it does not rebuild the kernels.
pub(super) const QEMU: Root = Root {
    name: "qemu-root",
    what: "a Debian trixie root file system that builds QEMU",
    duration: "about 1 minute and 0.5 GB, once",
    architectures: "amd64",
    packages: &[
        "bison",
        "dpkg-dev",
        "flex",
        "gcc",
        "libc6-dev",
        "libfdt-dev",
        "libglib2.0-dev",
        "libpixman-1-dev",
        "meson",
        "ninja-build",
        "pkg-config",
        "python3-pycotap",
        "python3-venv",
        "zlib1g-dev",
    ],
    customize: &[MOUNT_POINTS],
};

/// The tools that open recordings. They are apart for the same reason.
pub(super) const FORMATS: Root = Root {
    name: "formats-root",
    what: "a Debian trixie root file system with tools that open recordings",
    duration: "about 1 minute and 1 GB, once",
    architectures: "amd64",
    packages: &["ca-certificates", "python3-venv", "sigrok-cli", "sox", "tshark"],
    customize: &[MOUNT_POINTS],
};

/// The packages, grouped by purpose.
const PACKAGES: &[&str] = &[
    // downloads and archives
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
    // device tree: the compiler, and dependencies of the schema tools
    "device-tree-compiler",
    "python3-libfdt",
    "python3-venv",
    "python3-yaml",
    // programs for the guest, and checks
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

/// Files of the packages that are not installed because no build reads them; two thirds of all
/// files. They are documentation, arm64 compilers, static libraries of clang, and the sources of
/// the Rust compiler.
const LEFT_OUT: &[&str] = &[
    "/usr/share/doc/*",
    "/usr/share/locale/*",
    "/usr/share/man/*",
    "/usr/lib/aarch64-linux-gnu/libLLVM*",
    "/usr/lib/aarch64-linux-gnu/librustc_driver*",
    "/usr/lib/llvm-*/lib/libclang*.a",
    // `*` matches slashes too, so `rustc-*` would also match the src directories of the library.
    "/usr/src/rustc-?.??.?/compiler/*",
    "/usr/src/rustc-?.??.?/src/*",
];

/// Commands that mmdebstrap runs after the packages are installed. `$1` is the root.
const CUSTOMIZE: &[&str] = &[
    // Backports have the kernel source package. They come from the same mirror as the suite.
    r#"sed -n "s/ trixie / trixie-backports /p" "$1/etc/apt/sources.list" > "$1/etc/apt/sources.list.d/backports.list""#,
    MOUNT_POINTS,
];

/// Mount points for the checkout, the cache, KERNEL_SRC and files of the host.
const MOUNT_POINTS: &str = r#"mkdir -p "$1/src" "$1/cache" "$1/kernel" && rm -f "$1/etc/resolv.conf" && touch "$1/etc/resolv.conf" "$1/etc/pip.conf""#;

impl Root {
    /// The hash of everything that the root is made from.
    pub(super) fn key(&self) -> Key {
        let inputs = [SUITE, self.architectures];
        Key::of(inputs.iter().chain(self.packages).chain(self.customize))
    }
}

pub(super) fn make(cache: &Cache, root: &Root, part: &Path) -> Result<()> {
    cache.need_free(DISK_GB, "a first build")?;
    if part.exists() {
        // mmdebstrap cannot resume a partial installation.
        remove_root(part)?;
    }
    let step = Step::long(&format!("making {}", root.what), root.duration);
    let mut command = mmdebstrap(cache)?;
    command.arg("--variant=apt").arg(format!("--architectures={}", root.architectures));
    command.arg(format!("--include={}", root.packages.join(",")));
    for hook in root.customize {
        command.arg(format!("--customize-hook={hook}"));
    }
    command.arg("--customize-hook=chroot \"$1\" rm -rf /var/cache/apt/archives");
    // An interrupted installation starts again, so fsync(2) is unnecessary.
    command.arg("--dpkgopt=force-unsafe-io");
    for pattern in LEFT_OUT {
        command.arg(format!("--dpkgopt=path-exclude={pattern}"));
    }
    command.arg(SUITE).arg(part);
    step.run(&mut command, &cache.log(root.name))?;
    step.done();
    Ok(())
}

/// mmdebstrap, run as root. It is installed if the host does not have it.
pub(crate) fn mmdebstrap(cache: &Cache) -> Result<Command> {
    if !cfg!(target_arch = "x86_64") {
        bail!(
            "the builder contains x86-64 programs, which {} cannot run: use an x86-64 machine",
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
    // An mmdebstrap that was killed may have left mounts.
    for mounted in ["proc", "sys", "dev"] {
        let mut umount = as_root("umount")?;
        umount.args(["--recursive", "--lazy"]).arg(path.join(mounted));
        let _ = umount.stderr(Stdio::null()).status();
    }
    let status = as_root("rm")?.args(["-rf", "--one-file-system"]).arg(path).status();
    if !status.context("starting rm")?.success() {
        bail!("cannot remove {}: remove it manually", path.display());
    }
    Ok(())
}

/// The apt settings of the host that concern proxies, certificates and validity dates.
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
