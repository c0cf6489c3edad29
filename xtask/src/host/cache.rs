// SPDX-License-Identifier: MIT OR Apache-2.0
//! The cache: slow builds, kept outside the checkout. The name of each contains a hash of its
//! inputs.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use nix::sys::statvfs::statvfs;
use sha2::{Digest, Sha256};

use super::lock::Lock;

/// Hexadecimal digits of a key.
const KEY_DIGITS: usize = 12;

/// The hash of the inputs of a build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key(String);

impl Key {
    /// Hashes the inputs. Their order matters.
    pub(crate) fn of<I: AsRef<[u8]>>(inputs: impl IntoIterator<Item = I>) -> Self {
        let mut hash = Sha256::new();
        for input in inputs {
            let input = input.as_ref();
            // Without the length, "ab", "c" and "a", "bc" would have the same hash.
            hash.update((input.len() as u64).to_le_bytes());
            hash.update(input);
        }
        let hex: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Self(hex[..KEY_DIGITS].to_owned())
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The cache directory.
#[derive(Clone, Debug)]
pub(crate) struct Cache {
    path: PathBuf,
}

impl Cache {
    /// `$DMAFRAME_CACHE`, else `$XDG_CACHE_HOME/dmaframe`, else `~/.cache/dmaframe`.
    pub(crate) fn open() -> Result<Self> {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let path = if let Some(path) = variable("DMAFRAME_CACHE") {
            PathBuf::from(path)
        } else if let Some(path) = variable("XDG_CACHE_HOME") {
            Path::new(&path).join("dmaframe")
        } else if let Some(home) = variable("HOME") {
            Path::new(&home).join(".cache/dmaframe")
        } else {
            bail!(
                "no directory for the cache: set DMAFRAME_CACHE to a directory with 12 GB of free space"
            );
        };
        fs::create_dir_all(&path).with_context(|| {
            format!(
                "creating the cache directory {}: set DMAFRAME_CACHE to a directory you can write to",
                path.display()
            )
        })?;
        let path = path.canonicalize().with_context(|| format!("resolving {}", path.display()))?;
        Ok(Self { path })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The log file of the step `name`.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.path.join("log").join(format!("{name}.log"))
    }

    /// Returns the directory `name` of the cache. If it does not exist, calls `make` first.
    ///
    /// `make` gets the path of a temporary directory, which is renamed when `make` succeeds. The
    /// path may exist: it holds what an interrupted attempt left there.
    pub(crate) fn directory(
        &self,
        name: &str,
        make: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let complete = self.path.join(name);
        if complete.exists() {
            return Ok(complete);
        }
        let _lock = Lock::exclusive(&self.path.join(format!("{name}.lock")))?;
        if !complete.exists() {
            let part = self.path.join(format!("{name}.part"));
            make(&part)?;
            fs::rename(&part, &complete).with_context(|| {
                format!("renaming {} to {}", part.display(), complete.display())
            })?;
        }
        Ok(complete)
    }

    /// Fails if the cache's file system has less free space than this. `what` needs the space.
    pub(crate) fn need_free(&self, gigabytes: u64, what: &str) -> Result<()> {
        let stat = statvfs(&self.path)
            .with_context(|| format!("reading the free space of {}", self.path.display()))?;
        let free = stat.blocks_available() * stat.fragment_size() / 1_000_000_000;
        if free < gigabytes {
            bail!(
                "{what} needs {gigabytes} GB of free space in {}, which has {free} GB: free some, or set DMAFRAME_CACHE to another directory",
                self.path.display()
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache() -> (tempfile::TempDir, Cache) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().to_owned();
        (directory, Cache { path })
    }

    #[test]
    fn key_depends_on_each_input() {
        assert_eq!(Key::of(["a", "b"]), Key::of(["a", "b"]));
        assert_ne!(Key::of(["ab", "c"]), Key::of(["a", "bc"]));
        assert_ne!(Key::of(["a"]), Key::of(["a", ""]));
        assert_eq!(Key::of(["a"]).to_string().len(), KEY_DIGITS);
    }

    #[test]
    fn directory_is_made_once() {
        let (_keep, cache) = cache();
        let made = cache.directory("x", |part| Ok(fs::create_dir(part)?)).unwrap();
        assert!(made.is_dir());
        cache.directory("x", |_| bail!("made twice")).unwrap();
    }

    #[test]
    fn interrupted_directory_is_resumed() {
        let (_keep, cache) = cache();
        let failed = cache.directory("x", |part| {
            fs::create_dir(part)?;
            fs::write(part.join("half"), "")?;
            bail!("interrupted")
        });
        assert!(failed.is_err());
        assert!(!cache.path().join("x").exists());
        let made = cache.directory("x", |part| {
            assert!(part.join("half").exists());
            Ok(())
        });
        assert!(made.unwrap().join("half").exists());
    }

    #[test]
    fn lack_of_space_is_reported_on_one_line() {
        let (_keep, cache) = cache();
        let error = cache.need_free(u64::MAX, "the builder").unwrap_err().to_string();
        assert!(error.starts_with("the builder needs"), "{error}");
        assert!(!error.contains('\n'));
    }
}
