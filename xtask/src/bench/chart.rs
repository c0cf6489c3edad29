// SPDX-License-Identifier: MIT OR Apache-2.0
//! The chart: a bar for each ratio, on a logarithmic scale. A longer bar is better for dmaframe.

use svg::Document;
use svg::node::element::{Line, Rectangle, Text};

use super::headline::{Headline, Target};

const WIDTH: f64 = 1000.0;
const ROW: f64 = 30.0;
const TOP: f64 = 70.0;
/// Horizontal range of the bars.
const LEFT: f64 = 470.0;
const RIGHT: f64 = 920.0;
/// The largest range of the scale, in powers of ten.
const DECADES: std::ops::RangeInclusive<i32> = -3..=5;

const INK: &str = "#222222";
const FAINT: &str = "#cccccc";
const MET: &str = "#2a7f62";
const MISSED: &str = "#c0552d";
const NEUTRAL: &str = "#7d8ca3";

/// Draws the ratios as SVG.
pub(crate) fn draw(headlines: &[Headline]) -> String {
    let bars: Vec<Bar> = headlines.iter().filter_map(Bar::new).collect();
    let height = TOP + ROW * bars.len() as f64 + 50.0;
    let all = bars.iter().flat_map(|bar| [bar.low, bar.high, 1.0]);
    let scale = Scale::over(all);

    let mut document = Document::new()
        .set("viewBox", (0.0, 0.0, WIDTH, height))
        .set("font-family", "sans-serif")
        .set("font-size", 14)
        .add(Rectangle::new().set("width", WIDTH).set("height", height).set("fill", "#ffffff"))
        .add(text(20.0, 28.0, "dmaframe and its peers").set("font-size", 20))
        .add(text(
            20.0,
            50.0,
            "Medians and quartiles. To the right of 1, dmaframe is better. Green: the target (dashed \
             line) is met.",
        ));
    let bottom = TOP + ROW * bars.len() as f64;
    for decade in scale.decades.clone() {
        let x = scale.x(10_f64.powi(decade));
        let one = decade == 0;
        document = document
            .add(line(x, TOP, x, bottom, if one { INK } else { FAINT }))
            .add(text(x, bottom + 20.0, &power(decade)).set("text-anchor", "middle"));
    }
    for (number, bar) in bars.iter().enumerate() {
        let middle = TOP + ROW * (number as f64 + 0.5);
        let (from, to) = (scale.x(1.0), scale.x(bar.value));
        let (low, high) = (scale.x(bar.low), scale.x(bar.high));
        document = document
            .add(text(LEFT - 12.0, middle + 5.0, &bar.name).set("text-anchor", "end"))
            .add(
                Rectangle::new()
                    .set("x", from.min(to))
                    .set("y", middle - 9.0)
                    // The bar of a ratio of 1 has to be visible.
                    .set("width", (from - to).abs().max(2.0))
                    .set("height", 18)
                    .set("fill", bar.color),
            )
            .add(line(low, middle, high, middle, INK))
            .add(line(low, middle - 4.0, low, middle + 4.0, INK))
            .add(line(high, middle - 4.0, high, middle + 4.0, INK))
            .add(text(to.max(high).max(from) + 8.0, middle + 5.0, &bar.label));
        if let Some(mark) = bar.mark {
            let x = scale.x(mark);
            document = document
                .add(line(x, middle - 13.0, x, middle + 13.0, INK).set("stroke-dasharray", "3 2"));
        }
    }
    format!("<!-- SPDX-License-Identifier: MIT OR Apache-2.0 -->\n{document}\n")
}

/// A bar. Ratios of which less is better are inverted.
struct Bar {
    name: String,
    value: f64,
    low: f64,
    high: f64,
    mark: Option<f64>,
    color: &'static str,
    label: String,
}

