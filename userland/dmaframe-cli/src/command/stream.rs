// SPDX-License-Identifier: MIT OR Apache-2.0
//! `dmaframe stream`.

use super::check::{Check, Content, Expected};
use super::notice::notice;
use super::number::count;
use super::output::{Output, Unwritten, is_stdout};
use super::rates::Rates;
use super::stall::Stall;
use super::stream_arguments::StreamArguments;
use super::{Outcome, interrupted, print};
use dmaframe::{Source, Stream};
use serde_json::json;
use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

/// Stream frames: count, verify or write them, until Ctrl-C or --frames
///
/// Options you omit keep the device's current settings (see `dmaframe set`); --source changes the
/// source alone. The last line on standard output is a summary: frames=N lost=L bytes=B errors=E.
/// errors counts wrong frames and errors of the engine; a frame that was read too fast for the rate of
/// its source is wrong. The exit status is 0 if there are none and all requested frames arrived.
/// Frames lost under the policy drop are counted, and are no error.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    dmaframe stream --frames 1000 --frame-bytes 64K --verify\n  \
    dmaframe stream --source gpio --policy drop --interval-us 500 --stats\n  \
    dmaframe stream --source systimer --frames 10 --output - | od -t u4 | head")]
pub(crate) struct Arguments {
    #[command(flatten)]
    stream: StreamArguments,
    /// End after this many frames; 0 runs until Ctrl-C
    #[arg(
        long,
        value_name = "N",
        default_value = "0",
        value_parser = count,
        allow_negative_numbers = true
    )]
    frames: u64,
    /// Verify the payload too: every byte of pattern, the order of the words of systimer
    #[arg(long)]
    verify: bool,
    /// Print a line on standard error every second: rates, time from publication to reader, and mean
    /// fill of the ring
    #[arg(long)]
    stats: bool,
    /// Write the payloads, one after the other, to FILE; - is standard output, and moves the summary
    /// to standard error
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Hold each frame for this many microseconds, as a slow reader does
    #[arg(
        long,
        value_name = "U",
        default_value = "0",
        value_parser = count,
        allow_negative_numbers = true
    )]
    hold_us: u64,
    /// Print the summary as a JSON object, with the duration and the driver's counters, and the rates
    /// of --stats as one object a line
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let interrupted = interrupted()?;
    let device = arguments.stream.open()?;
    let sources = device.sources()?;
    let shape = arguments.stream.shape(&device)?;
    let source = sources
        .iter()
        .find(|source| source.index == shape.source)
        .ok_or_else(|| format!("{} has no source {}", device.path().display(), shape.source))?;
    let content = if arguments.verify { content(source) } else { Content::Any };
    let mut stream = device.configure(shape)?;
    // Not before the stream is known to be possible: an existing file is emptied.
    let output = arguments.output.as_deref();
    let mut output = output.map(|path| Output::open(path, &interrupted)).transpose()?;
    stream.start()?;
    let mut check = Check::new(Expected::new(&shape, source, &stream), content);
    let began = Instant::now();
    let mut stall = Stall::new(Duration::from_micros(shape.interval_us.into()));
    let mut receiver = Receiver {
        arguments,
        check: &mut check,
        stall: &mut stall,
        output: output.as_mut(),
        interrupted: &interrupted,
    };
    let ended = receiver.run(&mut stream);
    let seconds = began.elapsed().as_secs_f64();

    // A stream that ended with an error may have no device that can be stopped or asked.
    let _ = stream.stop();
    let engine_errors = stream.counters().errors;
    let driver = stream.stats().ok();
    let mut errors = check.errors + engine_errors;
    if let Err(error) = &ended {
        eprintln!("dmaframe: {error}");
        // The error that ended the stream counts, unless the engine counted it already.
        errors = errors.max(check.errors + 1);
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
                    "too_fast": stats.too_fast,
                })
            }),
        })
        .to_string()
    } else {
        format!("frames={frames} lost={lost} bytes={bytes} errors={errors}")
    };
    if arguments.output.as_deref().is_some_and(is_stdout) {
        eprintln!("{summary}");
    } else if let Err(error) = print(summary) {
        if error.kind() != io::ErrorKind::BrokenPipe {
            return Err(format!("cannot write standard output: {error}").into());
        }
    }
    Ok(if errors == 0 && !stall.failed() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn content(source: &Source) -> Content {
    if source.pattern {
        Content::pattern()
    } else if source.name == "systimer" {
        Content::counter()
    } else {
        notice(format_args!(
            "the values of {} are not predictable; only headers are verified",
            source.name
        ));
        Content::Any
    }
}

/// Takes frames until the requested number, the end of the stream, Ctrl-C or an error.
struct Receiver<'a> {
    arguments: &'a Arguments,
    check: &'a mut Check,
    stall: &'a mut Stall,
    output: Option<&'a mut Output>,
    interrupted: &'a AtomicBool,
}

impl Receiver<'_> {
    fn run(&mut self, stream: &mut Stream) -> Result<(), Box<dyn Error>> {
        let mut rates = self.arguments.stats.then(Rates::new);
        while !self.interrupted.load(Ordering::Relaxed) {
            let fill = if rates.is_some() { stream.fill()? } else { 0 };
            match stream.next_timeout(Duration::from_millis(100))? {
                Poll::Ready(Some(frame)) => {
                    self.stall.frame();
                    // A frame that was not written whole does not count.
                    match self.output.as_mut().map(|it| it.write(&frame, self.interrupted)) {
                        None | Some(Ok(())) => {}
                        Some(Err(Unwritten::Interrupted)) => break,
                        Some(Err(Unwritten::Closed)) => return self.closed(),
                        Some(Err(Unwritten::Failed(message))) => return Err(message.into()),
                    }
                    if let Some(rates) = &mut rates {
                        rates.take(&frame, fill);
                    }
                    let wrong = self.check.take(frame.header(), frame.device_stamps(), &frame);
                    if let Some(description) = wrong {
                        eprintln!("dmaframe: {description}");
                    }
                    if self.arguments.hold_us > 0 {
                        thread::sleep(Duration::from_micros(self.arguments.hold_us));
                    }
                }
                Poll::Ready(None) => break,
                Poll::Pending => {
                    if let Some(message) = self.stall.nothing() {
                        eprintln!("dmaframe: {message}");
                    }
                }
            }
            if let Some(rates) = &mut rates {
                rates.show_each_second(self.check.lost, stream.slots(), self.arguments.json);
            }
            if self.arguments.frames != 0 && self.check.frames >= self.arguments.frames {
                break;
            }
        }
        Ok(())
    }

    /// The reader of the output closed it: an end like any other, unless frames were requested that
    /// it did not get.
    fn closed(&self) -> Result<(), Box<dyn Error>> {
        match self.arguments.frames {
            0 => Ok(()),
            requested => Err(format!(
                "the reader of the output closed it after {} of {requested} frames",
                self.check.frames
            )
            .into()),
        }
    }
}
