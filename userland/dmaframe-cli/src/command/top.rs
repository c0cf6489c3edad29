// SPDX-License-Identifier: MIT OR Apache-2.0
//! `dmaframe top`.

use super::clock::{Moment, monotonic_ns};
use super::traffic::{Traffic, rows};
use super::{Outcome, interrupted, print};
use crate::terminal::{Options, Session, colour};
use dmaframe::Error;
use dmaframe::netlink::Client;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::KeyCode;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use serde_json::Value;
use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Show the traffic of all devices, again and again, until q or Ctrl-C
///
/// Works beside the programs that stream, and costs them nothing. Rates are those of the last interval.
/// fr/irq is the mean number of frames that one interrupt published. How full the ring is, and how long
/// a frame waits in it, only the program that has the device open can see: `dmaframe stream --stats`
/// prints them. Where standard output is no terminal, or with --json, one line for each device follows
/// the other.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  dmaframe top\n  dmaframe top --interval 10s --json >>traffic")]
pub(crate) struct Arguments {
    /// Time from one look to the next, such as 500ms or 10s
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = interval)]
    interval: Duration,
    /// End after this many intervals
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// Print one JSON object a line for each device and interval
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    terminal: Options,
}

const KEYS: &str = "q quit";
/// How often a wait looks whether it was interrupted.
const LOOK: Duration = Duration::from_millis(100);

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let interrupted = interrupted()?;
    let mut traffic = Traffic::default();
    look(&mut traffic)?;
    let terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
    let mut session = match terminal && !arguments.json {
        true => Some(Session::open(&arguments.terminal)?),
        false => None,
    };
    let mut left = arguments.count.unwrap_or(u64::MAX);
    let mut next = Instant::now();
    let mut head = true;
    while left > 0 {
        if let Some(session) = &mut session {
            session.draw(|area, buffer| draw(&rows(&traffic), area, buffer, colour()))?;
        }
        next += arguments.interval;
        if !wait(next, session.as_mut(), &interrupted)? {
            break;
        }
        look(&mut traffic)?;
        left -= 1;
        if arguments.json {
            for device in traffic.devices() {
                let mut members = device.members();
                Moment::now().add_to(&mut members);
                print(Value::Object(members))?;
            }
        } else if session.is_none() {
            // The names of the columns once: they do not change.
            for row in rows(&traffic).iter().skip(usize::from(!std::mem::take(&mut head))) {
                print(row)?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn interval(given: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(given).ok().filter(|time| *time >= LOOK);
    time.ok_or_else(|| "expected a time of 100ms or more, such as 500ms or 10s".to_owned())
}

/// Asks for the counters of all devices. A module that was unloaded has none.
fn look(traffic: &mut Traffic) -> dmaframe::Result<()> {
    let devices = match Client::connect().and_then(|mut client| client.devices()) {
        Err(Error::NoFamily) if traffic.has_begun() => Vec::new(),
        devices => devices?,
    };
    traffic.take(devices, monotonic_ns());
    Ok(())
}

/// Waits until `next`. Returns whether to go on.
fn wait(next: Instant, mut session: Option<&mut Session>, flag: &AtomicBool) -> io::Result<bool> {
    while let Some(left) = next.checked_duration_since(Instant::now()) {
        match &mut session {
            Some(session) => {
                let key = session.key(left.min(LOOK))?;
                if matches!(key, Some(KeyCode::Char('q') | KeyCode::Esc)) {
                    return Ok(false);
                }
            }
            None => thread::sleep(left.min(LOOK)),
        }
        if flag.load(Ordering::Relaxed) {
            return Ok(false);
        }
    }
    Ok(!flag.load(Ordering::Relaxed))
}

fn draw(rows: &[String], area: Rect, buffer: &mut Buffer, colour: bool) {
    let width = usize::from(area.width);
    for (line, row) in (area.top()..area.bottom().saturating_sub(1)).zip(rows) {
        let style = match (line == area.top(), colour) {
            (true, true) => Style::new().fg(Color::Cyan),
            (true, false) => Style::new().add_modifier(Modifier::BOLD),
            (false, _) => Style::new(),
        };
        buffer.set_stringn(area.x, line, row, width, style);
    }
    if area.height > 0 {
        buffer.set_stringn(area.x, area.bottom() - 1, KEYS, width, Style::new());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    #[test]
    fn the_screen_has_the_names_the_devices_and_the_keys() {
        let mut terminal = Terminal::new(TestBackend::new(12, 4)).unwrap();
        let rows = ["name state".to_owned(), "dmaframe0 running".to_owned()];
        terminal.draw(|frame| draw(&rows, frame.area(), frame.buffer_mut(), false)).unwrap();
        let cells = terminal.backend().buffer();
        let line = |row| (0..12).map(|at| cells[(at, row)].symbol()).collect::<String>();
        assert_eq!(line(0).trim_end(), "name state");
        assert_eq!(line(1), "dmaframe0 ru");
        assert_eq!(line(3).trim_end(), KEYS);
    }

    #[test]
    fn an_interval_has_a_unit_and_is_not_too_short() {
        assert_eq!(interval("2s"), Ok(Duration::from_secs(2)));
        assert!(interval("1ms").is_err() && interval("2").is_err());
    }
}
