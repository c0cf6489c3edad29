// SPDX-License-Identifier: MIT OR Apache-2.0
//! Times as text.

/// What the axis counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Seconds,
    Samples,
}

impl Unit {
    /// A time with at most four digits before the point and three after it.
    pub(crate) fn text(self, time: f64) -> String {
        match self {
            Self::Samples => format!("{} samples", trimmed(time)),
            Self::Seconds => {
                let (scale, name) = match time.abs() {
                    0.0 => (1.0, "s"),
                    small if small < 0.999_999_5e-6 => (1e9, "ns"),
                    small if small < 0.999_999_5e-3 => (1e6, "us"),
                    small if small < 0.999_999_5 => (1e3, "ms"),
                    _ => (1.0, "s"),
                };
                format!("{} {name}", trimmed(time * scale))
            }
        }
    }
}

fn trimmed(value: f64) -> String {
    let text = format!("{value:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_the_unit_that_fits() {
        for (time, text) in [
            (0.0, "0 s"),
            (25e-9, "25 ns"),
            (1.5e-6, "1.5 us"),
            (-0.000_25, "-250 us"),
            (0.0625, "62.5 ms"),
            (12.345_678, "12.346 s"),
            (0.999_999_9, "1 s"),
        ] {
            assert_eq!(Unit::Seconds.text(time), text);
        }
        assert_eq!(Unit::Samples.text(1024.0), "1024 samples");
    }
}
