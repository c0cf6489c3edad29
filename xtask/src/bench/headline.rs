// SPDX-License-Identifier: MIT OR Apache-2.0
//! The ratios that stand for what dmaframe promises.

use serde_json::Value;

use super::figures::{SIZES, stored};
use super::number::{digits, line, size};
use super::statistics::Figure;

/// A ratio that stands for what dmaframe promises.
#[derive(Debug)]
pub(crate) struct Headline {
    pub(crate) name: String,
    pub(crate) figure: Figure,
    pub(crate) wanted: Wanted,
    /// More is better.
    pub(crate) gain: bool,
}

/// How a ratio is to compare.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Wanted {
    AtLeast(f64),
    AtMost(f64),
    /// It is only told.
    Nothing,
}

impl Headline {
    pub(super) fn reached(&self) -> &'static str {
        let reached = match self.wanted {
            Wanted::AtLeast(limit) => self.figure.median >= limit,
            Wanted::AtMost(limit) => self.figure.median <= limit,
            Wanted::Nothing => return "",
        };
        if reached { "yes" } else { "no" }
    }

    pub(super) fn wanted(&self) -> String {
        match self.wanted {
            Wanted::AtLeast(limit) => format!("≥ {limit}"),
            Wanted::AtMost(limit) => format!("≤ {limit}"),
            Wanted::Nothing => String::new(),
        }
    }
}

/// The ratios, out of what [`figures`] made.
pub(crate) fn headlines(figures: &Value) -> Vec<Headline> {
    let mut all = Vec::new();
    let mut add = |name: String, path: &[&str], wanted, gain| {
        if let Some(figure) = stored(figures, path) {
            all.push(Headline { name, figure, wanted, gain });
        }
    };
    for bytes in SIZES {
        let (key, size) = (bytes.to_string(), size(bytes));
        let wanted = Wanted::AtLeast(if bytes < 65536 { 2.0 } else { 1.0 });
        let name = format!("bytes/s delivered, over dmatest's, {size}");
        add(name, &["engine_ratio", &key], wanted, true);
    }
    for bytes in SIZES {
        let (key, size) = (bytes.to_string(), size(bytes));
        let wanted = if bytes == 4 << 20 { Wanted::AtLeast(50.0) } else { Wanted::Nothing };
        let name = format!("reader's CPU a frame, read(2) over mmap, {size}");
        add(name, &["read_over_mmap_cpu", &key], wanted, true);
    }
    for (name, key, wanted) in [
        ("system calls a frame, full speed, 4 KiB", "saturated", Wanted::AtMost(0.05)),
        ("system calls a frame, paced", "paced", Wanted::AtMost(1.0)),
        ("system calls a frame, V4L2 (vivid)", "v4l2", Wanted::Nothing),
    ] {
        add(name.to_owned(), &["syscalls_per_frame", key], wanted, false);
    }
    let peer = figures["best_peer"].as_str().unwrap_or("the best peer");
    for (name, key, wanted) in [
        (
            format!("whole system's CPU a frame, over {peer}'s"),
            "cpu_over_best_peer",
            Wanted::AtMost(0.5),
        ),
        (
            "latency, stamp to reader, p50, over the floor".to_owned(),
            "latency_p50_over_floor",
            Wanted::AtMost(1.1),
        ),
        (
            "the same with all CPUs loaded".to_owned(),
            "latency_p50_over_floor_loaded",
            Wanted::Nothing,
        ),
        (
            "reading every byte, uncached over cached".to_owned(),
            "uncached_over_cached",
            Wanted::Nothing,
        ),
    ] {
        add(name, &[key], wanted, false);
    }
    all
}

/// The ratios for a terminal.
pub(crate) fn summary(headlines: &[Headline]) -> String {
    let mut text = String::new();
    for headline in headlines {
        let Headline { name, figure, .. } = headline;
        let verdict = match headline.wanted {
            Wanted::Nothing => String::new(),
            _ if headline.reached() == "yes" => format!("  (wanted {})", headline.wanted()),
            _ => format!("  (wanted {}: not reached)", headline.wanted()),
        };
        let (median, low, high) = (digits(figure.median), digits(figure.low), digits(figure.high));
        line(&mut text, format_args!("{median:>8}  [{low} .. {high}]  {name}{verdict}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::figures::figures;
    use super::super::figures::tests::{samples, surroundings};
    use super::*;

    #[test]
    fn what_is_not_reached_is_said() {
        let samples = samples(&[("latency", "poll", 2.0)]);
        let figures = figures(&samples, &surroundings()).unwrap();
        let headlines = headlines(&figures);
        let verdict = |name: &str| {
            headlines.iter().find(|headline| headline.name.contains(name)).unwrap().reached()
        };
        assert_eq!(verdict("stamp to reader"), "no");
        assert_eq!(verdict("dmatest's, 64 KiB"), "yes");
        assert_eq!(verdict("dmatest's, 4 KiB"), "no");
        assert_eq!(verdict("uncached"), "");
        assert!(summary(&headlines).contains("(wanted ≤ 1.1: not reached)"));
    }
}
