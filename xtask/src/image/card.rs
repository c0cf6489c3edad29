// SPDX-License-Identifier: MIT OR Apache-2.0
//! Boots an SD card image in QEMU with the kernel, device tree, overlays and command line that the
//! image contains, as the firmware of the board does.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::boot_partition::{Boot, Config};
use super::console::Console;
use crate::builder::Builder;
use crate::guest::console::{complaints, tail};
use crate::guest::{TIMED_OUT, counted_clock, device_tree};
use crate::host::cache::Cache;
use crate::host::progress::say;
use crate::host::scratch::Scratch;

/// Minimum size of the emulated card. QEMU requires a power of two.
const CARD_BYTES_MIN: u64 = 256 << 20;

/// What to do with a card image.
pub(crate) struct Job<'a> {
    pub(crate) image: &'a Path,
    /// A command for the shell of the image.
    pub(crate) command: &'a str,
    /// Seconds after which the board is killed.
    pub(crate) seconds: u64,
    /// Parameters for the kernel in addition to cmdline.txt.
    pub(crate) parameters: &'a str,
    /// Whether the clock of the board counts instructions instead of following the clock of the
    /// host.
    pub(crate) counted: bool,
}

/// Boots the image, logs in as root on the serial console, runs the command and returns its exit
/// status.
///
/// `output` reads what the command prints. The image is not changed.
pub(crate) fn run(
    checkout: &Path,
    job: &Job<'_>,
    output: impl FnOnce(&mut dyn BufRead) -> Result<()>,
) -> Result<u8> {
    let cache = Cache::open()?;
    let builder = Builder::ready(&cache, checkout, None)?;
    let work = Scratch::new(&cache)?;
    let console = checkout.join("target/log/card.log");
    fs::create_dir_all(checkout.join("target/log")).context("making target/log")?;
    File::create(&console).with_context(|| format!("creating {}", console.display()))?;

    let mut qemu = qemu(&builder, job, work.path(), &console)?;
    let mut child =
        qemu.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("starting QEMU")?;
    let status = match (child.stdin.take(), child.stdout.take()) {
        (Some(input), Some(stdout)) => {
            Console { input, output: BufReader::new(stdout) }.perform(job.command, output)
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
            "the board did not finish within {} s: increase the limit with --timeout\n{}",
            job.seconds,
            tail(&log, &console)
        ));
        return Ok(TIMED_OUT);
    }
    status.with_context(|| tail(&log, &console))
}

fn qemu(builder: &Builder, job: &Job<'_>, work: &Path, console: &Path) -> Result<Command> {
    let inside = |path: &Path| builder.inside(path).map(|path| path.display().to_string());
    let boot = Boot::open(job.image)?;
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
    copy_sparse(job.image, &card)?;

    // See `Guest::qemu` for the options of timeout(1).
    let mut qemu = builder.command("timeout");
    qemu.args(["--foreground", "-k", "5", &job.seconds.to_string(), "qemu-system-aarch64"]);
    qemu.args(["-M", "raspi3b", "-display", "none", "-no-reboot"]);
    qemu.args(["-kernel", &inside(&kernel)?, "-dtb", &inside(&tree)?]);
    let parameters = format!("{} {}", boot.text("cmdline.txt")?.trim(), job.parameters);
    qemu.args(["-append", parameters.trim_end()]);
    if job.counted {
        qemu.args(counted_clock());
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copy_has_the_minimum_size() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("card");
        fs::write(&path, "contents").unwrap();
        let copy = directory.path().join("copy");
        copy_sparse(&path, &copy).unwrap();
        assert_eq!(fs::metadata(&copy).unwrap().len(), CARD_BYTES_MIN);
        let file = fs::read(&copy).unwrap();
        assert!(file.starts_with(b"contents\0"));
    }
}
