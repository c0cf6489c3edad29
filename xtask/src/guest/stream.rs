// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask run`: streams frames in the guest and shows rates and a summary.

use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::guest::{Guest, Job};
use crate::image::{card, chart};
use crate::kernel::Flavour;

/// The default time limit for a board that boots from an SD card image.
const CARD_SECONDS: u64 = 300;
/// A clock that counts instructions makes QEMU slower.
const CHART_SECONDS: u64 = 900;

/// Streams one frame and prints the time since the kernel started.
const FIRST: &str = r#"dmaframe stream --frames 1 --verify >/dev/null && read -r up idle </proc/uptime && echo "first verified frame $up s after the start of the kernel""#;

/// Arguments of `cargo xtask run`.
#[derive(Debug, Args)]
pub(crate) struct Stream {
    /// Number of frames to receive
    #[arg(long, default_value_t = 2000, value_name = "N")]
    frames: u64,
    /// Payload of a frame in bytes
    #[arg(long, default_value_t = 65536, value_name = "B")]
    frame_bytes: u64,
    /// Number of slots in the ring
    #[arg(long, default_value_t = 16, value_name = "S")]
    slots: u64,
    /// Boot this SD card image, made by `cargo xtask image`, instead of the guest
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,
    /// Print a boot chart of the image instead: where the time to the first verified frame goes
    ///
    /// The time is that of a clock that counts instructions, so it does not depend on the load of
    /// the host.
    #[arg(long, requires = "image", conflicts_with_all = ["frames", "frame_bytes", "slots"])]
    chart: bool,
    /// Kill the guest after this many seconds
    #[arg(long, value_name = "S")]
    timeout: Option<u64>,
}

/// Streams in the guest and verifies every byte.
pub(crate) fn run(checkout: &Path, stream: &Stream) -> Result<u8> {
    if let (Some(image), true) = (&stream.image, stream.chart) {
        return boot_chart(checkout, image, stream.timeout.unwrap_or(CHART_SECONDS));
    }
    let command = stream.command();
    let mut summary = None;
    let take = |output: &mut dyn BufRead| {
        summary = show(output, std::io::stderr().lock())?;
        Ok(())
    };
    let status = if let Some(image) = &stream.image {
        let seconds = stream.timeout.unwrap_or(CARD_SECONDS);
        let command = format!("{FIRST} && {}", command.join(" "));
        let job = card::Job { image, command: &command, seconds, parameters: "", counted: false };
        card::run(checkout, &job, take)?
    } else {
        let job = Job { command, timeout: stream.timeout, ..Job::default() };
        Guest::with(checkout, Flavour::Default, &["dmaframe"])?.run(&job, take)?
    };
    match summary {
        Some(summary) => println!("{summary}"),
        None if status == 0 => bail!("dmaframe stream exited without printing its summary"),
        None => {}
    }
    Ok(status)
}

/// Boots the image and prints its boot chart.
fn boot_chart(checkout: &Path, image: &Path, seconds: u64) -> Result<u8> {
    let (command, parameters) = (chart::COMMAND, chart::PARAMETERS);
    let job = card::Job { image, command, seconds, parameters, counted: true };
    let mut log = Vec::new();
    let status = card::run(checkout, &job, |output| {
        output.read_to_end(&mut log).context("reading the kernel's log")?;
        Ok(())
    })?;
    if status == 0 {
        print!("{}", chart::chart(&String::from_utf8_lossy(&log))?);
    } else {
        std::io::stderr().write_all(&log).context("writing to standard error")?;
    }
    Ok(status)
}

impl Stream {
    fn command(&self) -> Vec<String> {
        let mut command = vec!["dmaframe".to_owned(), "stream".to_owned()];
        for (option, value) in [
            ("--frames", self.frames),
            ("--frame-bytes", self.frame_bytes),
            ("--slots", self.slots),
        ] {
            command.extend([option.to_owned(), value.to_string()]);
        }
        command.extend(["--verify".to_owned(), "--stats".to_owned()]);
        command
    }
}

/// Copies lines to `live` without delay, except the last summary, which is returned.
fn show(output: &mut dyn BufRead, mut live: impl Write) -> Result<Option<String>> {
    let mut summary: Option<String> = None;
    let mut line = Vec::new();
    loop {
        line.clear();
        if output.read_until(b'\n', &mut line).context("reading the guest's output")? == 0 {
            return Ok(summary);
        }
        let text = String::from_utf8_lossy(&line);
        if is_summary(text.trim_end()) {
            if let Some(earlier) = summary.replace(text.trim_end().to_owned()) {
                writeln!(live, "{earlier}").context("writing to standard error")?;
            }
        } else {
            live.write_all(&line)
                .and_then(|()| live.flush())
                .context("writing to standard error")?;
        }
    }
}

fn is_summary(line: &str) -> bool {
    let names: Vec<&str> =
        line.split(' ').filter_map(|word| word.split_once('=')).map(|(name, _)| name).collect();
    names == ["frames", "lost", "bytes", "errors"]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summary_is_returned_and_not_copied() {
        let mut live = Vec::new();
        let output = "100 frames/s\nframes=2 lost=0 bytes=8 errors=0\nafter\n";
        let summary = show(&mut output.as_bytes(), &mut live).unwrap();
        assert_eq!(summary.unwrap(), "frames=2 lost=0 bytes=8 errors=0");
        assert_eq!(live, b"100 frames/s\nafter\n");
    }

    #[test]
    fn missing_summary_is_none() {
        assert_eq!(show(&mut "frames=2\n".as_bytes(), Vec::new()).unwrap(), None);
    }
}
