// SPDX-License-Identifier: MIT OR Apache-2.0
//! The builder: a Debian root file system that has every tool in a known version, independent of
//! the host; and the crates and Python tools for it.

pub(crate) mod crates;
mod entry;
pub(crate) mod macros;
pub(crate) mod python;
mod root;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};
use nix::unistd::{getegid, geteuid};

use self::entry::Entry;
pub(crate) use self::root::mmdebstrap;
use crate::host::cache::{Cache, Key};
use crate::host::program::need;

/// Files of the host that are mounted into the builder: name resolution, certificates, and the
/// configuration of pip.
const HOST_FILES: &[&str] =
    &["/etc/resolv.conf", "/etc/ssl/certs/ca-certificates.crt", "/etc/pip.conf"];

/// Environment variables that configure proxies.
pub(crate) const PROXIES: &[&str] =
    &["http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"];

/// Other environment variables that are passed to programs in the builder.
const HOST_VARIABLES: &[&str] = &["PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "TERM"];

/// The mount point in the builder of a directory that is neither the checkout nor the cache.
const OTHER: &str = "/mnt";

/// The mount point of the cache in the builder.
pub(crate) const CACHE: &str = "/cache";

const ENTER: &str = include_str!("../builder/enter");

/// The root file system of the builder, and the directories that are mounted into it.
#[derive(Debug)]
pub(crate) struct Builder {
    key: Key,
    root: PathBuf,
    entry: Entry,
    /// Directory of the host, and its mount point in the builder.
    mounts: Vec<(PathBuf, &'static str)>,
}

impl Builder {
    /// Returns the builder, which is made if the cache does not have it.
    pub(crate) fn ready(
        cache: &Cache,
        checkout: &Path,
        kernel_source: Option<&Path>,
    ) -> Result<Self> {
        let mut builder = Self::with_root(cache, checkout, &root::BUILDER)?;
        if let Some(source) = kernel_source {
            builder.mounts.push((source.to_owned(), "/kernel"));
        }
        Ok(builder)
    }

    /// A builder for QEMU: with other packages, but entered in the same way.
    pub(crate) fn of_qemu(cache: &Cache, checkout: &Path) -> Result<Self> {
        Self::with_root(cache, checkout, &root::QEMU)
    }

    /// A root with the tools that open recordings, entered in the same way.
    pub(crate) fn of_formats(cache: &Cache, checkout: &Path) -> Result<Self> {
        Self::with_root(cache, checkout, &root::FORMATS)
    }

    /// The key of [`Builder::of_qemu`].
    pub(crate) fn key_of_qemu() -> Key {
        root::QEMU.key()
    }

    fn with_root(cache: &Cache, checkout: &Path, recipe: &root::Root) -> Result<Self> {
        let key = recipe.key();
        let name = format!("{}-{key}", recipe.name);
        // `enter` needs mount(8), which minimal systems do not have.
        need(cache, "mount", &["mount"])?;
        let root = cache.directory(&name, |part| root::make(cache, recipe, part))?;
        let mounts = vec![(checkout.to_owned(), "/src"), (cache.path().to_owned(), CACHE)];
        Ok(Self { key, root, entry: Entry::allowed()?, mounts })
    }

    /// Mounts another directory of the host. Returns its mount point.
    pub(crate) fn mount(&mut self, directory: &Path) -> PathBuf {
        self.mounts.push((directory.to_owned(), OTHER));
        PathBuf::from(OTHER)
    }

    pub(crate) fn key(&self) -> &Key {
        &self.key
    }

    /// The path in the builder of a file of the checkout or the cache.
    pub(crate) fn inside(&self, path: &Path) -> Result<PathBuf> {
        for (from, to) in &self.mounts {
            if let Ok(rest) = path.strip_prefix(from) {
                return Ok(if rest == "" { PathBuf::from(to) } else { Path::new(to).join(rest) });
            }
        }
        bail!("{} is neither in the checkout nor in the cache", path.display())
    }

    /// The path on the host of a file that a package installed in the builder.
    pub(crate) fn installed(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// A command that runs `program` in the builder, in the root directory of the checkout.
    ///
    /// Arguments that the caller adds with [`Command::arg`] are passed to the program.
    pub(crate) fn command(&self, program: &str) -> Command {
        self.command_with::<&str, &str>(program, [])
    }

    /// Like [`Builder::command`], with additional environment variables.
    pub(crate) fn command_with<N, V>(
        &self,
        program: &str,
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Command
    where
        N: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        // The kernel kills the program when xtask exits, for whatever reason. sudo resets this
        // setting, so setpriv runs after sudo.
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
        // unshare(1) fails to change the propagation if xtask itself runs in a chroot whose / is
        // not a mount point. `enter` makes the mounts private instead.
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

    /// A command that runs the text of a shell script in the builder. `arguments` are `$1`, `$2`...
    pub(crate) fn script<A: AsRef<OsStr>>(
        &self,
        script: &str,
        arguments: impl IntoIterator<Item = A>,
    ) -> Command {
        let mut command = self.command("sh");
        command.args(["-c", script, "sh"]).args(arguments);
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
    fn paths_are_translated_to_the_builder() {
        let builder = builder();
        let inside =
            |path: &str| builder.inside(Path::new(path)).map(|path| path.display().to_string());
        assert_eq!(inside("/home/me/dmaframe").unwrap(), "/src");
        assert_eq!(inside("/home/me/dmaframe/driver").unwrap(), "/src/driver");
        assert_eq!(inside("/c/linux").unwrap(), "/cache/linux");
        assert!(inside("/elsewhere").is_err());
    }

    #[test]
    fn program_follows_the_variables() {
        let mut command = builder().command_with("make", [("ARCH", "arm64")]);
        command.arg("Image");
        let arguments: Vec<_> =
            command.get_args().map(|a| a.to_string_lossy().into_owned()).collect();
        assert!(arguments.ends_with(&["ARCH=arm64".into(), "make".into(), "Image".into()]));
        assert!(arguments.contains(&"/home/me/dmaframe=/src".to_owned()));
    }
}
