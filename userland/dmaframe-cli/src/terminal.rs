// SPDX-License-Identifier: MIT OR Apache-2.0
//! The whole terminal as a screen, also where the terminal is a slow serial line.

use ratatui::backend::CrosstermBackend;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode, size,
};
use ratatui::crossterm::{cursor, execute};
use ratatui::layout::Rect;
use ratatui::{Terminal, TerminalOptions, Viewport};
use rustix::termios::tcgetattr;
use std::cell::Cell;
use std::env;
use std::fs;
use std::io::{self, IsTerminal, Stdout, Write};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// The shortest time from one drawing to the next.
const LEAST: Duration = Duration::from_millis(100);
/// The size of a terminal that does not know its own, as a serial line.
const UNKNOWN: (u16, u16) = (80, 24);
/// Bits on a serial line for each byte.
const BITS: u64 = 10;

/// The options of the commands that take the whole terminal.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Size of the terminal, such as 80x24, where it does not know its own
    #[arg(long, value_name = "COLUMNSxROWS", value_parser = dimensions)]
    size: Option<(u16, u16)>,
    /// Speed of the line to the terminal in bits per second; without it, that of a serial port. At
    /// most half of it is used
    #[arg(long, value_name = "BAUD", value_parser = clap::value_parser!(u32).range(300..))]
    baud: Option<u32>,
    /// Draw with ASCII characters alone
    #[arg(long)]
    ascii: bool,
}

impl Options {
    pub(crate) fn ascii(&self) -> bool {
        self.ascii
    }
}

fn dimensions(given: &str) -> Result<(u16, u16), String> {
    let both = given.split_once('x').and_then(|(columns, rows)| {
        Some((
            columns.parse::<u16>().ok().filter(|it| *it > 0)?,
            rows.parse::<u16>().ok().filter(|it| *it > 0)?,
        ))
    });
    both.ok_or_else(|| "expected COLUMNSxROWS, such as 80x24".to_owned())
}

/// Whether colours are wanted: <https://no-color.org>.
pub(crate) fn colour() -> bool {
    env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// The terminal, until it is dropped.
#[derive(Debug)]
pub(crate) struct Session {
    terminal: Terminal<CrosstermBackend<Counted>>,
    options: Options,
    bytes: Rc<Cell<u64>>,
    bytes_per_second: Option<u64>,
    next: Instant,
}

impl Session {
    pub(crate) fn open(options: &Options) -> Result<Self, String> {
        let fail = |error: io::Error| format!("cannot use the terminal: {error}");
        if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
            return Err("standard input and output must be a terminal".to_owned());
        }
        enable_raw_mode().map_err(fail)?;
        let bytes = Rc::new(Cell::new(0));
        let out = Counted { out: io::stdout(), bytes: Rc::clone(&bytes) };
        let viewport = Viewport::Fixed(area(options));
        let made = execute!(io::stdout(), EnterAlternateScreen, cursor::Hide).and_then(|()| {
            Terminal::with_options(CrosstermBackend::new(out), TerminalOptions { viewport })
        });
        let terminal = made.map_err(|error| {
            restore();
            fail(error)
        })?;
        let speed = options.baud.or_else(serial_speed);
        let bytes_per_second = speed.map(|speed| u64::from(speed) / BITS);
        let next = Instant::now();
        Ok(Self { terminal, options: options.clone(), bytes, bytes_per_second, next })
    }

    /// How long to wait until the next drawing. Zero when it is due.
    pub(crate) fn wait(&self) -> Duration {
        self.next.saturating_duration_since(Instant::now())
    }

    pub(crate) fn area(&self) -> Rect {
        area(&self.options)
    }

    /// Draws what changed since the last time.
    pub(crate) fn draw(&mut self, draw: impl FnOnce(Rect, &mut Buffer)) -> io::Result<()> {
        self.bytes.set(0);
        self.terminal.draw(|frame| draw(frame.area(), frame.buffer_mut()))?;
        self.next = Instant::now() + pause(self.bytes.get(), self.bytes_per_second);
        Ok(())
    }

    /// Clears the screen, so that the next drawing writes everything: another program may have
    /// written to the terminal.
    fn resize(&mut self) -> io::Result<()> {
        let area = self.area();
        self.next = Instant::now();
        self.terminal.resize(area)
    }

    /// The next key, if one is pressed within `timeout`. Ctrl-C is the key q.
    pub(crate) fn key(&mut self, timeout: Duration) -> io::Result<Option<KeyCode>> {
        if !event::poll(timeout)? {
            return Ok(None);
        }
        match event::read()? {
            Event::Key(key) if key.kind != KeyEventKind::Release => {
                // What the key does shows at once.
                self.next = self.next.min(Instant::now() + LEAST);
                let control = key.modifiers.contains(KeyModifiers::CONTROL);
                match key.code {
                    KeyCode::Char('c') if control => Ok(Some(KeyCode::Char('q'))),
                    KeyCode::Char('l') if control => self.resize().map(|()| None),
                    code => Ok(Some(code)),
                }
            }
            Event::Resize(..) => self.resize().map(|()| None),
            _ => Ok(None),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        restore();
    }
}

/// Gives the terminal back. Nothing is left to do where that fails.
fn restore() {
    let _ = execute!(io::stdout(), cursor::Show, LeaveAlternateScreen);
    let _ = disable_raw_mode();
}

fn area(options: &Options) -> Rect {
    let known = || size().ok().filter(|(columns, rows)| *columns > 0 && *rows > 0);
    let (columns, rows) = options.size.or_else(known).unwrap_or(UNKNOWN);
    Rect::new(0, 0, columns, rows)
}

/// The time that a drawing of `bytes` must be followed by: twice what the line takes for them.
fn pause(bytes: u64, bytes_per_second: Option<u64>) -> Duration {
    let line = bytes_per_second.map(|speed| Duration::from_millis(2000 * bytes / speed.max(1)));
    line.unwrap_or_default().max(LEAST)
}

/// The speed of standard output, if that is a serial port. A terminal in a window has one too, but it
/// means nothing there.
fn serial_speed() -> Option<u32> {
    let path = fs::read_link("/proc/self/fd/1").ok()?;
    let name = path.to_str()?.strip_prefix("/dev/tty")?;
    if !name.starts_with(|first: char| first.is_ascii_uppercase()) {
        return None;
    }
    Some(tcgetattr(io::stdout()).ok()?.output_speed())
}

/// Standard output, with the number of bytes written to it.
#[derive(Debug)]
struct Counted {
    out: Stdout,
    bytes: Rc<Cell<u64>>,
}

impl Write for Counted {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.out.write(buffer)?;
        self.bytes.set(self.bytes.get() + written as u64);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_line_has_half_of_its_time_left() {
        // 5,760 bytes take half a second at 115,200 baud.
        assert_eq!(pause(5760, Some(11_520)), Duration::from_secs(1));
        assert_eq!(pause(10, Some(11_520)), LEAST);
        assert_eq!(pause(1 << 20, None), LEAST);
    }

    #[test]
    fn a_size_is_two_numbers() {
        assert_eq!(dimensions("132x43"), Ok((132, 43)));
        for wrong in ["80", "80x", "0x24", "x", "80x-1"] {
            assert!(dimensions(wrong).unwrap_err().contains("80x24"), "{wrong}");
        }
    }
}
