// SPDX-License-Identifier: MIT OR Apache-2.0
//! Checks that no source file of the product is too long.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::host::tree::collect_files;

/// The largest number of lines.
const LINES: usize = 450;
/// Directories of the product's sources.
const PRODUCT: &[&str] = &["board", "driver", "userland", "xtask", "tests/compliance"];
/// Directories below those, of files that are tests or that are generated.
const EXCEPTIONS: &[&str] = &["target", "tests"];

/// Fails if a Rust file of the product, other than an integration test, has too many lines.
pub(super) fn check(checkout: &Path) -> Result<()> {
    let mut long = Vec::new();
    for product in PRODUCT {
        let directory = checkout.join(product);
        let mut files = Vec::new();
        collect_files(&directory, &mut files)?;
        for file in files {
            let path = file.strip_prefix(&directory).unwrap_or(&file);
            if !is_product(path) {
                continue;
            }
            let text =
                fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
            let lines = text.lines().count();
            if lines > LINES {
                long.push(format!("{product}/{}: {lines} lines", path.display()));
            }
        }
    }
    if !long.is_empty() {
        bail!("split these files, which have more than {LINES} lines:\n{}", long.join("\n"));
    }
    Ok(())
}

/// Whether the file, relative to a directory of the product, belongs to the product.
fn is_product(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "rs")
        && !path.iter().any(|name| EXCEPTIONS.iter().any(|exception| name == *exception))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkout(lines: usize, file: &str) -> tempfile::TempDir {
        let checkout = tempfile::tempdir().unwrap();
        for product in PRODUCT {
            fs::create_dir_all(checkout.path().join(product)).unwrap();
        }
        let file = checkout.path().join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, "\n".repeat(lines)).unwrap();
        checkout
    }

    #[test]
    fn long_file_is_reported() {
        check(checkout(LINES, "driver/channel.rs").path()).unwrap();
        let error = check(checkout(LINES + 1, "driver/channel.rs").path()).unwrap_err();
        assert!(error.to_string().ends_with("\ndriver/channel.rs: 451 lines"), "{error}");
    }

    #[test]
    fn integration_tests_and_other_files_may_be_long() {
        for file in ["board/abi/tests/ring.rs", "tests/lifecycle.rs", "driver/shim.c"] {
            check(checkout(LINES + 1, file).path()).unwrap();
        }
    }
}
