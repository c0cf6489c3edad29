// SPDX-License-Identifier: MIT OR Apache-2.0
//! `dmaframe stream`.

use super::check::{Check, Content, Expected};
use super::rates::Rates;
use super::{Outcome, device_path, interrupted, is_broken_pipe, policy, print};
use dmaframe::{Device, Policy, Shape, Source, Stream};
use serde_json::json;
use std::error::Error;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

/// Stream frames: count, check or write them, until Ctrl-C or --frames
///
/// What is not said is as the device's settings are (see `dmaframe set`). At the end one line on
/// standard output sums up: frames=N lost=L bytes=B errors=E, where errors are those found in
/// frames and those of the engine. The exit status is 0 if there are none; frames lost under the
/// policy drop are counted, and are no error.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    dmaframe stream --frames 1000 --frame-bytes 65536 --verify\n  \
    dmaframe stream --source gpio --policy drop --interval-us 500 --stats\n  \
    dmaframe stream --source systimer --frames 10 --output - | od -t u4 | head")]
pub(crate) struct Arguments {
    /// The device: a path, or N for /dev/dmaframeN
    #[arg(long, default_value = "/dev/dmaframe0", value_parser = device_path)]
    device: PathBuf,
    /// The source's name, as `dmaframe info` lists them
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// End after this many frames; 0 is until Ctrl-C
    #[arg(long, value_name = "N", default_value_t = 0)]
    frames: u64,
    /// Bytes of a frame's payload: a multiple of 4
    #[arg(long, value_name = "B")]
    frame_bytes: Option<u32>,
    /// Slots of the ring: a power of two
    #[arg(long, value_name = "S")]
    slots: Option<u32>,
    /// When no slot is free: backpressure (the engine waits) or drop (frames are lost and counted)
    #[arg(long, value_parser = policy)]
    policy: Option<Policy>,
    /// Microseconds from one frame to the next; 0 is as fast as the engine runs
    #[arg(long, value_name = "U")]
    interval_us: Option<u32>,
    /// Check the payload too: every byte of pattern, the order of systimer's words
    #[arg(long)]
    verify: bool,
    /// Print a line of rates a second on standard error
    #[arg(long)]
    stats: bool,
    /// Write the payloads, one after the other; - is standard output (and the summary goes to
    /// standard error)
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Hold each frame for this many microseconds: a slow reader
    #[arg(long, value_name = "U", default_value_t = 0)]
    hold_us: u64,
    /// Print the summary as a JSON object, with the time taken and the driver's own counters
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let interrupted = interrupted()?;
    let device = Device::open(&arguments.device)?;
    let sources = device.sources()?;
    let shape = arguments.shape(&device)?;
    let source = sources
        .iter()
        .find(|source| source.index == shape.source)
        .ok_or_else(|| format!("{} has no source {}", device.path().display(), shape.source))?;
    let content = if arguments.verify { content(source) } else { Content::Any };
    let mut output = arguments.output.as_deref().map(open_output).transpose()?;

    let mut stream = device.configure(shape)?;
    stream.start()?;
    let expected =
        Expected { source: shape.source, frame_bytes: shape.frame_bytes, stream: stream.number() };
    let mut check = Check::new(expected, content);
    let began = Instant::now();
    let ended = receive(arguments, &mut stream, &mut check, output.as_mut(), &interrupted);
    let seconds = began.elapsed().as_secs_f64();

    // A stream that ended by an error may have no device to stop, or to ask.
    let _ = stream.stop();
    let engine_errors = stream.counters().errors;
    let driver = stream.stats().ok();
    let mut errors = check.errors + engine_errors;
    match ended {
        Ok(()) => {}
        // Whoever read the output has seen enough.
        Err(error) if is_broken_pipe(error.as_ref()) => {}
        Err(error) => {
            eprintln!("dmaframe: {error}");
            // What ended the stream counts, unless the engine counted it already.
            errors = errors.max(check.errors + 1);
        }
    }

