// SPDX-License-Identifier: MIT OR Apache-2.0
//! Samples with their times, and their decimation to the columns of a screen.

use std::collections::VecDeque;

/// The samples of one frame, evenly spread over the time in which the engine wrote it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Run {
    /// Time of the first sample, in the unit of the view.
    pub(crate) start: f64,
    /// Time of the first sample that would follow.
    pub(crate) end: f64,
    /// Frames lost directly before this one.
    pub(crate) lost: u64,
    pub(crate) values: Vec<i64>,
}

impl Run {
    /// The time from one sample to the next.
    pub(crate) fn period(&self) -> f64 {
        (self.end - self.start) / self.values.len().max(1) as f64
    }

    /// The time of sample `index`.
    pub(crate) fn time(&self, index: usize) -> f64 {
        self.start + self.period() * index as f64
    }

    /// The first sample at `time` or later.
    fn index(&self, time: f64) -> usize {
        if time <= self.start {
            return 0;
        }
        // A frame that took no time has all its samples at its start.
        let index = (time - self.start) / self.period();
        if index.is_finite() { index.ceil() as usize } else { usize::MAX }.min(self.values.len())
    }
}

/// The newest frames, oldest first.
#[derive(Debug)]
pub(crate) struct Samples {
    runs: VecDeque<Run>,
    count: usize,
    /// Samples that are kept at most, unless one frame alone has more.
    most: usize,
}

/// What happened during one column of the screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Column {
    /// Smallest and largest value, if the column has any.
    pub(crate) range: Option<(i64, i64)>,
    /// Bits that were one at least once.
    pub(crate) ones: u32,
    /// Bits that were zero at least once.
    pub(crate) zeros: u32,
    /// Frames lost in it.
    pub(crate) lost: u64,
}

impl Column {
    fn of(value: i64) -> Self {
        let mut column = Self::default();
        column.take(value);
        column
    }

    fn take(&mut self, value: i64) {
        let (low, high) = self.range.unwrap_or((value, value));
        self.range = Some((low.min(value), high.max(value)));
        self.ones |= value as u32;
        self.zeros |= !value as u32;
    }

    /// Both columns in one.
    pub(crate) fn and(self, other: Self) -> Self {
        let range = match (self.range, other.range) {
            (Some((low, high)), Some((other_low, other_high))) => {
                Some((low.min(other_low), high.max(other_high)))
            }
            (range, None) | (None, range) => range,
        };
        Self {
            range,
            ones: self.ones | other.ones,
            zeros: self.zeros | other.zeros,
            lost: self.lost + other.lost,
        }
    }
}

impl Samples {
    pub(crate) fn new(most: usize) -> Self {
        Self { runs: VecDeque::new(), count: 0, most }
    }

    pub(crate) fn push(&mut self, run: Run) {
        self.count += run.values.len();
        self.runs.push_back(run);
        while self.count > self.most && self.runs.len() > 1 {
            self.count -= self.runs.pop_front().map_or(0, |run| run.values.len());
        }
    }

    /// Times of the first sample and of the end. `None` without samples.
    pub(crate) fn extent(&self) -> Option<(f64, f64)> {
        Some((self.runs.front()?.start, self.runs.back()?.end))
    }

    /// The value at `time`, if a frame covers it.
    pub(crate) fn value(&self, time: f64) -> Option<i64> {
        let run = self.runs.iter().find(|run| run.start <= time && time < run.end)?;
        run.values.get(((time - run.start) / run.period()) as usize).copied()
    }

