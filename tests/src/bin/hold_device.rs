// SPDX-License-Identifier: MIT OR Apache-2.0
//! Brings a device into a state, prints `ready`, and stays there until it is killed.
//!
//! `hold_device DEVICE PHASE`, where PHASE is one of [`PHASES`].

use dmaframe_abi::ring::{MAP_CONSUMER, MAP_META, MAP_SLOTS};
use dmaframe_abi::uapi::{self, Config};
use dmaframe_tests::frames::{SHAPE, next, start};
use dmaframe_tests::mapping::{Mapping, PAGE};
use dmaframe_tests::raw::{GOOD, QUIET, Raw};
use dmaframe_tests::wait;
use libc::{MAP_SHARED, PROT_READ, PROT_WRITE};
use std::error::Error;
use std::io::{Read, Write, stdout};
use std::thread::sleep;
use std::time::Duration;

/// Runs a phase. It never returns `Ok`.
type Phase = fn(&str) -> Result<(), Box<dyn Error>>;

const PHASES: [(&str, Phase); 12] = [
    ("open", open),
    ("configured", configured),
    ("mapped", mapped),
    ("started", started),
    ("stopped", stopped),
    ("poll", poll),
    ("read", read),
    ("reading", reading),
    ("frames-in-hand", frames_in_hand),
    ("configuring", configuring),
    ("starting-and-stopping", starting_and_stopping),
    ("mapping", mapping),
];

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let phase = match arguments.as_slice() {
        [_, _, name] => PHASES.iter().find(|(phase, _)| phase == name),
        _ => None,
    };
    let Some((_, phase)) = phase else {
        let names = PHASES.map(|(name, _)| name).join("|");
        return Err(format!("usage: hold_device DEVICE {names}").into());
    };
    phase(&arguments[1])
}

fn report_ready() -> Result<(), Box<dyn Error>> {
    let mut out = stdout();
    writeln!(out, "ready")?;
    Ok(out.flush()?)
}

fn stay() -> Result<(), Box<dyn Error>> {
    report_ready()?;
    loop {
        sleep(Duration::from_secs(3600));
    }
}

fn open(device: &str) -> Result<(), Box<dyn Error>> {
    let _raw = Raw::try_open(device, 0)?;
    stay()
}

fn configured(device: &str) -> Result<(), Box<dyn Error>> {
    let raw = Raw::try_open(device, 0)?;
    raw.configure(GOOD)?;
    stay()
}

/// Maps all three regions of a ring.
fn map(raw: &Raw, made: &Config) -> Result<[Mapping; 3], Box<dyn Error>> {
    Ok([
        Mapping::read_only(raw, MAP_META, PAGE)?,
        Mapping::new(raw, MAP_CONSUMER, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED)?,
        Mapping::read_only(raw, MAP_SLOTS, made.slots_bytes as usize)?,
    ])
}

fn mapped(device: &str) -> Result<(), Box<dyn Error>> {
    let raw = Raw::try_open(device, 0)?;
    let made = raw.configure(GOOD)?;
    let _mappings = map(&raw, &made)?;
    // The mappings alone keep the device open.
    drop(raw);
    stay()
}

fn started(device: &str) -> Result<(), Box<dyn Error>> {
    let (raw, made) = Raw::streaming(device, Config { interval_us: 200, policy: 1, ..GOOD });
    let _mappings = map(&raw, &made)?;
    stay()
}

fn stopped(device: &str) -> Result<(), Box<dyn Error>> {
    let (raw, made) = Raw::streaming(device, GOOD);
    let _mappings = map(&raw, &made)?;
    raw.request(uapi::STOP, 0)?;
    stay()
}

fn poll(device: &str) -> Result<(), Box<dyn Error>> {
    let (raw, _) = Raw::streaming(device, QUIET);
    report_ready()?;
    loop {
        wait::wake(&raw);
    }
}

fn read(device: &str) -> Result<(), Box<dyn Error>> {
    let (raw, _) = Raw::streaming(device, QUIET);
    report_ready()?;
    (&mut raw.file()).read_exact(&mut [0; 1 << 20])?;
    Err("read returned without a frame being due".into())
}

fn reading(device: &str) -> Result<(), Box<dyn Error>> {
    let (raw, _) = Raw::streaming(device, GOOD);
    let mut frames = vec![0; 1 << 16];
    report_ready()?;
    while (&mut raw.file()).read(&mut frames)? > 0 {}
    Err("the stream ended".into())
}

fn frames_in_hand(device: &str) -> Result<(), Box<dyn Error>> {
    let mut stream = start(device, SHAPE);
    for _ in 0..5 {
        drop(next(&mut stream));
    }
    let _held = next(&mut stream);
    stay()
}

fn configuring(device: &str) -> Result<(), Box<dyn Error>> {
    let raw = Raw::try_open(device, 0)?;
    report_ready()?;
    loop {
        raw.configure(GOOD)?;
        // Slots of several blocks take long to allocate and to free.
        raw.configure(Config { frame_bytes: 5 << 20, slots: 2, ..GOOD })?;
    }
}

fn starting_and_stopping(device: &str) -> Result<(), Box<dyn Error>> {
    let raw = Raw::try_open(device, 0)?;
    raw.configure(GOOD)?;
    report_ready()?;
    loop {
        raw.request(uapi::START, 0)?;
        raw.request(uapi::STOP, 0)?;
    }
}

fn mapping(device: &str) -> Result<(), Box<dyn Error>> {
    let (raw, made) = Raw::streaming(device, Config { frame_bytes: 1 << 20, slots: 4, ..GOOD });
    report_ready()?;
    loop {
        map(&raw, &made)?;
    }
}
