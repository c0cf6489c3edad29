// SPDX-License-Identifier: MIT OR Apache-2.0
//! A soak: a guest in which streams, kills, lies, unbinds and reloads follow one another by chance.

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
/// The last round, and a guest under the kernel's checkers that boots and ends, take minutes.
const SPARE_SECONDS: u64 = 1200;

/// What is soaked, and for how long.
#[derive(Debug, Args)]
pub(crate) struct Soak {
    /// How long
    #[arg(long, default_value_t = 30, value_name = "N")]
    minutes: u64,
    /// The kernel's configuration
    #[arg(long, value_parser = Flavour::tested(), default_value = "default")]
    pub(crate) kernel: Flavour,
    /// Where chance begins; the same seed makes the same rounds
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Write date, command and figures into tests/RESULTS.md
    #[arg(long)]
    record: bool,
}

/// Runs it; the exit status is the guest's program's.
pub(crate) fn run(guest: &Guest, checkout: &Path, soak: &Soak) -> Result<u8> {
    let seed = soak.seed.unwrap_or_else(any_seed);
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
        bail!("the soak ended with status {status}, without its line of figures");
    };
    if soak.record {
        record(checkout, soak, seed, &figures)?;
    }
    Ok(status)
}

/// Low enough to be typed again.
fn any_seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::from(now.subsec_nanos())
}

/// Passes the output on; its last line of figures.
fn show(output: &mut dyn BufRead) -> Result<Option<String>> {
    let mut figures = None;
    for line in output.lines() {
        let line = line.context("reading the guest's output")?;
        println!("{line}");
        // What comes before the figures is in the command.
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

/// The results with one more row, the newest first.
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
    fn rows_come_newest_first_and_leave_the_rest_alone() {
        let first = with_row("", "| 1 |\n");
        assert!(first.starts_with("<!-- SPDX"), "{first}");
        let second = with_row(&format!("{first}\n## More\n"), "| 2 |\n");
        assert!(second.ends_with("|---|\n| 2 |\n| 1 |\n\n## More\n"), "{second}");
        assert_eq!(with_row("# Old\n", "| 1 |\n"), format!("# Old\n\n{TABLE}| 1 |\n"));
    }

    #[test]
    fn the_last_line_of_figures_is_kept() {
        let output = "soak: seed=1 minutes=2\nminute 1: streams=1 errors=0\n\
            soak: seed=1 minutes=2 streams=3 errors=0\n";
        assert_eq!(show(&mut output.as_bytes()).unwrap().unwrap(), "streams=3 errors=0");
    }
}
