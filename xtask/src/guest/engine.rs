// SPDX-License-Identifier: MIT OR Apache-2.0
//! The model of the DMA engine that the guest runs on, and its report.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use serde_json::Value;

/// A model of the board's DMA engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Engine {
    /// QEMU's own, which runs a whole chain within the register write that starts it
    #[default]
    Stock,
    /// This project's, which runs beside the CPUs as the chip does
    Concurrent,
}

impl Engine {
    /// The model that most guest tests run on.
    pub(crate) const TESTED: Self = Self::Concurrent;
}

/// Reads the report of a run, copies it to `copy`, and fails if the driver did what the datasheet
/// forbids. An emulator that was killed wrote no report.
pub(super) fn check(report: &Path, copy: Option<&Path>) -> Result<()> {
    let text = match fs::read_to_string(report) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => {
            return Err(error).with_context(|| format!("reading {}", report.display()));
        }
    };
    if let Some(copy) = copy {
        fs::write(copy, &text).with_context(|| format!("writing {}", copy.display()))?;
    }
    let complaints = complaints(&text)?;
    if !complaints.is_empty() {
        bail!(
            "a driver used the DMA engine as its datasheet forbids:\n{}\n\
             tests/emulator/README.md explains the rules",
            complaints.join("\n")
        );
    }
    Ok(())
}

/// The violations in a report: the first in words, and the number of each kind.
fn complaints(report: &str) -> Result<Vec<String>> {
    let mut complaints = Vec::new();
    for line in report.lines() {
        let line: Value = serde_json::from_str(line)
            .with_context(|| format!("the emulator's report has the line {line}"))?;
        if let Some(text) = line["violation"].as_str() {
            complaints.push(text.to_owned());
        }
        if line["violations"].as_u64().is_some_and(|count| count > 0) {
            complaints.push(line.to_string());
        }
    }
    Ok(complaints)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLEAN: &str = "{\"channel\":4,\"busy_ns\":10}\n{\"violations\":0,\"burst\":0}\n";

    #[test]
    fn violations_fail_a_run() {
        let directory = tempfile::tempdir().unwrap();
        let (report, copy) = (directory.path().join("report"), directory.path().join("copy"));
        check(&report, Some(&copy)).unwrap();
        fs::write(&report, CLEAN).unwrap();
        check(&report, Some(&copy)).unwrap();
        assert_eq!(fs::read_to_string(&copy).unwrap(), CLEAN);
        let burst = "{\"violation\":\"a burst of 8\"}\n{\"violations\":1,\"burst\":1}\n";
        fs::write(&report, burst).unwrap();
        let error = check(&report, None).unwrap_err().to_string();
        assert!(error.contains("a burst of 8\n") && error.contains("\"burst\":1"), "{error}");
    }

    #[test]
    fn truncated_report_is_an_error() {
        assert!(complaints("{\"channel\":4").is_err());
    }
}
