// SPDX-License-Identifier: MIT OR Apache-2.0
//! The figures: as JSON, and as a page with the ratios first.

use std::fmt::Write;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use super::samples::{Samples, ratio};
use super::statistics::{Figure, median};
use crate::guest::INSTRUCTION_NS;

/// The sizes at which dmaframe is compared with the engine alone, and read with read(2).
const SIZES: [u64; 4] = [4096, 65536, 614_400, 4 << 20];
/// Who delivers paced frames beside dmaframe.
const PEERS: [&str; 2] = ["vivid", "copying"];
/// Who hands a frame to its reader, the first by mmap.
const READERS: [&str; 5] = ["mmap", "read", "pipe", "unix", "netlink"];
const PACED_BYTES: u64 = 614_400;
const IDLE: u64 = 0;
const LOADED: u64 = 1;

/// What is known of a run besides its samples.
#[derive(Debug)]
pub(crate) struct Surroundings {
    pub(crate) command: String,
    pub(crate) date: String,
    pub(crate) kernel: String,
    pub(crate) qemu: String,
    pub(crate) host: String,
    /// Seconds after the kernel's start.
    pub(crate) first_frame: Figure,
    pub(crate) sizes: Map<String, Value>,
    pub(crate) build_seconds: Map<String, Value>,
}

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
    fn reached(&self) -> &'static str {
        let reached = match self.wanted {
            Wanted::AtLeast(limit) => self.figure.median >= limit,
            Wanted::AtMost(limit) => self.figure.median <= limit,
            Wanted::Nothing => return "",
        };
        if reached { "yes" } else { "no" }
    }

    fn wanted(&self) -> String {
        match self.wanted {
            Wanted::AtLeast(limit) => format!("≥ {limit}"),
            Wanted::AtMost(limit) => format!("≤ {limit}"),
            Wanted::Nothing => String::new(),
        }
    }
}

/// Everything that a later run, or a program, may want to know.
pub(crate) fn figures(samples: &Samples, around: &Surroundings) -> Result<Value> {
    let need = |figure: Option<Figure>, what: &str| {
        figure.map(|figure| figure.json()).with_context(|| format!("the guest measured no {what}"))
    };
    let sized = |over: &str, under: &str, measure: &str| -> Result<Value> {
        let mut all = Map::new();
        for key in SIZES {
            let figure = samples.ratio(measure, over, under, key);
            all.insert(key.to_string(), need(figure, &format!("{measure} of {key} bytes"))?);
        }
        Ok(Value::Object(all))
    };
    let calls = |subject: &str, key: u64| need(samples.figure("calls", subject, key), subject);
    let (peer, system) = system(samples).context("the guest measured no whole system")?;
    let latency = |key| {
        ratio(&samples.by_round("latency", "poll", key), &samples.by_round("latency", "floor", key))
    };
    Ok(json!({
        "command": around.command,
        "date": around.date,
        "engine_ratio": sized("dmaframe", "dmatest", "engine")?,
        "read_over_mmap_cpu": sized("read", "mmap", "reader")?,
        "syscalls_per_frame": {
            "saturated": calls("saturated", 4096)?,
            "saturated_65536": calls("saturated", 65536)?,
            "saturated_614400": calls("saturated", 614_400)?,
            "paced": calls("paced", 4096)?,
            "v4l2": calls("v4l2", PACED_BYTES)?,
        },
        "cpu_over_best_peer": system.json(),
        "best_peer": peer,
        "latency_p50_over_floor": need(latency(IDLE), "latency")?,
        "latency_p50_over_floor_loaded": need(latency(LOADED), "latency under load")?,
        "first_frame_guest_s": around.first_frame.json(),
        "uncached_over_cached": need(
            samples.ratio("payload", "uncached", "cached", 4 << 20),
            "reading of payload",
        )?,
        "versions": {
            "dmaframe": env!("CARGO_PKG_VERSION"),
            "kernel": around.kernel,
            "qemu": around.qemu,
            "host": around.host,
        },
        "sizes": around.sizes,
        "build_s": around.build_seconds,
    }))
}

