// SPDX-License-Identifier: MIT OR Apache-2.0
//! The headlines: the most important ratios, and their targets.

use serde_json::Value;

use super::figures::{SIZES, stored};
use super::number::{digits, line, size};
use super::statistics::Figure;

/// A ratio and its target.
#[derive(Debug)]
pub(crate) struct Headline {
    pub(crate) name: String,
    pub(crate) figure: Figure,
    pub(crate) target: Target,
    /// Whether more is better.
    pub(crate) gain: bool,
}

/// The target of a ratio.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Target {
    AtLeast(f64),
    AtMost(f64),
    None,
}

impl Headline {
    pub(super) fn met(&self) -> &'static str {
        let met = match self.target {
            Target::AtLeast(limit) => self.figure.median >= limit,
            Target::AtMost(limit) => self.figure.median <= limit,
            Target::None => return "",
        };
        if met { "yes" } else { "no" }
    }

    pub(super) fn target(&self) -> String {
        match self.target {
            Target::AtLeast(limit) => format!("≥ {limit}"),
            Target::AtMost(limit) => format!("≤ {limit}"),
            Target::None => String::new(),
        }
    }
}

/// The headlines of the results that [`figures`](super::figures::figures) returns.
pub(crate) fn headlines(figures: &Value) -> Vec<Headline> {
    let mut all = Vec::new();
    let mut add = |name: String, path: &[&str], target, gain| {
        if let Some(figure) = stored(figures, path) {
            all.push(Headline { name, figure, target, gain });
        }
    };
    for bytes in SIZES {
        let (key, size) = (bytes.to_string(), size(bytes));
        let target = Target::AtLeast(if bytes < 65536 { 2.0 } else { 1.0 });
        let name = format!("bytes/s delivered, dmaframe / dmatest, {size}");
        add(name, &["engine_ratio", &key], target, true);
    }
    for bytes in SIZES {
        let (key, size) = (bytes.to_string(), size(bytes));
        let target = if bytes == 4 << 20 { Target::AtLeast(50.0) } else { Target::None };
        let name = format!("CPU time of the reader per frame, read(2) / mmap, {size}");
        add(name, &["read_over_mmap_cpu", &key], target, true);
    }
    for (name, key, target) in [
        ("system calls per frame, full speed, 4 KiB", "saturated", Target::AtMost(0.05)),
        ("system calls per frame, paced", "paced", Target::AtMost(1.0)),
        ("system calls per frame, V4L2 (vivid)", "v4l2", Target::None),
    ] {
        add(name.to_owned(), &["syscalls_per_frame", key], target, false);
    }
    for (name, key) in [
        ("polls per publication, full speed, 4 KiB", "saturated"),
        ("polls per publication, full speed, 64 KiB", "saturated_65536"),
        ("polls per publication, full speed, 600 KiB", "saturated_614400"),
        ("polls per publication, paced", "paced"),
    ] {
        let target = Target::AtMost(1.05);
        add(name.to_owned(), &["polls_per_publication", key], target, false);
    }
    let peer = figures["best_peer"].as_str().unwrap_or("the best peer");
    for (name, key, target) in [
        (
            format!("CPU time of the system per frame, dmaframe / {peer}"),
            "cpu_over_best_peer",
            Target::AtMost(0.5),
        ),
        (
            "median latency, stamp to reader, dmaframe / bare interrupt".to_owned(),
            "latency_p50_over_floor",
            Target::AtMost(1.1),
        ),
        (
            "median latency with all CPUs loaded, dmaframe / bare interrupt".to_owned(),
            "latency_p50_over_floor_loaded",
            Target::None,
        ),
        ("reading every byte, uncached / cached".to_owned(), "uncached_over_cached", Target::None),
    ] {
        add(name, &[key], target, false);
    }
    all
}

/// The headlines as text for a terminal.
pub(crate) fn summary(headlines: &[Headline]) -> String {
    let mut text = String::new();
    for headline in headlines {
        let Headline { name, figure, .. } = headline;
        let verdict = match headline.target {
            Target::None => String::new(),
            _ if headline.met() == "yes" => format!("  (target {})", headline.target()),
            _ => format!("  (target {}: not met)", headline.target()),
        };
        let (median, low, high) = (digits(figure.median), digits(figure.low), digits(figure.high));
        line(&mut text, format_args!("{median:>8}  [{low} .. {high}]  {name}{verdict}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::figures::figures;
    use super::super::figures::tests::{environment, samples};
    use super::*;

    #[test]
    fn missed_target_is_reported() {
        let samples = samples(&[("latency", "poll", 2.0), ("polls", "paced", 1.06)]);
        let figures = figures(&samples, &environment()).unwrap();
        let headlines = headlines(&figures);
        let verdict = |name: &str| {
            headlines.iter().find(|headline| headline.name.contains(name)).unwrap().met()
        };
        assert_eq!(verdict("stamp to reader"), "no");
        assert_eq!(verdict("polls per publication, paced"), "no");
        assert_eq!(verdict("polls per publication, full speed, 4 KiB"), "yes");
        assert_eq!(verdict("dmatest, 64 KiB"), "yes");
        assert_eq!(verdict("dmatest, 4 KiB"), "no");
        assert_eq!(verdict("uncached"), "");
        assert!(summary(&headlines).contains("(target ≤ 1.1: not met)"));
    }
}
