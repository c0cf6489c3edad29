// SPDX-License-Identifier: MIT OR Apache-2.0
//! Formats numbers and lines of text.

use std::fmt::Write;

use serde_json::Value;

use super::statistics::Figure;

pub(super) fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{line}");
}

pub(super) fn spread(figure: Figure) -> String {
    format!("[{} .. {}]", digits(figure.low), digits(figure.high))
}

/// A cell of a table: median and quartiles, in units of `unit`. Empty if there is no figure.
pub(super) fn cell(figure: Option<Figure>, unit: f64) -> String {
    figure.map_or_else(String::new, |figure| {
        let figure = figure.in_units_of(unit);
        format!("{} {}", digits(figure.median), spread(figure))
    })
}

/// A number, or "unknown".
pub(super) fn plain(value: &Value) -> String {
    match (value.as_u64(), value.as_f64()) {
        (Some(whole), _) => whole.to_string(),
        (None, Some(number)) => digits(number),
        _ => "unknown".to_owned(),
    }
}

/// Formats a number with three significant digits.
pub(super) fn digits(number: f64) -> String {
    let places = match number.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 || size == 0.0 => 2,
        size if size >= 0.01 => 3,
        _ => 5,
    };
    format!("{number:.places$}")
}

pub(super) fn size(bytes: u64) -> String {
    match bytes {
        _ if bytes % (1 << 20) == 0 => format!("{} MiB", bytes >> 20),
        _ if bytes % 1024 == 0 => format!("{} KiB", bytes >> 10),
        _ => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_significant_digits() {
        let shown = [1234.5, 12.345, 1.2345, 0.12345, 0.0012345, 0.0].map(digits);
        assert_eq!(shown, ["1234", "12.3", "1.23", "0.123", "0.00123", "0.00"]);
        assert_eq!([256, 4096, 614_400, 4 << 20].map(size), ["256 B", "4 KiB", "600 KiB", "4 MiB"]);
    }
}
