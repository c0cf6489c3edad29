// SPDX-License-Identifier: MIT OR Apache-2.0
//! An SD card's image, booted in QEMU as the board's firmware would boot it: with the kernel, the
//! device tree, the overlays and the command line that lie on the card.

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
/// Where a card says what lies where: four entries of 16 bytes.
const PARTITIONS: u64 = 446;
/// The types of a FAT partition.
const FAT: &[u8] = &[0x0b, 0x0c, 0x0e];
/// QEMU's cards have a size that is a power of two, and hardware's are larger than any image.
const CARD_BYTES_MIN: u64 = 256 << 20;
/// The status that a login shell is asked to tell.
const STATUS: &str = "status=";

/// The files of the card's boot partition.
struct Boot {
    files: fatfs::FileSystem<Cursor<Vec<u8>>>,
}

impl Boot {
    fn open(image: &Path) -> Result<Self> {
        let mut file = File::open(image).with_context(|| format!("opening {}", image.display()))?;
        let refuse = || format!("{} is no image of an SD card", image.display());
        let mut sector = [0; SECTOR as usize];
        file.read_exact(&mut sector).with_context(refuse)?;
        let entry = &sector[PARTITIONS as usize..][..16];
        if sector[510..] != [0x55, 0xaa] || !FAT.contains(&entry[4]) {
            bail!("{}: its first partition is no FAT", refuse());
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
        String::from_utf8(self.read(path)?).with_context(|| format!("{path} is no text"))
    }
}

/// What config.txt says, as far as it matters to a boot without firmware.
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

/// Boots the image, logs in as root on the serial console, and runs the command there.
///
/// What it prints is for `output` to read, up to the line that ends it. The image itself stays as
/// it is. The result is the command's exit status.
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
            "the image's kernel complained:\n{}\nits whole console: {}",
            complaints.join("\n"),
            console.display()
        );
    }
    if matches!(ended.code(), Some(124 | 137)) {
        say(format_args!(
            "the board did not end within {seconds} s: --timeout allows more\n{}",
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

    // As for any guest: in the foreground, and by force where it does not end by itself.
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

/// A copy on a card of its own, with room behind it and holes where the image is empty.
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
    let length = file.metadata().context("asking for the card's size")?.len();
    file.set_len((length + 1).next_power_of_two().max(CARD_BYTES_MIN)).context("padding the card")
}

/// The serial console, with a login on it.
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
        // What we write is not sent back, and lines end as the command ends them.
        self.say("stty -echo -opost; dmesg -n 1")?;
        self.wait_for("# ")?;
        // In octal: what is written here must not be taken for what is printed.
        let mark: String = MARK.iter().map(|byte| format!("\\{byte:03o}")).collect();
        self.say(&format!("printf '{mark}'; {command}; echo {STATUS}$?; poweroff"))?;
        skip_mark(&mut self.output)?;
        let mut until = UntilStatus { from: self.output, line: Vec::new(), at: 0, status: None };
        output(&mut until)?;
        let status = until.status.take();
        // QEMU ends with the board, and not before it may write.
        std::io::copy(&mut until.from, &mut std::io::sink()).context("reading the console")?;
        match status {
            Some(status) => Ok(status),
            None => {
                say("the board ended before the command did");
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
                    "the console never said {words:?}; its last words: {:?}",
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

/// Reads lines up to the one that tells the status.
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
    fn config_is_what_the_firmware_would_do() {
        let text =
            "# words\nkernel=Image\n device_tree=a.dtb\ndtoverlay=x\n#dtoverlay=no\ndtoverlay=y\n";
        let config = Config::parse(text).unwrap();
        assert_eq!(config.kernel, "Image");
        assert_eq!(config.device_tree, "a.dtb");
        assert_eq!(config.overlays, ["x", "y"]);
        let error = Config::parse("kernel=Image\n").unwrap_err().to_string();
        assert!(error.contains("device_tree="), "{error}");
    }

    #[test]
    fn the_boards_config_is_complete() {
        let text = include_str!("../../../buildroot/board/rpi3/config.txt");
        let config = Config::parse(text).unwrap();
        assert_eq!(config.overlays, ["dmaframe"]);
    }

    #[test]
    fn lines_end_at_the_status() {
        let from: &[u8] = b"one\nstatus=x\nstatus=7\nafter\n";
        let mut until = UntilStatus { from, line: Vec::new(), at: 0, status: None };
        let mut text = String::new();
        until.read_to_string(&mut text).unwrap();
        assert_eq!(text, "one\nstatus=x\n");
        assert_eq!(until.status, Some(7));
        assert_eq!(until.from, b"after\n");
    }

    #[test]
    fn a_card_has_files() {
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
