// SPDX-License-Identifier: MIT OR Apache-2.0
//! RESULTS.md: the headlines, then a table for each measurement.

use serde_json::Value;

use super::figures::{Environment, IDLE, LOADED, PACED_BYTES, SIZES, stored};
use super::headline::{Headline, headlines};
use super::number::{cell, digits, line, plain, size, spread};
use super::samples::Samples;
use crate::guest::INSTRUCTION_NS;

/// The ways to pass a frame to a reader. The first is that of dmaframe.
const READERS: [&str; 5] = ["mmap", "read", "pipe", "unix", "netlink"];

/// The page in Markdown.
pub(crate) fn markdown(
    samples: &Samples,
    environment: &Environment,
    figures: &Value,
    previous: Option<&Value>,
) -> String {
    let mut page = String::new();
    let text = &mut page;
    line(
        text,
        format_args!(
            "<!-- SPDX-License-Identifier: MIT OR Apache-2.0 -->\n\
         # Benchmark\n\n\
         Written by `{}` on {}: {}, {}, host with {}. [README.md](README.md) describes the\n\
         measurements and their limits.\n\n\
         All measurements ran on an emulator. Only the ratios are meaningful, and only for work that\n\
         both sides do in the same way. Delivered bytes, payload and scaling use the clock of the\n\
         host: QEMU runs the DMA engine on the processor that starts it, at about 35 ns per word, and\n\
         shares the host with other programs. All other measurements count instructions: each takes\n\
         {} ns, independent of the instruction and of the load of the host, and the DMA engine takes\n\
         no time. Rates, seconds and latencies are those of the emulator, not of hardware.\n\n\
         ![ratios](chart.svg)\n\n\
         ## Ratios\n\n\
         Medians over interleaved rounds, with quartiles in brackets.\n\n\
         | ratio | median | quartiles | target | met | previous run |\n\
         |---|---|---|---|---|---|",
            environment.command,
            environment.date,
            environment.kernel,
            environment.qemu,
            environment.host,
            INSTRUCTION_NS
        ),
    );
    let earlier = previous.map(headlines).unwrap_or_default();
    for headline in headlines(figures) {
        let Headline { name, figure, .. } = &headline;
        let old = earlier.iter().find(|old| old.name == *name);
        line(
            text,
            format_args!(
                "| {name} | {} | {} | {} | {} | {} |",
                digits(figure.median),
                spread(*figure),
                headline.target(),
                headline.met(),
                old.map_or_else(|| "none".to_owned(), |old| digits(old.figure.median)),
            ),
        );
    }
    engine(text, samples);
    readers(text, samples);
    calls(text, samples);
    polls(text, samples);
    system_table(text, samples);
    latency(text, samples);
    payload(text, samples);
    scaling(text, samples);
    build(text, environment, previous);
    page
}

const MEGABYTE: f64 = 1e6;
const MICROSECOND_OF_NS: f64 = 1e3;
const MILLISECOND: f64 = 1e-3;

fn engine(text: &mut String, samples: &Samples) {
    line(
        text,
        format_args!(
            "\n## Delivered bytes\n\n\
         | frame | dmaframe, MB/s | dmatest, MB/s |\n|---|---|---|"
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
            "\n## CPU time of the reader\n\n\
         Microseconds per frame, including the wake-up.\n\n\
         | frame | mmap | read(2) | pipe | Unix socket | netlink |\n|---|---|---|---|---|---|"
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
            "\n## System calls per frame\n\n\
         | reader | frame | calls per frame |\n|---|---|---|"
        ),
    );
    for (subject, name) in [
        ("saturated", "dmaframe, full speed"),
        ("busy", "dmaframe, full speed, slow reader"),
        ("paced", "dmaframe, paced"),
        ("v4l2", "V4L2 (vivid), mapped buffers"),
    ] {
        for key in samples.keys("calls", subject) {
            let calls = cell(samples.figure("calls", subject, key), 1.0);
            line(text, format_args!("| {name} | {} | {calls} |", size(key)));
        }
    }
}

fn polls(text: &mut String, samples: &Samples) {
    line(
        text,
        format_args!(
            "\n## Polls per publication\n\n\
         More than 1 means that poll(2) returned without a new frame.\n\n\
         | reader | frame | polls per publication |\n|---|---|---|"
        ),
    );
    for (subject, name) in [("saturated", "full speed"), ("paced", "paced")] {
        for key in samples.keys("polls", subject) {
            let polls = cell(samples.figure("polls", subject, key), 1.0);
            line(text, format_args!("| {name} | {} | {polls} |", size(key)));
        }
    }
}

