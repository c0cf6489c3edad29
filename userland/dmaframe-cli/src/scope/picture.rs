// SPDX-License-Identifier: MIT OR Apache-2.0
//! Traces as a picture: SVG, or PNG.

use super::duration::Unit;
use super::samples::Column;
use super::screen::Trace;
use embedded_graphics::Drawable;
use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{OriginDimensions, Point, Size};
use embedded_graphics::mono_font::MonoTextStyle;
use embedded_graphics::mono_font::ascii::FONT_6X13;
use embedded_graphics::pixelcolor::{Rgb888, RgbColor};
use embedded_graphics::primitives::{Line, Primitive, PrimitiveStyle};
use embedded_graphics::text::{Alignment, Text};
use std::convert::Infallible;
use std::error::Error;
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::Path;

/// The format of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Svg,
    Png,
}

impl Format {
    /// The format that the name of a file says.
    pub(crate) fn of(path: &Path) -> Result<Self, String> {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("svg") => Ok(Self::Svg),
            Some("png") => Ok(Self::Png),
            _ => Err(format!("{}: a picture's name ends in .svg or .png", path.display())),
        }
    }
}

/// Width of the traces in pixels, one column each.
pub(crate) const COLUMNS: usize = 1000;
const LEFT: i32 = 90;
const TOP: i32 = 30;
const BOTTOM: i32 = 30;
const PIN: i32 = 28;
const WAVE: i32 = 300;
const GAP: i32 = 12;
/// Intervals of the time axis.
const PARTS: i32 = 10;

const INK: Rgb888 = Rgb888::new(0x20, 0x20, 0x20);
const GRID: Rgb888 = Rgb888::new(0xdd, 0xdd, 0xdd);
const PIN_INK: Rgb888 = Rgb888::new(0x1a, 0x7f, 0x37);
const WAVE_INK: Rgb888 = Rgb888::new(0x05, 0x50, 0xae);
const LOST: Rgb888 = Rgb888::new(0xcf, 0x22, 0x2e);

/// A picture of one window on the samples.
#[derive(Debug)]
pub(crate) struct Picture<'a> {
    pub(crate) title: String,
    /// [`COLUMNS`] of them.
    pub(crate) columns: &'a [Column],
    pub(crate) traces: &'a [Trace],
    pub(crate) unit: Unit,
    pub(crate) from: f64,
    pub(crate) span: f64,
}

/// A part of the picture.
#[derive(Clone, Debug, PartialEq)]
enum Shape {
    Line(Point, Point, Rgb888),
    /// Text whose baseline begins, or with the flag ends, at the point.
    Text(Point, String, bool),
}

