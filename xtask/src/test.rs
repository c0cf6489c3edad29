// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every check and test of the project, host and guest. A failure of one keeps none from running.

mod bare_metal;
mod checkers;
mod cross;
mod external_tree;
mod model;
mod schema;
pub(crate) mod soak;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;

use crate::host::cache::collect_files;

use crate::guest::addition::Addition;

use crate::guest::{Guest, Job};
use crate::kernel::Flavour;

use crate::kernel::module::{self, Lint};

use crate::host::progress::say;

use crate::guest::program;

/// The guest's tests stream for minutes on a slow machine.
const GUEST_SECONDS: u64 = 1500;
/// And many times longer under the kernel's checkers.
const DEBUG_SECONDS: u64 = 3 * 3600;
/// Tests that need what only the debug kernel and its module have.
const DEBUG_ONLY: &[&str] = &["allocation", "fault"];
/// Tests that a run on both kernels has on the default one alone: the kernel's checkers make many
/// minutes of them, or tell little more.
const DEBUG_LONG: &[&str] = &[
    "command",
    "compliance",
    "frames",
    "gpio",
    "inheritance",
    "ioctl",
    "lifecycle",
    "neighbour",
    "netlink",
    "permission",
    "registers",
    "remapping",
    "report",
    "storm",
    "sysfs",
    "systimer",
    "unbind",
];
/// The test that comes last: the kernel's own check of DMA gives up where it has no memory either.
const LAST: &str = "allocation";
/// Runs in the guest with a filter and the programs' names as its arguments. The filter is empty, or
/// a part of a program's name or of a test's.
const RUNNER: &str = "\
status=0 filter=$1
shift
for name; do
	test=/tests/$name
	echo \"     Running $name in the guest\"
	if grep -sq Y /sys/kernel/debug/dma-api/disabled; then
		echo \"DMA_API_DEBUG has given up: what follows would go unchecked\"
		exit 1
	fi
	case $name in
		*\"$filter\"*) \"$test\" --test-threads=1 --color=never || status=1 ;;
		*) \"$test\" --test-threads=1 --color=never \"$filter\" || status=1 ;;
	esac
done
exit $status
";

/// Which tests.
#[derive(Debug, Args)]
pub(crate) struct Selection {
    /// Only what needs no guest: no builder, no kernel
    #[arg(long)]
    quick: bool,
    /// Only this kernel's guest; without, both, the debug one with those tests that are quick there
    #[arg(long, value_parser = Flavour::tested())]
    kernel: Option<Flavour>,
    /// Only checks and tests whose names, or whose program's, contain this
    filter: Option<String>,
}

/// Runs them; true when all passed.
pub(crate) fn run(checkout: &Path, selection: &Selection) -> bool {
    let mut report = Report { filter: selection.filter.clone(), ..Report::default() };

    let wanted =
        |flavour| !selection.quick && selection.kernel.is_none_or(|kernel| kernel == flavour);
    let first = if wanted(Flavour::Default) { Flavour::Default } else { Flavour::Debug };
    let guest = if selection.quick {
        None
    } else {
        report.needed("everything a guest needs", || Guest::ready(checkout, first))
    };

    std::thread::scope(|scope| {
        // Its kernel takes longest of all to build, and other checks leave processors idle.
        let both = first == Flavour::Default && wanted(Flavour::Debug) && guest.is_some();
        let debug = both.then(|| scope.spawn(|| Guest::ready(checkout, Flavour::Debug)));

        report.check("rustfmt", || format(checkout, guest.as_ref()));
        report.check("clippy", || clippy(checkout, guest.as_ref()));
        report.tests("host tests", |filter, count| host_tests(checkout, filter, count));
        if report.chosen("ring, loom") {
            report.tests("ring, loom", |_, count| cargo_tests(model::loom(checkout), count));
        }
        if report.chosen("ring, miri") {
            match model::miri(checkout) {
                Some(miri) => report.tests("ring, miri", |_, count| cargo_tests(miri, count)),
                None => say(format_args!(
                    "test ring, miri: left out, for this host has none: \
                     rustup toolchain install nightly --component miri,rust-src"
                )),
            }
        }
        if let Some(guest) = &guest {
            report.check("module, rustfmt", || {
                succeed(guest.builder().command("rustfmt").args(["--check", "driver/main.rs"]))
            });
            report.check("board on bare metal", || bare_metal::check(guest, checkout));
            report.check("checkpatch", || checkpatch(guest, checkout));
            report.check("device-tree schema", || schema::check(guest, checkout));
            report.check("Buildroot's external tree", || external_tree::check(guest, checkout));
            if report.chosen("cross") {
                match cross::engine() {
                    Some(engine) => {
                        report.check("cross", || cross::check(guest, checkout, &engine));
                    }
                    None => say(format_args!(
                        "test cross: left out, for this host has no cross (cargo install cross), or no \
                         docker or podman that runs"
                    )),
                }
            }
            on_guest(&mut report, guest, checkout, &[]);
        }
        if let Some(debug) = debug {
            let guest = report.needed("everything a debug guest needs", || {
                debug.join().map_err(|_| anyhow!("making it panicked"))?
            });
            if let Some(guest) = &guest {
                on_guest(&mut report, guest, checkout, DEBUG_LONG);
            }
        }
    });
    println!("{} passed, {} failed", report.count.passed, report.count.failed);
    report.count.failed == 0
}

