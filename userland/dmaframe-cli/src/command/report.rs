// SPDX-License-Identifier: MIT OR Apache-2.0
//! `dmaframe report`.

use super::check::{Check, Content, Expected};
use super::info::Description;
use super::notice::notice;
use super::rates::Rates;
use super::{Outcome, print};
use dmaframe::{Device, Policy, Shape, Source, device};
use serde_json::json;
use std::error::Error;
use std::fmt::Write;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::task::Poll;
use std::time::{Duration, Instant};

/// Write one file that describes this board and its devices
///
/// It has versions, device tree, registers, kernel log, compliance and a benchmark: attach it to a
/// question or a first result. Missing parts are marked. Most parts need
/// root, and some need devices that are not in use. Serial numbers are left out.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: dmaframe report --output report.txt")]
pub(crate) struct Arguments {
    /// Write here instead of to standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write a JSON object: the version, and each section with its name and text
    #[arg(long)]
    json: bool,
    /// Leave out compliance and benchmark, which stream
    #[arg(long)]
    quick: bool,
}

/// A benchmark ends at the first of these limits.
const FRAMES: u64 = 1000;
const TIME: Duration = Duration::from_secs(3);
const FRAME_BYTES: [u32; 3] = [4096, 65536, 1 << 20];
const SLOTS: u32 = 8;

/// The nodes of the device tree that are shown: the controllers of the engine, and dmaframe's node.
const NODES: [&str; 3] = ["dma-controller@", "dmaframe@", "dma@"];
const SOC: &str = "/proc/device-tree/soc";
/// More levels than dmaframe's node has.
const DEPTH: u32 = 4;

type Section = Result<String, Box<dyn Error>>;

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    // A report takes minutes: an output that cannot be written is reported first.
    let cannot_write = |error| match &arguments.output {
        Some(path) => format!("cannot write {}: {error}", path.display()),
        None => format!("cannot write standard output: {error}"),
    };
    let mut output =
        arguments.output.as_ref().map(File::create).transpose().map_err(cannot_write)?;
    let mut sections = Vec::new();
    let mut complete = true;
    let mut section = |name: &str, section: Section| {
        let section = section.map_err(|error| error.to_string());
        complete &= section.is_ok();
        sections.push((name.to_owned(), section));
    };
    section("versions", versions());
    section("device tree", device_tree());
    section("interrupts", lines_with("/proc/interrupts", "dmaframe"));
    section("address space", lines_with("/proc/iomem", "3f007"));
    section("registers", registers());
    for path in device::paths() {
        section(&path.display().to_string(), described(&path));
    }
    if !arguments.quick {
        section("compliance", compliance());
        for path in device::paths() {
            section(&format!("benchmark, {}", path.display()), benchmark(&path));
        }
    }
    // The last section, so that it has messages of the sections before it.
    section("kernel log", kernel_log());

    let report = if arguments.json { as_json(&sections) } else { as_text(&sections) };
    match &mut output {
        Some(file) => io::Write::write_all(file, report.as_bytes()).map_err(cannot_write)?,
        None => print(report.trim_end())?,
    }
    if !complete {
        notice("some parts are not available; the report says which, and why");
    }
    Ok(ExitCode::SUCCESS)
}

/// A section's name, and its text or why there is none.
type Part = (String, Result<String, String>);

fn as_text(sections: &[Part]) -> String {
    let mut report = format!("dmaframe report, {}\n", env!("CARGO_PKG_VERSION"));
    for (name, section) in sections {
        let text = match section {
            Ok(text) => text.clone(),
            Err(error) => format!("not available: {error}\n"),
        };
        let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        report += &format!("\n== {name} ==\n{text}{end}");
    }
    report
}

fn as_json(sections: &[Part]) -> String {
    let section = |(name, section): &Part| match section {
        Ok(text) => json!({ "name": name, "text": text }),
        Err(error) => json!({ "name": name, "error": error }),
    };
    let sections: Vec<_> = sections.iter().map(section).collect();
    format!("{}\n", json!({ "version": env!("CARGO_PKG_VERSION"), "sections": sections }))
}

fn read(path: impl AsRef<Path>) -> Result<String, Box<dyn Error>> {
    let path = path.as_ref();
    let bytes =
        fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    Ok(String::from_utf8_lossy(&bytes).trim_end_matches(['\0', '\n']).replace('\0', ", "))
}

