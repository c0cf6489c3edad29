// SPDX-License-Identifier: MIT OR Apache-2.0
//! Netlink and sysfs traffic from all sides, whatever else goes on.

use crate::chance::Chance;
use dmaframe::netlink::{Client, Settings};
use dmaframe::sysfs::{Attribute, Attributes};
use dmaframe::{Error, Policy};
use nix::errno::Errno;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Threads that go on until they are stopped.
pub(crate) struct Traffic {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Option<String>>>,
}

type Act = fn(&mut Chance) -> dmaframe::Result<()>;

impl Traffic {
    pub(crate) fn start(seed: u64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let acts: [Act; 3] = [ask, listen, look];
        let threads = acts.map(|act| {
            let stop = Arc::clone(&stop);
            let mut chance = Chance::new(seed);
            thread::spawn(move || {
                while !stop.load(Relaxed) {
                    match act(&mut chance) {
                        Err(error) if !is_expected(&error) => return Some(error.to_string()),
                        _ => chance.pause(Duration::from_millis(100)),
                    }
                }
                None
            })
        });
        Self { stop, threads: threads.into() }
    }

    /// Stops them; what was wrong.
    pub(crate) fn stop(self) -> Vec<String> {
        self.stop.store(true, Relaxed);
        let ended = self.threads.into_iter().map(|thread| thread.join());
        ended.filter_map(|end| end.unwrap_or_else(|_| Some("a thread panicked".into()))).collect()
    }
}

/// Devices come and go, and are busy.
fn is_expected(error: &Error) -> bool {
    let absent =
        |errno| matches!(errno, Errno::ENODEV | Errno::ENOENT | Errno::ENXIO | Errno::EBUSY);
    match error {
        Error::NoFamily | Error::EventsLost => true,
        Error::Refused { errno, .. } => absent(*errno),
        Error::Attribute { source, .. } => {
            source.raw_os_error().is_some_and(|errno| absent(Errno::from_raw(errno)))
        }
        _ => false,
    }
}

/// Reads by netlink, and sets what is set already: the settings are the rounds' own.
fn ask(chance: &mut Chance) -> dmaframe::Result<()> {
    let mut client = Client::connect()?;
    for _ in 0..20 {
        match chance.below(3) {
            0 => client.devices().map(drop)?,
            1 => client.device(chance.below(3) as u32).map(drop)?,
            _ => {
                let policy = Some(Policy::Backpressure);
                client.set(chance.below(2) as u32, &Settings { policy, ..Settings::default() })?;
            }
        }
    }
    Ok(())
}

fn listen(chance: &mut Chance) -> dmaframe::Result<()> {
    let mut events = Client::connect()?.events()?;
    for _ in 0..20 {
        events.next_timeout(Duration::from_millis(chance.below(50)))?;
    }
    Ok(())
}

fn look(chance: &mut Chance) -> dmaframe::Result<()> {
    let attributes = Attributes::of(chance.below(2) as u32);
    attributes.read(chance.one_of(&Attribute::ALL))?;
    attributes.write(Attribute::IntervalUs, 0)
}
