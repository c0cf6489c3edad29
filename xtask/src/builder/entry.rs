// SPDX-License-Identifier: MIT OR Apache-2.0
//! The privilege with which xtask enters the builder.

use std::process::{Command, Stdio};

use anyhow::{Result, bail};
use nix::unistd::geteuid;

use crate::host::program::on_path;

/// The privilege that allows mount(2) and chroot(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Root,
    /// Root of a user namespace. Files that are made there belong to the user.
    UserNamespace,
    Sudo,
}

impl Entry {
    /// The first of them that the host allows.
    pub(super) fn allowed() -> Result<Self> {
        if geteuid().is_root() {
            return Ok(Self::Root);
        }
        // Some systems allow the namespace but no mount in it.
        let namespace = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "--fork", "--pid"])
            .args(["mount", "-t", "proc", "proc", "/proc"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if namespace.is_ok_and(|status| status.success()) {
            return Ok(Self::UserNamespace);
        }
        if on_path("sudo") {
            return Ok(Self::Sudo);
        }
        bail!(
            "xtask has no privilege to mount: run it as root, install sudo, or allow user namespaces"
        )
    }
}
