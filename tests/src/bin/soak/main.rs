// SPDX-License-Identifier: MIT OR Apache-2.0
//! Soak test: uses and misuses the driver for minutes, in an order that a seed decides.
//!
//! `soak MINUTES SEED` prints a line each minute and the totals at the end. It fails if a byte of a
//! stream is wrong or a loss is not accounted for.

mod failing;
mod hostile;
mod reader;
mod round;
mod tally;
mod traffic;

use dmaframe_tests::Random;
use round::Round;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tally::Tally;
use traffic::Traffic;

const USAGE: &str = "usage: soak MINUTES SEED";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let ["reader", device, seed] = words[..] {
        let Ok(seed) = seed.parse() else { return usage() };
        reader::read_forever(device, seed)
    }
    let [minutes, seed] = words[..] else { return usage() };
    let (Ok(minutes), Ok(seed)) = (minutes.parse(), seed.parse()) else { return usage() };
    if soak(minutes, seed).errors() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn usage() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::from(2)
}

fn soak(minutes: u64, seed: u64) -> Tally {
    let tally = Tally::default();
    let traffic = Traffic::start(seed);
    println!("soak: seed={seed} minutes={minutes}");
    let began = Instant::now();
    let mut minute = 0;
    for number in 0.. {
        let passed = began.elapsed();
        if passed.as_secs() / 60 > minute {
            minute = passed.as_secs() / 60;
            println!("minute {minute}, round {number}: {tally}");
        }
        if passed >= Duration::from_secs(60 * minutes) {
            break;
        }
        // Each round has its own seed, so that it can be repeated from the message alone.
        let mut random = Random::new(seed, number);
        let round = Round::pick(&mut random);
        let run = AssertUnwindSafe(|| round.run(&mut random, &tally));
        if catch_unwind(run).is_err() {
            tally.error();
            println!("round {number}, {round:?}: FAILED");
        }
    }
    for complaint in traffic.stop() {
        tally.error();
        println!("traffic: {complaint}");
    }
    println!("soak: seed={seed} minutes={minutes} {tally}");
    tally
}
