// SPDX-License-Identifier: MIT OR Apache-2.0
//! `dmaframe scope`.

use super::live::Live;
use super::notice::notice;
use super::number::count;
use super::payload_file::{PayloadFile, Recorded};
use super::stream_arguments::StreamArguments;
use super::traces::Traces;
use super::{Outcome, interrupted};
use crate::scope::duration::Unit;
use crate::scope::picture::{COLUMNS, Format, Picture};
use crate::scope::samples::{Run, Samples};
use crate::scope::screen::{self, Look, Screen, Status, Trace};
use crate::scope::trigger::Trigger;
use crate::scope::view::{Mode, View};
use crate::terminal::{self, Options, Session};
use ratatui::crossterm::event::KeyCode;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Look at a signal in the terminal: pins as logic levels, words as a waveform
///
/// Streams from the device, which no other program may have open, or shows FILE, which `dmaframe
/// stream --output` wrote. Options you omit keep the device's current settings. Every column shows the
/// smallest and the largest of its samples, so that a single spike shows. ! marks lost frames, and
/// times are those of the engine.
///
/// Keys: space pauses; + and - zoom; the arrows move left and right, and scroll the traces; a and b
/// place the cursors, < and > move the last one, c removes both; t waits for one trigger; f shows all;
/// s saves the picture; q ends.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    dmaframe scope --source gpio --pins 17,22 --trigger 17:rising --span 20ms\n  \
    dmaframe scope --source systimer --word u16 --size 80x24 --ascii\n  \
    dmaframe scope --source gpio --pins 17 --trigger 17:change --once --save edge.svg")]
pub(crate) struct Arguments {
    /// Show this file instead of a device
    #[arg(conflicts_with_all = ["device", "source", "frame_bytes", "slots", "policy", "interval_us"])]
    file: Option<PathBuf>,
    #[command(flatten)]
    pub(super) stream: StreamArguments,
    #[command(flatten)]
    pub(super) traces: Traces,
    /// Fix the picture at BIT:rising, BIT:falling, BIT:change, >LEVEL or <LEVEL
    #[arg(long, value_name = "EVENT", value_parser = Trigger::parse)]
    trigger: Option<Trigger>,
    /// Keep the picture until the next trigger. Otherwise it follows the signal when none comes
    #[arg(long, requires = "trigger")]
    normal: bool,
    /// Time that the screen shows, such as 500us, 20ms or 2s
    #[arg(long, value_name = "TIME", default_value = "1ms", value_parser = span)]
    span: f64,
    /// Samples that are kept
    #[arg(long, value_name = "N", default_value = "1048576", value_parser = count)]
    samples: u64,
    /// The file that s writes, in the format that its name says: .svg or .png
    #[arg(long, value_name = "PICTURE", default_value = "scope.svg")]
    save: PathBuf,
    /// Save the picture of the first trigger, or of the first span, and end. Needs no terminal
    #[arg(long, conflicts_with = "file")]
    once: bool,
    #[command(flatten)]
    terminal: Options,
}

/// How long frames are taken before the keys are looked at.
const SLICE: Duration = Duration::from_millis(20);
/// Part of the window that a key moves it by, and a cursor.
const PAN: f64 = 0.25;
const STEP: f64 = 1.0 / 64.0;

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let interrupted = interrupted()?;
    Format::of(&arguments.save)?;
    let most = usize::try_from(arguments.samples).unwrap_or(usize::MAX);
    let mode = match (arguments.once, arguments.normal) {
        (true, _) => Mode::Single,
        (false, true) => Mode::Normal,
        (false, false) => Mode::Auto,
    };
    let mut scope = Scope {
        view: View::new(arguments.span, arguments.trigger, mode),
        samples: Samples::new(most),
        traces: Vec::new(),
        unit: Unit::Seconds,
        status: Status::default(),
        save: &arguments.save,
    };
    let Some(file) = &arguments.file else {
        let mut live = Live::start(arguments)?;
        scope.traces = arguments.traces.of(Some(live.source()));
        scope.status.name = live.name().to_owned();
        if arguments.once {
            return scope.once(&mut live, &interrupted);
        }
        return scope.show(Some(&mut live), &arguments.terminal, &interrupted);
    };
    scope.traces = arguments.traces.of(None);
    scope.status.name = file.display().to_string();
    scope.load(file, &arguments.traces, most)?;
    scope.show(None, &arguments.terminal, &interrupted)
}

