// SPDX-License-Identifier: MIT OR Apache-2.0
//! File locks between xtask processes.

use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result};
use nix::fcntl::{Flock, FlockArg};

use super::progress::say;

/// An exclusive file lock. Dropping it releases the lock.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: Flock<File>,
}

impl Lock {
    /// Takes the lock. If another process holds it, prints a message and waits.
    pub(crate) fn exclusive(path: &Path) -> Result<Self> {
        let file = File::options()
            .create(true)
            .write(true)
            .truncate(false)
            .open(path)
            .with_context(|| format!("opening the lock {}", path.display()))?;
        let locked = Flock::lock(file, FlockArg::LockExclusiveNonblock).or_else(|(file, _)| {
            say(format_args!("waiting for another xtask process, which holds {}", path.display()));
            Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, error)| error)
        });
        let file = locked.with_context(|| format!("locking {}", path.display()))?;
        Ok(Self { _file: file })
    }
}