/// What is checked with each kernel; the test programs `left_out` are not.
fn on_guest(report: &mut Report, guest: &Guest, checkout: &Path, left_out: &[&str]) {
    let name = guest.kernel().flavour().name();
    if guest.kernel().flavour() == Flavour::Default {
        report.check("the image's kernel is the guest's", || {
            external_tree::same_kernel(guest.kernel(), checkout)
        });
        report.check("the benchmark's modules", || {
            let (builder, kernel) = (guest.builder(), guest.kernel());
            module::build_others(builder, checkout, kernel, "tests/bench/peers").map(drop)
        });
    }
    report.check(&format!("module, clippy, {name} kernel"), || {
        let (builder, kernel) = (guest.builder(), guest.kernel());
        module::build(builder, checkout, kernel, guest.crates(), Lint::Clippy).map(drop)
    });
    if guest.kernel().flavour() == Flavour::Debug {
        report.check("deliberate faults", || checkers::check(guest, checkout));
    }
    report.tests(&format!("guest tests, {name} kernel"), |filter, count| {
        guest_tests(guest, checkout, left_out, filter, count)
    });
}

/// Passed and failed tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    passed: u64,
    failed: u64,
}

impl Count {
    /// Adds a libtest or cargo closing line, if this is one.
    fn add_line(&mut self, line: &str) {
        let Some(result) = line.trim_start().strip_prefix("test result: ") else { return };
        let number_before = |word: &str| {
            let before = result.split(word).next()?;
            before.split_ascii_whitespace().last()?.parse::<u64>().ok()
        };
        self.passed += number_before(" passed").unwrap_or(0);
        self.failed += number_before(" failed").unwrap_or(0);
    }
}

#[derive(Debug, Default)]
struct Report {
    filter: Option<String>,
    count: Count,
}

impl Report {
    fn chosen(&self, name: &str) -> bool {
        self.filter.as_ref().is_none_or(|filter| name.contains(filter))
    }

    /// A check that passes or fails as one, if it is chosen.
    fn check(&mut self, name: &str, check: impl FnOnce() -> Result<()>) {
        if !self.chosen(name) {
            return;
        }
        let started = Instant::now();
        let result = check();
        if result.is_ok() {
            self.count.passed += 1;
        } else {
            self.count.failed += 1;
        }
        end(name, started, result);
    }

    /// What others stand on: no test of its own unless it fails.
    fn needed<T>(&mut self, name: &str, make: impl FnOnce() -> Result<T>) -> Option<T> {
        let started = Instant::now();
        match make() {
            Ok(made) => {
                end(name, started, Ok(()));
                Some(made)
            }
            Err(error) => {
                self.count.failed += 1;
                end(name, started, Err(error));
                None
            }
        }
    }

