// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the command says on standard error beside errors: notices, and the library's events.

use std::fmt::Display;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use tracing_subscriber::filter::LevelFilter;

static QUIET: AtomicBool = AtomicBool::new(false);

/// The options that every subcommand has.
#[derive(Debug, clap::Args)]
pub(crate) struct Verbosity {
    /// Print the library's requests on standard error; twice: its waits too
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    /// Print no notices on standard error, only errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
}

impl Verbosity {
    /// Applies the options to the whole program.
    pub(super) fn apply(&self) {
        QUIET.store(self.quiet, Ordering::Relaxed);
        let level = match self.verbose {
            0 => return,
            1 => LevelFilter::DEBUG,
            _ => LevelFilter::TRACE,
        };
        tracing_subscriber::fmt().with_max_level(level).with_writer(io::stderr).init();
    }
}

/// Prints a notice, unless the user asked for quiet.
pub(super) fn notice(words: impl Display) {
    if !QUIET.load(Ordering::Relaxed) {
        eprintln!("dmaframe: {words}");
    }
}
