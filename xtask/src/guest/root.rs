// SPDX-License-Identifier: MIT OR Apache-2.0
//! The root file system of the guest. The kernel unpacks it into memory at boot.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};

use super::addition::Addition;
use super::initramfs::Archive;
use super::output::MARK;
use super::{Guest, Job};

const INIT: &[u8] = include_bytes!("../../guest/init");
const PASSWD: &[u8] = b"root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/home/user:/bin/sh\n";
const GROUP: &[u8] = b"root:x:0:\nuser:x:1000:\ndmaframe:x:990:user\n";
/// Owners and modes of device nodes. All other nodes belong to root.
const NODES: &[u8] =
    b"dmaframe[0-9]+ root:dmaframe 0660\n(null|zero|full|random|urandom|tty|ptmx) root:root 0666\n";

impl Guest {
    /// Writes the archive that the kernel unpacks.
    pub(super) fn write_initrd(&self, job: &Job, path: &Path) -> Result<()> {
        let mut archive = Archive::create(path)?;
        for (link, target) in [("bin", "usr/bin"), ("sbin", "usr/sbin"), ("lib", "usr/lib")] {
            archive.directory(target, 0o755)?;
            archive.symlink(link, target)?;
        }
        for directory in ["proc", "sys", "dev", "run", "etc", "root", "home/user", "job"] {
            archive.directory(directory, 0o755)?;
        }
        archive.directory("tmp", 0o1777)?;
        archive.file("init", 0o755, INIT)?;
        archive.file("etc/passwd", 0o644, PASSWD)?;
        archive.file("etc/group", 0o644, GROUP)?;
        archive.file("etc/mdev.conf", 0o644, NODES)?;
        archive.copy(&self.builder.installed("/usr/bin/busybox"), "usr/bin/busybox")?;
        archive.copy(&self.module, "usr/lib/modules/dmaframe.ko")?;
        for (name, file) in &self.commands {
            archive.copy(file, &format!("usr/bin/{name}"))?;
        }
        if job.with.contains(&Addition::Python) {
            let specification = "driver/Documentation/netlink/specs/dmaframe.yaml";
            archive
                .copy(&self.checkout.join(specification), "usr/share/ynl/specs/dmaframe.yaml")?;
        }
        if !job.command.is_empty() {
            archive.file("job/mark", 0o644, MARK)?;
            archive.file("job/command", 0o755, job.script().as_bytes())?;
        }
        let get: String = job.get.iter().map(|(path, _)| format!("{path}\n")).collect();
        archive.file("job/get", 0o644, get.as_bytes())?;
        for (from, to) in &job.put {
            archive.copy(from, to)?;
        }
        let mut file = archive.finish()?;
        for addition in &job.with {
            let path = addition.archive(&self.cache, &self.builder, &self.kernel)?;
            let mut added =
                File::open(&path).with_context(|| format!("opening {}", path.display()))?;
            std::io::copy(&mut added, &mut file)
                .with_context(|| format!("adding {} to the guest", path.display()))?;
        }
        file.flush().context("writing the initial root file system")
    }
}
