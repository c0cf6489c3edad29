// SPDX-License-Identifier: MIT OR Apache-2.0
//! How a builder is entered: with which right.

use std::process::{Command, Stdio};

use anyhow::{Result, bail};
use nix::unistd::geteuid;

use crate::host::program::on_path;

/// Which right lets us mount and chroot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Root,
    /// Root only of a user namespace, where every file we make is our own.
    UserNamespace,
    Sudo,
}

impl Entry {
    /// What this machine allows.
    pub(super) fn allowed() -> Result<Self> {
        if geteuid().is_root() {
            return Ok(Self::Root);
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
            return Ok(Self::UserNamespace);
        }
        if on_path("sudo") {
            return Ok(Self::Sudo);
        }
        bail!("no right to mount: run as root, install sudo, or allow user namespaces")
    }
}