fn system_table(text: &mut String, samples: &Samples) {
    line(
        text,
        format_args!(
            "\n## CPU time of the system, paced\n\n\
         Milliseconds of all processors per frame of 600 KiB, at 10 frames per second.\n\n\
         | driver | ms per frame |\n|---|---|"
        ),
    );
    let mut row = |name: &str, measure: &str, subject: &str| {
        let figure = samples.figure(measure, subject, PACED_BYTES);
        // Seconds per 1000 frames are milliseconds per frame.
        line(text, format_args!("| {name} | {} |", cell(figure, 1.0)));
    };
    row("none (idle system)", "system", "idle");
    row("dmaframe", "system", "dmaframe");
    row("vivid, mapped buffers", "system", "vivid");
    row("copying driver", "system", "copying");
}

fn latency(text: &mut String, samples: &Samples) {
    line(
        text,
        format_args!(
            "\n## Latency\n\n\
         Microseconds from the end stamp of the DMA engine to the first instruction of the reader, for\n\
         frames of 256 bytes. Each value is the median, over all rounds, of the quantile.\n\n\
         | path | idle: p50 | p99 | max | loaded: p50 | p99 | max |\n|---|---|---|---|---|---|---|"
        ),
    );
    for (subject, name) in [
        ("floor", "bare interrupt that wakes the reader"),
        ("floor-thread", "bare interrupt that wakes a thread, which wakes the reader"),
        ("poll", "mmap and poll"),
        ("poll-to-publication", "of which stamp to publication"),
        ("poll-from-publication", "of which publication to reader"),
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
         QEMU emulates no caches, so uncached memory is as fast as cached memory here. On a board\n\
         uncached memory is much slower, which is why the slots are cached.\n\n\
         | mapping | ms |\n|---|---|"
        ),
    );
    for (subject, name) in [
        ("dmaframe", "slot of dmaframe"),
        ("cached", "cached memory"),
        ("uncached", "uncached coherent memory"),
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
         | readers, one channel each | total MB/s, 64 KiB frames |\n|---|---|"
        ),
    );
    for key in samples.keys("readers", "dmaframe") {
        let rate = cell(samples.figure("readers", "dmaframe", key), MEGABYTE);
        line(text, format_args!("| {key} | {rate} |"));
    }
    line(
        text,
        format_args!(
            "\n| frame | MB/s | frames/s | interrupts per frame | kicks per frame |\n|---|---|---|---|---|"
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
        format_args!("\n| slots | MB/s, 4 KiB frames | interrupts per frame |\n|---|---|---|"),
    );
    for key in samples.keys("slots", "dmaframe") {
        let rate = cell(samples.figure("slots", "dmaframe", key), MEGABYTE);
        let interrupts = cell(samples.figure("slot-interrupts", "dmaframe", key), 1.0);
        line(text, format_args!("| {key} | {rate} | {interrupts} |"));
    }
}

fn build(text: &mut String, environment: &Environment, previous: Option<&Value>) {
    line(
        text,
        format_args!(
            "\n## Boot time, sizes and build times\n\n\
         | value | this run | previous run |\n|---|---|---|"
        ),
    );
    let first = previous.and_then(|previous| stored(previous, &["first_frame_guest_s"]));
    line(
        text,
        format_args!(
            "| boot to the first verified frame, seconds in the guest | {} | {} |",
            cell(Some(environment.first_frame), 1.0),
            first.map_or_else(|| "none".to_owned(), |first| digits(first.median)),
        ),
    );
    let old = |group: &str, name: &str| {
        previous.map_or_else(|| "none".to_owned(), |previous| plain(&previous[group][name]))
    };
    for (key, name) in [
        ("module", "module with debug information, bytes"),
        ("module_stripped", "module without debug information, bytes"),
        ("command", "command, bytes"),
        ("kernel", "kernel of the benchmark, bytes"),
        ("image", "SD card image, bytes"),
    ] {
        let now = environment.sizes.get(key).map(plain).unwrap_or_default();
        line(text, format_args!("| {name} | {now} | {} |", old("sizes", key)));
    }
    for (key, name) in [
        ("kernel_cold", "full build of the kernel of the image, seconds"),
        ("all_warm", "build of the guest without changes, seconds"),
    ] {
        let now = environment.build_seconds.get(key).map(plain).unwrap_or_default();
        line(text, format_args!("| {name} | {now} | {} |", old("build_s", key)));
    }
}

#[cfg(test)]
mod tests {
    use super::super::figures::figures;
    use super::super::figures::tests::{environment, samples};
    use super::*;

    #[test]
    fn page_shows_the_previous_run() {
        let previous = figures(&samples(&[("engine", "dmaframe", 7.0)]), &environment()).unwrap();
        let samples = samples(&[]);
        let now = figures(&samples, &environment()).unwrap();
        let page = markdown(&samples, &environment(), &now, Some(&previous));
        let row = "| bytes/s delivered, dmaframe / dmatest, 64 KiB | 1.00 | [1.00 .. 1.00] | ≥ 1 | yes | 7.00 |";
        assert!(page.contains(row), "{page}");
        assert!(page.contains("| SD card image, bytes | unknown | unknown |"), "{page}");
        let page = markdown(&samples, &environment(), &now, None);
        assert!(page.contains("| yes | none |"), "{page}");
    }
}
