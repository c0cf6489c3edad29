// SPDX-License-Identifier: MIT OR Apache-2.0
//! The scope on a terminal: pins as logic levels, words as a waveform.

use super::duration::Unit;
use super::samples::{Column, Samples};
use super::view::{Mode, View};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};

/// What is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trace {
    /// One bit of each sample.
    Pin(u32),
    /// The value of each sample.
    Wave,
}

/// What the terminal can show.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    pub(crate) unicode: bool,
    pub(crate) colour: bool,
}

/// What the first line says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Status {
    /// The device and the source, or the file.
    pub(crate) name: String,
    /// Frames taken so far.
    pub(crate) frames: u64,
    pub(crate) lost: u64,
    /// What the user should know, until the next key.
    pub(crate) message: Option<String>,
}

/// Everything that is drawn.
#[derive(Debug)]
pub(crate) struct Screen<'a> {
    pub(crate) view: &'a View,
    pub(crate) samples: &'a Samples,
    pub(crate) traces: &'a [Trace],
    pub(crate) unit: Unit,
    pub(crate) status: &'a Status,
    pub(crate) look: Look,
}

/// Cells of the labels at the left edge.
const LABEL: u16 = 12;
/// Lines above and below the traces.
const LINES: u16 = 4;
const KEYS: &str = "space pause  +- zoom  arrows  a b < > c cursors  t once  f all  s save  q quit";
/// Dots of a braille character: columns from the left, rows from the bottom.
const BRAILLE: [[u8; 4]; 2] = [[0x40, 0x04, 0x02, 0x01], [0x80, 0x20, 0x10, 0x08]];

/// Cells of a trace.
pub(crate) fn columns(area: Rect) -> u16 {
    area.width.saturating_sub(LABEL).max(1)
}

/// How many traces fit on the screen.
pub(crate) fn rows(area: Rect) -> usize {
    area.height.saturating_sub(LINES).into()
}