impl Bar {
    /// `None` if the headline is not a ratio or cannot be drawn on a logarithmic scale.
    fn new(headline: &Headline) -> Option<Self> {
        let figure = headline.figure;
        // Numbers of calls are not ratios.
        let counts = ["system calls", "polls"];
        if figure.median <= 0.0 || counts.iter().any(|count| headline.name.starts_with(count)) {
            return None;
        }
        let (value, low, high) = if headline.gain {
            (figure.median, figure.low, figure.high)
        } else {
            (1.0 / figure.median, 1.0 / figure.high, 1.0 / figure.low)
        };
        let (mark, reached) = match headline.target {
            Target::AtLeast(limit) => (Some(limit), Some(figure.median >= limit)),
            Target::AtMost(limit) => (Some(1.0 / limit), Some(figure.median <= limit)),
            Target::None => (None, None),
        };
        let color = match reached {
            Some(true) => MET,
            Some(false) => MISSED,
            None => NEUTRAL,
        };
        let places = if figure.median >= 100.0 { 0 } else { 2 };
        let label = format!("{:.places$}×", figure.median);
        let name = headline.name.clone();
        // A logarithmic scale has no place for quartiles that are zero or negative.
        let finite = [low, high].iter().all(|end| end.is_finite() && *end > 0.0);
        let (low, high) = if finite { (low, high) } else { (value, value) };
        Some(Self { name, value, low, high, mark, color, label })
    }
}

/// A logarithmic scale.
struct Scale {
    decades: std::ops::RangeInclusive<i32>,
}

impl Scale {
    fn over(values: impl Iterator<Item = f64>) -> Self {
        let (mut first, mut last) = (0, 1);
        for value in values {
            first = first.min(value.log10().floor() as i32);
            last = last.max(value.log10().ceil() as i32);
        }
        Self { decades: first.max(*DECADES.start())..=last.min(*DECADES.end()) }
    }

    fn x(&self, value: f64) -> f64 {
        let (first, last) = (f64::from(*self.decades.start()), f64::from(*self.decades.end()));
        let part = ((value.log10() - first) / (last - first)).clamp(0.0, 1.0);
        LEFT + (RIGHT - LEFT) * part
    }
}

fn power(decade: i32) -> String {
    if decade < 0 {
        format!("1/{}", 10_i64.pow(decade.unsigned_abs()))
    } else {
        10_i64.pow(decade.unsigned_abs()).to_string()
    }
}

fn text(x: f64, y: f64, words: &str) -> Text {
    Text::new(words).set("x", x).set("y", y).set("fill", INK)
}

fn line(x1: f64, y1: f64, x2: f64, y2: f64, color: &str) -> Line {
    Line::new().set("x1", x1).set("y1", y1).set("x2", x2).set("y2", y2).set("stroke", color)
}

#[cfg(test)]
mod tests {
    use super::super::statistics::Figure;
    use super::*;

    fn headline(median: f64, gain: bool, target: Target) -> Headline {
        let figure = Figure { median, low: median / 2.0, high: median * 2.0, count: 3 };
        Headline { name: "a < b".to_owned(), figure, target, gain }
    }

    #[test]
    fn ratio_of_which_less_is_better_is_inverted() {
        let bar = Bar::new(&headline(0.25, false, Target::AtMost(0.5))).unwrap();
        assert_eq!((bar.value, bar.low, bar.high, bar.mark), (4.0, 2.0, 8.0, Some(2.0)));
        assert_eq!(bar.color, MET);
        let bar = Bar::new(&headline(0.9, true, Target::AtLeast(1.0))).unwrap();
        assert_eq!((bar.value, bar.color), (0.9, MISSED));
        assert!(Bar::new(&headline(0.0, true, Target::None)).is_none());
    }

    #[test]
    fn scale_covers_all_values() {
        let scale = Scale::over([0.5, 1.0, 300.0].into_iter());
        assert_eq!(scale.decades, -1..=3);
        assert_eq!((scale.x(0.1), scale.x(1000.0)), (LEFT, RIGHT));
        assert_eq!(scale.x(1e9), RIGHT);
    }

    #[test]
    fn chart_is_well_formed() {
        let picture = draw(&[headline(60.0, true, Target::AtLeast(50.0))]);
        let mut text = String::new();
        text += &picture;
        let parsed = svg::parser::Parser::new(&text);
        let errors = parsed.filter(|event| matches!(event, svg::parser::Event::Error(_))).count();
        assert_eq!(errors, 0);
        assert!(picture.contains("a &lt; b") && picture.contains("60.00×"), "{picture}");
    }
}
