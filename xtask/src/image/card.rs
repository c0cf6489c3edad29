// SPDX-License-Identifier: MIT OR Apache-2.0
//! Boots an SD card image in QEMU with the kernel, device tree, overlays and command line that the
//! image contains, as the firmware of the board does.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Cursor, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::builder::Builder;
use crate::guest::console::{complaints, tail};
use crate::guest::device_tree;
use crate::guest::output::{MARK, skip_mark};
use crate::guest::{GUEST_FAILED, TIMED_OUT};
use crate::host::cache::Cache;
use crate::host::progress::say;
use crate::host::scratch::Scratch;

const SECTOR: u64 = 512;
/// Offset of the partition table, which has four entries of 16 bytes.
const PARTITIONS: u64 = 446;
/// Partition types of FAT file systems.
const FAT: &[u8] = &[0x0b, 0x0c, 0x0e];
/// Minimum size of the emulated card. QEMU requires a power of two.
const CARD_BYTES_MIN: u64 = 256 << 20;
/// The shell on the console prints the exit status of the command after this text.
const STATUS: &str = "status=";

/// The boot partition of an SD card image.
struct Boot {
    files: fatfs::FileSystem<Cursor<Vec<u8>>>,
}

impl Boot {
    fn open(image: &Path) -> Result<Self> {
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

    fn read(&self, path: &str) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.files
            .root_dir()
            .open_file(path)
            .and_then(|mut file| file.read_to_end(&mut bytes))
            .with_context(|| format!("reading {path} from the card's boot partition"))?;
        Ok(bytes)
    }

    fn text(&self, path: &str) -> Result<String> {
        String::from_utf8(self.read(path)?).with_context(|| format!("{path} is not UTF-8 text"))
    }
}

/// The settings in config.txt that are needed to boot without the firmware.
#[derive(Debug, PartialEq, Eq)]
struct Config {
    kernel: String,
    device_tree: String,
    overlays: Vec<String>,
}

impl Config {
    fn parse(text: &str) -> Result<Self> {
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
        Ok(Self { kernel: value("kernel")?, device_tree: value("device_tree")?, overlays })
    }
}

/// Boots the image, logs in as root on the serial console, runs the command and returns its exit
/// status.
///
/// `output` reads what the command prints. The image is not changed.
pub(crate) fn run(
    checkout: &Path,
    image: &Path,
    command: &str,
    seconds: u64,
    output: impl FnOnce(&mut dyn BufRead) -> Result<()>,
) -> Result<u8> {
    let cache = Cache::open()?;
    let builder = Builder::ready(&cache, checkout, None)?;
    let work = Scratch::new(&cache)?;
    let console = checkout.join("target/log/card.log");
    fs::create_dir_all(checkout.join("target/log")).context("making target/log")?;
    File::create(&console).with_context(|| format!("creating {}", console.display()))?;

    let mut qemu = qemu(&builder, image, work.path(), &console, seconds)?;
    let mut child =
        qemu.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("starting QEMU")?;
    let status = match (child.stdin.take(), child.stdout.take()) {
        (Some(input), Some(stdout)) => {
            Console { input, output: BufReader::new(stdout) }.perform(command, output)
        }
        _ => bail!("QEMU has no console"),
    };
    let ended = child.wait().context("waiting for QEMU")?;

    let log = fs::read(&console).with_context(|| format!("reading {}", console.display()))?;
    let log = String::from_utf8_lossy(&log);
    let complaints = complaints(&log);
    if !complaints.is_empty() {
        bail!(
            "the kernel of the image reported problems:\n{}\nthe complete console log: {}",
            complaints.join("\n"),
            console.display()
        );
    }
    if matches!(ended.code(), Some(124 | 137)) {
        say(format_args!(
            "the board did not finish within {seconds} s: increase the limit with --timeout\n{}",
            tail(&log, &console)
        ));
        return Ok(TIMED_OUT);
    }
    status.with_context(|| tail(&log, &console))
}

fn qemu(
    builder: &Builder,
    image: &Path,
    work: &Path,
    console: &Path,
    seconds: u64,
) -> Result<Command> {
    let inside = |path: &Path| builder.inside(path).map(|path| path.display().to_string());
    let boot = Boot::open(image)?;
    let config = Config::parse(&boot.text("config.txt")?)?;
    let keep = |path: &str, name: &str| -> Result<PathBuf> {
        let to = work.join(name);
        fs::write(&to, boot.read(path)?).with_context(|| format!("writing {}", to.display()))?;
        Ok(to)
    };
    let kernel = keep(&config.kernel, "kernel")?;
    let base = keep(&config.device_tree, "base.dtb")?;
    let mut overlays = Vec::new();
    for name in &config.overlays {
        overlays.push(keep(&format!("overlays/{name}.dtbo"), &format!("{name}.dtbo"))?);
    }
    let tree = work.join("board.dtb");
    device_tree::apply(builder, &base, &overlays, &tree)?;

    let card = work.join("card");
    copy_sparse(image, &card)?;

    // See `Guest::qemu` for the options of timeout(1).
    let mut qemu = builder.command("timeout");
    qemu.args(["--foreground", "-k", "5", &seconds.to_string(), "qemu-system-aarch64"]);
    qemu.args(["-M", "raspi3b", "-display", "none", "-no-reboot"]);
    qemu.args(["-kernel", &inside(&kernel)?, "-dtb", &inside(&tree)?]);
    qemu.args(["-append", boot.text("cmdline.txt")?.trim()]);
    qemu.arg("-drive").arg(format!("file={},if=sd,format=raw,cache=unsafe", inside(&card)?));
    qemu.arg("-serial").arg(format!("file:{}", inside(console)?));
    qemu.args(["-chardev", "stdio,id=mini,signal=off", "-monitor", "none"]);
    qemu.args(["-serial", "chardev:mini"]);
    Ok(qemu)
}

