// SPDX-License-Identifier: MIT OR Apache-2.0
//! `dmaframe replay`.

use super::convert::open;
use super::record::begin;
use super::{Outcome, interrupted};
use dmaframe_record::{Ending, Format, Options, Reason};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Longest sleep, after which signals are looked for.
const LOOK: Duration = Duration::from_millis(100);

/// Give the frames of a recording as a device gives them, at the pace of the recording
///
/// FILE gets what read(2) on /dev/dmaframeN returns: each frame's header and payload. A program that
/// reads a device can read a FIFO or a pipe instead, and is tested without a board. The summary is on
/// standard error: frames=N lost=L.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    dmaframe replay pins.npy | my-reader\n  \
    mkfifo device; dmaframe replay pins.npy device & my-reader device")]
pub(crate) struct Arguments {
    /// Do not wait between frames
    #[arg(long)]
    fast: bool,
    /// The recording; - is standard input
    #[arg(value_name = "RECORDING")]
    recording: PathBuf,
    /// Where the frames go; - is standard output
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let interrupted = interrupted()?;
    let mut recording = open(&arguments.recording)?;
    let description = recording.description().clone();
    let file = &arguments.file;
    let mut recorder = begin(Format::Raw, Options::default(), description, file, &interrupted)?;
    let began = Instant::now();
    let (mut first, mut lost) = (None, 0_u64);
    let mut error = None;
    while let Some(frame) = recording.next()? {
        let published = frame.header.published_ns.get();
        let since = published.saturating_sub(*first.get_or_insert(published));
        if !arguments.fast && !sleep_until(began, Duration::from_nanos(since), &interrupted) {
            break;
        }
        lost = lost.saturating_add(frame.header.lost.get());
        // Each frame goes out at its time.
        error = recorder.write(frame).and_then(|()| recorder.checkpoint()).err();
        if error.is_some() || interrupted.load(Ordering::Relaxed) {
            break;
        }
    }
    let ending = recording.ending().cloned();
    if let Some(ending) = ending.filter(|it| it.reason == Reason::Cut || it.lost > 0) {
        eprintln!("dmaframe: {}: the recording ends: {ending}", arguments.recording.display());
    }
    let summary = recorder.finish(Ending::complete())?;
    eprintln!("frames={} lost={lost}", summary.frames);
    match error.or(summary.error) {
        Some(error) if !error.is_closed() && !interrupted.load(Ordering::Relaxed) => {
            Err(error.into())
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// Sleeps until `since` has passed from `began` on. Returns whether no signal came.
fn sleep_until(began: Instant, since: Duration, interrupted: &AtomicBool) -> bool {
    loop {
        if interrupted.load(Ordering::Relaxed) {
            return false;
        }
        let rest = since.saturating_sub(began.elapsed());
        if rest.is_zero() {
            return true;
        }
        thread::sleep(rest.min(LOOK));
    }
}
