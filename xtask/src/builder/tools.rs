// SPDX-License-Identifier: MIT OR Apache-2.0
//! A second root file system, with Debian's tools for one kind of check. The builder does not have
//! them, because everything that it built would be built again.

use std::path::Path;

use anyhow::Result;

use super::entry::Entry;
use super::{Builder, CACHE, mmdebstrap};
use crate::host::cache::{Cache, Key};
use crate::host::progress::Step;

const SUITE: &str = "trixie";
/// Makes mount points. `$1` is the root.
const MOUNT_POINTS: &str = r#"mkdir -p "$1/src" "$1/cache" && rm -f "$1/etc/resolv.conf" && touch "$1/etc/resolv.conf" "$1/etc/pip.conf""#;

/// Returns a root file system with the packages, which is made if the cache does not have it.
pub(crate) fn ready(
    cache: &Cache,
    checkout: &Path,
    name: &str,
    packages: &[&str],
) -> Result<Builder> {
    let key = Key::of([SUITE, MOUNT_POINTS].iter().chain(packages));
    let root = cache.directory(&format!("{name}-root-{key}"), |part| {
        let reason = "about 2 minutes and 1 GB, once";
        let step = Step::long(&format!("installing Debian's tools for {name}"), reason);
        let mut command = mmdebstrap(cache)?;
        command.args(["--variant=apt", "--dpkgopt=force-unsafe-io"]);
        command.arg("--aptopt=APT::Install-Recommends \"false\"");
        command.arg("--dpkgopt=path-exclude=/usr/share/doc/*");
        command.arg(format!("--include={}", packages.join(",")));
        command.arg(format!("--customize-hook={MOUNT_POINTS}"));
        command.arg("--customize-hook=chroot \"$1\" rm -rf /var/cache/apt/archives");
        command.arg(SUITE).arg(part);
        step.run(&mut command, &cache.log(&format!("{name}-root")))?;
        step.done();
        Ok(())
    })?;
    let mounts = vec![(checkout.to_owned(), "/src"), (cache.path().to_owned(), CACHE)];
    Ok(Builder { key, root, entry: Entry::allowed()?, mounts })
}