    let Check { frames, lost, bytes, .. } = check;
    let summary = if arguments.json {
        json!({
            "frames": frames,
            "lost": lost,
            "bytes": bytes,
            "errors": errors,
            "seconds": seconds,
            "driver": driver.map(|stats| {
                json!({
                    "frames": stats.frames,
                    "lost": stats.lost,
                    "overruns": stats.overruns,
                    "chains": stats.chains,
                    "interrupts": stats.interrupts,
                    "kicks": stats.kicks,
                })
            }),
        })
        .to_string()
    } else {
        format!("frames={frames} lost={lost} bytes={bytes} errors={errors}")
    };
    if is_stdout(arguments.output.as_deref()) {
        eprintln!("{summary}");
    } else if let Err(error) = print(summary) {
        if error.kind() != io::ErrorKind::BrokenPipe {
            return Err(error.into());
        }
    }
    Ok(if errors == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Arguments {
    /// The error for an output that takes no more; a closed pipe is left as it is.
    fn unwritten(&self, error: io::Error) -> Box<dyn Error> {
        match (&self.output, error.kind()) {
            (Some(path), kind) if kind != io::ErrorKind::BrokenPipe => {
                format!("cannot write {}: {error}", path.display()).into()
            }
            _ => error.into(),
        }
    }

    /// The device's settings, changed by what was given.
    fn shape(&self, device: &Device) -> dmaframe::Result<Shape> {
        let mut shape = device.config()?;
        if let Some(name) = &self.source {
            let source = device.source(name)?;
            if source.index != shape.source {
                // The settings are another source's; this one has its own.
                shape.source = source.index;
                shape.frame_bytes = source.frame_bytes;
                shape.interval_us = source.interval_us;
            }
        }
        Ok(Shape {
            source: shape.source,
            frame_bytes: self.frame_bytes.unwrap_or(shape.frame_bytes),
            slots: self.slots.unwrap_or(shape.slots),
            policy: self.policy.unwrap_or(shape.policy),
            interval_us: self.interval_us.unwrap_or(shape.interval_us),
        })
    }
}

fn content(source: &Source) -> Content {
    if source.pattern {
        Content::pattern()
    } else if source.name == "systimer" {
        Content::counter()
    } else {
        eprintln!(
            "dmaframe: what {} holds cannot be foreseen; only headers are checked",
            source.name
        );
        Content::Any
    }
}

fn is_stdout(output: Option<&Path>) -> bool {
    output.is_some_and(|path| path.as_os_str() == "-")
}

fn open_output(path: &Path) -> Result<File, String> {
    let opened = if is_stdout(Some(path)) {
        // Not `Stdout`, which looks for line ends in what is no text.
        io::stdout().as_fd().try_clone_to_owned().map(File::from)
    } else {
        File::create(path)
    };
    opened.map_err(|error| format!("cannot write {}: {error}", path.display()))
}

fn receive(
    arguments: &Arguments,
    stream: &mut Stream,
    check: &mut Check,
    mut output: Option<&mut File>,
    interrupted: &AtomicBool,
) -> Result<(), Box<dyn Error>> {
    let mut rates = arguments.stats.then(Rates::new);
    while !interrupted.load(Ordering::Relaxed) {
        match stream.next_timeout(Duration::from_millis(100))? {
            Poll::Ready(Some(frame)) => {
                if let Some(rates) = &mut rates {
                    rates.take(&frame);
                }
                if let Some(words) = check.take(frame.header(), frame.device_stamps(), &frame) {
                    eprintln!("dmaframe: {words}");
                }
                if let Some(output) = &mut output {
                    output.write_all(&frame).map_err(|error| arguments.unwritten(error))?;
                }
                if arguments.hold_us > 0 {
                    thread::sleep(Duration::from_micros(arguments.hold_us));
                }
            }
            Poll::Ready(None) => break,
            Poll::Pending => {}
        }
        if let Some(rates) = &mut rates {
            rates.show_each_second(check.lost);
        }
        if arguments.frames != 0 && check.frames >= arguments.frames {
            break;
        }
    }
    Ok(())
}