fn span(given: &str) -> Result<f64, String> {
    let time = humantime::parse_duration(given).ok().filter(|time| !time.is_zero());
    time.map(|time| time.as_secs_f64())
        .ok_or_else(|| "expected a time, such as 500us, 20ms or 2s".to_owned())
}

/// The state of the scope.
struct Scope<'a> {
    view: View,
    samples: Samples,
    traces: Vec<Trace>,
    unit: Unit,
    status: Status,
    save: &'a Path,
}

impl Scope<'_> {
    /// Reads a file, but not more than `most` samples.
    fn load(&mut self, file: &Path, traces: &Traces, most: usize) -> Result<(), Box<dyn Error>> {
        let mut recorded = PayloadFile::open(file, traces.word, traces.rate)?;
        self.unit = recorded.unit();
        let mut taken = 0;
        while taken < most {
            let Some(mut run) = recorded.next_run()? else { break };
            let period = run.period();
            run.values.truncate(most - taken);
            run.end = run.start + period * run.values.len() as f64;
            taken += run.values.len();
            self.samples.push(run);
        }
        if self.samples.extent().is_some_and(|(_, end)| end < recorded.length()) {
            self.status.message =
                Some(format!("only the first {most} samples are shown; --samples takes more"));
        }
        self.view.fit(&self.samples);
        Ok(())
    }

    fn take(&mut self, run: Run) {
        self.status.frames += 1;
        self.status.lost += run.lost;
        // A picture that is held must not lose its samples.
        if !self.view.is_paused() {
            self.view.take(&run);
            self.samples.push(run);
        }
    }

    /// Saves the first picture.
    fn once(&mut self, live: &mut Live, interrupted: &AtomicBool) -> Outcome {
        while !interrupted.load(Ordering::Relaxed) {
            let Some(run) = live.next(SLICE)? else { continue };
            let complete = |view: &View| match view.trigger() {
                Some((_, shown)) => shown.is_some(),
                None => view.from() >= 0.0,
            };
            self.samples.push(run.clone());
            self.view.take(&run);
            if complete(&self.view) {
                self.picture()?;
                return Ok(ExitCode::SUCCESS);
            }
        }
        Err("interrupted before there was a picture".into())
    }

    /// Runs the screen until the user ends it.
    fn show(
        &mut self,
        mut live: Option<&mut Live>,
        options: &Options,
        interrupted: &AtomicBool,
    ) -> Outcome {
        let mut session = Session::open(options)?;
        let look = Look { unicode: !options.ascii(), colour: terminal::colour() };
        let mut changed = true;
        let ended = loop {
            if interrupted.load(Ordering::Relaxed) {
                break Ok(());
            }
            if changed && session.wait().is_zero() {
                session.draw(|area, buffer| self.screen(look).draw(area, buffer))?;
                changed = false;
            }
            // Without frames to take, a key is what there is to wait for.
            let patience = match live {
                Some(_) => Duration::ZERO,
                None => Duration::from_millis(100),
            };
            if let Some(key) = session.key(patience)? {
                self.status.message = None;
                changed = true;
                let rows = screen::rows(session.area());
                if !self.press(key, rows, screen::columns(session.area())) {
                    break Ok(());
                }
            }
            if let Some(source) = live.as_deref_mut() {
                let until = Instant::now() + SLICE;
                while let Some(left) = until.checked_duration_since(Instant::now()) {
                    match source.next(left) {
                        Ok(Some(run)) => {
                            self.take(run);
                            changed |= !self.view.is_paused();
                        }
                        Ok(None) => {}
                        Err(error) => {
                            // What was seen stays on the screen.
                            self.status.message = Some(format!("{error}; q ends"));
                            changed = true;
                            live = None;
                            break;
                        }
                    }
                }
            }
        };
        drop(session);
        if let Some(message) = &self.status.message {
            notice(message);
        }
        ended.map(|()| ExitCode::SUCCESS)
    }

    fn screen(&self, look: Look) -> Screen<'_> {
        Screen {
            view: &self.view,
            samples: &self.samples,
            traces: &self.traces,
            unit: self.unit,
            status: &self.status,
            look,
        }
    }

    /// Does what a key asks for. Returns whether the scope goes on.
    fn press(&mut self, key: KeyCode, rows: usize, columns: u16) -> bool {
        let scroll = self.traces.len().saturating_sub(rows);
        let step = STEP.max(1.0 / f64::from(columns));
        match key {
            KeyCode::Char('q') | KeyCode::Esc => return false,
            KeyCode::Char(' ') => self.view.pause(&self.samples),
            KeyCode::Char('+' | '=') => self.view.zoom(1),
            KeyCode::Char('-') => self.view.zoom(-1),
            KeyCode::Left => self.view.pan(-PAN),
            KeyCode::Right => self.view.pan(PAN),
            KeyCode::Up => self.view.scroll(-1, scroll),
            KeyCode::Down => self.view.scroll(1, scroll),
            KeyCode::Char('a') => self.view.place_cursor(0),
            KeyCode::Char('b') => self.view.place_cursor(1),
            KeyCode::Char('<' | ',') => self.view.move_cursor(-step),
            KeyCode::Char('>' | '.') => self.view.move_cursor(step),
            KeyCode::Char('c') => self.view.clear_cursors(),
            KeyCode::Char('t') if self.view.trigger().is_some() => self.view.single(&self.samples),
            KeyCode::Char('t') => {
                self.status.message = Some("there is no trigger: see --trigger".to_owned());
            }
            KeyCode::Char('f') => self.view.fit(&self.samples),
            KeyCode::Char('s') => {
                self.status.message = Some(match self.picture() {
                    Ok(()) => format!("saved {}", self.save.display()),
                    Err(error) => error.to_string(),
                });
            }
            _ => {}
        }
        true
    }

    fn picture(&self) -> Result<(), Box<dyn Error>> {
        let (from, span) = (self.view.from(), self.view.span());
        let picture = Picture {
            title: self.status.name.clone(),
            columns: &self.samples.columns(from, span, COLUMNS),
            traces: &self.traces,
            unit: self.unit,
            from,
            span,
        };
        picture.save(self.save)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(save: &Path) -> Scope<'_> {
        let mut scope = Scope {
            view: View::new(8.0, None, Mode::Auto),
            samples: Samples::new(100),
            traces: (0..30).map(Trace::Pin).collect(),
            unit: Unit::Seconds,
            status: Status::default(),
            save,
        };
        scope.take(Run { start: 0.0, end: 10.0, lost: 3, values: vec![0; 10] });
        scope
    }

    fn press(scope: &mut Scope<'_>, keys: &str) -> bool {
        keys.chars().all(|key| scope.press(KeyCode::Char(key), 20, 64))
    }

    #[test]
    fn a_paused_picture_keeps_its_samples_while_losses_are_counted() {
        let mut scope = scope(Path::new("scope.svg"));
        assert!(press(&mut scope, " "));
        for start in 1..100 {
            let start = f64::from(start) * 10.0;
            scope.take(Run { start, end: start + 10.0, lost: 1, values: vec![0; 10] });
        }
        assert_eq!(scope.samples.extent(), Some((0.0, 10.0)));
        assert_eq!((scope.status.frames, scope.status.lost, scope.view.from()), (100, 102, 2.0));
    }

    #[test]
    fn keys_move_the_window_and_the_cursors() {
        let mut scope = scope(Path::new("scope.svg"));
        assert!(press(&mut scope, "+ab>>"));
        assert_eq!((scope.view.span(), scope.view.difference()), (4.0, Some(2.0 * 4.0 / 64.0)));
        assert!(press(&mut scope, "ct"));
        assert!(scope.status.message.as_deref().unwrap().contains("--trigger"));
        for _ in 0..40 {
            scope.press(KeyCode::Down, 20, 64);
        }
        assert_eq!(scope.view.scrolled(), 10);
        assert!(!press(&mut scope, "q"));
    }

    #[test]
    fn s_saves_the_picture_or_says_why_not() {
        let path = std::env::temp_dir().join(format!("dmaframe-scope-{}.svg", std::process::id()));
        let mut scope = scope(&path);
        assert!(press(&mut scope, "s"));
        assert!(scope.status.message.as_deref().unwrap().starts_with("saved "));
        assert!(std::fs::read_to_string(&path).unwrap().contains("pin 29"));
        std::fs::remove_file(&path).unwrap();
        scope.save = Path::new("/no/such/directory/scope.svg");
        assert!(press(&mut scope, "s"));
        assert!(scope.status.message.as_deref().unwrap().contains("cannot write /no/such"));
    }

    #[test]
    fn a_span_is_a_time_with_a_unit() {
        assert_eq!(span("20ms"), Ok(0.02));
        for wrong in ["20", "0s", "-1s", "fast"] {
            assert!(span(wrong).unwrap_err().contains("20ms"), "{wrong}");
        }
    }
}
