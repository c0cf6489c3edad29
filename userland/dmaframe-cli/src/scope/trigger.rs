// SPDX-License-Identifier: MIT OR Apache-2.0
//! The trigger: the event at which the picture is fixed.

use super::samples::Run;
use std::fmt;

/// An event between two samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trigger {
    /// A bit goes from 0 to 1.
    Rising(u32),
    /// A bit goes from 1 to 0.
    Falling(u32),
    /// A bit changes.
    Change(u32),
    /// The value goes above a level.
    Above(i64),
    /// The value goes below a level.
    Below(i64),
}

impl Trigger {
    pub(crate) fn parse(given: &str) -> Result<Self, String> {
        let expected = "expected BIT:rising, BIT:falling or BIT:change with a bit from 0 to 31, \
                        or >LEVEL or <LEVEL";
        let level = |level: &str| level.trim().parse().map_err(|_| expected.to_owned());
        if let Some(above) = given.strip_prefix('>') {
            return level(above).map(Self::Above);
        }
        if let Some(below) = given.strip_prefix('<') {
            return level(below).map(Self::Below);
        }
        let (bit, edge) = given.split_once(':').ok_or_else(|| expected.to_owned())?;
        let bit = bit.parse().ok().filter(|bit| *bit < 32).ok_or_else(|| expected.to_owned())?;
        match edge {
            "rising" => Ok(Self::Rising(bit)),
            "falling" => Ok(Self::Falling(bit)),
            "change" => Ok(Self::Change(bit)),
            _ => Err(expected.to_owned()),
        }
    }

    /// Whether it happens from one sample to the next.
    fn fires(self, before: i64, after: i64) -> bool {
        let bit = |value: i64, bit: u32| value >> bit & 1 == 1;
        match self {
            Self::Rising(at) => !bit(before, at) && bit(after, at),
            Self::Falling(at) => bit(before, at) && !bit(after, at),
            Self::Change(at) => bit(before, at) != bit(after, at),
            Self::Above(level) => before <= level && after > level,
            Self::Below(level) => before >= level && after < level,
        }
    }
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rising(bit) => write!(f, "{bit}:rising"),
            Self::Falling(bit) => write!(f, "{bit}:falling"),
            Self::Change(bit) => write!(f, "{bit}:change"),
            Self::Above(level) => write!(f, ">{level}"),
            Self::Below(level) => write!(f, "<{level}"),
        }
    }
}

/// Looks for a trigger in frame after frame.
#[derive(Debug)]
pub(crate) struct Search {
    trigger: Trigger,
    /// The last sample of the frame before.
    last: Option<i64>,
}

impl Search {
    pub(crate) fn new(trigger: Trigger) -> Self {
        Self { trigger, last: None }
    }

    pub(crate) fn trigger(&self) -> Trigger {
        self.trigger
    }

    /// The time of the first event in `run`, the frame after the one given before, that is not
    /// before `earliest`.
    ///
    /// A change that happened somewhere in a gap of lost frames has no time, and is no event.
    pub(crate) fn next(&mut self, run: &Run, earliest: f64) -> Option<f64> {
        let mut last = self.last.filter(|_| run.lost == 0);
        self.last = run.values.last().copied().or(self.last);
        for (index, &value) in run.values.iter().enumerate() {
            let fires = last.is_some_and(|last| self.trigger.fires(last, value));
            last = Some(value);
            if fires && run.time(index) >= earliest {
                return Some(run.time(index));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(start: f64, lost: u64, values: &[i64]) -> Run {
        Run { start, end: start + values.len() as f64, lost, values: values.to_vec() }
    }

    fn first(trigger: &str, values: &[i64]) -> Option<f64> {
        Search::new(Trigger::parse(trigger).unwrap()).next(&run(10.0, 0, values), 0.0)
    }

    #[test]
    fn edges_and_levels_are_found() {
        let bit = 1 << 17;
        assert_eq!(first("17:rising", &[bit, 0, bit, 0]), Some(12.0));
        assert_eq!(first("17:falling", &[bit, 0, bit, 0]), Some(11.0));
        assert_eq!(first("17:change", &[0, 0, bit]), Some(12.0));
        assert_eq!(first("16:change", &[0, 0, bit]), None);
        assert_eq!(first(">5", &[6, 5, 5, 6]), Some(13.0));
        assert_eq!(first("< -5", &[-5, -6]), Some(11.0));
    }

    #[test]
    fn an_edge_between_two_frames_is_found_but_not_across_lost_ones() {
        let mut search = Search::new(Trigger::Rising(0));
        assert_eq!(search.next(&run(0.0, 0, &[0, 0]), 0.0), None);
        assert_eq!(search.next(&run(2.0, 0, &[1, 1]), 0.0), Some(2.0));
        assert_eq!(search.next(&run(4.0, 0, &[0]), 0.0), None);
        assert_eq!(search.next(&run(9.0, 4, &[1]), 0.0), None);
        // Events before the earliest time do not count.
        assert_eq!(search.next(&run(10.0, 0, &[0, 1, 0, 1]), 12.0), Some(13.0));
    }

    #[test]
    fn a_trigger_is_parsed_and_shown() {
        for given in ["17:rising", "0:falling", "31:change", ">1000", "<-5"] {
            assert_eq!(Trigger::parse(given).unwrap().to_string(), given);
        }
        for wrong in ["32:rising", "rising", "1:up", ">", "<x", ""] {
            assert!(Trigger::parse(wrong).unwrap_err().contains("BIT:rising"), "{wrong}");
        }
    }
}
