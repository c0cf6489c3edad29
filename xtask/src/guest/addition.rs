// SPDX-License-Identifier: MIT OR Apache-2.0
//! Debian programs for the guest. They test the interfaces with code that is not ours.

use std::fs::{self, File};
use std::io::Read;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::ValueEnum;
use tar::EntryType;

use crate::builder::{Builder, mmdebstrap};
use crate::guest::initramfs::Archive;
use crate::host::cache::{Cache, Key};
use crate::host::progress::Step;
use crate::kernel::Kernel;

const SUITE: &str = "trixie";
/// Only files below this directory go into the guest, which has links for /bin, /lib and /sbin.
const KEPT: &str = "usr/";
/// Parts of paths that are left out because no program in the guest reads them.
const PRUNED: &[&str] = &[
    "/ensurepip/",
    "/gconv/",
    "/idlelib/",
    "/pydoc_data/",
    "/share/bash-completion/",
    "/share/doc/",
    "/share/doc-base/",
    "/share/i18n/",
    "/share/info/",
    "/share/lintian/",
    "/share/locale/",
    "/share/man/",
    "/share/perl5/",
    "/share/zoneinfo/",
    "/perl-base/",
    "/test/",
    "/tkinter/",
];

/// Scripts that make `kept.tar` from `root.tar`. Arguments: the directory of both, the kernel
/// source.
const PYTHON: &str = include_str!("../../guest/add-python");
const STRESS_NG: &str = include_str!("../../guest/add-stress-ng");

/// A program that can be added to the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Addition {
    /// Python 3 and the kernel's netlink client, ynl
    Python,
    /// stress-ng
    StressNg,
}

/// How the archive of an addition is made.
struct Recipe {
    name: &'static str,
    packages: &'static [&'static str],
    /// The script that makes `kept.tar` from `root.tar`.
    assemble: &'static str,
}

impl Addition {
    fn recipe(self) -> Recipe {
        match self {
            Self::Python => {
                let packages = &["python3", "python3-jsonschema", "python3-yaml"];
                Recipe { name: "python", packages, assemble: PYTHON }
            }
            Self::StressNg => {
                Recipe { name: "stress-ng", packages: &["stress-ng"], assemble: STRESS_NG }
            }
        }
    }

    /// Returns the archive, which is made if the cache does not have it.
    pub(crate) fn archive(
        self,
        cache: &Cache,
        builder: &Builder,
        kernel: &Kernel,
    ) -> Result<PathBuf> {
        let Recipe { name, packages, assemble } = self.recipe();
        let versions = [builder.key().to_string(), kernel.key().to_string()];
        let inputs = [SUITE, assemble].into_iter().chain(versions.iter().map(String::as_str));
        let key = Key::of(inputs.chain(packages.iter().chain(PRUNED).copied()));
        let directory = cache.directory(&format!("{name}-{key}"), |part| {
            fs::create_dir_all(part).with_context(|| format!("making {}", part.display()))?;
            let step =
                Step::long(&format!("downloading {name} for the guest"), "about 1 minute, once");
            let mut command = mmdebstrap(cache)?;
            command.args(["--variant=extract", "--architectures=arm64", "--skip=check/qemu"]);
            command.arg(format!("--include={}", packages.join(",")));
            command.arg(SUITE).arg(part.join("root.tar"));
            step.run(&mut command, &cache.log(name))?;
            let arguments = [builder.inside(part)?, builder.inside(kernel.source())?];
            let log = cache.log(&format!("{name}-assemble"));
            step.run(&mut builder.script(assemble, arguments), &log)?;

            let kept = part.join("kept.tar");
            let mut archive = Archive::create(&part.join("guest.cpio"))?;
            let file = File::open(&kept).with_context(|| format!("opening {}", kept.display()))?;
            convert(file, &mut archive)?;
            archive.finish()?;
            step.done();
            fs::remove_file(&kept).with_context(|| format!("removing {}", kept.display()))
        })?;
        Ok(directory.join("guest.cpio"))
    }
}

/// Copies the files of a tar archive that the guest needs.
fn convert<W: std::io::Write>(root: impl Read, archive: &mut Archive<W>) -> Result<()> {
    let mut root = tar::Archive::new(root);
    for entry in root.entries().context("reading the archive of a root file system")? {
        let mut entry = entry.context("reading the archive of a root file system")?;
        let path = entry
            .path()
            .context("reading the archive of a root file system")?
            .to_string_lossy()
            .into_owned();
        let path = path.trim_start_matches("./").to_owned();
        if !kept(&path) {
            continue;
        }
        let mode =
            entry.header().mode().context("reading the archive of a root file system")? & 0o7777;
        let link = entry
            .link_name()
            .context("reading the archive of a root file system")?
            .map(|link| link.to_string_lossy().into_owned());
        match (entry.header().entry_type(), link) {
            (EntryType::Directory, _) => archive.directory(&path, mode)?,
            (EntryType::Symlink, Some(target)) => archive.symlink(&path, &target)?,
            // A symbolic link replaces a hard link.
            (EntryType::Link, Some(target)) => {
                archive.symlink(&path, &format!("/{}", target.trim_start_matches("./")))?;
            }
            (EntryType::Regular, _) => {
                let mut contents = Vec::new();
                entry
                    .read_to_end(&mut contents)
                    .context("reading the archive of a root file system")?;
                archive.file(&path, mode, &contents)?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn kept(path: &str) -> bool {
    path.starts_with(KEPT) && !PRUNED.iter().any(|pruned| format!("/{path}/").contains(pruned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documentation_and_tests_are_left_out() {
        assert!(kept("usr/bin/python3"));
        assert!(kept("usr/lib/python3.13/json/decoder.py"));
        assert!(!kept("etc/passwd"));
        assert!(!kept("usr/share/doc"));
        assert!(!kept("usr/share/doc/python3/README"));
        assert!(!kept("usr/lib/python3.13/test/support.py"));
    }

    #[test]
    fn tar_is_converted_to_cpio() {
        let mut root = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(2);
        header.set_mode(0o755);
        root.append_data(&mut header.clone(), "./usr/bin/x", b"hi".as_slice()).unwrap();
        root.append_data(&mut header, "./etc/x", b"no".as_slice()).unwrap();
        let mut archive = Archive::new(Vec::new());
        convert(root.into_inner().unwrap().as_slice(), &mut archive).unwrap();
        let bytes = archive.finish().unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.contains("usr/bin/x\0"));
        assert!(!text.contains("etc"));
    }
}
