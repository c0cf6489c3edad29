// SPDX-License-Identifier: MIT OR Apache-2.0
//! The builder: a Debian root with every tool at one known version, whatever the host has.

pub(crate) mod python;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use nix::unistd::{getegid, geteuid};

use crate::host::cache::{Cache, Key};
use crate::host::progress::{Step, say};

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

/// Files of the host that the builder sees as its own: how names are resolved, whom to trust, and
/// where pip finds its packages.
const HOST_FILES: &[&str] =
    &["/etc/resolv.conf", "/etc/ssl/certs/ca-certificates.crt", "/etc/pip.conf"];

/// Variables with which programs reach the network as the host does.
pub(crate) const PROXIES: &[&str] =
    &["http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"];

/// Further variables of the host that the builder's programs need.
const HOST_VARIABLES: &[&str] = &["PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "TERM"];

/// Where the cache appears in the builder.
pub(crate) const CACHE: &str = "/cache";

const ENTER: &str = include_str!("../builder/enter");

/// Which right lets us mount and chroot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    Root,
    /// Root only of a user namespace, where every file we make is our own.
    UserNamespace,
    Sudo,
}

/// The builder's root and what is mounted in it.
#[derive(Debug)]
pub(crate) struct Builder {
    key: Key,
    root: PathBuf,
    entry: Entry,
    /// Host directory and its place in the builder.
    mounts: Vec<(PathBuf, &'static str)>,
}

impl Builder {
    /// Finds the builder in the cache, or makes it.
    pub(crate) fn ready(
        cache: &Cache,
        checkout: &Path,
        kernel_source: Option<&Path>,
    ) -> Result<Self> {
        let key = Key::of([SUITE, ARCHITECTURES].iter().chain(PACKAGES).chain(CUSTOMIZE));
        let name = format!("builder-{key}");
        // What enters the builder; not on every machine that has unshare(1).
        need(cache, "mount", &["mount"])?;
        let root = cache.directory(&name, |part| make(cache, part))?;
        let mut mounts = vec![(checkout.to_owned(), "/src"), (cache.path().to_owned(), CACHE)];
        if let Some(source) = kernel_source {
            mounts.push((source.to_owned(), "/kernel"));
        }
        Ok(Self { key, root, entry: entry()?, mounts })
    }

    pub(crate) fn key(&self) -> &Key {
        &self.key
    }

    /// Where a file of the checkout or of the cache appears in the builder.
    pub(crate) fn inside(&self, path: &Path) -> Result<PathBuf> {
        for (from, to) in &self.mounts {
            if let Ok(rest) = path.strip_prefix(from) {
                return Ok(if rest == "" { PathBuf::from(to) } else { Path::new(to).join(rest) });
            }
        }
        bail!("{} is neither in the checkout nor in the cache", path.display())
    }

