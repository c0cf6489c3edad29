// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the emulator reports at its end.

use serde_json::Value;

/// The report.
#[derive(Debug)]
pub struct Report {
    lines: Vec<Value>,
    /// Words that PCM transmitted.
    pub pcm: Vec<u32>,
    /// Words that PWM transmitted.
    pub pwm: Vec<u32>,
}

impl Report {
    pub(crate) fn new(text: &str, pcm: Vec<u32>, pwm: Vec<u32>) -> Self {
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        Self { lines, pcm, pwm }
    }

    /// The text of the report, for comparison.
    pub fn text(&self) -> String {
        self.lines.iter().map(|line| format!("{line}\n")).collect()
    }

    /// A number of the run of a channel, counted from its first reset.
    pub fn run(&self, channel: u32, run: u64, name: &str) -> u64 {
        let line = self.lines.iter().find(|line| line["channel"] == channel && line["run"] == run);
        number(line.unwrap_or_else(|| panic!("no run {run} of channel {channel}")), name)
    }

    /// A number of a FIFO.
    pub fn fifo(&self, fifo: &str, name: &str) -> u64 {
        let line = self.lines.iter().find(|line| line["fifo"] == fifo);
        number(line.unwrap_or_else(|| panic!("nothing of {fifo}")), name)
    }

    /// How many words PCM has made.
    pub fn made(&self) -> u64 {
        number(self.lines.iter().find(|line| line["source"] == "pcm").unwrap(), "words")
    }

    /// The violations of one kind, or of all: `violations`.
    pub fn violations(&self, kind: &str) -> u64 {
        number(self.lines.last().unwrap(), kind)
    }

    /// The violations in words.
    pub fn complaints(&self) -> Vec<&str> {
        self.lines.iter().filter_map(|line| line["violation"].as_str()).collect()
    }
}

fn number(line: &Value, name: &str) -> u64 {
    line[name].as_u64().unwrap_or_else(|| panic!("no {name} in {line}"))
}
