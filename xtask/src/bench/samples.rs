// SPDX-License-Identifier: MIT OR Apache-2.0
//! The samples that the guest measured.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::statistics::{Figure, median, quantile};

/// All samples. A series belongs to a measurement, a subject and a key such as the frame size. It
/// has a list of values for each round.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    series: BTreeMap<(String, String, u64), Vec<Vec<f64>>>,
}

impl Samples {
    /// Parses the output of `dmaframe-bench`: one JSON object per line.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let mut samples = Self::default();
        for line in text.lines() {
            samples.add(line).with_context(|| format!("invalid sample: {line}"))?;
        }
        Ok(samples)
    }

    fn add(&mut self, line: &str) -> Result<()> {
        let line: Value = serde_json::from_str(line)?;
        let word =
            |name: &str| line[name].as_str().map(str::to_owned).context("a string is missing");
        let number = |name: &str| line[name].as_u64().context("a number is missing");
        let values = line["values"].as_array().context("the values are missing")?;
        let values = values
            .iter()
            .map(Value::as_f64)
            .collect::<Option<Vec<_>>>()
            .context("a value is not a number")?;
        let name = (word("measure")?, word("subject")?, number("key")?);
        let rounds = self.series.entry(name).or_default();
        if values.is_empty() || number("round")? != rounds.len() as u64 {
            bail!("a round has no values, or is not the next one of its series");
        }
        rounds.push(values);
        Ok(())
    }

    /// The keys of a measurement and a subject, in ascending order.
    pub(crate) fn keys(&self, measure: &str, subject: &str) -> Vec<u64> {
        let named = |(m, s, _): &&(String, String, u64)| m == measure && s == subject;
        self.series.keys().filter(named).map(|(_, _, key)| *key).collect()
    }

    fn rounds(&self, measure: &str, subject: &str, key: u64) -> &[Vec<f64>] {
        self.series.get(&(measure.to_owned(), subject.to_owned(), key)).map_or(&[], Vec::as_slice)
    }

    /// The median of each round.
    pub(crate) fn by_round(&self, measure: &str, subject: &str, key: u64) -> Vec<f64> {
        self.rounds(measure, subject, key).iter().filter_map(|values| median(values)).collect()
    }

    /// The figure of the medians of all rounds.
    pub(crate) fn figure(&self, measure: &str, subject: &str, key: u64) -> Option<Figure> {
        Figure::of(&self.by_round(measure, subject, key))
    }

    /// The figure of the quantile `part` of all rounds.
    pub(crate) fn tail(&self, measure: &str, subject: &str, key: u64, part: f64) -> Option<Figure> {
        let rounds = self.rounds(measure, subject, key).iter();
        Figure::of(&rounds.filter_map(|values| quantile(values, part)).collect::<Vec<_>>())
    }

    /// The figure of the ratios of one subject to another. Each ratio is that of one round, because
    /// the load of the host affects both subjects alike within a round.
    pub(crate) fn ratio(&self, measure: &str, over: &str, under: &str, key: u64) -> Option<Figure> {
        ratio(&self.by_round(measure, over, key), &self.by_round(measure, under, key))
    }
}

/// The figure of the ratios of corresponding values.
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
        // In the last round the host was ten times slower for both subjects.
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
    fn invalid_sample_is_refused() {
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
