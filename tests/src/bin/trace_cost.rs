// SPDX-License-Identifier: MIT OR Apache-2.0
//! Measures what the driver's trace costs: one record beside the same text in the kernel's log and
//! in ftrace's buffer, bytes of records beside bytes of text, and a stream with and without it.
//!
//! ```text
//! cargo xtask guest --counted --append printk.devkmsg=on --build trace_cost -- trace_cost
//! ```
//!
//! The text is written to /dev/kmsg and trace_marker, already formatted: pr_debug() and
//! trace_printk() do this work and format too. Each cost is that of the call with it, less that of
//! the same call without it.

use dmaframe::{Device, Shape};
use dmaframe_abi::trace::{HEAD_BYTES, Items, RECORD};
use dmaframe_abi::uapi;
use dmaframe_tests::frames::SHAPE;
use dmaframe_tests::raw::{GOOD, Raw};
use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::process::Command;
use std::task::Poll;
use std::time::{Duration, Instant};

const LEVEL: &str = "/sys/class/misc/dmaframe-trace/level";
const NODE: &str = "/dev/dmaframe-trace";
const MARKER: &str = "/sys/kernel/tracing/trace_marker";
/// The text of the record that a KICK writes. The severity keeps it off the console.
const TEXT: &str = "<7>kick dmaframe0 kicks=12345";
const CALLS: u32 = 2000;
const ROUNDS: usize = 5;
const FRAMES: u32 = 300;
const STREAM: Shape = Shape { frame_bytes: 65536, ..SHAPE };
/// Time and level, in front of the text of a line of `dmaframe trace`.
const PREFIX: usize = 21;

fn main() -> Result<(), Box<dyn Error>> {
    costs()?;
    for level in ["debug", "trace"] {
        sizes(level)?;
    }
    throughput()?;
    Ok(fs::write(LEVEL, "info")?)
}

/// Calls `measure` several times and returns the median of its results.
fn median(mut measure: impl FnMut() -> io::Result<f64>) -> io::Result<f64> {
    let mut all = (0..ROUNDS).map(|_| measure()).collect::<io::Result<Vec<_>>>()?;
    all.sort_by(f64::total_cmp);
    Ok(all[ROUNDS / 2])
}

/// Nanoseconds of one call of `work`.
fn nanoseconds(mut work: impl FnMut() -> io::Result<()>) -> io::Result<f64> {
    let began = Instant::now();
    for _ in 0..CALLS {
        work()?;
    }
    Ok(began.elapsed().as_nanos() as f64 / f64::from(CALLS))
}

fn costs() -> io::Result<()> {
    let raw = Raw::open("/dev/dmaframe0");
    raw.configure(GOOD).map_err(io::Error::from)?;
    let kick = |level| -> io::Result<f64> {
        fs::write(LEVEL, level)?;
        median(|| nanoseconds(|| raw.request(uapi::KICK, 0).map(drop).map_err(io::Error::from)))
    };
    let (off, on) = (kick("off")?, kick("debug")?);
    let record = on - off;
    println!("record: {record:.0} ns (KICK with it {on:.0} ns, without {off:.0} ns)");
    let write = |path: &str| -> io::Result<f64> {
        let mut file = OpenOptions::new().write(true).open(path)?;
        median(|| nanoseconds(|| file.write_all(TEXT.as_bytes())))
    };
    let null = write("/dev/null")?;
    let _ = Command::new("mount").args(["-t", "tracefs", "t", "/sys/kernel/tracing"]).status();
    for (name, path) in [("printk", "/dev/kmsg"), ("ftrace", MARKER)] {
        match write(path) {
            Ok(whole) => {
                let cost = whole - null;
                println!("{name}: {cost:.0} ns, a record costs {:.2} of it", record / cost);
            }
            Err(error) => println!("{name}: not in this kernel ({path}: {error})"),
        }
    }
    Ok(())
}

fn stream(frames: u32) -> Result<Duration, Box<dyn Error>> {
    let mut stream = Device::open("/dev/dmaframe0")?.configure(STREAM)?;
    let began = Instant::now();
    stream.start()?;
    for _ in 0..frames {
        match stream.next_timeout(dmaframe_tests::LIMIT)? {
            Poll::Ready(Some(frame)) => drop(frame),
            _ => return Err("a frame did not come".into()),
        }
    }
    stream.stop()?;
    Ok(began.elapsed())
}

/// Compares the bytes of records with those of their text.
fn sizes(level: &str) -> Result<(), Box<dyn Error>> {
    let mut node = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(NODE)?;
    records(&mut node)?;
    fs::write(LEVEL, level)?;
    stream(100)?;
    fs::write(LEVEL, "off")?;
    let all = records(&mut node)?;
    let (count, bytes) = (all.len(), all.iter().sum::<usize>());
    let output = Command::new("dmaframe").args(["trace", "--since-boot"]).output()?;
    let lines = String::from_utf8(output.stdout)?;
    let lines: Vec<&str> = lines.lines().collect();
    let text: usize = lines[lines.len() - count..]
        .iter()
        .map(|line| line.rfind(" (").unwrap_or(line.len()) - PREFIX)
        .sum();
    println!(
        "level {level}: {:.1} bytes a record with time and place ({:.1} as an item), {:.1} of text \
         without them: {:.2}",
        bytes as f64 / count as f64,
        (bytes + count * HEAD_BYTES) as f64 / count as f64,
        text as f64 / count as f64,
        bytes as f64 / text as f64
    );
    Ok(())
}

/// The lengths of the records that there are.
fn records(node: &mut File) -> io::Result<Vec<usize>> {
    let (mut lengths, mut piece) = (Vec::new(), vec![0; 1 << 16]);
    loop {
        match node.read(&mut piece) {
            Ok(bytes) => {
                let items = Items::new(&piece[..bytes]).filter(|item| item.kind == RECORD);
                lengths.extend(items.map(|item| item.payload.len()));
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(lengths),
            Err(error) => return Err(error),
        }
    }
}

fn throughput() -> Result<(), Box<dyn Error>> {
    const LEVELS: [&str; 3] = ["off", "debug", "trace"];
    let mut times = [const { Vec::new() }; LEVELS.len()];
    // The levels take turns.
    for _ in 0..ROUNDS {
        for (level, times) in LEVELS.iter().zip(&mut times) {
            fs::write(LEVEL, level)?;
            times.push(stream(FRAMES)?.as_secs_f64());
        }
    }
    for times in &mut times {
        times.sort_by(f64::total_cmp);
    }
    let off = times[0][ROUNDS / 2];
    for (level, times) in LEVELS.iter().zip(&times) {
        let time = times[ROUNDS / 2];
        println!(
            "stream, {} bytes a frame, level {level}: {:.0} us a frame, {:.3} of that of off",
            STREAM.frame_bytes,
            time / f64::from(FRAMES) * 1e6,
            time / off
        );
    }
    Ok(())
}
