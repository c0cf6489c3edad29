// SPDX-License-Identifier: MIT OR Apache-2.0
//! Locks between the xtasks that run on one machine.

use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result};
use nix::fcntl::{Flock, FlockArg};

use super::progress::say;

/// A file lock, held until it is dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: Flock<File>,
}

impl Lock {
    /// Waits, saying so, until no other process holds the lock.
    pub(crate) fn exclusive(path: &Path) -> Result<Self> {
        let file = File::options()
            .create(true)
            .write(true)
            .truncate(false)
            .open(path)
            .with_context(|| format!("opening the lock {}", path.display()))?;
        let locked = Flock::lock(file, FlockArg::LockExclusiveNonblock).or_else(|(file, _)| {
            say(format_args!("waiting for another xtask, which holds {}", path.display()));
            Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, error)| error)
        });
        let file = locked.with_context(|| format!("locking {}", path.display()))?;
        Ok(Self { _file: file })
    }
}