impl Screen<'_> {
    pub(crate) fn draw(&self, area: Rect, buffer: &mut Buffer) {
        if area.width <= LABEL || area.height <= LINES {
            buffer.set_stringn(area.x, area.y, "too small", area.width.into(), Style::default());
            return;
        }
        let cells = usize::from(columns(area));
        // Two columns a cell, which braille shows apart.
        let (from, span) = (self.view.from(), self.view.span());
        let halves = self.samples.columns(from, span, cells * 2);
        let whole: Vec<Column> = halves.chunks(2).map(|two| two[0].and(two[1])).collect();

        self.text(buffer, area, 0, &self.head());
        let shown = self.traces.iter().skip(self.view.scrolled());
        let pins = shown.filter_map(|trace| match trace {
            Trace::Pin(bit) => Some(*bit),
            Trace::Wave => None,
        });
        let most = rows(area);
        let mut row = 1;
        for bit in pins.take(most) {
            self.label(buffer, area, row, &format!("pin {bit}"));
            for (at, column) in (0..).zip(&whole) {
                let symbol = level(*column, bit, self.look.unicode);
                self.put(buffer, area, at, row, symbol, Color::Green);
            }
            row += 1;
        }
        let rest = area.height.saturating_sub(LINES - 1).saturating_sub(row);
        if self.traces.contains(&Trace::Wave) && rest > 0 {
            self.wave(buffer, area, row, rest, &halves);
        }
        self.axis(buffer, area, &whole);
        self.text(buffer, area, area.height - 2, &self.times());
        let keys = self.status.message.as_deref().unwrap_or(KEYS);
        self.text(buffer, area, area.height - 1, keys);
    }

    fn head(&self) -> String {
        let Status { name, frames, lost, .. } = self.status;
        let mode = match self.view.mode() {
            Mode::Auto => "auto",
            Mode::Normal => "normal",
            Mode::Single => "once",
        };
        let trigger = match self.view.trigger() {
            None => "no trigger".to_owned(),
            Some((trigger, Some(_))) => format!("trigger {trigger} {mode}"),
            Some((trigger, None)) => format!("trigger {trigger} {mode}, waiting"),
        };
        let state = if self.view.is_paused() { "paused" } else { "running" };
        format!("{name}  {state}  {frames} frames, {lost} lost  {trigger}")
    }

    fn times(&self) -> String {
        let text = |time| self.unit.text(time);
        let mut line = format!("{} wide, from {}", text(self.view.span()), text(self.view.from()));
        for (name, cursor) in ["A", "B"].into_iter().zip(self.view.cursors()) {
            if let Some(at) = cursor {
                line += &format!("  {name} {}", text(at));
                if let (Some(value), true) =
                    (self.samples.value(at), self.traces.contains(&Trace::Wave))
                {
                    line += &format!(" = {value}");
                }
            }
        }
        if let Some(difference) = self.view.difference() {
            line += &format!("  B-A {}", text(difference));
        }
        line
    }

    /// The line below the traces, with the marks.
    fn axis(&self, buffer: &mut Buffer, area: Rect, whole: &[Column]) {
        let row = area.height - 3;
        for (at, column) in (0..).zip(whole) {
            let (symbol, colour) = match column.lost {
                0 if self.look.unicode => ("─", Color::DarkGray),
                0 => ("-", Color::DarkGray),
                _ => ("!", Color::Red),
            };
            self.put(buffer, area, at, row, symbol, colour);
        }
        let trigger = self.view.trigger().and_then(|(_, shown)| shown);
        let marks = [(trigger, "T"), (self.view.cursors()[0], "A"), (self.view.cursors()[1], "B")];
        for (time, symbol) in marks {
            if let Some(position) = time.and_then(|time| self.view.position(time)) {
                let at = (position * whole.len() as f64) as u16;
                self.put(buffer, area, at, row, symbol, Color::Yellow);
                if symbol != "T" {
                    let line =
                        Rect { x: area.x + LABEL + at, y: area.y + 1, width: 1, height: row };
                    buffer.set_style(line, Style::new().add_modifier(Modifier::REVERSED));
                }
            }
        }
    }

    fn wave(&self, buffer: &mut Buffer, area: Rect, top: u16, rows: u16, halves: &[Column]) {
        let all = halves.iter().fold(Column::default(), |all, column| all.and(*column));
        let Some((low, high)) = all.range else { return };
        self.label(buffer, area, top, &high.to_string());
        self.label(buffer, area, top + rows - 1, &low.to_string());
        let dots = i64::from(rows) * 4;
        // A constant is drawn in the middle.
        let height = |value: i64| match high.saturating_sub(low) {
            0 => dots / 2,
            range => (i128::from(value - low) * i128::from(dots - 1) / i128::from(range)) as i64,
        };
        let mut cells = vec![0u8; halves.len() / 2 * usize::from(rows)];
        let mut before = None;
        for (at, column) in halves.iter().enumerate() {
            let Some((low, high)) = column.range else {
                before = None;
                continue;
            };
            // A step between two columns is drawn as a line.
            let (low, high) = (height(low), height(high));
            let (bottom, top) = match before {
                Some((_, above)) if above < low => (above, high),
                Some((below, _)) if below > high => (low, below),
                _ => (low, high),
            };
            before = Some((low, high));
            for dot in bottom..=top {
                let cell = at / 2 * usize::from(rows) + (dot / 4) as usize;
                cells[cell] |= BRAILLE[at % 2][(dot % 4) as usize];
            }
        }
        for (at, cell) in (0..).zip(cells.chunks(rows.into())) {
            for (up, dots) in (0..rows).zip(cell) {
                let symbol = match (*dots, self.look.unicode) {
                    (0, _) => continue,
                    (dots, true) => char::from_u32(0x2800 + u32::from(dots)).unwrap_or(' '),
                    // Upper, lower or both halves of the cell.
                    (dots, false) if dots & 0x1b == 0 => '_',
                    (dots, false) if dots & 0xe4 == 0 => '\'',
                    _ => '|',
                };
                let mut bytes = [0; 4];
                let row = top + rows - 1 - up;
                self.put(buffer, area, at, row, symbol.encode_utf8(&mut bytes), Color::Cyan);
            }
        }
    }

    fn label(&self, buffer: &mut Buffer, area: Rect, row: u16, words: &str) {
        let style = Style::default();
        buffer.set_stringn(area.x, area.y + row, words, usize::from(LABEL - 1), style);
    }

    fn text(&self, buffer: &mut Buffer, area: Rect, row: u16, words: &str) {
        buffer.set_stringn(area.x, area.y + row, words, area.width.into(), Style::default());
    }

    fn put(&self, buffer: &mut Buffer, area: Rect, at: u16, row: u16, symbol: &str, colour: Color) {
        let style = if self.look.colour { Style::new().fg(colour) } else { Style::new() };
        if let Some(cell) = buffer.cell_mut((area.x + LABEL + at, area.y + row)) {
            cell.set_symbol(symbol).set_style(style);
        }
    }
}

