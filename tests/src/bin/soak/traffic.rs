// SPDX-License-Identifier: MIT OR Apache-2.0
//! Netlink and sysfs traffic in the background.

use dmaframe::netlink::{Client, Settings};
use dmaframe::sysfs::{Attribute, Attributes};
use dmaframe::{Error, Policy};
use dmaframe_tests::Random;
use nix::errno::Errno;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Threads that run until they are stopped.
pub(crate) struct Traffic {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Option<String>>>,
}

type Act = fn(&mut Random) -> dmaframe::Result<()>;

impl Traffic {
    pub(crate) fn start(seed: u64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let acts: [(u64, Act); 3] = [(0, query), (1, listen), (2, use_sysfs)];
        let threads = acts.map(|(number, act)| {
            let stop = Arc::clone(&stop);
            let mut random = Random::new(seed, number);
            thread::spawn(move || {
                while !stop.load(Relaxed) {
                    match act(&mut random) {
                        Err(error) if !is_expected(&error) => return Some(error.to_string()),
                        _ => random.pause(Duration::from_millis(100)),
                    }
                }
                None
            })
        });
        Self { stop, threads: threads.into() }
    }

    /// Stops the threads and returns their errors.
    pub(crate) fn stop(self) -> Vec<String> {
        self.stop.store(true, Relaxed);
        let ended = self.threads.into_iter().map(|thread| thread.join());
        ended.filter_map(|end| end.unwrap_or_else(|_| Some("a thread panicked".into()))).collect()
    }
}

/// Whether the error is one of a device that is busy or gone.
fn is_expected(error: &Error) -> bool {
    let absent =
        |errno| matches!(errno, Errno::ENODEV | Errno::ENOENT | Errno::ENXIO | Errno::EBUSY);
    match error {
        Error::NoFamily | Error::EventsLost | Error::Unloaded => true,
        Error::Refused { errno, .. } => absent(*errno),
        Error::Attribute { source, .. } => {
            source.raw_os_error().is_some_and(|errno| absent(Errno::from_raw(errno)))
        }
        _ => false,
    }
}

/// Reads by netlink, and sets values that are set already, as the rounds need their settings.
fn query(random: &mut Random) -> dmaframe::Result<()> {
    let mut client = Client::connect()?;
    for _ in 0..20 {
        match random.below(3) {
            0 => client.devices().map(drop)?,
            1 => client.device(random.below(3) as u32).map(drop)?,
            _ => {
                let policy = Some(Policy::Backpressure);
                client.set(random.below(2) as u32, &Settings { policy, ..Settings::default() })?;
            }
        }
    }
    Ok(())
}

fn listen(random: &mut Random) -> dmaframe::Result<()> {
    let mut events = Client::connect()?.events()?;
    for _ in 0..20 {
        events.next_timeout(Duration::from_millis(random.below(50)))?;
    }
    Ok(())
}

fn use_sysfs(random: &mut Random) -> dmaframe::Result<()> {
    let attributes = Attributes::of(random.below(2) as u32);
    attributes.read(random.pick(&Attribute::ALL))?;
    attributes.write(Attribute::IntervalUs, 0)
}
