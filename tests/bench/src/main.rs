// SPDX-License-Identifier: MIT OR Apache-2.0
//! Measures dmaframe and its peers in the guest that `cargo xtask bench` boots.
//!
//! The subjects of a comparison take turns: A B A B, one turn in each round. The program writes raw
//! samples, one JSON object on each line; `cargo xtask bench` computes the results.

mod calls;
mod clock;
mod copying;
mod engine;
mod latency;
mod payload;
mod polls;
mod processor;
mod reader;
mod samples;
mod scaling;
mod stream;
mod system;
mod system_timer;
mod video;
mod waiting;

use samples::Samples;
use std::process::ExitCode;
use std::time::Duration;

/// Errors are messages for people.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const USAGE: &str = "usage: dmaframe-bench quick|full FILE MEASURE...";

/// The extent of the measurement.
#[derive(Clone, Copy, Debug)]
struct Extent {
    /// Turns of each subject.
    rounds: u32,
    /// The approximate time of a run.
    run: Duration,
    /// The time of a run of few frames.
    long_run: Duration,
}

const QUICK: Extent =
    Extent { rounds: 3, run: Duration::from_millis(250), long_run: Duration::from_millis(1500) };
const FULL: Extent =
    Extent { rounds: 5, run: Duration::from_millis(400), long_run: Duration::from_secs(4) };

impl Extent {
    /// The number of frames, one every `interval_us` microseconds, that take about a run.
    fn paced_frames(&self, interval_us: u32) -> u32 {
        let frames = self.run.as_micros() / u128::from(interval_us);
        frames.clamp(8, 200) as u32
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words[..] {
        ["quick", file, ref measures @ ..] => measure(QUICK, file, measures),
        ["full", file, ref measures @ ..] => measure(FULL, file, measures),
        [calls::CHILD, ref kind @ ..] => calls::child(kind),
        _ => Err(USAGE.into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("dmaframe-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(extent: Extent, file: &str, measures: &[&str]) -> Result<()> {
    let mut samples = Samples::create(file)?;
    for measure in measures {
        match *measure {
            "engine" => engine::measure(extent, &mut samples),
            "reader" => reader::measure(extent, &mut samples),
            "calls" => calls::measure(extent, &mut samples),
            "system" => system::measure(extent, &mut samples),
            "latency" => latency::measure(extent, &mut samples),
            "polls" => polls::measure(extent, &mut samples),
            "payload" => payload::measure(extent, &mut samples),
            "scaling" => scaling::measure(extent, &mut samples),
            _ => Err(USAGE.into()),
        }?;
    }
    Ok(())
}