/// The symbol of one bit in one column.
fn level(column: Column, bit: u32, unicode: bool) -> &'static str {
    match (column.ones >> bit & 1, column.zeros >> bit & 1, unicode) {
        (0, 0, _) => " ",
        (1, 0, true) => "▔",
        (0, _, true) => "▁",
        (_, _, true) => "█",
        (1, 0, false) => "\"",
        (0, _, false) => "_",
        (_, _, false) => "|",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scope::samples::Run;
    use crate::scope::trigger::Trigger;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    const PLAIN: Look = Look { unicode: false, colour: false };

    fn drawn(screen: &Screen<'_>, width: u16, height: u16) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| screen.draw(frame.area(), frame.buffer_mut())).unwrap();
        let buffer = terminal.backend().buffer();
        let line = |row| {
            let cells = (0..width).map(|at| buffer[(at, row)].symbol());
            cells.collect::<String>().trim_end().to_owned()
        };
        (0..height).map(line).collect()
    }

    fn samples(runs: &[(f64, u64, &[i64])]) -> Samples {
        let mut samples = Samples::new(1 << 20);
        for (start, lost, values) in runs {
            let end = start + values.len() as f64;
            samples.push(Run { start: *start, end, lost: *lost, values: values.to_vec() });
        }
        samples
    }

    #[test]
    fn pins_are_levels_with_marks_of_trigger_and_loss() {
        // Pin 0 rises at 2 and falls at 5; frame 1 is lost; pin 2 has a pulse of one sample.
        let samples = samples(&[(0.0, 0, &[0, 0, 1, 1, 5, 0]), (8.0, 1, &[1, 1])]);
        let mut view = View::new(8.0, Some(Trigger::Rising(0)), Mode::Normal);
        view.take(&Run { start: 0.0, end: 12.0, lost: 0, values: vec![0, 0, 1, 1, 1, 0] });
        view.zoom(-1);
        view.place_cursor(0);
        view.place_cursor(1);
        view.move_cursor(0.125);
        let status = Status { name: "dmaframe0 gpio".to_owned(), ..Status::default() };
        let traces = [Trace::Pin(0), Trace::Pin(2)];
        let unit = Unit::Samples;
        let screen = Screen {
            view: &view,
            samples: &samples,
            traces: &traces,
            unit,
            status: &status,
            look: PLAIN,
        };
        let shown = drawn(&screen, 28, 7);
        assert_eq!(shown[0], "dmaframe0 gpio  running  0 f");
        assert_eq!(shown[1], "pin 0       __\"\"\"_  \"\"");
        assert_eq!(shown[2], "pin 2       ____\"_  __");
        assert_eq!(shown[4], "            ----T---A-B-----");
    }

    #[test]
    fn a_spike_of_one_sample_in_a_million_shows_in_the_waveform() {
        let mut values = vec![10; 1_000_000];
        values[500_000] = 1000;
        let samples = samples(&[(0.0, 0, &values)]);
        let mut view = View::new(1.0, None, Mode::Auto);
        view.fit(&samples);
        let (status, unit) = (Status::default(), Unit::Samples);
        let traces = [Trace::Wave];
        let screen = Screen {
            view: &view,
            samples: &samples,
            traces: &traces,
            unit,
            status: &status,
            look: PLAIN,
        };
        let shown = drawn(&screen, 32, 8);
        assert_eq!(
            shown[1..5].iter().map(|line| line.get(..4)).collect::<Vec<_>>()[0],
            Some("1000")
        );
        assert!(shown[1..5].iter().all(|line| line.contains('|')), "{shown:?}");
        assert_eq!(shown[4], "10          __________|_________");
        assert_eq!(shown[6], "1000000 samples wide, from 0 sam");
        // Braille has eight dots a cell.
        let look = Look { unicode: true, colour: true };
        let shown = drawn(&Screen { look, ..screen }, 32, 8);
        assert!(shown[4].contains("⣀⣀⣀") && shown[2].contains('⡇'), "{shown:?}");
    }

    #[test]
    fn a_picture_that_stays_costs_no_bytes_and_one_that_scrolls_little() {
        let view = View::new(8.0, None, Mode::Auto);
        let samples = samples(&[(0.0, 0, &[0, 1, 1, 0, 0, 1, 0, 0])]);
        let (status, unit) = (Status::default(), Unit::Seconds);
        let traces = [Trace::Pin(0)];
        let screen = Screen {
            view: &view,
            samples: &samples,
            traces: &traces,
            unit,
            status: &status,
            look: PLAIN,
        };
        let area = Rect::new(0, 0, 80, 24);
        let (mut first, mut second) = (Buffer::empty(area), Buffer::empty(area));
        screen.draw(area, &mut first);
        screen.draw(area, &mut second);
        assert!(first.diff(&second).is_empty());
    }

    #[test]
    fn a_screen_without_room_says_so() {
        let view = View::new(8.0, None, Mode::Auto);
        let (samples, status) = (samples(&[]), Status::default());
        let traces = [Trace::Wave];
        let unit = Unit::Seconds;
        let screen = Screen {
            view: &view,
            samples: &samples,
            traces: &traces,
            unit,
            status: &status,
            look: PLAIN,
        };
        assert_eq!(drawn(&screen, 10, 3)[0], "too small");
        // No sample, no waveform.
        assert_eq!(drawn(&screen, 80, 24)[5], "");
    }
}
