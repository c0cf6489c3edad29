// SPDX-License-Identifier: MIT OR Apache-2.0
//! The report: one line for each check and a summary, or the same as JSON.

use crate::check::{Check, Section};
use crate::outcome::{Outcome, Stop};
use serde_json::{Value, json};
use std::io::{self, Write};

/// The format of the report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Style {
    /// One JSON object at the end, instead of lines.
    pub(crate) json: bool,
    /// Also the document and heading of each rule.
    pub(crate) verbose: bool,
}

/// The results so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    style: Style,
    passed: u32,
    failed: u32,
    skipped: u32,
    checks: Vec<Value>,
}

/// The number of a check in the form SECTION.NUMBER.
pub(crate) fn number(section: &Section, check: &Check) -> String {
    format!("{}.{:02}", section.number, check.number)
}

impl Report {
    pub(crate) fn new(style: Style) -> Self {
        Self { style, ..Self::default() }
    }

    /// Begins a section.
    pub(crate) fn section(&self, section: &Section) -> io::Result<()> {
        if self.style.json {
            return Ok(());
        }
        writeln!(io::stdout(), "{}. {}", section.number, section.name)
    }

    /// Adds the result of a check.
    pub(crate) fn add(
        &mut self,
        section: &Section,
        check: &Check,
        outcome: &Outcome,
    ) -> io::Result<()> {
        let number = number(section, check);
        let (result, words) = match outcome {
            Ok(()) => ("passed", None),
            Err(Stop::Failed(seen)) => ("failed", Some(seen)),
            Err(Stop::Skipped(reason)) => ("skipped", Some(reason)),
        };
        match outcome {
            Ok(()) => self.passed += 1,
            Err(Stop::Failed(_)) => self.failed += 1,
            Err(Stop::Skipped(_)) => self.skipped += 1,
        }
        if self.style.json {
            self.checks.push(json!({
                "number": number,
                "name": check.name,
                "document": section.document,
                "place": check.place,
                "result": result,
                "words": words,
            }));
            return Ok(());
        }
        let end = match outcome {
            Ok(()) => "OK".to_owned(),
            Err(Stop::Failed(seen)) => format!("FAIL: {seen}"),
            Err(Stop::Skipped(reason)) => format!("not supported: {reason}"),
        };
        let mut out = io::stdout().lock();
        writeln!(out, "{number:>6} {}: {end}", check.name)?;
        if self.style.verbose {
            writeln!(out, "       {}, {}", section.document, check.place)?;
        }
        Ok(())
    }

    /// Prints the summary. Returns true if no check failed.
    pub(crate) fn close(self, device: &str) -> io::Result<bool> {
        let Self { passed, failed, skipped, .. } = self;
        let checks = passed + failed + skipped;
        if self.style.json {
            let all = json!({
                "device": device,
                "counts": {
                    "checks": checks,
                    "passed": passed,
                    "failed": failed,
                    "skipped": skipped,
                },
                "checks": self.checks,
            });
            writeln!(io::stdout(), "{all:#}")?;
        } else {
            writeln!(
                io::stdout(),
                "dmaframe-compliance: {checks} checks: {passed} passed, {failed} failed, \
                 {skipped} skipped"
            )?;
        }
        Ok(failed == 0)
    }
}
