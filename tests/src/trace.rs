// SPDX-License-Identifier: MIT OR Apache-2.0
//! The kernel's trace: events of its tracepoints, and the lines that the debug kernel's module adds.

use crate::process::Run;
use std::fs;
use std::path::{Path, PathBuf};

const TRACEFS: &str = "/sys/kernel/tracing";
/// Kilobytes of each processor's buffer.
const BUFFER_KB: &str = "1024";

/// A recording of the events of one system, from now on. Dropping it ends it.
#[derive(Debug)]
pub struct Trace {
    events: PathBuf,
}

impl Trace {
    /// Records the events of `system`.
    ///
    /// # Panics
    ///
    /// If the kernel has no such tracepoints: the debug kernel has.
    pub fn of(system: &str) -> Self {
        if !Path::new(TRACEFS).join("trace").exists() {
            let done = Run::of("mount", &["-t", "tracefs", "nodev", TRACEFS]).finish();
            assert!(done.status.success(), "tracefs was not mounted: {done:?}");
        }
        let events = Path::new(TRACEFS).join("events").join(system);
        assert!(
            events.exists(),
            "{} is absent: these tests need the debug kernel",
            events.display()
        );
        // The one clock by which events of different processors are in order.
        set("trace_clock", "global");
        set("buffer_size_kb", BUFFER_KB);
        set("trace", "");
        let trace = Self { events };
        trace.enable("1");
        set("tracing_on", "1");
        trace
    }

    fn enable(&self, value: &str) {
        fs::write(self.events.join("enable"), value).unwrap();
    }

    /// Ends the recording. Returns the events, in the order in which they happened.
    ///
    /// # Panics
    ///
    /// If some are missing, because a buffer was full.
    pub fn finish(self) -> Vec<String> {
        set("tracing_on", "0");
        for entry in fs::read_dir(Path::new(TRACEFS).join("per_cpu")).unwrap() {
            let stats = fs::read_to_string(entry.unwrap().path().join("stats")).unwrap();
            for name in ["overrun", "commit overrun", "dropped events"] {
                assert!(stats.lines().any(|line| line == format!("{name}: 0")), "{stats}");
            }
        }
        let text = fs::read_to_string(Path::new(TRACEFS).join("trace")).unwrap();
        text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        self.enable("0");
        set("trace", "");
        set("tracing_on", "1");
    }
}

fn set(file: &str, value: &str) {
    fs::write(Path::new(TRACEFS).join(file), value).unwrap();
}
