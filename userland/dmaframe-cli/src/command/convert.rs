// SPDX-License-Identifier: MIT OR Apache-2.0
//! `dmaframe convert`.

use super::format_arguments::FormatArguments;
use super::output::is_stdout;
use super::record::begin;
use super::{Outcome, interrupted, print};
use dmaframe_record::{Ending, FrameRef, Reason, Recorder, Recording};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::Ordering;

/// Convert a recording to another format
///
/// It reads npy, pcapng and raw files, which have the header of every frame, and writes every format.
/// It needs no device, and works on any computer. Losses stay visible, or the command says what the
/// format cannot show. The last line on standard output is a summary: frames=N lost=L bytes=B.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    dmaframe convert pins.npy pins.sr --channels 17=CLK,18=DATA\n  \
    dmaframe convert sound.raw sound.wav --rate 96000 --interleaved 2")]
pub(crate) struct Arguments {
    #[command(flatten)]
    format: FormatArguments,
    /// The recording; - is standard input
    #[arg(value_name = "RECORDING")]
    recording: PathBuf,
    /// The file, which is replaced; - is standard output, and moves the summary to standard error
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Opens a recording; `-` is standard input.
pub(super) fn open(path: &Path) -> dmaframe_record::Result<Recording> {
    if is_stdout(path) {
        Recording::read(std::io::stdin(), "standard input")
    } else {
        Recording::open(path)
    }
}

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let interrupted = interrupted()?;
    let (from, to) = (&arguments.recording, &arguments.file);
    let format = arguments.format.format(to)?;
    if same_file(from, to) {
        return Err(format!("{} would replace itself: name another file", to.display()).into());
    }
    let mut recording = open(from)?;
    let mut description = recording.description().clone();
    let first = recording.next()?;
    if let Some(frame) = first {
        description.frame_bytes = frame.header.payload_bytes.get();
    }
    let options = arguments.format.options();
    let mut recorder = begin(format, options, description, to, &interrupted)?;
    let mut lost = 0;
    let mut copied = match first {
        Some(frame) => copy(&mut recorder, frame, &mut lost),
        None => Ok(()),
    };
    while copied.is_ok() {
        copied = match recording.next() {
            Ok(Some(frame)) => copy(&mut recorder, frame, &mut lost),
            Ok(None) => break,
            Err(error) => Err(error),
        };
        if interrupted.load(Ordering::Relaxed) {
            break;
        }
    }
    let ending = match &copied {
        Err(error) => failed(Reason::Failed, error.to_string()),
        Ok(()) => recording
            .ending()
            .cloned()
            .unwrap_or_else(|| failed(Reason::Interrupted, "the conversion".to_owned())),
    };
    lost += ending.lost;
    if !matches!(ending.reason, Reason::Complete | Reason::Continued) {
        eprintln!("dmaframe: {}: the recording ends: {ending}", from.display());
    }
    let summary = recorder.finish(ending)?;
    let line = format!("frames={} lost={lost} bytes={}", summary.frames, summary.bytes);
    if is_stdout(to) {
        eprintln!("{line}");
    } else {
        print(line)?;
    }
    match (copied, summary.error) {
        (Err(error), _) | (Ok(()), Some(error)) if !error.is_closed() => Err(error.into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn failed(reason: Reason, message: String) -> Ending {
    Ending { reason, message: Some(message), lost: 0 }
}

fn copy(
    recorder: &mut Recorder,
    frame: FrameRef<'_>,
    lost: &mut u64,
) -> dmaframe_record::Result<()> {
    *lost = lost.saturating_add(frame.header.lost.get());
    recorder.write(frame)
}

/// Whether both paths are one regular file.
fn same_file(a: &Path, b: &Path) -> bool {
    match (fs::metadata(a), fs::metadata(b)) {
        (Ok(a), Ok(b)) => a.is_file() && (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
    }
}