    /// Test runners that filter and count for themselves.
    fn tests(&mut self, name: &str, run: impl FnOnce(Option<&str>, &mut Count) -> Result<()>) {
        let started = Instant::now();
        let mut count = Count::default();
        let result = run(self.filter.as_deref(), &mut count);
        // A runner that could not run has counted nothing.
        if result.is_err() && count.failed == 0 {
            count.failed = 1;
        }
        self.count.passed += count.passed;
        self.count.failed += count.failed;
        end(name, started, result);
    }
}

fn end(name: &str, started: Instant, result: Result<()>) {
    let seconds = started.elapsed().as_secs_f64();
    match result {
        Ok(()) => say(format_args!("test {name}: ok, {seconds:.1} s")),
        Err(error) => say(format_args!("test {name}: FAILED, {seconds:.1} s\n{error:#}")),
    }
}

/// The host's cargo with a tool of rustup's, else the builder's.
fn cargo_with(tool: &str, checkout: &Path, guest: Option<&Guest>) -> Result<Command> {
    let mut probe = Command::new(program::cargo());
    probe.args([tool, "--version"]).current_dir(checkout);
    let has = probe.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if has.is_ok_and(|status| status.success()) {
        let mut cargo = Command::new(program::cargo());
        cargo.arg(tool).current_dir(checkout);
        return Ok(cargo);
    }
    match guest {
        Some(guest) => {
            say(format_args!("this host has no cargo {tool}: taking the builder's"));
            let mut cargo = guest.crates().cargo(guest.builder(), &[])?;
            cargo.arg(tool);
            Ok(cargo)
        }
        None => bail!(
            "this host has no cargo {tool}: add it with rustup component add {}",
            component(tool)
        ),
    }
}

fn component(tool: &str) -> &str {
    if tool == "fmt" { "rustfmt" } else { tool }
}

fn format(checkout: &Path, guest: Option<&Guest>) -> Result<()> {
    succeed(cargo_with("fmt", checkout, guest)?.args(["--all", "--check", "--", "--color=never"]))
}

fn clippy(checkout: &Path, guest: Option<&Guest>) -> Result<()> {
    let mut clippy = cargo_with("clippy", checkout, guest)?;
    succeed(clippy.args(["--quiet", "--workspace", "--all-targets", "--", "--deny", "warnings"]))
}

/// Runs a command, its output shown as it comes.
fn succeed(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status =
        command.stdin(Stdio::null()).status().with_context(|| format!("starting {program}"))?;
    if !status.success() {
        bail!("{status}");
    }
    Ok(())
}

fn host_tests(checkout: &Path, filter: Option<&str>, count: &mut Count) -> Result<()> {
    let mut cargo = Command::new(program::cargo());
    cargo.args(["test", "--workspace", "--exclude", "dmaframe-tests", "--no-fail-fast"]);
    cargo.current_dir(checkout).arg("--").args(filter);
    cargo_tests(cargo, count)
}

fn cargo_tests(mut cargo: Command, count: &mut Count) -> Result<()> {
    cargo.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = cargo.spawn().context("starting cargo")?;
    if let Some(output) = child.stdout.take() {
        pass_through(&mut BufReader::new(output), count)?;
    }
    let status = child.wait().context("waiting for cargo")?;
    if !status.success() {
        bail!("cargo test: {status}");
    }
    Ok(())
}