/// The peer that costs least, and dmaframe's cost over it. Of both, what the system costs with
/// nothing to do is taken off first; a peer that cannot be told from it is none.
fn system(samples: &Samples) -> Option<(&'static str, Figure)> {
    let of = |subject: &str| samples.by_round("system", subject, PACED_BYTES);
    let idle = median(&of("idle"))?;
    let cost = |subject: &str| of(subject).iter().map(|whole| whole - idle).collect::<Vec<_>>();
    let (peer, least) = PEERS
        .into_iter()
        .filter_map(|peer| Some((peer, median(&cost(peer))?)))
        .min_by(|(_, one), (_, other)| one.total_cmp(other))?;
    (least > 0.0).then_some((peer, ratio(&cost("dmaframe"), &cost(peer))?))
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

/// A figure that was written as JSON.
fn stored(figures: &Value, path: &[&str]) -> Option<Figure> {
    let figure = path.iter().fold(figures, |at, name| &at[*name]);
    let number = |name: &str| figure[name].as_f64();
    Some(Figure {
        median: number("median")?,
        low: number("low")?,
        high: number("high")?,
        count: figure["count"].as_u64()? as usize,
    })
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

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // A string takes everything.
    let _ = writeln!(text, "{line}");
}

/// The page.
pub(crate) fn markdown(
    samples: &Samples,
    around: &Surroundings,
    figures: &Value,
    before: Option<&Value>,
) -> String {
    let mut page = String::new();
    let text = &mut page;
    line(
        text,
        format_args!(
            "<!-- SPDX-License-Identifier: MIT OR Apache-2.0 -->\n\
         # Benchmark\n\n\
         Written by `{}` on {}: {}, {}, host of {}. [README.md](README.md) says how each is\n\
         measured and what bounds it.\n\n\
         Everything here ran on an emulator. Of its figures only ratios mean something, and of those\n\
         only what both sides do alike. Delivered bytes, payload and scaling are by the clock: QEMU\n\
         runs the engine on the processor that starts it, at some 35 ns a word, and shares its host\n\
         with whoever else is there. The rest is by instructions: in that guest each takes {} ns,\n\
         whatever it does and however busy the host is, and the engine none. Rates, seconds and\n\
         latencies are the emulator's and say nothing of hardware.\n\n\
         ![ratios](chart.svg)\n\n\
         ## Ratios\n\n\
         Medians over rounds that take turns; in brackets the quarters around them.\n\n\
         | what | median | spread | wanted | reached | run before |\n\
         |---|---|---|---|---|---|",
            around.command, around.date, around.kernel, around.qemu, around.host, INSTRUCTION_NS
        ),
    );
    let earlier = before.map(headlines).unwrap_or_default();
    for headline in headlines(figures) {
        let Headline { name, figure, .. } = &headline;
        let old = earlier.iter().find(|old| old.name == *name);
        line(
            text,
            format_args!(
                "| {name} | {} | {} | {} | {} | {} |",
                digits(figure.median),
                spread(*figure),
                headline.wanted(),
                headline.reached(),
                old.map_or_else(|| "none".to_owned(), |old| digits(old.figure.median)),
            ),
        );
    }
    engine(text, samples);
    readers(text, samples);
    calls(text, samples);
    system_table(text, samples);
    latency(text, samples);
    payload(text, samples);
    scaling(text, samples);
    build(text, around, before);
    page
}

fn spread(figure: Figure) -> String {
    format!("[{} .. {}]", digits(figure.low), digits(figure.high))
}

/// A table's cell.
fn cell(figure: Option<Figure>, unit: f64) -> String {
    figure.map_or_else(String::new, |figure| {
        let figure = figure.in_units_of(unit);
        format!("{} {}", digits(figure.median), spread(figure))
    })
}

const MEGABYTE: f64 = 1e6;
const MICROSECOND_OF_NS: f64 = 1e3;
const MILLISECOND: f64 = 1e-3;

fn engine(text: &mut String, samples: &Samples) {
    line(
        text,
        format_args!(
            "\n## Delivered, beside the engine alone\n\n\
         | size | dmaframe to its reader, MB/s | dmatest, MB/s |\n|---|---|---|"
        ),
    );
    for key in SIZES {
        let rate = |subject| cell(samples.figure("engine", subject, key), MEGABYTE);
        line(text, format_args!("| {} | {} | {} |", size(key), rate("dmaframe"), rate("dmatest")));
    }
}

fn readers(text: &mut String, samples: &Samples) {
    line(
        text,
        format_args!(
            "\n## What a frame costs its reader\n\n\
         Microseconds of the reader's thread for a frame, waking up for it included.\n\n\
         | size | mmap | read(2) | pipe | Unix socket | netlink |\n|---|---|---|---|---|---|"
        ),
    );
    for key in SIZES {
        let cells = READERS
            .map(|subject| cell(samples.figure("reader", subject, key), MICROSECOND_OF_NS))
            .join(" | ");
        line(text, format_args!("| {} | {cells} |", size(key)));
    }
}

fn calls(text: &mut String, samples: &Samples) {
    line(
        text,
        format_args!(
            "\n## System calls a frame\n\n\
         | who | frames | calls a frame |\n|---|---|---|"
        ),
    );
    for (subject, name) in [
        ("saturated", "dmaframe, full speed"),
        ("busy", "dmaframe, full speed, the reader being slower"),
        ("paced", "dmaframe, paced"),
        ("v4l2", "vivid by V4L2, mapped buffers"),
    ] {
        for key in samples.keys("calls", subject) {
            let calls = cell(samples.figure("calls", subject, key), 1.0);
            line(text, format_args!("| {name} | {} | {calls} |", size(key)));
        }
    }
}

fn system_table(text: &mut String, samples: &Samples) {
    line(
        text,
        format_args!(
            "\n## The whole system, paced\n\n\
         Milliseconds of all processors together for a frame of 600 KiB, 10 a second.\n\n\
         | who | ms a frame |\n|---|---|"
        ),
    );
    let mut row = |name: &str, measure: &str, subject: &str| {
        let figure = samples.figure(measure, subject, PACED_BYTES);
        // Seconds for a thousand are milliseconds for one.
        line(text, format_args!("| {name} | {} |", cell(figure, 1.0)));
    };
    row("nobody: the system by itself", "system", "idle");
    row("dmaframe", "system", "dmaframe");
    row("vivid, mapped", "system", "vivid");
    row("the driver that copies", "system", "copying");
}

fn latency(text: &mut String, samples: &Samples) {
    line(
        text,
        format_args!(
            "\n## Latency\n\n\
         Microseconds from the engine's end stamp to the reader's first instruction, frames of 256\n\
         bytes; medians of the rounds' quantiles.\n\n\
         | path | idle: p50 | p99 | max | loaded: p50 | p99 | max |\n|---|---|---|---|---|---|---|"
        ),
    );
    for (subject, name) in [
        ("floor", "floor: an interrupt wakes the reader"),
        ("floor-thread", "an interrupt wakes a thread, that the reader"),
        ("poll", "mmap and poll"),
        ("poll-to-publication", "of which until the driver's thread has published"),
        ("poll-from-publication", "of which from there to the reader"),
        ("read", "read(2)"),
        ("sigio", "mmap and SIGIO"),
    ] {
        let mut row = format!("| {name} |");
        for key in [IDLE, LOADED] {
            for part in [0.5, 0.99, 1.0] {
                let figure = samples.tail("latency", subject, key, part);
                let figure = figure.map(|figure| figure.median / MICROSECOND_OF_NS);
                row += &format!(" {} |", figure.map(digits).unwrap_or_default());
            }
        }
        line(text, format_args!("{row}"));
    }
}

fn payload(text: &mut String, samples: &Samples) {
    line(
        text,
        format_args!(
            "\n## Reading every byte of 4 MiB\n\n\
         QEMU has no caches: that uncached memory costs as much as cached is to be expected here, and\n\
         says nothing of a board, where the difference is what cached slots are for.\n\n\
         | mapping | ms |\n|---|---|"
        ),
    );
    for (subject, name) in [
        ("dmaframe", "a slot of dmaframe's"),
        ("cached", "cached memory"),
        ("uncached", "coherent memory, uncached"),
    ] {
        let figure = samples.figure("payload", subject, 4 << 20);
        line(text, format_args!("| {name} | {} |", cell(figure, MILLISECOND)));
    }
}

fn scaling(text: &mut String, samples: &Samples) {
    line(
        text,
        format_args!(
            "\n## Scaling\n\n\
         | readers, a channel each | MB/s together, 64 KiB frames |\n|---|---|"
        ),
    );
    for key in samples.keys("readers", "dmaframe") {
        let rate = cell(samples.figure("readers", "dmaframe", key), MEGABYTE);
        line(text, format_args!("| {key} | {rate} |"));
    }
    line(
        text,
        format_args!(
            "\n| frame | MB/s | frames/s | interrupts a frame | kicks a frame |\n|---|---|---|---|---|"
        ),
    );
    for key in samples.keys("sizes", "dmaframe") {
        let rate = samples.figure("sizes", "dmaframe", key);
        let count = |measure| cell(samples.figure(measure, "dmaframe", key), 1.0);
        line(
            text,
            format_args!(
                "| {} | {} | {} | {} | {} |",
                size(key),
                cell(rate, MEGABYTE),
                rate.map(|rate| digits(rate.median / key as f64)).unwrap_or_default(),
                count("size-interrupts"),
                count("size-kicks"),
            ),
        );
    }
    line(
        text,
        format_args!("\n| slots | MB/s, 4 KiB frames | interrupts a frame |\n|---|---|---|"),
    );
    for key in samples.keys("slots", "dmaframe") {
        let rate = cell(samples.figure("slots", "dmaframe", key), MEGABYTE);
        let interrupts = cell(samples.figure("slot-interrupts", "dmaframe", key), 1.0);
        line(text, format_args!("| {key} | {rate} | {interrupts} |"));
    }
}

fn build(text: &mut String, around: &Surroundings, before: Option<&Value>) {
    line(
        text,
        format_args!(
            "\n## Boot, sizes, builds\n\n\
         | what | now | run before |\n|---|---|---|"
        ),
    );
    let first = before.and_then(|before| stored(before, &["first_frame_guest_s"]));
    line(
        text,
        format_args!(
            "| boot to the first verified frame, guest's seconds | {} | {} |",
            cell(Some(around.first_frame), 1.0),
            first.map_or_else(|| "none".to_owned(), |first| digits(first.median)),
        ),
    );
    let old = |group: &str, name: &str| {
        before.map_or_else(|| "none".to_owned(), |before| plain(&before[group][name]))
    };
    for (key, name) in [
        ("module", "module as built, bytes"),
        ("module_stripped", "module without its debugging symbols, bytes"),
        ("command", "command, bytes"),
        ("kernel", "kernel measured on, bytes"),
        ("image", "SD card's image, bytes"),
    ] {
        let now = around.sizes.get(key).map(plain).unwrap_or_default();
        line(text, format_args!("| {name} | {now} | {} |", old("sizes", key)));
    }
    for (key, name) in [
        ("kernel_cold", "the image's kernel from nothing, seconds"),
        ("all_warm", "all that a guest needs, when nothing has changed, seconds"),
    ] {
        let now = around.build_seconds.get(key).map(plain).unwrap_or_default();
        line(text, format_args!("| {name} | {now} | {} |", old("build_s", key)));
    }
}

/// A number, or that there is none.
fn plain(value: &Value) -> String {
    match (value.as_u64(), value.as_f64()) {
        (Some(whole), _) => whole.to_string(),
        (None, Some(number)) => digits(number),
        _ => "unknown".to_owned(),
    }
}

/// Three digits that count.
fn digits(number: f64) -> String {
    let places = match number.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 || size == 0.0 => 2,
        size if size >= 0.01 => 3,
        _ => 5,
    };
    format!("{number:.places$}")
}

