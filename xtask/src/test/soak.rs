// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask soak`: a guest that runs streams, kills readers, writes invalid indices, unbinds
//! and reloads in random order.

use std::fs;
use std::io::{BufRead, ErrorKind};
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::guest::{Guest, Job};
use crate::kernel::Flavour;

const RESULTS: &str = "tests/RESULTS.md";
const TABLE: &str = "## Soak\n\n| date | command | figures |\n|---|---|---|\n";
/// Time for the last round, and for booting and stopping the guest, which takes minutes on the
/// debug kernel.
const SPARE_SECONDS: u64 = 1200;

/// Arguments of `cargo xtask soak`.
#[derive(Debug, Args)]
pub(crate) struct Soak {
    /// Duration in minutes
    #[arg(long, default_value_t = 30, value_name = "N")]
    minutes: u64,
    /// Kernel configuration
    #[arg(long, value_parser = Flavour::tested(), default_value = "default")]
    pub(crate) kernel: Flavour,
    /// Seed of the random numbers; the same seed gives the same rounds
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Add date, command and results to tests/RESULTS.md
    #[arg(long)]
    record: bool,
}

/// Runs the soak test and returns the exit status of the program in the guest.
pub(crate) fn run(guest: &Guest, checkout: &Path, soak: &Soak) -> Result<u8> {
    let seed = soak.seed.unwrap_or_else(random_seed);
    let command = vec!["soak".to_owned(), soak.minutes.to_string(), seed.to_string()];
    let job = Job {
        command,
        put: vec![guest.test_program("soak")?],
        timeout: Some(soak.minutes * 60 + SPARE_SECONDS),
        ..Job::default()
    };
    let mut figures = None;
    let status = guest.run(&job, |output| {
        figures = show(output)?;
        Ok(())
    })?;
    let Some(figures) = figures else {
        bail!("the soak test exited with status {status} without printing its results");
    };
    if soak.record {
        record(checkout, soak, seed, &figures)?;
    }
    Ok(status)
}

/// A random seed that is short enough to type.
fn random_seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::from(now.subsec_nanos())
}

/// Copies the output to standard output. Returns its last line of results.
fn show(output: &mut dyn BufRead) -> Result<Option<String>> {
    let mut figures = None;
    for line in output.lines() {
        let line = line.context("reading the guest's output")?;
        println!("{line}");
        // The start of the line repeats the arguments.
        let line = line.strip_prefix("soak: ").filter(|line| line.contains(" errors="));
        if let Some(start) = line.and_then(|line| line.find("streams=")) {
            figures = line.map(|line| line[start..].to_owned());
        }
    }
    Ok(figures)
}

fn record(checkout: &Path, soak: &Soak, seed: u64, figures: &str) -> Result<()> {
    let date = Command::new("date").args(["-u", "+%Y-%m-%d"]).output().context("starting date")?;
    let kernel = soak.kernel.name();
    let row = format!(
        "| {} | `cargo xtask soak --minutes {} --kernel {kernel} --seed {seed}` | {figures} |\n",
        String::from_utf8_lossy(&date.stdout).trim(),
        soak.minutes,
    );
    let path = checkout.join(RESULTS);
    let results = match fs::read_to_string(&path) {
        Ok(results) => results,
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
    };
    fs::write(&path, with_row(&results, &row))
        .with_context(|| format!("writing {}", path.display()))
}

/// The text of the results with one more row. The newest row is the first.
fn with_row(results: &str, row: &str) -> String {
    match results.split_once(TABLE) {
        Some((before, after)) => format!("{before}{TABLE}{row}{after}"),
        None if results.is_empty() => {
            let licence = "<!-- SPDX-License-Identifier: MIT OR Apache-2.0 -->\n";
            format!("{licence}# Results\n\n{TABLE}{row}")
        }
        None => format!("{}\n\n{TABLE}{row}", results.trim_end()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_row_is_the_first_and_the_rest_is_unchanged() {
        let first = with_row("", "| 1 |\n");
        assert!(first.starts_with("<!-- SPDX"), "{first}");
        let second = with_row(&format!("{first}\n## More\n"), "| 2 |\n");
        assert!(second.ends_with("|---|\n| 2 |\n| 1 |\n\n## More\n"), "{second}");
        assert_eq!(with_row("# Old\n", "| 1 |\n"), format!("# Old\n\n{TABLE}| 1 |\n"));
    }

    #[test]
    fn last_line_of_results_is_returned() {
        let output = "soak: seed=1 minutes=2\nminute 1: streams=1 errors=0\n\
            soak: seed=1 minutes=2 streams=3 errors=0\n";
        assert_eq!(show(&mut output.as_bytes()).unwrap().unwrap(), "streams=3 errors=0");
    }
}
