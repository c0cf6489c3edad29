// SPDX-License-Identifier: MIT OR Apache-2.0
//! The boot partition of an SD card image: its files, and the settings in config.txt.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Cursor, Read, Seek, SeekFrom};
use std::path::Path;

use anyhow::{Context, Result, bail};

const SECTOR: u64 = 512;
/// Offset of the partition table, which has four entries of 16 bytes.
const PARTITIONS: u64 = 446;
/// Partition types of FAT file systems.
const FAT: &[u8] = &[0x0b, 0x0c, 0x0e];

/// The boot partition of an SD card image.
pub(super) struct Boot {
    files: fatfs::FileSystem<Cursor<Vec<u8>>>,
}

impl Boot {
    pub(super) fn open(image: &Path) -> Result<Self> {
        let mut file = File::open(image).with_context(|| format!("opening {}", image.display()))?;
        let refuse = || format!("{} is not an SD card image", image.display());
        let mut sector = [0; SECTOR as usize];
        file.read_exact(&mut sector).with_context(refuse)?;
        let entry = &sector[PARTITIONS as usize..][..16];
        if sector[510..] != [0x55, 0xaa] || !FAT.contains(&entry[4]) {
            bail!("{}: the first partition is not FAT", refuse());
        }
        let word = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|byte| entry[at + byte]));
        let (start, length) = (u64::from(word(8)) * SECTOR, u64::from(word(12)) * SECTOR);
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(start)).with_context(refuse)?;
        file.take(length).read_to_end(&mut bytes).with_context(refuse)?;
        let files = fatfs::FileSystem::new(Cursor::new(bytes), fatfs::FsOptions::new())
            .with_context(refuse)?;
        Ok(Self { files })
    }

    pub(super) fn read(&self, path: &str) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.files
            .root_dir()
            .open_file(path)
            .and_then(|mut file| file.read_to_end(&mut bytes))
            .with_context(|| format!("reading {path} from the card's boot partition"))?;
        Ok(bytes)
    }

    pub(super) fn text(&self, path: &str) -> Result<String> {
        String::from_utf8(self.read(path)?).with_context(|| format!("{path} is not UTF-8 text"))
    }
}

/// The settings in config.txt that are needed to boot without the firmware.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Config {
    pub(super) kernel: String,
    pub(super) device_tree: String,
    pub(super) overlays: Vec<String>,
}

impl Config {
    pub(super) fn parse(text: &str) -> Result<Self> {
        let mut values = HashMap::new();
        let mut overlays = Vec::new();
        for line in text.lines().map(str::trim) {
            match line.split_once('=') {
                _ if line.starts_with('#') => {}
                Some(("dtoverlay", name)) => overlays.push(name.to_owned()),
                Some((name, value)) => {
                    values.insert(name, value);
                }
                None => {}
            }
        }
        let value = |name: &str| {
            let value = values.get(name).with_context(|| format!("config.txt has no {name}="));
            value.map(|value| (*value).to_owned())
        };
        // Without this setting, the firmware selects the device tree of its board.
        let device_tree = match value("device_tree") {
            Ok(name) => name,
            Err(_) => format!("{}.dtb", crate::kernel::BOARDS[0]),
        };
        Ok(Self { kernel: value("kernel")?, device_tree, overlays })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::*;

    #[test]
    fn config_is_parsed() {
        let text = "# comment\nkernel=Image\n device_tree=a.dtb\ndtoverlay=x\n#dtoverlay=no\ndtoverlay=y\n";
        let config = Config::parse(text).unwrap();
        assert_eq!(config.kernel, "Image");
        assert_eq!(config.device_tree, "a.dtb");
        assert_eq!(config.overlays, ["x", "y"]);
        let config = Config::parse("kernel=Image\n").unwrap();
        assert_eq!(config.device_tree, "bcm2837-rpi-3-b.dtb");
        let error = Config::parse("device_tree=a.dtb\n").unwrap_err().to_string();
        assert!(error.contains("kernel="), "{error}");
    }

    #[test]
    fn config_of_the_image_is_complete() {
        let text = include_str!("../../../buildroot/board/rpi3/config.txt");
        let config = Config::parse(text).unwrap();
        assert_eq!(config.overlays, ["dmaframe"]);
        // A card that names one device tree would start on one board only.
        assert!(!text.contains("device_tree="));
    }

    #[test]
    fn image_has_the_device_tree_of_each_board() {
        let defconfig = include_str!("../../../buildroot/configs/dmaframe_rpi3_defconfig");
        let trees: Vec<_> =
            crate::kernel::BOARDS.iter().map(|board| format!("broadcom/{board}")).collect();
        let line = format!("BR2_LINUX_KERNEL_INTREE_DTS_NAME=\"{}\"", trees.join(" "));
        assert!(defconfig.lines().any(|have| have == line), "{line}");
        let script = include_str!("../../../buildroot/board/rpi3/post-image.sh");
        for tree in crate::kernel::BOARDS.iter().map(|board| format!("{board}.dtb")) {
            assert!(script.split_whitespace().any(|word| word == tree), "{tree}");
        }
    }

    #[test]
    fn root_is_found_by_the_signature_of_the_card() {
        let layout = include_str!("../../../buildroot/board/rpi3/genimage.cfg.in");
        let signature = layout.split_once("disk-signature = 0x").unwrap().1;
        let signature = signature.split_once('\n').unwrap().0;
        let parameters = include_str!("../../../buildroot/board/rpi3/cmdline.txt");
        assert!(parameters.contains(&format!(" root=PARTUUID={signature}-02 ")));
    }

    #[test]
    fn files_of_the_boot_partition_are_read() {
        const START: usize = 2048;
        let mut fat = Cursor::new(vec![0; 4 << 20]);
        fatfs::format_volume(&mut fat, fatfs::FormatVolumeOptions::new()).unwrap();
        {
            let files = fatfs::FileSystem::new(&mut fat, fatfs::FsOptions::new()).unwrap();
            let overlays = files.root_dir().create_dir("overlays").unwrap();
            overlays.create_file("dmaframe.dtbo").unwrap().write_all(b"overlay").unwrap();
        }
        let mut image = vec![0; START * SECTOR as usize];
        image[510..512].copy_from_slice(&[0x55, 0xaa]);
        let entry = &mut image[PARTITIONS as usize..][..16];
        entry[4] = 0x0c;
        entry[8..12].copy_from_slice(&(START as u32).to_le_bytes());
        entry[12..16].copy_from_slice(&((4 << 20) / SECTOR as u32).to_le_bytes());
        image.extend(fat.into_inner());
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("card");
        fs::write(&path, &image).unwrap();

        let boot = Boot::open(&path).unwrap();
        assert_eq!(boot.read("overlays/dmaframe.dtbo").unwrap(), b"overlay");
        assert!(boot.read("none").is_err());

        fs::write(&path, "words").unwrap();
        assert!(Boot::open(&path).is_err());
    }
}
