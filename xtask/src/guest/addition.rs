// SPDX-License-Identifier: MIT OR Apache-2.0
//! Programs of Debian's in the guest: clients that share no code with us.

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
/// Only what is below here goes into the guest, whose base has the links /bin, /lib and /sbin.
const KEPT: &str = "usr/";
/// What no program of the guest's reads.
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

/// Make `kept.tar` of `root.tar`. Arguments: where both are, the kernel's source.
const PYTHON: &str = include_str!("../../guest/add-python");
const STRESS_NG: &str = include_str!("../../guest/add-stress-ng");

/// What a guest may have besides its base.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Addition {
    /// Python and the kernel's netlink client
    Python,
    /// stress-ng
    StressNg,
}

/// How an addition is made.
struct Recipe {
    name: &'static str,
    packages: &'static [&'static str],
    /// Makes `kept.tar` of `root.tar`.
    assemble: &'static str,
}

impl Addition {
    fn recipe(self) -> Recipe {
        match self {
            Self::Python => {
                Recipe { name: "python", packages: &["python3", "python3-yaml"], assemble: PYTHON }
            }
            Self::StressNg => {
                Recipe { name: "stress-ng", packages: &["stress-ng"], assemble: STRESS_NG }
            }
        }
    }

    /// The archive with it.
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
                Step::long(&format!("fetching {name} for the guest"), "about 1 minute, once");
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

/// Copies what is kept of a tar archive.
fn convert<W: std::io::Write>(root: impl Read, archive: &mut Archive<W>) -> Result<()> {
    let mut root = tar::Archive::new(root);
    for entry in root.entries().context("reading a root")? {
        let mut entry = entry.context("reading a root")?;
        let path = entry.path().context("reading a root")?.to_string_lossy().into_owned();
        let path = path.trim_start_matches("./").to_owned();
        if !kept(&path) {
            continue;
        }
        let mode = entry.header().mode().context("reading a root")? & 0o7777;
        let link = entry
            .link_name()
            .context("reading a root")?
            .map(|link| link.to_string_lossy().into_owned());
        match (entry.header().entry_type(), link) {
            (EntryType::Directory, _) => archive.directory(&path, mode)?,
            (EntryType::Symlink, Some(target)) => archive.symlink(&path, &target)?,
            // A second name: a link by path says the same.
            (EntryType::Link, Some(target)) => {
                archive.symlink(&path, &format!("/{}", target.trim_start_matches("./")))?;
            }
            (EntryType::Regular, _) => {
                let mut contents = Vec::new();
                entry.read_to_end(&mut contents).context("reading a root")?;
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
    fn what_the_guest_needs_is_kept() {
        assert!(kept("usr/bin/python3"));
        assert!(kept("usr/lib/python3.13/json/decoder.py"));
        assert!(!kept("etc/passwd"));
        assert!(!kept("usr/share/doc"));
        assert!(!kept("usr/share/doc/python3/README"));
        assert!(!kept("usr/lib/python3.13/test/support.py"));
    }

    #[test]
    fn a_tar_becomes_an_archive() {
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
