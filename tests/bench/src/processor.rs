// SPDX-License-Identifier: MIT OR Apache-2.0
//! Binds threads to processors, and measures and loads the processors.

use crate::Result;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// The processor that handles the engine's interrupts.
pub(crate) const INTERRUPTS: usize = 0;
/// The processor that runs the measured reader.
pub(crate) const READER: usize = 2;
/// The processor that runs the writer of a pipe or socket.
pub(crate) const OTHER: usize = 3;

/// Binds the calling thread to a processor.
pub(crate) fn bind(processor: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(processor)?;
    Ok(sched_setaffinity(Pid::from_raw(0), &set)?)
}

/// Lets the calling thread run on all processors.
pub(crate) fn unbind() -> Result<()> {
    let mut set = CpuSet::new();
    for processor in 0..count()? {
        set.set(processor)?;
    }
    Ok(sched_setaffinity(Pid::from_raw(0), &set)?)
}

/// The number of processors, regardless of the calling thread's affinity.
pub(crate) fn count() -> Result<usize> {
    let stat = fs::read_to_string("/proc/stat")?;
    let numbered = |line: &&str| {
        line.strip_prefix("cpu").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    Ok(stat.lines().filter(numbered).count())
}

/// Processor time, in seconds, of all processes together, including the kernel's threads.
pub(crate) fn busy_seconds() -> Result<f64> {
    let mut busy = Duration::ZERO;
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // A process that has ended meanwhile has no clock.
        let clock = clock_getcpuclockid(Pid::from_raw(pid)).and_then(clock_gettime);
        busy += clock.map_or(Duration::ZERO, Duration::from);
    }
    Ok(busy.as_secs_f64())
}

/// Keeps every processor busy until it is dropped.
#[derive(Debug)]
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    pub(crate) fn start() -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let mut load = Self { stop: Arc::clone(&stop), threads: Vec::new() };
        for processor in 0..count()? {
            let stop = Arc::clone(&stop);
            load.threads.push(std::thread::spawn(move || {
                // If this fails, the scheduler moves the thread to an idle processor.
                let _ = bind(processor);
                while !stop.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            }));
        }
        Ok(load)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // The threads only spin, and so do not panic.
            let _ = thread.join();
        }
    }
}
