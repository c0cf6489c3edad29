// SPDX-License-Identifier: MIT OR Apache-2.0
//! Rates of frames, their latency, and the fill of the ring.

use super::clock::{Moment, monotonic_ns};
use dmaframe::Frame;
use serde_json::{Map, Value, json};
use std::time::Instant;

/// Frames and latencies since the last line of rates.
pub(super) struct Rates {
    since: Instant,
    bytes: u64,
    /// One for each frame.
    latencies_ns: Vec<u64>,
    /// Frames that were in the ring when each frame was taken, together.
    fill: u64,
}

impl Rates {
    pub(super) fn new() -> Self {
        Self { since: Instant::now(), bytes: 0, latencies_ns: Vec::new(), fill: 0 }
    }

    /// Takes a frame that was one of `fill` in the ring.
    pub(super) fn take(&mut self, frame: &Frame<'_>, fill: u32) {
        self.latencies_ns.push(monotonic_ns().saturating_sub(frame.published_ns()));
        self.bytes += frame.len() as u64;
        // The frame itself was in the ring, though perhaps not yet when the fill was read.
        self.fill += u64::from(fill.max(1));
    }

    /// Prints the rates on standard error once a second, as text or as a JSON object.
    pub(super) fn show_each_second(&mut self, lost: u64, slots: u32, json: bool) {
        let seconds = self.since.elapsed().as_secs_f64();
        if seconds < 1.0 {
            return;
        }
        let frames = self.latencies_ns.len() as f64;
        let fill = self.fill as f64 / frames.max(1.0);
        if json {
            let mut members = Map::new();
            Moment::now().add_to(&mut members);
            let latency = Latency::of(&mut self.latencies_ns);
            for (name, value) in [
                ("frames-per-second", json!(frames / seconds)),
                ("bytes-per-second", json!(self.bytes as f64 / seconds)),
                ("lost", json!(lost)),
                ("fill-mean", json!(fill)),
                ("slots", json!(slots)),
                ("latency-ns-mean", json!(latency.mean)),
                ("latency-ns-p50", json!(latency.half)),
                ("latency-ns-p99", json!(latency.most)),
                ("latency-ns-max", json!(latency.max)),
            ] {
                members.insert(name.to_owned(), value);
            }
            eprintln!("{}", Value::Object(members));
        } else {
            eprintln!(
                "{:.0} frames/s, {:.1} MB/s, {lost} lost, {}, ring {fill:.1} of {slots}",
                frames / seconds,
                self.bytes as f64 / seconds / 1e6,
                self.latency(),
            );
        }
        *self = Self::new();
    }

    /// The latency as text.
    pub(super) fn latency(&mut self) -> String {
        let Latency { mean, half, most, max } = Latency::of(&mut self.latencies_ns);
        let [mean, half, most, max] = [mean, half, most, max].map(|ns| ns / 1000);
        format!("publication to reader {mean} us mean, {half} us p50, {most} us p99, {max} us max")
    }
}

/// Times from publication to the reader in nanoseconds. All are 0 without frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Latency {
    mean: u64,
    /// Half of the frames took no longer.
    half: u64,
    /// Of a hundred frames, 99 took no longer.
    most: u64,
    max: u64,
}

impl Latency {
    fn of(all: &mut [u64]) -> Self {
        all.sort_unstable();
        let count = all.len();
        let percentile = |percent: usize| {
            let rank = (count * percent).div_ceil(100).max(1) - 1;
            all.get(rank).copied().unwrap_or(0)
        };
        let mean = all.iter().sum::<u64>() / count.max(1) as u64;
        Self { mean, half: percentile(50), most: percentile(99), max: percentile(100) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let mut all: Vec<u64> = (1..=200).rev().collect();
        let expected = Latency { mean: 100, half: 100, most: 198, max: 200 };
        assert_eq!(Latency::of(&mut all), expected);
        assert_eq!(Latency::of(&mut [7]), Latency { mean: 7, half: 7, most: 7, max: 7 });
        assert_eq!(Latency::of(&mut []), Latency { mean: 0, half: 0, most: 0, max: 0 });
    }
}