fn guest_tests(
    guest: &Guest,
    checkout: &Path,
    left_out: &[&str],
    filter: Option<&str>,
    count: &mut Count,
) -> Result<()> {
    let built = program::tests(guest.cache(), guest.builder(), checkout, guest.crates())?;
    if built.tests.is_empty() {
        bail!("the package dmaframe-tests has no tests");
    }
    let debug = guest.kernel().flavour() == Flavour::Debug;
    let mut put = Vec::new();
    let mut names = Vec::new();
    for test in built.tests {
        let name = name_of(&test)?;
        // cargo adds a hash to a harness's name.
        let name = name.rsplit_once('-').map_or(name.as_str(), |(name, _)| name);
        if (debug || !DEBUG_ONLY.contains(&name)) && !left_out.contains(&name) {
            put.push((test.clone(), format!("/tests/{name}")));
            names.push(name.to_owned());
        }
    }
    names.sort_by_cached_key(|name| (name == LAST, name.clone()));
    for program in built.programs {
        let name = name_of(&program)?;
        put.push((program, format!("/usr/bin/{name}")));
    }
    let extent = if left_out.is_empty() { "TESTS_EXTENT=full" } else { "TESTS_EXTENT=quick" };
    let mut command: Vec<String> =
        ["env", extent, "sh", "-c", RUNNER, "tests"].map(str::to_owned).into();
    command.push(filter.unwrap_or_default().to_owned());
    command.extend(names);
    let seconds = if debug { DEBUG_SECONDS } else { GUEST_SECONDS };
    // What they are for is left out with the tests that need them; unpacking them takes minutes
    // under the kernel's checkers.
    let with = match left_out {
        [] => vec![Addition::Python, Addition::StressNg],
        _ => Vec::new(),
    };
    let job = Job { command, put, timeout: Some(seconds), with, ..Job::default() };
    let status = guest.run(&job, |output| pass_through(output, count))?;
    if status != 0 {
        bail!("the guest's tests ended with status {status}");
    }
    Ok(())
}

fn name_of(path: &Path) -> Result<String> {
    let name = path.file_name().with_context(|| format!("{} has no name", path.display()))?;
    Ok(name.to_string_lossy().into_owned())
}

/// Shows a runner's output and counts its closing lines.
fn pass_through(output: &mut dyn BufRead, count: &mut Count) -> Result<()> {
    let mut line = Vec::new();
    let mut stdout = std::io::stdout().lock();
    loop {
        line.clear();
        if output.read_until(b'\n', &mut line).context("reading a test's output")? == 0 {
            return Ok(());
        }
        stdout
            .write_all(&line)
            .and_then(|()| stdout.flush())
            .context("writing to standard output")?;
        count.add_line(&String::from_utf8_lossy(&line));
    }
}

/// The kernel's own style checker: its errors count, its warnings are advice.
fn checkpatch(guest: &Guest, checkout: &Path) -> Result<()> {
    let builder = guest.builder();
    let mut files = Vec::new();
    for directory in ["driver", "dts", "tests/bench/peers"] {
        collect_files(&checkout.join(directory), &mut files)?;
    }
    let script = guest.kernel().source().join("scripts/checkpatch.pl");
    let mut check = builder.command("perl");
    check.arg(builder.inside(&script)?).args(["--no-tree", "--terse", "--no-summary", "-f"]);
    for file in &files {
        check.arg(builder.inside(file)?);
    }
    let output = check.output().context("starting checkpatch")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let errors: Vec<&str> = text.lines().filter(|line| line.contains(": ERROR:")).collect();
    if !errors.is_empty() {
        bail!("{}", errors.join("\n"));
    }
    // Its status says nothing more than its lines do, unless it could not run.
    if text.is_empty() && !output.status.success() {
        bail!("checkpatch: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_are_summed() {
        let output = "running 2 tests\ntest a ... ok\n\
            test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\
            test result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n";
        let mut count = Count::default();
        for line in output.lines() {
            count.add_line(line);
        }
        assert_eq!(count, Count { passed: 5, failed: 1 });
    }

    #[test]
    fn a_filter_chooses() {
        let mut report = Report { filter: Some("clip".to_owned()), ..Report::default() };
        report.check("rustfmt", || bail!("not chosen"));
        report.check("clippy", || Ok(()));
        assert_eq!(report.count, Count { passed: 1, failed: 0 });
    }

    #[test]
    fn a_runner_that_cannot_run_is_a_failure() {
        let mut report = Report::default();
        report.tests("none", |_, _| bail!("cannot run"));
        assert_eq!(report.count, Count { passed: 0, failed: 1 });
        report.tests("some", |_, count| {
            count.failed = 2;
            bail!("two failed")
        });
        assert_eq!(report.count.failed, 3);
    }
}