/// Copies the image to a sparse file whose size is a power of two.
fn copy_sparse(from: &Path, to: &Path) -> Result<()> {
    let copied = Command::new("cp")
        .args(["--sparse=always", "--"])
        .args([from, to])
        .status()
        .context("starting cp")?;
    if !copied.success() {
        bail!("cannot copy {} to {}", from.display(), to.display());
    }
    let file = File::options().write(true).open(to).context("opening the card")?;
    let length = file.metadata().context("reading the size of the card")?.len();
    file.set_len((length + 1).next_power_of_two().max(CARD_BYTES_MIN)).context("padding the card")
}

/// The serial console of the board.
struct Console {
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Console {
    fn perform(
        mut self,
        command: &str,
        output: impl FnOnce(&mut dyn BufRead) -> Result<()>,
    ) -> Result<u8> {
        self.wait_for("login: ")?;
        self.say("root")?;
        self.wait_for("# ")?;
        // No echo of what is written, and no translation of line ends.
        self.say("stty -echo -opost; dmesg -n 1")?;
        self.wait_for("# ")?;
        // Octal escapes, so that an echo of this line does not contain the mark.
        let mark: String = MARK.iter().map(|byte| format!("\\{byte:03o}")).collect();
        self.say(&format!("printf '{mark}'; {command}; echo {STATUS}$?; poweroff"))?;
        skip_mark(&mut self.output)?;
        let mut until = UntilStatus { from: self.output, line: Vec::new(), at: 0, status: None };
        output(&mut until)?;
        let status = until.status.take();
        // QEMU exits when the board powers off, and blocks if nobody reads its output.
        std::io::copy(&mut until.from, &mut std::io::sink()).context("reading the console")?;
        match status {
            Some(status) => Ok(status),
            None => {
                say("the board stopped before the command finished");
                Ok(GUEST_FAILED)
            }
        }
    }

    fn say(&mut self, line: &str) -> Result<()> {
        writeln!(self.input, "{line}")
            .and_then(|()| self.input.flush())
            .context("writing to the console")
    }

    fn wait_for(&mut self, words: &str) -> Result<()> {
        let mut seen = Vec::new();
        let mut byte = [0];
        while !seen.ends_with(words.as_bytes()) {
            if self.output.read(&mut byte).context("reading the console")? == 0 {
                bail!(
                    "the console did not print {words:?}; its last output: {:?}",
                    last(&String::from_utf8_lossy(&seen))
                );
            }
            seen.push(byte[0]);
        }
        Ok(())
    }
}

fn last(words: &str) -> String {
    words.chars().skip(words.chars().count().saturating_sub(200)).collect()
}

/// Reads lines up to the one with the exit status.
struct UntilStatus<R> {
    from: R,
    line: Vec<u8>,
    at: usize,
    status: Option<u8>,
}

impl<R: BufRead> Read for UntilStatus<R> {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        let length = self.fill_buf()?.read(to)?;
        self.consume(length);
        Ok(length)
    }
}

impl<R: BufRead> BufRead for UntilStatus<R> {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        if self.at == self.line.len() && self.status.is_none() {
            self.line.clear();
            self.at = 0;
            self.from.read_until(b'\n', &mut self.line)?;
            let text = String::from_utf8_lossy(&self.line);
            let status = text.strip_prefix(STATUS).and_then(|text| text.trim_end().parse().ok());
            if status.is_some() {
                self.status = status;
                self.line.clear();
            }
        }
        Ok(&self.line[self.at..])
    }

    fn consume(&mut self, length: usize) {
        self.at += length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn config_is_parsed() {
        let text = "# comment\nkernel=Image\n device_tree=a.dtb\ndtoverlay=x\n#dtoverlay=no\ndtoverlay=y\n";
        let config = Config::parse(text).unwrap();
        assert_eq!(config.kernel, "Image");
        assert_eq!(config.device_tree, "a.dtb");
        assert_eq!(config.overlays, ["x", "y"]);
        let error = Config::parse("kernel=Image\n").unwrap_err().to_string();
        assert!(error.contains("device_tree="), "{error}");
    }

    #[test]
    fn config_of_the_image_is_complete() {
        let text = include_str!("../../../buildroot/board/rpi3/config.txt");
        let config = Config::parse(text).unwrap();
        assert_eq!(config.overlays, ["dmaframe"]);
    }

    #[test]
    fn output_ends_at_the_status() {
        let from: &[u8] = b"one\nstatus=x\nstatus=7\nafter\n";
        let mut until = UntilStatus { from, line: Vec::new(), at: 0, status: None };
        let mut text = String::new();
        until.read_to_string(&mut text).unwrap();
        assert_eq!(text, "one\nstatus=x\n");
        assert_eq!(until.status, Some(7));
        assert_eq!(until.from, b"after\n");
    }

    #[test]
    fn files_are_read_and_the_image_is_copied() {
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

        let copy = directory.path().join("copy");
        copy_sparse(&path, &copy).unwrap();
        assert_eq!(fs::metadata(&copy).unwrap().len(), CARD_BYTES_MIN);

        fs::write(&path, "words").unwrap();
        assert!(Boot::open(&path).is_err());
    }
}