    /// `count` columns of equal width, which together cover `span` from `from` on.
    ///
    /// No sample is left out: a column has the smallest and the largest of its samples, so that a
    /// spike of one sample shows at any zoom. A column between two samples of a frame has the value
    /// of the sample before it. A column between two frames has no value.
    pub(crate) fn columns(&self, from: f64, span: f64, count: usize) -> Vec<Column> {
        let mut columns = vec![Column::default(); count];
        let width = span / count as f64;
        let place = |time: f64| ((time - from) / width).floor();
        let visible = |run: &&Run| run.end.max(run.start) >= from && run.start < from + span;
        for run in self.runs.iter().filter(visible) {
            let at = place(run.start);
            if run.lost > 0 && at >= 0.0 {
                if let Some(column) = columns.get_mut(at as usize) {
                    column.lost += run.lost;
                }
            }
            let mut next = run.index(from);
            let mut held = next.checked_sub(1).map(|index| run.values[index]);
            for (index, column) in columns.iter_mut().enumerate() {
                let start = from + width * index as f64;
                if start + width <= run.start {
                    continue;
                }
                if start >= run.end && start > run.start {
                    break;
                }
                let end = run.index(start + width);
                let mut here = Column::default();
                for &value in run.values.get(next..end).unwrap_or_default() {
                    here.take(value);
                    held = Some(value);
                }
                if next >= end {
                    here = held.map_or(here, Column::of);
                }
                next = next.max(end);
                let lost = column.lost;
                *column = Column { lost, ..column.and(here) };
            }
        }
        columns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(start: f64, end: f64, lost: u64, values: &[i64]) -> Run {
        Run { start, end, lost, values: values.to_vec() }
    }

    fn ranges(columns: &[Column]) -> Vec<Option<(i64, i64)>> {
        columns.iter().map(|column| column.range).collect()
    }

    #[test]
    fn a_spike_of_one_sample_shows_at_every_zoom() {
        let mut values = vec![0; 100_000];
        values[54_321] = 900;
        let mut samples = Samples::new(1 << 20);
        samples.push(run(0.0, 100_000.0, 0, &values));
        for count in [1, 7, 80, 160, 1000] {
            let columns = samples.columns(0.0, 100_000.0, count);
            let high: Vec<_> =
                columns.iter().filter(|column| column.range == Some((0, 900))).collect();
            assert_eq!(high.len(), 1, "{count}");
            assert!(columns.iter().all(|column| column.range.is_some()), "{count}");
        }
        // And where a column is one sample.
        let columns = samples.columns(54_320.0, 3.0, 3);
        assert_eq!(ranges(&columns), [Some((0, 0)), Some((900, 900)), Some((0, 0))]);
    }

    #[test]
    fn a_bit_that_changes_in_a_column_is_both() {
        let mut samples = Samples::new(100);
        samples.push(run(0.0, 4.0, 0, &[0, 2, 2, 0]));
        let [first, second] = samples.columns(0.0, 4.0, 2)[..] else { panic!() };
        assert_eq!((first.ones & 2, first.zeros & 2), (2, 2));
        assert_eq!((second.ones & 2, second.zeros & 2), (2, 2));
        let third = samples.columns(1.0, 2.0, 1)[0];
        assert_eq!((third.ones & 2, third.zeros & 2), (2, 0));
    }

    #[test]
    fn a_column_between_samples_holds_the_value_and_one_between_frames_is_empty() {
        let mut samples = Samples::new(100);
        samples.push(run(0.0, 4.0, 0, &[5, 7]));
        samples.push(run(6.0, 8.0, 3, &[9]));
        let columns = samples.columns(0.0, 8.0, 8);
        let [five, seven, nine] = [5, 7, 9].map(|value| Some((value, value)));
        assert_eq!(ranges(&columns), [five, five, seven, seven, None, None, nine, nine]);
        let lost: Vec<_> = columns.iter().map(|column| column.lost).collect();
        assert_eq!(lost, [0, 0, 0, 0, 0, 0, 3, 0]);
        // A window that begins within a sample shows it.
        assert_eq!(ranges(&samples.columns(1.0, 1.0, 2)), [five, five]);
        assert_eq!((samples.value(3.9), samples.value(5.0)), (Some(7), None));
    }

    #[test]
    fn a_frame_that_took_no_time_is_seen() {
        let mut samples = Samples::new(100);
        samples.push(run(1.0, 1.0, 0, &[5, 7]));
        samples.push(run(2.0, 3.0, 0, &[1]));
        let columns = samples.columns(0.0, 4.0, 4);
        assert_eq!(ranges(&columns), [None, Some((5, 7)), Some((1, 1)), None]);
    }

    #[test]
    fn the_oldest_frames_go_first() {
        let mut samples = Samples::new(5);
        for start in 0..4 {
            samples.push(run(f64::from(start), f64::from(start) + 1.0, 0, &[1, 2]));
        }
        assert_eq!(samples.extent(), Some((2.0, 4.0)));
        // One frame is kept, however long it is.
        samples.push(run(4.0, 5.0, 0, &[0; 50]));
        assert_eq!(samples.extent(), Some((4.0, 5.0)));
    }
}
