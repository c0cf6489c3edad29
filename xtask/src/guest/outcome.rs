// SPDX-License-Identifier: MIT OR Apache-2.0
//! The result of a guest: the exit status of the command, and files. The guest writes them to its
//! SD card, as a tar archive.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// QEMU requires that the size of an SD card is a power of two. The file is sparse.
const CARD_BYTES: u64 = 1 << 30;

/// Makes an empty card.
pub(super) fn make_card(path: &Path) -> Result<()> {
    File::create(path).and_then(|file| file.set_len(CARD_BYTES)).context("making the guest's card")
}

/// Reads the exit status, if the guest wrote one, and extracts the files in `get`.
pub(super) fn read_card(card: &Path, get: &[(String, PathBuf)]) -> Result<Option<u8>> {
    let file = File::open(card).with_context(|| format!("opening {}", card.display()))?;
    let mut archive = tar::Archive::new(file);
    let mut status = None;
    let mut got = vec![false; get.len()];
    for entry in archive.entries().context("reading the guest's card")? {
        // A guest that stopped early wrote no archive, or a part of one.
        let Ok(mut entry) = entry else { break };
        let path = entry.path().context("reading the guest's card")?.to_string_lossy().into_owned();
        if path == "status" {
            let mut text = String::new();
            entry.read_to_string(&mut text).context("reading the guest's status")?;
            status = text.trim().parse().ok();
        } else if let Some(number) = path.strip_prefix("get/").and_then(|n| n.parse::<usize>().ok())
        {
            if let Some((_, to)) = get.get(number) {
                entry.unpack(to).with_context(|| format!("writing {}", to.display()))?;
                got[number] = true;
            }
        }
    }
    if status.is_some() {
        if let Some(missing) = got.iter().position(|got| !got) {
            bail!("the guest has no file {}", get[missing].0);
        }
    }
    Ok(status)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn card(files: &[(&str, &str)]) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("card");
        let mut archive = tar::Builder::new(File::create(&path).unwrap());
        for (name, text) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            archive.append_data(&mut header, name, text.as_bytes()).unwrap();
        }
        archive.into_inner().unwrap().set_len(1 << 20).unwrap();
        (directory, path)
    }

    #[test]
    fn status_and_files_are_read() {
        let (directory, path) = card(&[("status", "7\n"), ("get/0", "contents")]);
        let to = directory.path().join("got");
        assert_eq!(read_card(&path, &[("/tmp/x".into(), to.clone())]).unwrap(), Some(7));
        assert_eq!(fs::read_to_string(to).unwrap(), "contents");
    }

    #[test]
    fn error_names_a_missing_file() {
        let (directory, path) = card(&[("status", "0\n")]);
        let error =
            read_card(&path, &[("/tmp/x".into(), directory.path().join("got"))]).unwrap_err();
        assert_eq!(error.to_string(), "the guest has no file /tmp/x");
    }

    #[test]
    fn empty_card_has_no_status() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("card");
        File::create(&path).unwrap().set_len(1 << 20).unwrap();
        assert_eq!(read_card(&path, &[]).unwrap(), None);
    }
}
