// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask bench`: compares dmaframe with its peers. The results are a page, a
//! chart and JSON.

mod chart;
mod figures;
mod headline;
mod number;
mod page;
mod processor;
mod samples;
mod statistics;

use std::fs;
use std::io::{BufRead, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::{Map, Value, json};

use self::figures::Environment;
use self::processor::ProcessorTime;
use self::samples::Samples;
use self::statistics::Figure;
use crate::guest::program;
use crate::guest::{Guest, Job};
use crate::host::progress::{Step, say};
use crate::kernel::module;
use crate::kernel::{self, Flavour};

/// The directory of the published results, which are those of a full run.
const PUBLISHED: &str = "tests/bench";
/// The directory of the results of a quick run, and of the samples of every run.
const SCRATCH: &str = "target/bench";
/// The files in either directory. The page refers to the chart by this name.
const PAGE: &str = "RESULTS.md";
const CHART: &str = "chart.svg";
const FIGURES: &str = "results.json";
const IMAGE: &str = "target/image/images/sdcard.img";
const SAMPLES: &str = "/tmp/samples";
/// Time limit of a guest, long enough for a busy host.
const SECONDS: u64 = 3600;

/// Streams one frame and prints the uptime.
const FIRST: &str =
    "dmaframe stream --frames 1 --verify >/dev/null && read -r up idle </proc/uptime && echo $up";

/// Measurements with the clock of the host. They include the work of the DMA engine, for which the
/// guest executes no instructions.
const BY_CLOCK: &[&str] = &["engine", "payload", "polls", "scaling"];
/// Measurements with a clock that counts instructions, which do not depend on the load of the host.
const BY_INSTRUCTIONS: &[&str] = &["reader", "calls", "system", "latency"];

const MEASURE: &str = include_str!("../bench/measure");

/// Arguments of `cargo xtask bench`.
#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// Measure fewer and shorter rounds, in 2 instead of 5 to 10 minutes. The results go to
    /// target/bench instead of tests/bench
    #[arg(long)]
    quick: bool,
    /// Also write the results, as JSON, to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

impl Bench {
    fn extent(&self) -> &'static str {
        if self.quick { "quick" } else { "full" }
    }

    /// How often a guest is booted to measure the time to the first frame.
    fn boots(&self) -> usize {
        if self.quick { 3 } else { 5 }
    }

    /// Where the results go, in the checkout.
    fn directory(&self) -> &'static str {
        if self.quick { SCRATCH } else { PUBLISHED }
    }

    fn command(&self) -> &'static str {
        if self.quick { "cargo xtask bench --quick" } else { "cargo xtask bench" }
    }
}

/// Measures and writes the results.
pub(crate) fn run(checkout: &Path, bench: &Bench) -> Result<u8> {
    // The second call measures how long it takes to find that nothing has to be built.
    Guest::ready(checkout, Flavour::Bench)?;
    let started = Instant::now();
    let guest = Guest::ready(checkout, Flavour::Bench)?;
    let warm = started.elapsed().as_secs_f64();

    let name = "dmaframe-bench";
    let program = program::program(guest.cache(), guest.builder(), checkout, guest.crates(), name)?;
    let peers =
        module::build_others(guest.builder(), checkout, guest.kernel(), "tests/bench/peers")?;
    let mut modules = guest.kernel().modules()?;
    modules.extend(["copying.ko", "uncached.ko", "waiting.ko"].map(|name| peers.join(name)));

    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let first = first_frames(&guest, bench.boots())?;
    let mut text = String::new();
    let mut stolen = 0.0;
    for (measures, counted) in [(BY_INSTRUCTIONS, true), (BY_CLOCK, false)] {
        let before = ProcessorTime::now()?;
        match measure(&guest, bench, &program, &modules, measures, counted)? {
            Ok(samples) => text += &samples,
            Err(status) => return Ok(status),
        }
        if !counted {
            stolen = before.stolen_until(&ProcessorTime::now()?);
        }
    }
    let samples = Samples::parse(&text)?;
    // The samples, for other statistics.
    write(&checkout.join(SCRATCH).join("samples.jsonl"), &text)?;

    let environment = Environment {
        command: bench.command().to_owned(),
        date: output(Command::new("date").args(["-u", "+%Y-%m-%d %H:%M UTC"]))?,
        kernel: format!("Linux {}", kernel::VERSION),
        qemu: output(guest.builder().command("qemu-system-aarch64").arg("--version"))?
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned(),
        host: format!(
            "{} processors, load {} before the run, {:.0} % of the processor time stolen by other \
             virtual machines",
            std::thread::available_parallelism().map_or(1, usize::from),
            load.split(' ').next().unwrap_or_default(),
            stolen * 100.0
        ),
        first_frame: Figure::of(&first).context("no first frame")?,
        sizes: sizes(&guest, checkout)?,
        build_seconds: build_seconds(&guest, checkout, warm)?,
    };
    let figures = figures::figures(&samples, &environment)?;
    let directory = checkout.join(bench.directory());
    let previous = previous(&directory.join(FIGURES))?;

    let text = format!("{figures:#}\n");
    write(&directory.join(FIGURES), &text)?;
    if let Some(path) = &bench.json {
        write(path, &text)?;
    }
    let headlines = headline::headlines(&figures);
    write(&directory.join(CHART), &chart::draw(&headlines))?;
    let results = page::markdown(&samples, &environment, &figures, previous.as_ref());
    write(&directory.join(PAGE), &results)?;
    print!("{}", headline::summary(&headlines));
    say(format_args!("results: {PAGE}, {CHART} and {FIGURES} in {}", bench.directory()));
    Ok(0)
}

