// SPDX-License-Identifier: MIT OR Apache-2.0
//! The processors of the host, and how much of their time other virtual machines take.

use std::fs;

use anyhow::{Context, Result};

/// Processor time since the host booted, in ticks.
pub(super) struct ProcessorTime {
    worked: u64,
    /// Time in which a virtual processor was ready to run but another virtual machine ran.
    stolen: u64,
}

impl ProcessorTime {
    pub(super) fn now() -> Result<Self> {
        let text = fs::read_to_string("/proc/stat").context("reading /proc/stat")?;
        Self::parse(&text).context("/proc/stat has no line with the sum of all processors")
    }

    fn parse(text: &str) -> Option<Self> {
        let fields = text.lines().next()?.strip_prefix("cpu ")?;
        let ticks: Vec<u64> = fields.split_whitespace().flat_map(str::parse).collect();
        // proc_stat(5): user, nice, system, idle, iowait, irq, softirq, steal
        let worked = [0, 1, 2, 5, 6].iter().map(|&field| ticks.get(field)).sum::<Option<u64>>()?;
        Some(Self { worked, stolen: *ticks.get(7)? })
    }

    /// The stolen share, from 0 to 1, of the time that was requested between `self` and `later`.
    pub(super) fn stolen_until(&self, later: &Self) -> f64 {
        // proc_stat(5): the counters may decrease.
        let stolen = later.stolen.saturating_sub(self.stolen);
        let asked = stolen + later.worked.saturating_sub(self.worked);
        stolen as f64 / asked.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stolen_time_is_parsed() {
        let time = |text| ProcessorTime::parse(text).unwrap();
        let before = time("cpu  100 0 50 900 10 0 5 20 0 0\ncpu0 1 2 3\n");
        let later = time("cpu  130 0 60 950 10 5 10 70 0 0\n");
        assert!((before.stolen_until(&later) - 0.5).abs() < 1e-9);
        assert!(before.stolen_until(&before).abs() < 1e-9);
        assert!(ProcessorTime::parse("intr 1 2 3\n").is_none());
    }
}
