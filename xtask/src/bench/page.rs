// SPDX-License-Identifier: MIT OR Apache-2.0
//! The page: the ratios first, then a table for each measure.

use serde_json::Value;

use super::figures::{IDLE, LOADED, PACED_BYTES, SIZES, Surroundings, stored};
use super::headline::{Headline, headlines};
use super::number::{cell, digits, line, plain, size, spread};
use super::samples::Samples;
use crate::guest::INSTRUCTION_NS;

/// Who hands a frame to its reader, the first by mmap.
const READERS: [&str; 5] = ["mmap", "read", "pipe", "unix", "netlink"];

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

#[cfg(test)]
mod tests {
    use super::super::figures::figures;
    use super::super::figures::tests::{samples, surroundings};
    use super::*;

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
}