fn versions() -> Section {
    let mut text = String::new();
    for (name, path) in [
        ("board", "/proc/device-tree/model"),
        ("compatible", "/proc/device-tree/compatible"),
        ("kernel", "/proc/version"),
        ("command line", "/proc/cmdline"),
        ("tainted", "/proc/sys/kernel/tainted"),
        ("uptime", "/proc/uptime"),
        ("module", "/sys/module/dmaframe/initstate"),
        ("taint of the module", "/sys/module/dmaframe/taint"),
    ] {
        let value = read(path).unwrap_or_else(|error| error.to_string());
        writeln!(text, "{name}: {value}")?;
    }
    Ok(text)
}

fn lines_with(path: &str, word: &str) -> Section {
    let text = read(path)?;
    let lines: Vec<&str> = text.lines().filter(|line| line.contains(word)).collect();
    if lines.is_empty() {
        return Err(format!("{path} has no line with {word}").into());
    }
    Ok(lines.join("\n"))
}

fn device_tree() -> Section {
    let mut text = String::new();
    for name in ["dma-ranges", "ranges"] {
        let path = Path::new(SOC).join(name);
        writeln!(text, "soc/{name} = {}", property(&path)?)?;
    }
    for node in entries(Path::new(SOC))? {
        let name = node.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if NODES.iter().any(|begin| name.starts_with(begin)) {
            show_node(&node, &format!("soc/{name}"), DEPTH, &mut text)?;
        }
    }
    Ok(text)
}

fn show_node(node: &Path, name: &str, depth: u32, text: &mut String) -> Result<(), Box<dyn Error>> {
    for entry in entries(node)? {
        let part = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let name = format!("{name}/{part}");
        if !entry.is_dir() {
            writeln!(text, "{name} = {}", property(&entry)?)?;
        } else if depth > 0 {
            show_node(&entry, &name, depth - 1, text)?;
        }
    }
    Ok(())
}

fn entries(directory: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let fail = |error: io::Error| format!("cannot read {}: {error}", directory.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(fail)? {
        found.push(entry.map_err(fail)?.path());
    }
    found.sort();
    Ok(found)
}

/// A property as device-tree source has it: words as text, or cells.
fn property(path: &Path) -> Result<String, Box<dyn Error>> {
    let bytes =
        fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    Ok(value(&bytes))
}

fn value(bytes: &[u8]) -> String {
    let words = bytes.strip_suffix(b"\0").filter(|words| !words.is_empty());
    let printable = |words: &&[u8]| {
        words.iter().all(|byte| *byte == 0 || (b' '..=b'~').contains(byte))
            && words.split(|byte| *byte == 0).all(|word| !word.is_empty())
    };
    if let Some(words) = words.filter(printable) {
        return format!("\"{}\"", String::from_utf8_lossy(words).replace('\0', "\", \""));
    }
    if bytes.is_empty() {
        return "true".to_owned();
    }
    let cells: Vec<String> = if bytes.len() % 4 == 0 {
        bytes
            .chunks_exact(4)
            .map(|cell| format!("{:#x}", u32::from_be_bytes([cell[0], cell[1], cell[2], cell[3]])))
            .collect()
    } else {
        return format!("{bytes:02x?}");
    };
    format!("<{}>", cells.join(" "))
}

/// All files of the driver in debugfs.
fn registers() -> Section {
    let debug = Path::new("/sys/kernel/debug");
    let mut text = String::new();
    for directory in entries(debug)? {
        let name = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !name.starts_with("dmaframe") {
            continue;
        }
        for file in entries(&directory)?.into_iter().filter(|file| file.is_file()) {
            let shown = read(&file).unwrap_or_else(|error| error.to_string());
            writeln!(text, "{}:\n{shown}", file.display())?;
        }
    }
    if text.is_empty() {
        let hint =
            "where debugfs is not mounted, `mount -t debugfs debugfs /sys/kernel/debug` does it";
        return Err(format!("{} has no dmaframe; {hint}", debug.display()).into());
    }
    Ok(text)
}

fn described(path: &Path) -> Section {
    Ok(Description::of(path)?.as_text())
}

/// The kernel's messages about dmaframe, and those of serious errors.
fn kernel_log() -> Section {
    let mut log = File::options()
        .read(true)
        .custom_flags(nix::libc::O_NONBLOCK)
        .open("/dev/kmsg")
        .map_err(|error| format!("cannot read /dev/kmsg: {error}"))?;
    let mut text = String::new();
    // Each read returns one message; EAGAIN is the end.
    let mut message = [0; 8192];
    loop {
        match log.read(&mut message) {
            Ok(0) => break,
            Ok(length) => {
                let message = String::from_utf8_lossy(&message[..length]);
                let Some((head, words)) = message.split_once(';') else { continue };
                let words = words.lines().next().unwrap_or_default();
                if ["dmaframe", "bcm2835-dma", "BUG", "WARNING", "Oops"]
                    .iter()
                    .any(|word| words.contains(word))
                {
                    let microseconds = head.split(',').nth(2).unwrap_or("?");
                    writeln!(text, "{microseconds} us: {words}")?;
                }
            }
            // The message was overwritten before it was read: go on with the next one.
            Err(error) if error.raw_os_error() == Some(nix::libc::EPIPE) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(format!("cannot read /dev/kmsg: {error}").into()),
        }
    }
    Ok(text)
}

fn compliance() -> Section {
    let done = Command::new("dmaframe-compliance")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("dmaframe-compliance: {error}"))?;
    let mut text = String::from_utf8_lossy(&done.stdout).into_owned();
    text += &String::from_utf8_lossy(&done.stderr);
    writeln!(text, "{}", done.status)?;
    Ok(text)
}

