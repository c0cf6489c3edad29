// SPDX-License-Identifier: MIT OR Apache-2.0
//! Medians and quartiles.

use serde_json::{Value, json};

/// The median and the quartiles of values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Figure {
    pub(crate) median: f64,
    /// The first quartile.
    pub(crate) low: f64,
    /// The third quartile.
    pub(crate) high: f64,
    /// The number of values.
    pub(crate) count: usize,
}

impl Figure {
    /// `None` if there are no values or one is not finite.
    pub(crate) fn of(values: &[f64]) -> Option<Self> {
        let quartile = |part| quantile(values, part);
        Some(Self {
            median: quartile(0.5)?,
            low: quartile(0.25)?,
            high: quartile(0.75)?,
            count: values.len(),
        })
    }

    pub(crate) fn json(&self) -> Value {
        let Self { median, low, high, count } = *self;
        json!({ "median": median, "spread": high - low, "low": low, "high": high, "count": count })
    }

    /// Divides by `unit`.
    pub(crate) fn in_units_of(self, unit: f64) -> Self {
        let Self { median, low, high, count } = self;
        Self { median: median / unit, low: low / unit, high: high / unit, count }
    }
}

/// The quantile `part`, from 0 to 1, with linear interpolation. `None` if there are no values or
/// one is not finite.
pub(crate) fn quantile(values: &[f64], part: f64) -> Option<f64> {
    if values.iter().any(|value| !value.is_finite()) {
        return None;
    }
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = sorted.len().checked_sub(1)? as f64 * part;
    let (below, above) = (*sorted.get(at.floor() as usize)?, *sorted.get(at.ceil() as usize)?);
    Some(below + (above - below) * at.fract())
}

/// The median. `None` if there are no values or one is not finite.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    quantile(values, 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figure_has_median_and_quartiles() {
        let figure = Figure::of(&[5.0, 1.0, 3.0, 2.0, 4.0]).unwrap();
        assert_eq!(figure, Figure { median: 3.0, low: 2.0, high: 4.0, count: 5 });
        assert_eq!(figure.json()["spread"], 2.0);
        let figure = Figure::of(&[1.0, 2.0]).unwrap();
        assert_eq!(figure, Figure { median: 1.5, low: 1.25, high: 1.75, count: 2 });
        assert_eq!(Figure::of(&[7.0]).unwrap().json()["spread"], 0.0);
        assert_eq!(figure.in_units_of(0.5).median, 3.0);
    }

    #[test]
    fn outlier_does_not_move_the_median() {
        assert_eq!(median(&[1.0, 1.0, 1.0, 1.0, 1e9]), Some(1.0));
    }

    #[test]
    fn no_values_have_no_figure() {
        assert_eq!(Figure::of(&[]), None);
        assert_eq!(Figure::of(&[1.0, f64::NAN]), None);
        assert_eq!(Figure::of(&[f64::INFINITY]), None);
    }
}
