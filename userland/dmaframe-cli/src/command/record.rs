// SPDX-License-Identifier: MIT OR Apache-2.0
//! `dmaframe record`.

use super::format_arguments::FormatArguments;
use super::number::{count, duration, file_size};
use super::output::is_stdout;
use super::pipe::Pipe;
use super::progress::Progress;
use super::stall::Stall;
use super::stream_arguments::StreamArguments;
use super::{Outcome, interrupted, print};
use dmaframe::{Device, Header, Shape, Stream};
use dmaframe_record::{
    ClockPair, Description, Directory, Ending, Format, FrameRef, Options, Reason, Recorder, Trigger,
};
use nix::time::{ClockId, clock_gettime};
use serde_json::json;
use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

/// Bytes that a frame takes beside its payload, at most.
const HEADER_BYTES: usize = size_of::<Header>();
/// Time between two checkpoints: what a power cut can take.
const CHECKPOINT: Duration = Duration::from_secs(1);

/// Record frames to a file that other tools open
///
/// Options you omit keep the device's current settings (see `dmaframe set`). The format follows the
/// extension of FILE: npy (NumPy), pcapng (Wireshark), sr (sigrok), vcd (logic simulators), sigmf, wav,
/// or raw (frames with their headers, as read(2) gives them). Losses are visible in the file; a format
/// without gaps (sr, wav) goes on in FILE-2 and so on, with words. Ctrl-C, a full disk or a device that
/// goes leave a file that opens and ends after a whole frame. Times of day come from both clocks, read
/// once when the recording begins. The last line on standard output is a summary: frames=N lost=L
/// bytes=B errors=E.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit status: 0 if everything that was asked for, or all up to Ctrl-C, is in \
    the file; 1 if the recording ended early, which the file says too, or did not begin.\n\n\
    Examples:\n  \
    dmaframe record --source gpio --duration 10s pins.npy\n  \
    dmaframe record --frames 1000 --format raw - | od -t x4 | head"
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    stream: StreamArguments,
    #[command(flatten)]
    format: FormatArguments,
    /// End after this many frames; 0 runs until Ctrl-C
    #[arg(
        long,
        value_name = "N",
        default_value = "0",
        value_parser = count,
        allow_negative_numbers = true
    )]
    frames: u64,
    /// End after this time: 10s, 500ms, 5m or 1h
    #[arg(long, value_name = "TIME", value_parser = duration, allow_negative_numbers = true)]
    duration: Option<Duration>,
    /// End before the files together are larger than this: 500M or 4G
    #[arg(long, value_name = "SIZE", value_parser = file_size, allow_negative_numbers = true)]
    max_size: Option<u64>,
    /// Go on in another file, FILE-2 and so on, before the file is larger than a size (500M, 4G), or
    /// after a time (10s, 5m, 1h)
    #[arg(long, value_name = "SIZE|TIME", value_parser = rotate, allow_negative_numbers = true)]
    rotate: Option<Rotate>,
    /// Begin with the first frame in which a bit has a level or an edge (17=high, 17=low, 17=rising,
    /// 17=falling), a word a value (word>V, word<V, word=V), or before which frames are lost (lost)
    #[arg(long, value_name = "EXPR", value_parser = Trigger::parse)]
    trigger: Option<Trigger>,
    /// Print the summary as a JSON object
    #[arg(long)]
    json: bool,
    /// The file, which is replaced; - is standard output, and moves the summary to standard error
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// When a recording goes on in another file.
#[derive(Clone, Copy, Debug)]
enum Rotate {
    Size(u64),
    Time(Duration),
}

