// SPDX-License-Identifier: MIT OR Apache-2.0
//! A stream in the background, which must not notice what a test does to the other device.

use crate::frames::{Account, SHAPE, start};
use dmaframe::{Policy, Shape};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{JoinHandle, spawn};

/// Slow enough to leave the processor to the test.
const PACED: Shape = Shape { policy: Policy::Backpressure, interval_us: 2000, ..SHAPE };

/// A thread that streams from a device and checks every byte.
#[derive(Debug)]
pub struct BackgroundStream {
    stop: Arc<AtomicBool>,
    seen: Arc<AtomicU64>,
    thread: Option<JoinHandle<Account>>,
}

impl BackgroundStream {
    /// Starts a stream of `device`, and returns after its first frame.
    ///
    /// # Panics
    ///
    /// If the device does not stream.
    pub fn start(device: &'static str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::new(AtomicU64::new(0));
        let mut stream = start(device, PACED);
        let mut account = Account::of(&stream, PACED);
        account.take_next(&mut stream);
        let (stopped, frames) = (stop.clone(), seen.clone());
        let thread = spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                account.take_next(&mut stream);
                frames.store(account.frames, Ordering::Relaxed);
            }
            let stats = stream.stats().unwrap();
            assert_eq!((stats.lost, stats.errors, stats.bad_consumer), (0, 0, 0));
            account
        });
        Self { stop, seen, thread: Some(thread) }
    }

    /// The number of frames checked so far.
    pub fn frames(&self) -> u64 {
        self.seen.load(Ordering::Relaxed)
    }

    /// Stops the stream. Returns the number of frames checked.
    ///
    /// # Panics
    ///
    /// If a frame was wrong or lost, or no frame came.
    pub fn finish(mut self) -> u64 {
        // Effects of the last thing that the test did must have time to show.
        let before = self.frames();
        crate::wait::until("frames of the other device", || {
            let thread = self.thread.as_ref()?;
            (thread.is_finished() || self.frames() >= before + 2).then_some(())
        });
        self.stop.store(true, Ordering::Relaxed);
        let account = match self.thread.take().map(JoinHandle::join) {
            Some(Ok(account)) => account,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => unreachable!("only `finish` and `drop` take the thread"),
        };
        assert_eq!(account.lost, 0);
        account.frames
    }
}

impl Drop for BackgroundStream {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // The thread has printed its own panic.
            let _ = thread.join();
        }
    }
}

/// Checks an ordinary stream of each of `devices`, which earlier misuse must not affect.
///
/// # Panics
///
/// If a frame is wrong or lost, or no frame comes.
pub fn check_streams(devices: &[&str]) {
    for device in devices {
        let mut stream = start(device, SHAPE);
        let mut account = Account::of(&stream, SHAPE);
        for _ in 0..300 {
            account.take_next(&mut stream);
        }
        let stats = stream.stats().unwrap();
        assert_eq!((account.lost, stats.errors, stats.bad_consumer), (0, 0, 0), "{device}");
    }
}
