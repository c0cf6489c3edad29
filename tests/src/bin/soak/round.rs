// SPDX-License-Identifier: MIT OR Apache-2.0
//! A round: one thing that happens to the driver while its devices stream.

use crate::failing;
use crate::hostile;
use crate::reader::Reader;
use crate::tally::Tally;
use dmaframe::State;
use dmaframe::sysfs::{Attribute, Attributes};
use dmaframe_tests::Random;
use dmaframe_tests::process::Run;
use dmaframe_tests::{BoardLock, DEVICES, driver, wait};
use nix::sys::signal::Signal;
use std::os::unix::process::ExitStatusExt;
use std::thread;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Round {
    /// Both devices stream.
    Streams,
    /// One streams; the other's reader is killed.
    Kill,
    /// One streams; the other's reader writes wrong indices.
    Hostile,
    /// Both stream when the driver is unbound.
    Rebind,
    /// The module is unloaded and loaded.
    Reload,
    /// One streams; the other's engine fails.
    Fail,
}

/// All rounds and their relative frequency.
const ALL: [(Round, u64); 6] = [
    (Round::Streams, 8),
    (Round::Kill, 3),
    (Round::Hostile, 3),
    (Round::Rebind, 3),
    (Round::Reload, 1),
    (Round::Fail, 3),
];

impl Round {
    pub(crate) fn pick(random: &mut Random) -> Self {
        let mut at = random.below(ALL.iter().map(|(_, weight)| weight).sum());
        for (round, weight) in ALL {
            match at.checked_sub(weight) {
                Some(rest) => at = rest,
                None => return round,
            }
        }
        Self::Streams
    }

    /// Runs the round.
    ///
    /// # Panics
    ///
    /// If the driver misbehaves. The board is ready for the next round even then.
    pub(crate) fn run(self, random: &mut Random, tally: &Tally) {
        let _board = BoardLock::acquire();
        let one = random.below(2) as usize;
        let (device, other) = (DEVICES[one], DEVICES[1 - one]);
        match self {
            Self::Streams => together(
                random,
                |random| stream(device, random, tally),
                |random| stream(other, random, tally),
            ),
            Self::Kill => together(
                random,
                |random| kill(device, random, tally),
                |random| stream(other, random, tally),
            ),
            Self::Hostile => together(
                random,
                |random| hostile::read(device, random, tally),
                |random| stream(other, random, tally),
            ),
            Self::Rebind => rebind(random, tally),
            Self::Reload => reload(tally),
            Self::Fail => together(
                random,
                |random| failing::read(device, one as u32, random, tally),
                |random| stream(other, random, tally),
            ),
        }
        if self != Self::Streams {
            // An ordinary stream must work after anything else.
            stream(device, random, tally);
        }
    }
}

/// Runs both at the same time, each with its own random numbers.
fn together(
    random: &mut Random,
    one: impl FnOnce(&mut Random) + Send,
    other: impl FnOnce(&mut Random),
) {
    let mut own = Random::new(random.next(), 0);
    thread::scope(|scope| {
        scope.spawn(move || one(&mut own));
        other(random);
    });
}

fn stream(device: &str, random: &mut Random, tally: &Tally) {
    for _ in 0..=random.below(3) {
        Reader::start(device, random).run(random, tally);
    }
}

/// Kills a reader process: before its first stream, in a stream, or between two.
fn kill(device: &str, random: &mut Random, tally: &Tally) {
    let program = std::env::current_exe().unwrap();
    let seed = random.next().to_string();
    let reader = Run::of(program.to_str().unwrap(), &["reader", device, &seed]).start();
    random.pause(Duration::from_millis(1500));
    reader.signal(Signal::SIGKILL);
    let done = reader.finish();
    assert_eq!(done.status.signal(), Some(Signal::SIGKILL as i32), "before the kill: {done:?}");
    tally.kill();
    let number = u32::from(device == DEVICES[1]);
    wait::until("the device of a killed reader to be idle", || {
        let state = Attributes::of(number).read(Attribute::State).unwrap();
        (state == State::Idle.name()).then_some(())
    });
}

fn rebind(random: &mut Random, tally: &Tally) {
    let readers = DEVICES.map(|device| Reader::start(device, random));
    thread::scope(|scope| {
        for reader in readers {
            let mut own = Random::new(random.next(), 0);
            scope.spawn(move || reader.run_until_gone(&mut own, tally));
        }
        random.pause(Duration::from_millis(500));
        driver::unbind().unwrap();
        // Some readers still hold the old device while the driver is bound again.
        driver::bind().unwrap();
    });
    tally.rebind();
}

fn reload(tally: &Tally) {
    // A process that is reading an attribute keeps the module in use.
    wait::until("an unused module", || driver::unload().ok());
    driver::load().unwrap();
    tally.reload();
}