impl Picture<'_> {
    /// Writes it to `path`, in the format that the name says.
    pub(crate) fn save(&self, path: &Path) -> Result<(), Box<dyn Error>> {
        let fail =
            |error: &dyn std::fmt::Display| format!("cannot write {}: {error}", path.display());
        match Format::of(path)? {
            Format::Svg => fs::write(path, self.svg()).map_err(|error| fail(&error))?,
            Format::Png => {
                let file = File::create(path).map_err(|error| fail(&error))?;
                self.png(file).map_err(|error| fail(&error))?;
            }
        }
        Ok(())
    }

    fn size(&self) -> Size {
        let traces: i32 = self.traces.iter().map(|trace| height(*trace) + GAP).sum();
        Size::new((LEFT + COLUMNS as i32 + 20) as u32, (TOP + traces + BOTTOM) as u32)
    }

    fn shapes(&self) -> Vec<Shape> {
        let mut shapes = vec![Shape::Text(Point::new(LEFT, 18), self.title.clone(), false)];
        let bottom = self.size().height as i32 - BOTTOM;
        for part in 0..=PARTS {
            let x = LEFT + COLUMNS as i32 * part / PARTS;
            shapes.push(Shape::Line(Point::new(x, TOP), Point::new(x, bottom), GRID));
            if part % 2 == 0 {
                let time = self.from + self.span * f64::from(part) / f64::from(PARTS);
                let at = Point::new(x - 20, bottom + 18);
                shapes.push(Shape::Text(at, self.unit.text(time), false));
            }
        }
        for (index, column) in (0..).zip(self.columns) {
            if column.lost > 0 {
                let x = LEFT + index;
                shapes.push(Shape::Line(Point::new(x, TOP), Point::new(x, bottom), LOST));
            }
        }
        let mut top = TOP;
        for trace in self.traces {
            let bottom = top + height(*trace);
            match trace {
                Trace::Pin(bit) => {
                    shapes.push(Shape::Text(
                        Point::new(LEFT - 8, bottom - 8),
                        format!("pin {bit}"),
                        true,
                    ));
                    let levels = self.columns.iter().map(|column| {
                        let (one, zero) = (column.ones >> bit & 1, column.zeros >> bit & 1);
                        let low = if zero == 1 { bottom } else { top };
                        let high = if one == 1 { top } else { bottom };
                        (one + zero > 0).then_some((low, high))
                    });
                    line(levels, PIN_INK, &mut shapes);
                }
                Trace::Wave => self.wave(top, bottom, &mut shapes),
            }
            top = bottom + GAP;
        }
        shapes
    }

    fn wave(&self, top: i32, bottom: i32, shapes: &mut Vec<Shape>) {
        let all = self.columns.iter().fold(Column::default(), |all, column| all.and(*column));
        let Some((low, high)) = all.range else { return };
        shapes.push(Shape::Text(Point::new(LEFT - 8, top + 10), high.to_string(), true));
        shapes.push(Shape::Text(Point::new(LEFT - 8, bottom), low.to_string(), true));
        let place = |value: i64| match high.saturating_sub(low) {
            0 => (top + bottom) / 2,
            range => {
                bottom
                    - (i128::from(value - low) * i128::from(bottom - top) / i128::from(range))
                        as i32
            }
        };
        let levels = self
            .columns
            .iter()
            .map(|column| column.range.map(|(low, high)| (place(low), place(high))));
        line(levels, WAVE_INK, shapes);
    }

    pub(crate) fn svg(&self) -> String {
        use svg::node::element::{Line, Rectangle, Text};
        let Size { width, height } = self.size();
        let paper =
            Rectangle::new().set("width", "100%").set("height", "100%").set("fill", "white");
        let mut document = svg::Document::new()
            .set("viewBox", (0, 0, width, height))
            .set("font-family", "monospace")
            .set("font-size", 12)
            .add(paper);
        for shape in self.shapes() {
            document = match shape {
                Shape::Line(from, to, ink) => document.add(
                    Line::new()
                        .set("x1", from.x)
                        .set("y1", from.y)
                        .set("x2", to.x)
                        .set("y2", to.y)
                        .set("stroke-linecap", "square")
                        .set("stroke", format!("#{:02x}{:02x}{:02x}", ink.r(), ink.g(), ink.b())),
                ),
                Shape::Text(at, words, ends) => {
                    let anchor = if ends { "end" } else { "start" };
                    let text = Text::new(words).set("x", at.x).set("y", at.y);
                    document.add(text.set("text-anchor", anchor))
                }
            };
        }
        document.to_string()
    }

    fn png(&self, file: File) -> Result<(), png::EncodingError> {
        let mut canvas = Canvas::new(self.size());
        for shape in self.shapes() {
            let Ok(()) = match shape {
                Shape::Line(from, to, ink) => {
                    let line = Line::new(from, to);
                    line.into_styled(PrimitiveStyle::with_stroke(ink, 1)).draw(&mut canvas)
                }
                Shape::Text(at, words, ends) => {
                    let side = if ends { Alignment::Right } else { Alignment::Left };
                    let style = MonoTextStyle::new(&FONT_6X13, INK);
                    Text::with_alignment(&words, at, style, side).draw(&mut canvas).map(drop)
                }
            };
        }
        let Size { width, height } = canvas.size;
        let mut encoder = png::Encoder::new(BufWriter::new(file), width, height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&canvas.bytes)?;
        writer.finish()
    }
}

/// Draws one line a column, and the steps between neighbours. Runs of equal columns are one line.
fn line(levels: impl Iterator<Item = Option<(i32, i32)>>, ink: Rgb888, shapes: &mut Vec<Shape>) {
    let mut flat: Option<(i32, i32, i32)> = None;
    let mut before: Option<(i32, i32)> = None;
    let mut end = |flat: &mut Option<(i32, i32, i32)>| {
        if let Some((from, to, y)) = flat.take() {
            shapes.push(Shape::Line(Point::new(from, y), Point::new(to, y), ink));
        }
    };
    let mut steps = Vec::new();
    for (x, level) in (LEFT..).zip(levels) {
        match (level, &mut flat) {
            (Some((low, high)), Some((_, to, y))) if low == high && low == *y => *to = x,
            (Some((low, high)), _) if low == high => {
                end(&mut flat);
                flat = Some((x, x, low));
            }
            _ => end(&mut flat),
        }
        if let Some((low, high)) = level {
            // Down the picture is up in coordinates: `low` is not less than `high`.
            let (bottom, top) = match before {
                Some((_, above)) if above > low => (above, high),
                Some((below, _)) if below < high => (low, below),
                _ => (low, high),
            };
            if bottom != top {
                steps.push(Shape::Line(Point::new(x, bottom), Point::new(x, top), ink));
            }
        }
        before = level;
    }
    end(&mut flat);
    shapes.extend(steps);
}