fn size(bytes: u64) -> String {
    match bytes {
        _ if bytes % (1 << 20) == 0 => format!("{} MiB", bytes >> 20),
        _ if bytes % 1024 == 0 => format!("{} KiB", bytes >> 10),
        _ => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn surroundings() -> Surroundings {
        let map = |value: Value| value.as_object().unwrap().clone();
        Surroundings {
            command: "cargo xtask bench".to_owned(),
            date: "2001-01-01".to_owned(),
            kernel: "Linux 7".to_owned(),
            qemu: "QEMU 10".to_owned(),
            host: "2 processors".to_owned(),
            first_frame: Figure::of(&[1.5, 1.6]).unwrap(),
            sizes: map(json!({ "module": 1000, "image": null })),
            build_seconds: map(json!({ "kernel_cold": null, "all_warm": 3.25 })),
        }
    }

    /// Two rounds of everything, all 1 but for what is given.
    fn samples(other: &[(&str, &str, f64)]) -> Samples {
        let mut text = String::new();
        let mut add = |measure: &str, subject: &str, key: u64| {
            let given = other.iter().find(|(m, s, _)| *m == measure && *s == subject);
            let usual = if subject == "idle" { 0.5 } else { 1.0 };
            let value = given.map_or(usual, |(_, _, value)| *value);
            for round in 0..2 {
                line(
                    &mut text,
                    format_args!(
                        r#"{{"measure":"{measure}","subject":"{subject}","key":{key},"round":{round},"values":[{value:?}]}}"#
                    ),
                );
            }
        };
        for key in SIZES {
            add("engine", "dmaframe", key);
            add("engine", "dmatest", key);
            add("reader", "mmap", key);
            add("reader", "read", key);
            add("calls", "saturated", key);
        }
        add("calls", "paced", 4096);
        add("calls", "v4l2", PACED_BYTES);
        for who in ["idle", "dmaframe", "vivid", "copying"] {
            add("system", who, PACED_BYTES);
        }
        for key in [IDLE, LOADED] {
            add("latency", "poll", key);
            add("latency", "floor", key);
        }
        add("payload", "cached", 4 << 20);
        add("payload", "uncached", 4 << 20);
        for (measure, key) in [("readers", 2), ("sizes", 256), ("slots", 2)] {
            add(measure, "dmaframe", key);
        }
        Samples::parse(&text).unwrap()
    }

    #[test]
    fn every_figure_has_a_median_and_a_spread() {
        let samples = samples(&[("reader", "read", 60.0), ("engine", "dmaframe", 3.0)]);
        let figures = figures(&samples, &surroundings()).unwrap();
        for size in ["4096", "65536", "614400", "4194304"] {
            assert_eq!(figures["engine_ratio"][size]["median"], 3.0);
            assert_eq!(figures["read_over_mmap_cpu"][size]["median"], 60.0);
        }
        for key in ["saturated", "paced", "v4l2"] {
            assert_eq!(figures["syscalls_per_frame"][key]["spread"], 0.0);
        }
        for key in ["latency_p50_over_floor", "first_frame_guest_s"] {
            assert!(figures[key]["median"].is_f64() && figures[key]["spread"].is_f64(), "{key}");
        }
        assert_eq!(figures["sizes"]["image"], Value::Null);
    }

    #[test]
    fn the_best_peer_is_the_cheapest_and_the_system_by_itself_is_nobodys() {
        let samples = samples(&[
            ("system", "idle", 1.0),
            ("system", "vivid", 9.0),
            ("system", "copying", 5.0),
            ("system", "dmaframe", 2.0),
        ]);
        let figures = figures(&samples, &surroundings()).unwrap();
        assert_eq!(figures["best_peer"], "copying");
        assert_eq!(figures["cpu_over_best_peer"]["median"], 0.25);
    }

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

    #[test]
    fn the_page_tells_the_run_before() {
        let before = figures(&samples(&[("engine", "dmaframe", 7.0)]), &surroundings()).unwrap();
        let samples = samples(&[]);
        let now = figures(&samples, &surroundings()).unwrap();
        let page = markdown(&samples, &surroundings(), &now, Some(&before));
        let row = "| bytes/s delivered, over dmatest's, 64 KiB | 1.00 | [1.00 .. 1.00] | ≥ 1 | yes | 7.00 |";
        assert!(page.contains(row), "{page}");
        assert!(page.contains("| SD card's image, bytes | unknown | unknown |"), "{page}");
        let page = markdown(&samples, &surroundings(), &now, None);
        assert!(page.contains("| yes | none |"), "{page}");
    }

    #[test]
    fn a_peer_that_costs_nothing_is_no_measure() {
        let samples = samples(&[("system", "copying", 0.5)]);
        assert!(figures(&samples, &surroundings()).is_err());
    }

    #[test]
    fn what_was_not_measured_is_named() {
        let missing = figures(&Samples::default(), &surroundings()).unwrap_err().to_string();
        assert!(missing.contains("whole system"), "{missing}");
    }

    #[test]
    fn numbers_have_three_digits_that_count() {
        let shown = [1234.5, 12.345, 1.2345, 0.12345, 0.0012345, 0.0].map(digits);
        assert_eq!(shown, ["1234", "12.3", "1.23", "0.123", "0.00123", "0.00"]);
        assert_eq!([256, 4096, 614_400, 4 << 20].map(size), ["256 B", "4 KiB", "600 KiB", "4 MiB"]);
    }
}
