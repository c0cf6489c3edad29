// SPDX-License-Identifier: MIT OR Apache-2.0
//! Progress messages on standard error.
//!
//! On a terminal, a step shows a bar or a spinner. Elsewhere it prints a line at the start, one
//! every 30 seconds, and one at the end.

use std::fs::{self, File};
use std::io::{IsTerminal, Read};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

const TICK: Duration = Duration::from_millis(100);
const PLAIN_LINE_EVERY: Duration = Duration::from_secs(30);
/// A short step prints a line if it took longer than this.
const SHORT_STEP: Duration = Duration::from_secs(2);
const LOG_TAIL_LINES: usize = 30;

/// The bars of all running steps. Lines of text have to be printed through it.
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// Prints one line to standard error.
pub(crate) fn say(line: impl std::fmt::Display) {
    BARS.suspend(|| eprintln!("xtask: {line}"));
}

/// One step of the work. It starts with [`Step::long`] or [`Step::short`] and ends with
/// [`Step::done`].
pub(crate) struct Step {
    name: String,
    started: Instant,
    /// `None` if standard error is not a terminal.
    bar: Option<ProgressBar>,
    expected_lines: Option<u64>,
    long: bool,
}

impl Step {
    /// Starts a step that takes minutes. `reason` says how long and why, such as "about 8 minutes,
    /// once".
    pub(crate) fn long(name: &str, reason: &str) -> Self {
        if !std::io::stderr().is_terminal() {
            say(format_args!("{name} ({reason})"));
        }
        Self::new(name, &format!("{name} ({reason})"), true)
    }

    /// Starts a step that takes seconds. It prints nothing unless it takes longer.
    pub(crate) fn short(name: &str) -> Self {
        Self::new(name, name, false)
    }

    fn new(name: &str, message: &str, long: bool) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = BARS.add(ProgressBar::no_length());
            bar.set_style(style("{spinner} {msg} {elapsed}"));
            bar.set_message(message.to_owned());
            bar
        });
        Self { name: name.to_owned(), started: Instant::now(), bar, expected_lines: None, long }
    }

    /// Shows a percentage, given that the log of the whole step has about `lines` lines.
    pub(crate) fn expect_lines(mut self, lines: u64) -> Self {
        if let Some(bar) = &self.bar {
            bar.set_length(lines);
            bar.set_style(style("{bar:24} {percent}% {msg} {elapsed}"));
        }
        self.expected_lines = Some(lines);
        self
    }

    /// Runs a command and fails if the command fails. Its output replaces the contents of `log`.
    pub(crate) fn run(&self, command: &mut Command, log: &Path) -> Result<()> {
        let status = self.status(command, log)?;
        if !status.success() {
            bail!("{} failed ({status})\n{}", self.name, log_tail(log));
        }
        Ok(())
    }

    /// Like [`Step::run`], but returns the status of a command that fails.
    pub(crate) fn status(&self, command: &mut Command, log: &Path) -> Result<ExitStatus> {
        if let Some(directory) = log.parent() {
            fs::create_dir_all(directory)
                .with_context(|| format!("making {}", directory.display()))?;
        }
        let file = File::create(log).with_context(|| format!("creating {}", log.display()))?;
        let errors = file.try_clone().context("sharing a log file")?;
        let program = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(errors)
            .spawn()
            .with_context(|| format!("starting {program}"))?;

        let mut lines = LineCounter::open(log)?;
        let mut spoke = Instant::now();
        loop {
            if let Some(status) = child.try_wait().context("waiting for a command")? {
                return Ok(status);
            }
            std::thread::sleep(TICK);
            if let Some(bar) = &self.bar {
                if let Some(expected) = self.expected_lines {
                    bar.set_position(lines.count()?.min(expected));
                }
                bar.tick();
            } else if spoke.elapsed() >= PLAIN_LINE_EVERY {
                spoke = Instant::now();
                let part = match self.expected_lines {
                    Some(expected) => format!(", about {}%", percent(lines.count()?, expected)),
                    None => String::new(),
                };
                say(format_args!(
                    "{}: {} s so far{part}",
                    self.name,
                    self.started.elapsed().as_secs()
                ));
            }
        }
    }

    /// Ends the step.
    pub(crate) fn done(self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let took = self.started.elapsed();
        if self.long || took > SHORT_STEP {
            say(format_args!("{}: done in {:.1} s", self.name, took.as_secs_f64()));
        }
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

/// At most 99, because the expected number of lines is an estimate.
fn percent(lines: u64, expected: u64) -> u64 {
    (lines * 100 / expected.max(1)).min(99)
}

/// The last lines of a log, and its path.
pub(crate) fn log_tail(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    let tail = &lines[lines.len().saturating_sub(LOG_TAIL_LINES)..];
    format!("{}\nthe complete log: {}", tail.join("\n"), log.display())
}

/// Counts the lines of a file while another process writes it.
struct LineCounter {
    file: File,
    lines: u64,
}

impl LineCounter {
    fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
        Ok(Self { file, lines: 0 })
    }

    fn count(&mut self) -> Result<u64> {
        let mut new = Vec::new();
        self.file.read_to_end(&mut new).context("reading a log")?;
        self.lines += new.iter().filter(|byte| **byte == b'\n').count() as u64;
        Ok(self.lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_tail_has_the_last_lines_and_the_path() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("log");
        let text: String = (0..100).map(|n| format!("line {n}\n")).collect();
        fs::write(&log, text).unwrap();
        let tail = log_tail(&log);
        assert!(tail.starts_with("line 70\n"), "{tail}");
        assert!(tail.contains("line 99\n"));
        assert!(tail.ends_with(log.to_str().unwrap()));
    }

    #[test]
    fn percent_is_at_most_99() {
        assert_eq!(percent(0, 0), 0);
        assert_eq!(percent(500, 1000), 50);
        assert_eq!(percent(5000, 1000), 99);
    }

    #[test]
    fn error_of_a_failed_command_contains_its_output() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("log");
        let step = Step::short("testing");
        let error = step.run(Command::new("sh").args(["-c", "echo reason; exit 3"]), &log);
        let error = format!("{:#}", error.unwrap_err());
        assert!(error.contains("testing failed (exit status: 3)\nreason\n"), "{error}");
    }
}
