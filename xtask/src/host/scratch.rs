// SPDX-License-Identifier: MIT OR Apache-2.0
//! Directories that are removed when they are no longer needed.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::cache::Cache;

/// A directory that is removed when dropped.
#[derive(Debug)]
pub(crate) struct Scratch {
    path: PathBuf,
}

impl Scratch {
    pub(crate) fn new(cache: &Cache) -> Result<Self> {
        let path = cache.path().join(format!("guest-{}", std::process::id()));
        fs::create_dir_all(&path).with_context(|| format!("making {}", path.display()))?;
        Ok(Self { path })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left would only take room.
        let _ = fs::remove_dir_all(&self.path);
    }
}
