// SPDX-License-Identifier: MIT OR Apache-2.0
//! The source of the kernel: downloaded, or the user's own.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::VERSION;
use crate::builder::Builder;
use crate::host::cache::Cache;
use crate::host::progress::{Step, log_tail, say};

/// The directory with the tarball and its checksums.
const TARBALLS: &str = "https://cdn.kernel.org/pub/linux/kernel/v7.x";
/// The Debian package of the same version.
const PACKAGE: &str = "linux-source-7.3";
/// Exit status of `fetch-tarball`: the server cannot be reached.
const UNREACHABLE: i32 = 3;
/// Exit status of `fetch-tarball`: the checksum is wrong.
const MISMATCH: i32 = 4;
const FETCH_TARBALL: &str = include_str!("../../kernel/fetch-tarball");
const FETCH_PACKAGE: &str = include_str!("../../kernel/fetch-package");

#[derive(Debug)]
pub(super) struct Source {
    /// The origin of the source, which is a part of the kernel's key.
    pub(super) origin: String,
    pub(super) tree: PathBuf,
}

impl Source {
    /// Returns the user's own source, or the one in the cache, which is downloaded if necessary.
    pub(super) fn ready(cache: &Cache, builder: &Builder, own: Option<&Path>) -> Result<Self> {
        if let Some(tree) = own {
            let makefile = fs::read_to_string(tree.join("Makefile")).with_context(|| {
                format!("KERNEL_SRC={} contains no kernel source", tree.display())
            })?;
            let origin = format!("{}\n{makefile}", tree.display());
            return Ok(Self { origin, tree: tree.to_owned() });
        }
        let directory = cache.directory(&format!("linux-{VERSION}"), |part| {
            fs::create_dir_all(part).with_context(|| format!("making {}", part.display()))?;
            fetch(cache, builder, part)
        })?;
        let origin = fs::read_to_string(directory.join("origin"))
            .context("reading the origin of the kernel source")?;
        Ok(Self { origin, tree: directory.join("tree") })
    }
}

fn fetch(cache: &Cache, builder: &Builder, part: &Path) -> Result<()> {
    let inside = builder.inside(part)?;
    let argument = |text: &str| PathBuf::from(text);

    let log = cache.log("linux-tarball");
    let step = Step::long(&format!("downloading Linux {VERSION} from kernel.org"), "150 MB, once");
    let status = step.status(
        &mut builder.script(FETCH_TARBALL, [inside.clone(), argument(VERSION), argument(TARBALLS)]),
        &log,
    )?;
    drop(step);
    let origin = match status.code() {
        Some(0) => "kernel.org",
        Some(UNREACHABLE) => {
            say("kernel.org cannot be reached: using the Debian package of the same version");
            let step =
                Step::long(&format!("downloading the Debian package {PACKAGE}"), "167 MB, once");
            step.run(
                &mut builder.script(FETCH_PACKAGE, [inside, argument(VERSION), argument(PACKAGE)]),
                &cache.log("linux-package"),
            )
            .with_context(|| {
                format!(
                    "cannot download Linux {VERSION}: check the network, or set KERNEL_SRC to its source directory"
                )
            })?;
            step.done();
            "package"
        }
        Some(MISMATCH) => bail!(
            "the tarball of Linux {VERSION} has a wrong checksum: try again, or set KERNEL_SRC to its source directory\n{}",
            log_tail(&log)
        ),
        _ => bail!("downloading Linux {VERSION} failed ({status})\n{}", log_tail(&log)),
    };
    fs::write(part.join("origin"), origin).context("recording the origin of the kernel source")
}
