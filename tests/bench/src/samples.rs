// SPDX-License-Identifier: MIT OR Apache-2.0
//! The samples: one JSON object on each line.

use crate::Result;
use serde_json::json;
use std::fs::File;
use std::io::Write;

/// The file of samples.
#[derive(Debug)]
pub(crate) struct Samples {
    file: File,
}

/// What was measured, of which subject, in which round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample<'a> {
    /// The name of the measurement.
    pub(crate) measure: &'a str,
    /// The subject measured.
    pub(crate) subject: &'a str,
    /// The parameter, such as the bytes of a frame.
    pub(crate) key: u64,
    /// The round, counted from 0. Subjects are compared within a round.
    pub(crate) round: u32,
}

impl Samples {
    pub(crate) fn create(path: &str) -> Result<Self> {
        let file = File::create(path).map_err(|error| format!("cannot write {path}: {error}"))?;
        Ok(Self { file })
    }

    /// Writes the values of a turn, of which there must be at least one.
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

/// Prints what is measured next.
pub(crate) fn say(measure: &str, round: u32, rounds: u32) {
    println!("{measure}: round {} of {rounds}", round + 1);
}
