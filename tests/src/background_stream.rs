// SPDX-License-Identifier: MIT OR Apache-2.0
//! A neighbour's view: a device that must stream, whatever is done to the other one.

use crate::frames::{Account, SHAPE, start};
use dmaframe::{Policy, Shape};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{JoinHandle, spawn};

/// Slow enough to leave the machine to what it watches.
const WATCHED: Shape = Shape { policy: Policy::Backpressure, interval_us: 2000, ..SHAPE };

/// A thread that streams from a device and checks every byte, until it is asked what it saw.
#[derive(Debug)]
pub struct BackgroundStream {
    stop: Arc<AtomicBool>,
    seen: Arc<AtomicU64>,
    thread: Option<JoinHandle<Account>>,
}

impl BackgroundStream {
    /// Of `device`; its first frame has come.
    ///
    /// # Panics
    ///
    /// If the device does not stream.
    pub fn start(device: &'static str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::new(AtomicU64::new(0));
        let mut stream = start(device, WATCHED);
        let mut account = Account::of(&stream, WATCHED);
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

    /// Frames that it has checked.
    pub fn frames(&self) -> u64 {
        self.seen.load(Ordering::Relaxed)
    }

    /// Ends it: the frames that it has checked since its first.
    ///
    /// # Panics
    ///
    /// If a frame was wrong, lost or did not come.
    pub fn finish(mut self) -> u64 {
        // What has just been done to the neighbour is to be seen too.
        let before = self.frames();
        crate::wait::until("frames of the other device", || {
            let thread = self.thread.as_ref()?;
            (thread.is_finished() || self.frames() >= before + 2).then_some(())
        });
        self.stop.store(true, Ordering::Relaxed);
        let account = match self.thread.take().map(JoinHandle::join) {
            Some(Ok(account)) => account,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => unreachable!("the thread is there until the witness is asked"),
        };
        assert_eq!(account.lost, 0);
        account.frames
    }
}

impl Drop for BackgroundStream {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // Its panic has been reported where it happened.
            let _ = thread.join();
        }
    }
}

/// An ordinary stream of each of `devices`: nothing of what was done before shows in it.
///
/// # Panics
///
/// If a frame is wrong, lost or does not come.
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