fn benchmark(path: &Path) -> Section {
    let device = Device::open(path)?;
    let sources = device.sources()?;
    let Some(pattern) = sources.iter().find(|source| source.pattern) else {
        return Err("there is no source with predictable contents".into());
    };
    let mut text = format!("source {}, {SLOTS} slots, every byte verified\n", pattern.name);
    for frame_bytes in FRAME_BYTES {
        let shape = Shape {
            source: pattern.index,
            frame_bytes,
            slots: SLOTS,
            policy: Policy::Backpressure,
            interval_us: 0,
        };
        writeln!(text, "{frame_bytes} bytes a frame: {}", measure(&device, pattern, shape)?)?;
    }
    Ok(text)
}

fn measure(device: &Device, source: &Source, shape: Shape) -> Section {
    let mut stream = device.configure(shape)?;
    stream.start()?;
    let mut check = Check::new(Expected::new(&shape, source, &stream), Content::pattern());
    let mut wrong = None;
    let mut rates = Rates::new();
    let began = Instant::now();
    while check.frames < FRAMES && began.elapsed() < TIME {
        if let Poll::Ready(Some(frame)) = stream.next_timeout(TIME)? {
            rates.take(&frame, 0);
            let words = check.take(frame.header(), frame.device_stamps(), &frame);
            wrong = wrong.or(words);
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    stream.stop()?;
    let engine = stream.counters().errors;
    Ok(format!(
        "{} frames in {seconds:.2} s, {:.1} MB/s, lost {}, errors {} and of the engine {engine}, \
         {}{}",
        check.frames,
        check.bytes as f64 / seconds / 1e6,
        check.lost,
        check.errors,
        rates.latency(),
        wrong.map(|words| format!("; first wrong: {words}")).unwrap_or_default(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_section_says_why_in_both_forms() {
        let sections =
            [("a".to_owned(), Ok("x".to_owned())), ("b".to_owned(), Err("no b".to_owned()))];
        assert!(as_text(&sections).ends_with("== a ==\nx\n\n== b ==\nnot available: no b\n"));
        let report: serde_json::Value = serde_json::from_str(&as_json(&sections)).unwrap();
        assert_eq!(report["sections"][0], json!({ "name": "a", "text": "x" }));
        assert_eq!(report["sections"][1], json!({ "name": "b", "error": "no b" }));
    }

    #[test]
    fn properties_are_shown_by_type() {
        assert_eq!(value(b"brcm,bcm2835\0simple-bus\0"), "\"brcm,bcm2835\", \"simple-bus\"");
        assert_eq!(value(&[0, 0, 0, 4, 0x7e, 0, 0x74, 0]), "<0x4 0x7e007400>");
        assert_eq!(value(b""), "true");
        assert_eq!(value(&[0, 0, 0, 0]), "<0x0>");
        assert_eq!(value(&[1]), "[01]");
    }
}
