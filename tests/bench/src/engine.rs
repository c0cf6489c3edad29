// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bytes per second that dmaframe delivers to its reader, compared with mainline's `dmatest`, which
//! copies memory on a channel of the same controller and delivers to no reader.

use crate::samples::{Sample, Samples, say};
use crate::{Extent, Result, stream};
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::time::{Duration, Instant};

/// Bytes of a frame, or of a transfer.
const SIZES: [u32; 4] = [4096, 65536, 614_400, 4 << 20];

const PARAMETERS: &str = "/sys/module/dmatest/parameters";
const TURNS: u32 = 3;
/// Far more than any run of dmatest takes.
const PATIENCE: Duration = Duration::from_secs(120);
const CHANNELS: &str = "/sys/class/dma";

pub(crate) fn measure(extent: Extent, samples: &mut Samples) -> Result<()> {
    let channel = free_channel()?;
    println!("dmatest: {channel}");
    // Transfers per second, from the first runs, which warm up the caches.
    let mut rates = [0.0; SIZES.len()];
    for (rate, bytes) in rates.iter_mut().zip(SIZES) {
        *rate = dmatest(&channel, bytes, 8)?;
    }
    // Many short turns, so that other work on the host affects all subjects alike.
    let (rounds, run) = (extent.rounds * TURNS, extent.run / TURNS);
    for round in 0..rounds {
        say("engine", round, rounds);
        for (rate, bytes) in rates.iter_mut().zip(SIZES) {
            let mut add = |subject, value: f64| {
                let turn = Sample { measure: "engine", subject, key: bytes.into(), round };
                samples.add(turn, &[value])
            };
            add("dmaframe", delivered(bytes, run)?)?;
            let iterations = (*rate * run.as_secs_f64()).max(4.0) as u32;
            *rate = dmatest(&channel, bytes, iterations)?;
            add("dmatest", *rate * f64::from(bytes))?;
        }
    }
    Ok(())
}

/// Bytes per second of a reader that reads headers only; dmatest reads nothing.
fn delivered(bytes: u32, run: Duration) -> Result<f64> {
    let mut stream = stream::start(stream::DEVICE, bytes, stream::slots(bytes), 0)?;
    let flow = stream::flow(&mut stream, run)?;
    Ok(flow.frames as f64 * f64::from(bytes) / flow.seconds)
}

/// An unused channel of mainline's driver.
fn free_channel() -> Result<String> {
    let mut names: Vec<String> = fs::read_dir(CHANNELS)
        .map_err(|error| format!("{CHANNELS}: {error}"))?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    names.sort();
    names
        .into_iter()
        .find(|name| {
            fs::read_to_string(format!("{CHANNELS}/{name}/in_use"))
                .is_ok_and(|in_use| in_use.trim() == "0")
        })
        .ok_or_else(|| format!("{CHANNELS} has no free channel").into())
}

/// Transfers per second of consecutive transfers without verification.
fn dmatest(channel: &str, bytes: u32, iterations: u32) -> Result<f64> {
    let mut log = log_from_here()?;
    for (name, value) in [
        ("noverify", "1"),
        ("norandom", "1"),
        ("timeout", "20000"),
        ("test_buf_size", &bytes.to_string()),
        ("iterations", &iterations.to_string()),
        ("channel", channel),
        ("run", "1"),
    ] {
        fs::write(format!("{PARAMETERS}/{name}"), value)
            .map_err(|error| format!("dmatest's {name} cannot be {value}: {error}"))?;
    }
    // Polls the log: dmatest's parameter `wait` does not wait for a thread that has not begun yet.
    let deadline = Instant::now() + PATIENCE;
    let mut said = String::new();
    let summary = loop {
        said += &lines(&mut log)?;
        if let Some(summary) = said.lines().find_map(|line| parse(line, channel)) {
            break summary;
        }
        if Instant::now() > deadline {
            return Err(format!("dmatest gave no summary of {channel}:\n{said}").into());
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    if summary.failures != 0 || summary.tests != iterations {
        return Err(format!("dmatest on {channel}, {bytes} bytes: {summary:?}").into());
    }
    Ok(summary.rate)
}

#[derive(Debug, PartialEq)]
struct Summary {
    tests: u32,
    failures: u32,
    rate: f64,
}

/// Reads `dmatest: dma0chan0-copy0: summary 8 tests, 0 failures 123.45 iops 987 KB/s (0)`.
fn parse(line: &str, channel: &str) -> Option<Summary> {
    let (_, line) = line.split_once(&format!("dmatest: {channel}-"))?;
    let (_, line) = line.split_once("summary ")?;
    let mut words = line.split_ascii_whitespace();
    let tests = words.next()?.parse().ok()?;
    let failures = words.nth(1)?.parse().ok()?;
    let rate = words.nth(1)?.parse().ok()?;
    Some(Summary { tests, failures, rate })
}

fn log_from_here() -> Result<File> {
    let mut log = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open("/dev/kmsg")
        .map_err(|error| format!("/dev/kmsg: {error}"))?;
    log.seek(SeekFrom::End(0))?;
    Ok(log)
}

/// Reads the new records of the log; each read returns one.
fn lines(log: &mut File) -> Result<String> {
    let mut text = String::new();
    let mut record = [0; 8192];
    loop {
        match log.read(&mut record) {
            Ok(0) => return Ok(text),
            Ok(bytes) => text += &String::from_utf8_lossy(&record[..bytes]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(text),
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_read() {
        let line = "6,501,123,-;dmatest: dma0chan1-copy0: summary 8 tests, 1 failures 123.45 iops 987 KB/s (0)";
        let summary = Summary { tests: 8, failures: 1, rate: 123.45 };
        assert_eq!(parse(line, "dma0chan1"), Some(summary));
        assert_eq!(parse(line, "dma0chan0"), None);
        assert_eq!(
            parse("6,502,124,-;dmatest: Started 1 threads using dma0chan1", "dma0chan1"),
            None
        );
    }
}
