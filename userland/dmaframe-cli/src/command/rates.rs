// SPDX-License-Identifier: MIT OR Apache-2.0
//! Rates of frames, and their latency.

use dmaframe::Frame;
use nix::time::{ClockId, clock_gettime};
use std::time::Instant;

/// Frames and latencies since the last line of rates.
pub(super) struct Rates {
    since: Instant,
    frames: u64,
    bytes: u64,
    latency_ns: u64,
    latency_max_ns: u64,
}

impl Rates {
    pub(super) fn new() -> Self {
        Self { since: Instant::now(), frames: 0, bytes: 0, latency_ns: 0, latency_max_ns: 0 }
    }

    pub(super) fn take(&mut self, frame: &Frame<'_>) {
        let now = clock_gettime(ClockId::CLOCK_MONOTONIC)
            .map_or(0, |now| now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64);
        let latency = now.saturating_sub(frame.published_ns());
        self.frames += 1;
        self.bytes += frame.len() as u64;
        self.latency_ns += latency;
        self.latency_max_ns = self.latency_max_ns.max(latency);
    }

    pub(super) fn show_each_second(&mut self, lost: u64) {
        let seconds = self.since.elapsed().as_secs_f64();
        if seconds < 1.0 {
            return;
        }
        eprintln!(
            "{:.0} frames/s, {:.1} MB/s, {lost} lost, {}",
            self.frames as f64 / seconds,
            self.bytes as f64 / seconds / 1e6,
            self.latency(),
        );
        *self = Self::new();
    }

    /// The latency as text.
    pub(super) fn latency(&self) -> String {
        format!(
            "publication to reader {} us mean, {} us max",
            self.latency_ns / self.frames.max(1) / 1000,
            self.latency_max_ns / 1000,
        )
    }
}
