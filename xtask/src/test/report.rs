// SPDX-License-Identifier: MIT OR Apache-2.0
//! The results of checks and tests.

use std::io::{BufRead, Write};
use std::time::Instant;

use anyhow::{Context, Result};

use crate::host::progress::say;

/// Number of passed and failed tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) passed: u64,
    pub(super) failed: u64,
}

impl Count {
    /// Adds the results, if this is the summary line of a test program.
    fn add_line(&mut self, line: &str) {
        let Some(result) = line.trim_start().strip_prefix("test result: ") else { return };
        let number_before = |word: &str| {
            let before = result.split(word).next()?;
            before.split_ascii_whitespace().last()?.parse::<u64>().ok()
        };
        self.passed += number_before(" passed").unwrap_or(0);
        self.failed += number_before(" failed").unwrap_or(0);
    }
}

#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) filter: Option<String>,
    pub(super) count: Count,
}

impl Report {
    pub(super) fn selected(&self, name: &str) -> bool {
        self.filter.as_ref().is_none_or(|filter| name.contains(filter))
    }

    /// Runs a check if it is selected. It counts as one test.
    pub(super) fn check(&mut self, name: &str, check: impl FnOnce() -> Result<()>) {
        if !self.selected(name) {
            return;
        }
        let started = Instant::now();
        let result = check();
        if result.is_ok() {
            self.count.passed += 1;
        } else {
            self.count.failed += 1;
        }
        end(name, started, result);
    }

    /// Runs a step that other checks need. It counts as one test if it fails, and else as none.
    pub(super) fn needed<T>(&mut self, name: &str, make: impl FnOnce() -> Result<T>) -> Option<T> {
        let started = Instant::now();
        match make() {
            Ok(made) => {
                end(name, started, Ok(()));
                Some(made)
            }
            Err(error) => {
                self.count.failed += 1;
                end(name, started, Err(error));
                None
            }
        }
    }

    /// Runs several tests. `run` applies the filter and counts.
    pub(super) fn tests(
        &mut self,
        name: &str,
        run: impl FnOnce(Option<&str>, &mut Count) -> Result<()>,
    ) {
        let started = Instant::now();
        let mut count = Count::default();
        let result = run(self.filter.as_deref(), &mut count);
        // A runner that fails to start counts nothing.
        if result.is_err() && count.failed == 0 {
            count.failed = 1;
        }
        self.count.passed += count.passed;
        self.count.failed += count.failed;
        end(name, started, result);
    }
}

fn end(name: &str, started: Instant, result: Result<()>) {
    let seconds = started.elapsed().as_secs_f64();
    match result {
        Ok(()) => say(format_args!("test {name}: ok, {seconds:.1} s")),
        Err(error) => say(format_args!("test {name}: FAILED, {seconds:.1} s\n{error:#}")),
    }
}

/// Copies the output of a test program to standard output, and counts its results.
pub(super) fn pass_through(output: &mut dyn BufRead, count: &mut Count) -> Result<()> {
    let mut line = Vec::new();
    let mut stdout = std::io::stdout().lock();
    loop {
        line.clear();
        if output.read_until(b'\n', &mut line).context("reading a test's output")? == 0 {
            return Ok(());
        }
        stdout
            .write_all(&line)
            .and_then(|()| stdout.flush())
            .context("writing to standard output")?;
        count.add_line(&String::from_utf8_lossy(&line));
    }
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    #[test]
    fn results_of_test_programs_are_added() {
        let output = "running 2 tests\ntest a ... ok\n\
            test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\
            test result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n";
        let mut count = Count::default();
        for line in output.lines() {
            count.add_line(line);
        }
        assert_eq!(count, Count { passed: 5, failed: 1 });
    }

    #[test]
    fn filter_selects_checks() {
        let mut report = Report { filter: Some("clip".to_owned()), ..Report::default() };
        report.check("rustfmt", || bail!("not selected"));
        report.check("clippy", || Ok(()));
        assert_eq!(report.count, Count { passed: 1, failed: 0 });
    }

    #[test]
    fn runner_that_fails_to_start_counts_as_a_failure() {
        let mut report = Report::default();
        report.tests("none", |_, _| bail!("cannot run"));
        assert_eq!(report.count, Count { passed: 0, failed: 1 });
        report.tests("some", |_, count| {
            count.failed = 2;
            bail!("two failed")
        });
        assert_eq!(report.count.failed, 3);
    }
}