fn height(trace: Trace) -> i32 {
    match trace {
        Trace::Pin(_) => PIN,
        Trace::Wave => WAVE,
    }
}

/// The pixels of a PNG.
struct Canvas {
    size: Size,
    bytes: Vec<u8>,
}

impl Canvas {
    fn new(size: Size) -> Self {
        Self { size, bytes: vec![0xff; (size.width * size.height * 3) as usize] }
    }
}

impl OriginDimensions for Canvas {
    fn size(&self) -> Size {
        self.size
    }
}

impl DrawTarget for Canvas {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I>(&mut self, pixels: I) -> Result<(), Infallible>
    where
        I: IntoIterator<Item = embedded_graphics::Pixel<Rgb888>>,
    {
        for embedded_graphics::Pixel(at, ink) in pixels {
            let (Ok(x), Ok(y)) = (u32::try_from(at.x), u32::try_from(at.y)) else { continue };
            if x < self.size.width && y < self.size.height {
                let first = ((y * self.size.width + x) * 3) as usize;
                self.bytes[first..first + 3].copy_from_slice(&[ink.r(), ink.g(), ink.b()]);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scope::samples::{Run, Samples};

    fn columns() -> Vec<Column> {
        let mut samples = Samples::new(1 << 20);
        let mut values = vec![0; 100_000];
        values[50_000] = 1 << 3;
        samples.push(Run { start: 0.0, end: 1.0, lost: 2, values });
        samples.columns(0.0, 1.0, COLUMNS)
    }

    fn picture<'a>(columns: &'a [Column], traces: &'a [Trace]) -> Picture<'a> {
        let (from, span, unit) = (0.0, 1.0, Unit::Seconds);
        Picture { title: "a <test>".to_owned(), columns, traces, unit, from, span }
    }

    #[test]
    fn a_spike_a_loss_and_the_times_are_in_the_svg() {
        let columns = columns();
        let svg = picture(&columns, &[Trace::Pin(3), Trace::Pin(4), Trace::Wave]).svg();
        // The spike of pin 3 is a line over the height of its trace, at its column.
        let spike = format!("x1=\"{0}\" x2=\"{0}\" y1=\"{1}\" y2=\"{TOP}\"", LEFT + 500, TOP + PIN);
        let flat = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(svg.lines().any(|line| flat(line).contains(&spike)), "{svg}");
        assert!(svg.contains("#cf222e") && svg.contains("200 ms") && svg.contains("pin 4"));
        assert!(svg.contains("a &lt;test&gt;"), "{svg}");
    }

    #[test]
    fn the_png_has_the_same_spike() {
        let columns = columns();
        let traces = [Trace::Pin(3)];
        let path = std::env::temp_dir().join(format!("dmaframe-{}.png", std::process::id()));
        picture(&columns, &traces).save(&path).unwrap();
        let decoder = png::Decoder::new(std::io::BufReader::new(File::open(&path).unwrap()));
        let mut reader = decoder.read_info().unwrap();
        let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut bytes).unwrap();
        let pixel = |x: i32, y: i32| {
            let first = (y as usize * info.width as usize + x as usize) * 3;
            [bytes[first], bytes[first + 1], bytes[first + 2]]
        };
        let ink = [PIN_INK.r(), PIN_INK.g(), PIN_INK.b()];
        assert_eq!(pixel(LEFT + 500, TOP + PIN / 2), ink);
        assert_eq!(pixel(LEFT + 510, TOP + PIN / 2), [0xff; 3]);
        assert_eq!(pixel(LEFT + 510, TOP + PIN), ink);
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn the_name_of_the_file_says_the_format() {
        assert_eq!(Format::of(Path::new("a.svg")), Ok(Format::Svg));
        assert_eq!(Format::of(Path::new("a.png")), Ok(Format::Png));
        let wrong = Format::of(Path::new("a.gif")).unwrap_err();
        assert!(wrong.contains("a.gif") && wrong.contains(".svg or .png"), "{wrong}");
    }
}
