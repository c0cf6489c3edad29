// SPDX-License-Identifier: MIT OR Apache-2.0
//! The line on a terminal that shows how far a recording is.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// Time between two changes of the line.
const EVERY: Duration = Duration::from_millis(250);

/// The line. There is none where standard error is no terminal.
#[derive(Debug)]
pub(super) struct Progress {
    began: Instant,
    shown: Option<Instant>,
    terminal: bool,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self { began: Instant::now(), shown: None, terminal: io::stderr().is_terminal() }
    }

    /// Shows how far it is, a few times a second.
    pub(super) fn show(&mut self, frames: u64, lost: u64, bytes: u64) {
        if !self.terminal || self.shown.is_some_and(|shown| shown.elapsed() < EVERY) {
            return;
        }
        self.shown = Some(Instant::now());
        let (seconds, megabytes) = (self.began.elapsed().as_secs_f64(), bytes as f64 / 1e6);
        // The line's rest is erased, because it may become shorter.
        eprint!("\r{seconds:.1} s, {frames} frames, {megabytes:.1} MB, {lost} lost\x1b[K");
        let _ = io::stderr().flush();
    }

    /// Leaves the line as it is.
    pub(super) fn end(&mut self) {
        if self.shown.take().is_some() {
            eprintln!();
        }
    }
}
