// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the guest measured, round by round.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::statistics::{Figure, median, quantile};

/// Every sample there is. A series is what one subject gave under one key, a list of values a
/// round.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    series: BTreeMap<(String, String, u64), Vec<Vec<f64>>>,
}

impl Samples {
    /// Reads one JSON object a line, as `dmaframe-bench` writes them.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let mut samples = Self::default();
        for line in text.lines() {
            samples.add(line).with_context(|| format!("a sample that is none: {line}"))?;
        }
        Ok(samples)
    }

    fn add(&mut self, line: &str) -> Result<()> {
        let line: Value = serde_json::from_str(line)?;
        let word = |name: &str| line[name].as_str().map(str::to_owned).context("a word is missing");
        let number = |name: &str| line[name].as_u64().context("a number is missing");
        let values = line["values"].as_array().context("it has no values")?;
        let values =
            values.iter().map(Value::as_f64).collect::<Option<Vec<_>>>().context("no number")?;
        let name = (word("measure")?, word("subject")?, number("key")?);
        let rounds = self.series.entry(name).or_default();
        if values.is_empty() || number("round")? != rounds.len() as u64 {
            bail!("rounds follow one another, each with a value");
        }
        rounds.push(values);
        Ok(())
    }

    /// The keys of a measure, in order.
    pub(crate) fn keys(&self, measure: &str, subject: &str) -> Vec<u64> {
        let named = |(m, s, _): &&(String, String, u64)| m == measure && s == subject;
        self.series.keys().filter(named).map(|(_, _, key)| *key).collect()
    }

    fn rounds(&self, measure: &str, subject: &str, key: u64) -> &[Vec<f64>] {
        self.series.get(&(measure.to_owned(), subject.to_owned(), key)).map_or(&[], Vec::as_slice)
    }

    /// A value for each round: its median.
    pub(crate) fn by_round(&self, measure: &str, subject: &str, key: u64) -> Vec<f64> {
        self.rounds(measure, subject, key).iter().filter_map(|values| median(values)).collect()
    }

    /// What a subject gave.
    pub(crate) fn figure(&self, measure: &str, subject: &str, key: u64) -> Option<Figure> {
        Figure::of(&self.by_round(measure, subject, key))
    }

    /// The quantile of each round's values, over the rounds.
    pub(crate) fn tail(&self, measure: &str, subject: &str, key: u64, part: f64) -> Option<Figure> {
        let rounds = self.rounds(measure, subject, key).iter();
        Figure::of(&rounds.filter_map(|values| quantile(values, part)).collect::<Vec<_>>())
    }

    /// One subject over another, round by round: what happened to the machine in a round happened
    /// to both.
    pub(crate) fn ratio(&self, measure: &str, over: &str, under: &str, key: u64) -> Option<Figure> {
        ratio(&self.by_round(measure, over, key), &self.by_round(measure, under, key))
    }
}

/// The figure of ratios of what belongs together.
pub(crate) fn ratio(over: &[f64], under: &[f64]) -> Option<Figure> {
    if over.len() != under.len() {
        return None;
    }
    Figure::of(&over.iter().zip(under).map(|(over, under)| over / under).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(subject: &str, round: u32, values: &str) -> String {
        format!(
            r#"{{"measure":"m","subject":"{subject}","key":4,"round":{round},"values":{values}}}"#
        )
    }

    #[test]
    fn ratios_are_of_the_same_round() {
        // The machine was ten times slower in the last round: for both.
        let text = [
            line("a", 0, "[2.0]"),
            line("b", 0, "[1.0]"),
            line("a", 1, "[4.0]"),
            line("b", 1, "[2.0]"),
            line("a", 2, "[40.0, 0.1, 70.0]"),
            line("b", 2, "[20.0]"),
        ]
        .join("\n");
        let samples = Samples::parse(&text).unwrap();
        let ratio = samples.ratio("m", "a", "b", 4).unwrap();
        assert_eq!((ratio.median, ratio.low, ratio.high, ratio.count), (2.0, 2.0, 2.0, 3));
        assert_eq!(samples.figure("m", "a", 4).unwrap().median, 4.0);
        assert_eq!(samples.tail("m", "a", 4, 1.0).unwrap().high, 37.0);
        assert_eq!(samples.keys("m", "a"), [4]);
        assert_eq!(samples.ratio("m", "a", "b", 5), None);
        assert_eq!(samples.ratio("m", "a", "absent", 4), None);
    }

    #[test]
    fn what_is_no_sample_is_refused() {
        for wrong in [
            "{",
            "{}",
            &line("a", 1, "[1.0]"),
            &line("a", 0, "[]"),
            &line("a", 0, "[null]"),
            &line("a", 0, "1.0"),
        ] {
            assert!(Samples::parse(wrong).is_err(), "{wrong}");
        }
    }
}