/// Sizes have upper-case units, times lower-case ones.
fn rotate(given: &str) -> Result<Rotate, String> {
    if given.ends_with(['s', 'm', 'h']) {
        return duration(given).map(Rotate::Time);
    }
    file_size(given).map(Rotate::Size)
}

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let interrupted = interrupted()?;
    let format = arguments.format.format(&arguments.file)?;
    let device = arguments.stream.open()?;
    let shape = arguments.stream.shape(&device)?;
    let description = description(&device, shape)?;
    let trigger = arguments.trigger.clone().map(|it| it.for_words(description.word_bytes));
    let mut stream = device.configure(shape)?;
    // Not before the stream is known to be possible: an existing file is emptied.
    let mut recorder =
        begin(format, arguments.format.options(), description, &arguments.file, &interrupted)?;
    stream.start()?;
    let mut recording = Running {
        arguments,
        recorder: &mut recorder,
        interrupted: &interrupted,
        stall: Stall::new(Duration::from_micros(shape.interval_us.into())),
        lost: 0,
        seen_lost: 0,
        drained: false,
        trigger,
        part_began: Instant::now(),
    };
    let mut ending = recording.run(&mut stream);
    let stalled = recording.stall.failed();
    let (lost, seen_lost) = (recording.lost, recording.seen_lost);
    let drained = recording.drained;
    // Losses after the last frame are known once all frames before them were taken.
    if drained {
        ending.lost = stream.counters().lost.saturating_sub(seen_lost);
    }
    let engine_errors = stream.counters().errors;
    let (reason, lost) = (ending.reason, lost + ending.lost);
    let message = ending.message.clone();
    let summary = recorder.finish(ending)?;
    let good = match &summary.error {
        // The reader of a pipe closed it, or took nothing when a signal came.
        Some(error) if error.is_closed() => arguments.frames == 0,
        Some(_) => reason == Reason::Interrupted,
        None => matches!(reason, Reason::Complete | Reason::Interrupted),
    };
    if !good {
        let message = summary.error.as_ref().map(ToString::to_string).or(message);
        eprintln!("dmaframe: {}", message.unwrap_or_else(|| reason.name().to_owned()));
    }
    let errors = engine_errors.max(u64::from(!good));
    let (frames, bytes) = (summary.frames, summary.bytes);
    let line = if arguments.json {
        json!({
            "frames": frames,
            "lost": lost,
            "bytes": bytes,
            "errors": errors,
            "ended": reason.name(),
            "files": summary.files,
        })
        .to_string()
    } else {
        format!("frames={frames} lost={lost} bytes={bytes} errors={errors}")
    };
    if is_stdout(&arguments.file) {
        eprintln!("{line}");
    } else if let Err(error) = print(line) {
        if error.kind() != io::ErrorKind::BrokenPipe {
            return Err(format!("cannot write standard output: {error}").into());
        }
    }
    Ok(if errors == 0 && !stalled { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Opens the files of a recording, unless the format refuses it.
pub(super) fn begin(
    format: Format,
    options: Options,
    description: Description,
    file: &Path,
    interrupted: &Arc<AtomicBool>,
) -> dmaframe_record::Result<Recorder> {
    let fifo = fs::metadata(file).is_ok_and(|it| it.file_type().is_fifo());
    if is_stdout(file) || fifo {
        let pipe = Pipe { path: file.to_owned(), interrupted: Arc::clone(interrupted) };
        return Recorder::begin(format, options, description, pipe);
    }
    let directory = Directory::new(file).with_notes(|words| eprintln!("dmaframe: {words}"));
    Recorder::begin(format, options, description, directory)
}

/// What is known of the stream before it starts.
fn description(device: &Device, shape: Shape) -> Result<Description, Box<dyn std::error::Error>> {
    let sources = device.sources()?;
    let source = sources
        .iter()
        .find(|source| source.index == shape.source)
        .ok_or_else(|| format!("{} has no source {}", device.path().display(), shape.source))?;
    Ok(Description {
        device: device.path().display().to_string(),
        source: source.name.clone(),
        word_bytes: source.width,
        frame_bytes: shape.frame_bytes,
        interval_us: shape.interval_us,
        stamp_hz: device.info()?.stamp_hz,
        clock: clock_pair().ok(),
    })
}

/// Both clocks, read one after the other: as one moment, to within a microsecond.
fn clock_pair() -> nix::Result<ClockPair> {
    let read = |clock| {
        let now = clock_gettime(clock)?;
        Ok::<_, nix::Error>(now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64)
    };
    let before = read(ClockId::CLOCK_MONOTONIC)?;
    let realtime_ns = read(ClockId::CLOCK_REALTIME)?;
    let after = read(ClockId::CLOCK_MONOTONIC)?;
    Ok(ClockPair { monotonic_ns: before + (after - before) / 2, realtime_ns })
}

/// A recording in progress.
struct Running<'a> {
    arguments: &'a Arguments,
    recorder: &'a mut Recorder,
    interrupted: &'a AtomicBool,
    stall: Stall,
    /// Losses that the headers of the recorded frames report.
    lost: u64,
    /// Losses that the headers of all frames report, those before the trigger included.
    seen_lost: u64,
    /// Whether all frames that the stream had are recorded.
    drained: bool,
    /// What the recording still waits for.
    trigger: Option<Trigger>,
    part_began: Instant,
}

impl Running<'_> {
    /// Takes frames until there is a reason to end.
    fn run(&mut self, stream: &mut Stream) -> Ending {
        let mut progress = Progress::new();
        let ending = self.until_end(stream, &mut progress);
        progress.end();
        ending
    }

    fn until_end(&mut self, stream: &mut Stream, progress: &mut Progress) -> Ending {
        let began = Instant::now();
        let mut checkpoint = began;
        let end = |reason, message| Ending { reason, message, lost: 0 };
        // Whether the engine was stopped: what is ready is still taken.
        let mut stopped = None;
        loop {
            if stopped.is_none() {
                let over = self.arguments.duration.is_some_and(|limit| began.elapsed() >= limit);
                let signal = self.interrupted.load(Ordering::Relaxed);
                if over || signal {
                    // A device that is gone tells with the next frame.
                    let _ = stream.stop();
                    stopped = Some(if signal { Reason::Interrupted } else { Reason::Complete });
                }
            }
            let taken = match stream.next_timeout(Duration::from_millis(100)) {
                Ok(Poll::Ready(Some(frame))) => {
                    self.stall.frame();
                    let frame = FrameRef { header: frame.header(), payload: &frame };
                    if self.is_too_large(frame.payload.len()) {
                        return end(Reason::Complete, None);
                    }
                    let lost = frame.header.lost.get();
                    self.seen_lost += lost;
                    if self.waits(frame) {
                        Ok(())
                    } else {
                        self.write(frame).map(|()| self.lost += lost)
                    }
                }
                Ok(Poll::Ready(None)) => {
                    self.drained = true;
                    return end(stopped.unwrap_or(Reason::Complete), None);
                }
                Ok(Poll::Pending) => {
                    if let Some(message) = self.stall.nothing() {
                        eprintln!("dmaframe: {message}");
                    }
                    Ok(())
                }
                // Errors of the stream come after its last frame.
                Err(error) => {
                    self.drained = true;
                    return end(Reason::Device, Some(error.to_string()));
                }
            };
            let done = taken.and_then(|()| {
                if checkpoint.elapsed() < CHECKPOINT {
                    return Ok(());
                }
                checkpoint = Instant::now();
                self.recorder.checkpoint()
            });
            if let Err(error) = done {
                let signal = self.interrupted.load(Ordering::Relaxed);
                let reason = match &error {
                    error if error.is_full() => Reason::Full,
                    _ if signal => Reason::Interrupted,
                    _ => Reason::Failed,
                };
                return end(reason, Some(error.to_string()));
            }
            let frames = self.recorder.frames();
            progress.show(frames, self.lost, self.recorder.bytes());
            if self.arguments.frames != 0 && frames >= self.arguments.frames {
                return end(Reason::Complete, None);
            }
        }
    }

    /// Whether the recording does not begin with this frame yet.
    fn waits(&mut self, frame: FrameRef<'_>) -> bool {
        let waits = self.trigger.as_mut().is_some_and(|trigger| !trigger.fires(frame));
        if !waits {
            self.trigger = None;
        }
        waits
    }

    fn write(&mut self, frame: FrameRef<'_>) -> dmaframe_record::Result<()> {
        let frame_bytes = (HEADER_BYTES + frame.payload.len()) as u64;
        let over = match self.arguments.rotate {
            Some(Rotate::Size(most)) => self.recorder.part_bytes() + frame_bytes > most,
            Some(Rotate::Time(most)) => self.part_began.elapsed() >= most,
            None => false,
        };
        if over {
            self.recorder.rotate();
            self.part_began = Instant::now();
        }
        self.recorder.write(frame)
    }

    /// Whether a frame more would make the files larger than --max-size.
    fn is_too_large(&mut self, payload_bytes: usize) -> bool {
        let frame = (HEADER_BYTES + payload_bytes) as u64;
        self.arguments.max_size.is_some_and(|most| self.recorder.bytes() + frame > most)
    }
}
