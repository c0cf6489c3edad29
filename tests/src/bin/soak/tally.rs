// SPDX-License-Identifier: MIT OR Apache-2.0
//! Counts of what was done, which all threads add to.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

#[derive(Debug, Default)]
pub(crate) struct Tally {
    streams: AtomicU64,
    frames: AtomicU64,
    bytes: AtomicU64,
    lost: AtomicU64,
    kills: AtomicU64,
    rebinds: AtomicU64,
    reloads: AtomicU64,
    hostile: AtomicU64,
    faults: AtomicU64,
    errors: AtomicU64,
}

impl Tally {
    /// Counts a stream whose frames were all correct and whose losses were all accounted for.
    pub(crate) fn stream(&self, frames: u64, bytes: u64, lost: u64) {
        self.streams.fetch_add(1, Relaxed);
        self.frames.fetch_add(frames, Relaxed);
        self.bytes.fetch_add(bytes, Relaxed);
        self.lost.fetch_add(lost, Relaxed);
    }

    pub(crate) fn kill(&self) {
        self.kills.fetch_add(1, Relaxed);
    }

    pub(crate) fn rebind(&self) {
        self.rebinds.fetch_add(1, Relaxed);
    }

    pub(crate) fn reload(&self) {
        self.reloads.fetch_add(1, Relaxed);
    }

    /// Counts values that no honest reader writes.
    pub(crate) fn hostile(&self, values: u64) {
        self.hostile.fetch_add(values, Relaxed);
    }

    /// Counts an injected fault of the engine.
    pub(crate) fn fault(&self) {
        self.faults.fetch_add(1, Relaxed);
    }

    pub(crate) fn error(&self) {
        self.errors.fetch_add(1, Relaxed);
    }

    pub(crate) fn errors(&self) -> u64 {
        self.errors.load(Relaxed)
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut space = "";
        for (name, figure) in [
            ("streams", &self.streams),
            ("frames", &self.frames),
            ("bytes", &self.bytes),
            ("lost", &self.lost),
            ("kills", &self.kills),
            ("rebinds", &self.rebinds),
            ("reloads", &self.reloads),
            ("hostile", &self.hostile),
            ("faults", &self.faults),
            ("errors", &self.errors),
        ] {
            write!(f, "{space}{name}={}", figure.load(Relaxed))?;
            space = " ";
        }
        Ok(())
    }
}