    /// The host's path of a file that a package installed in the builder.
    pub(crate) fn installed(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// A command that runs `program` in the builder, in the checkout's directory.
    ///
    /// Arguments given to the result with [`Command::arg`] are the program's.
    pub(crate) fn command(&self, program: &str) -> Command {
        self.command_with::<&str, &str>(program, [])
    }

    /// [`Builder::command`] with variables in its environment.
    pub(crate) fn command_with<N, V>(
        &self,
        program: &str,
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Command
    where
        N: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        // The kernel removes the program when xtask dies, however it dies; sudo would lose that
        // setting, so it is made on the other side of sudo.
        let mut command = match self.entry {
            Entry::Sudo => Command::new("sudo"),
            Entry::Root | Entry::UserNamespace => Command::new("setpriv"),
        };
        if self.entry == Entry::Sudo {
            command.arg("setpriv");
        }
        command.args([
            "--pdeathsig",
            "KILL",
            "unshare",
            "--mount",
            "--fork",
            "--pid",
            "--kill-child",
        ]);
        // A chroot's / may be no mount point: the script sees to what unshare would refuse.
        command.args(["--propagation", "unchanged"]);
        if self.entry == Entry::UserNamespace {
            command.args(["--user", "--map-root-user"]);
        }
        command.args(["sh", "-c", ENTER, "enter"]).arg(&self.root);
        command.arg(match self.entry {
            Entry::Sudo => format!("{}:{}", geteuid(), getegid()),
            Entry::Root | Entry::UserNamespace => String::new(),
        });
        for (from, to) in &self.mounts {
            command.arg(pair(from, to));
        }
        for file in HOST_FILES.iter().filter(|file| Path::new(file).exists()) {
            command.arg(pair(file, file));
        }
        command.args(["--", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/tmp", "LANG=C.UTF-8"]);
        for name in HOST_VARIABLES.iter().chain(PROXIES) {
            if let Some(value) = std::env::var_os(name) {
                command.arg(pair(name, value));
            }
        }
        for (name, value) in variables {
            command.arg(pair(name, value));
        }
        command.arg(program);
        command
    }

    /// A command that runs a shell script in the builder: it stops at the first failure, and has
    /// `arguments` as `$1` and on.
    pub(crate) fn script<A: AsRef<OsStr>>(
        &self,
        script: &str,
        arguments: impl IntoIterator<Item = A>,
    ) -> Command {
        let mut command = self.command("sh");
        command.args(["-euc", script, "sh"]).args(arguments);
        command
    }
}

/// `name=value`
pub(crate) fn pair(name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> OsString {
    let mut pair = name.as_ref().to_owned();
    pair.push("=");
    pair.push(value);
    pair
}

fn entry() -> Result<Entry> {
    if geteuid().is_root() {
        return Ok(Entry::Root);
    }
    // What counts is a mount: some systems allow the namespace but nothing in it.
    let namespace = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "--fork", "--pid"])
        .args(["mount", "-t", "proc", "proc", "/proc"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if namespace.is_ok_and(|status| status.success()) {
        return Ok(Entry::UserNamespace);
    }
    if on_path("sudo") {
        return Ok(Entry::Sudo);
    }
    bail!("no right to mount: run as root, install sudo, or allow user namespaces")
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

fn make(cache: &Cache, part: &Path) -> Result<()> {
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

/// Sees to it that the host has a program, from these packages where it is missing.
fn need(cache: &Cache, program: &str, packages: &[&str]) -> Result<()> {
    if on_path(program) {
        return Ok(());
    }
    if !on_path("apt-get") {
        bail!("{program} is missing and so is apt-get: install it with your package manager");
    }
    say(format_args!("installing {} with apt-get, for the builder", packages.join(" and ")));
    let step = Step::short(&format!("installing {program}"));
    let mut install = as_root("env")?;
    install.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet", "--yes"]);
    install.args(["--no-install-recommends", "install"]).args(packages);
    let log = cache.log("apt-get-install");
    if !step.status(&mut install, &log)?.success() {
        // A new machine knows no packages, an old one those that its mirror has replaced.
        let mut update = as_root("apt-get")?;
        step.run(update.args(["--quiet", "update"]), &cache.log("apt-get-update"))?;
        step.run(&mut install, &log)?;
    }
    step.done();
    Ok(())
}

fn as_root(program: &str) -> Result<Command> {
    if geteuid().is_root() {
        return Ok(Command::new(program));
    }
    if !on_path("sudo") {
        bail!("{program} needs root here: run as root, or install sudo");
    }
    // The steps that follow have no terminal to ask for a password on.
    say(format_args!("{program} needs root: asking sudo"));
    let status = Command::new("sudo").arg("--validate").status().context("starting sudo")?;
    if !status.success() {
        bail!("sudo refused to run {program}: run as root, or as a user that may use sudo");
    }
    let mut command = Command::new("sudo");
    command.arg(program);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn builder() -> Builder {
        Builder {
            key: Key::of(["test"]),
            root: PathBuf::from("/roots/builder"),
            entry: Entry::Root,
            mounts: vec![
                (PathBuf::from("/home/me/dmaframe"), "/src"),
                (PathBuf::from("/c"), "/cache"),
            ],
        }
    }

    #[test]
    fn paths_inside() {
        let builder = builder();
        let inside =
            |path: &str| builder.inside(Path::new(path)).map(|path| path.display().to_string());
        assert_eq!(inside("/home/me/dmaframe").unwrap(), "/src");
        assert_eq!(inside("/home/me/dmaframe/driver").unwrap(), "/src/driver");
        assert_eq!(inside("/c/linux").unwrap(), "/cache/linux");
        assert!(inside("/elsewhere").is_err());
    }

    #[test]
    fn the_program_comes_last() {
        let mut command = builder().command_with("make", [("ARCH", "arm64")]);
        command.arg("Image");
        let arguments: Vec<_> =
            command.get_args().map(|a| a.to_string_lossy().into_owned()).collect();
        assert!(arguments.ends_with(&["ARCH=arm64".into(), "make".into(), "Image".into()]));
        assert!(arguments.contains(&"/home/me/dmaframe=/src".to_owned()));
    }
}
