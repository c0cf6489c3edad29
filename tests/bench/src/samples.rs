// SPDX-License-Identifier: MIT OR Apache-2.0
//! What was measured: a JSON object a line.

use crate::Result;
use serde_json::json;
use std::fs::File;
use std::io::Write;

/// The file of samples.
#[derive(Debug)]
pub(crate) struct Samples {
    file: File,
}

/// A round of one of those that are compared.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample<'a> {
    /// What is measured.
    pub(crate) measure: &'a str,
    /// Whose turn it is.
    pub(crate) subject: &'a str,
    /// Under which conditions: a frame's bytes, for one.
    pub(crate) key: u64,
    /// Counts from 0; what is compared has the same.
    pub(crate) round: u32,
}

impl Samples {
    pub(crate) fn create(path: &str) -> Result<Self> {
        let file = File::create(path).map_err(|error| format!("cannot write {path}: {error}"))?;
        Ok(Self { file })
    }

    /// Notes a turn's values, at least one.
    pub(crate) fn add(&mut self, turn: Sample<'_>, values: &[f64]) -> Result<()> {
        let Sample { measure, subject, key, round } = turn;
        if values.is_empty() {
            return Err(format!("{measure} of {subject} at {key}: no value").into());
        }
        let line = json!({
            "measure": measure,
            "subject": subject,
            "key": key,
            "round": round,
            "values": values,
        });
        writeln!(self.file, "{line}")?;
        Ok(())
    }
}

/// Says what is measured next.
pub(crate) fn say(measure: &str, round: u32, rounds: u32) {
    println!("{measure}: round {} of {rounds}", round + 1);
}
