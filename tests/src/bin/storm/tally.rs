// SPDX-License-Identifier: MIT OR Apache-2.0
//! Counts of the calls made.

use crate::call::KINDS;
use std::error::Error;
use std::fmt;

/// Calls made and calls that succeeded, by kind.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) calls: [u64; KINDS.len()],
    pub(crate) good: [u64; KINDS.len()],
}

impl Tally {
    /// Adds a tally that a worker printed.
    pub(crate) fn add(&mut self, printed: &str) -> Result<(), Box<dyn Error>> {
        for line in printed.lines() {
            let words: Vec<_> = line.split_whitespace().collect();
            let [name, calls, _, good, _] = words[..] else { continue };
            let Some(kind) = KINDS.iter().position(|kind| kind.name == name) else { continue };
            self.calls[kind] += calls.parse::<u64>()?;
            self.good[kind] += good.parse::<u64>()?;
        }
        Ok(())
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, kind) in KINDS.iter().enumerate() {
            let (calls, good) = (self.calls[index], self.good[index]);
            writeln!(f, "{:<8} {calls:>8} calls, {good:>8} succeeded", kind.name)?;
        }
        Ok(())
    }
}