/// Boots guests one after the other. Returns for each the seconds from the start of the kernel to
/// the first verified frame.
fn first_frames(guest: &Guest, boots: usize) -> Result<Vec<f64>> {
    let mut seconds = Vec::new();
    for boot in 0..boots {
        say(format_args!("first frame: boot {} of {boots}", boot + 1));
        let command = ["sh", "-c", FIRST].map(str::to_owned).into();
        let mut said = String::new();
        let job = Job { command, counted: true, ..Job::default() };
        let status = guest.run(&job, |output| {
            output.read_to_string(&mut said).context("reading the guest's output").map(drop)
        })?;
        match said.trim().parse() {
            Ok(up) if status == 0 => seconds.push(up),
            _ => bail!("streaming the first frame failed with status {status}: {said}"),
        }
    }
    Ok(seconds)
}

/// Runs the benchmark in the guest. Returns its samples, or the exit status if it fails.
fn measure(
    guest: &Guest,
    bench: &Bench,
    program: &Path,
    modules: &[PathBuf],
    measures: &[&str],
    counted: bool,
) -> Result<std::result::Result<String, u8>> {
    let mut put = vec![(program.to_owned(), "/root/dmaframe-bench".to_owned())];
    for module in modules {
        let name =
            module.file_name().context("the path of a module has no file name")?.to_string_lossy();
        put.push((module.clone(), format!("/root/modules/{name}")));
    }
    let directory = guest.checkout().join(SCRATCH);
    fs::create_dir_all(&directory).with_context(|| format!("making {}", directory.display()))?;
    let file = directory.join("guest.jsonl");
    let command = ["sh", "-c", MEASURE, "bench", bench.extent(), SAMPLES]
        .iter()
        .chain(measures)
        .map(|word| (*word).to_owned())
        .collect();
    let get = vec![(SAMPLES.to_owned(), file.clone())];
    let job = Job { command, put, get, timeout: Some(SECONDS), counted, ..Job::default() };
    let status = guest.run(&job, |output| {
        for line in output.lines() {
            say(line.context("reading the guest's output")?);
        }
        Ok(())
    })?;
    if status != 0 {
        return Ok(Err(status));
    }
    fs::read_to_string(&file).with_context(|| format!("reading {}", file.display())).map(Ok)
}

/// Sizes in bytes of the module, the command, the kernel and the image.
fn sizes(guest: &Guest, checkout: &Path) -> Result<Map<String, Value>> {
    let stripped = checkout.join(SCRATCH).join("dmaframe.ko");
    let mut strip = guest.builder().command("aarch64-linux-gnu-strip");
    strip.args(["--strip-debug", "-o"]).arg(guest.builder().inside(&stripped)?);
    strip.arg(guest.builder().inside(guest.module())?);
    Step::short("stripping the module").run(&mut strip, &checkout.join("target/log/strip.log"))?;
    let mut sizes = Map::new();
    for (name, path) in [
        ("module", guest.module().to_owned()),
        ("module_stripped", stripped),
        ("command", guest.command("dmaframe")?.to_owned()),
        ("kernel", guest.kernel().image()),
        ("image", checkout.join(IMAGE)),
    ] {
        let bytes = match fs::metadata(&path) {
            Ok(metadata) => json!(metadata.len()),
            Err(error) if error.kind() == ErrorKind::NotFound => Value::Null,
            Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
        };
        sizes.insert(name.to_owned(), bytes);
    }
    Ok(sizes)
}

/// Build times in seconds: a full build of the kernel of the image, and a build without changes.
fn build_seconds(guest: &Guest, checkout: &Path, warm: f64) -> Result<Map<String, Value>> {
    let (cache, builder) = (guest.cache(), guest.builder());
    let cold = guest.kernel().seconds_of(cache, builder, checkout, Flavour::Default)?;
    let mut seconds = Map::new();
    seconds.insert("kernel_cold".to_owned(), json!(cold));
    seconds.insert("all_warm".to_owned(), json!(warm));
    Ok(seconds)
}

/// The results of the previous run, if there are any.
fn previous(path: &Path) -> Result<Option<Value>> {
    match fs::read_to_string(path) {
        Ok(text) => {
            let figures = serde_json::from_str(&text)
                .with_context(|| format!("{} is not valid JSON: remove it", path.display()))?;
            Ok(Some(figures))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}

/// The output of a command, without surrounding white space.
fn output(command: &mut Command) -> Result<String> {
    let output = command.output().context("starting a command")?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quick_run_does_not_replace_the_published_results() {
        let directory = |quick| Bench { quick, json: None }.directory();
        assert_eq!(directory(false), PUBLISHED);
        assert_ne!(directory(true), PUBLISHED);
    }
}
