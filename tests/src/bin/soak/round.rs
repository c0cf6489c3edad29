// SPDX-License-Identifier: MIT OR Apache-2.0
//! A round: one thing that is done to the driver while its devices stream.

use crate::chance::Chance;
use crate::failing;
use crate::hostile;
use crate::reader::Reader;
use crate::tally::Tally;
use dmaframe::State;
use dmaframe::sysfs::{Attribute, Attributes};
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
    /// One streams; the other's reader lies.
    Lie,
    /// Both stream when the driver is unbound.
    Rebind,
    /// The module goes and comes back.
    Reload,
    /// One streams; the other's engine fails.
    Fail,
}

/// The rounds there are, and how often each comes.
const ALL: [(Round, u64); 6] = [
    (Round::Streams, 8),
    (Round::Kill, 3),
    (Round::Lie, 3),
    (Round::Rebind, 3),
    (Round::Reload, 1),
    (Round::Fail, 3),
];

impl Round {
    pub(crate) fn pick(chance: &mut Chance) -> Self {
        let mut at = chance.below(ALL.iter().map(|(_, weight)| weight).sum());
        for (round, weight) in ALL {
            match at.checked_sub(weight) {
                Some(rest) => at = rest,
                None => return round,
            }
        }
        Self::Streams
    }

    /// Plays it.
    ///
    /// # Panics
    ///
    /// If anything is not as it must be. The board is fit for the next round all the same.
    pub(crate) fn run(self, chance: &mut Chance, tally: &Tally) {
        let _board = BoardLock::acquire();
        let one = chance.below(2) as usize;
        let (device, other) = (DEVICES[one], DEVICES[1 - one]);
        match self {
            Self::Streams => together(
                chance,
                |chance| stream(device, chance, tally),
                |chance| stream(other, chance, tally),
            ),
            Self::Kill => together(
                chance,
                |chance| kill(device, chance, tally),
                |chance| stream(other, chance, tally),
            ),
            Self::Lie => together(
                chance,
                |chance| hostile::lie(device, chance, tally),
                |chance| stream(other, chance, tally),
            ),
            Self::Rebind => rebind(chance, tally),
            Self::Reload => reload(tally),
            Self::Fail => together(
                chance,
                |chance| failing::read(device, one as u32, chance, tally),
                |chance| stream(other, chance, tally),
            ),
        }
        if self != Self::Streams {
            // Whatever happened, an ordinary stream follows.
            stream(device, chance, tally);
        }
    }
}

/// Does both at once, each by a chance of its own.
fn together(
    chance: &mut Chance,
    one: impl FnOnce(&mut Chance) + Send,
    other: impl FnOnce(&mut Chance),
) {
    let mut own = Chance::new(chance.number());
    thread::scope(|scope| {
        scope.spawn(move || one(&mut own));
        other(chance);
    });
}

fn stream(device: &str, chance: &mut Chance, tally: &Tally) {
    for _ in 0..=chance.below(3) {
        Reader::start(device, chance).run(chance, tally);
    }
}

/// A reader in a process of its own is killed: before its first stream, in one, between two.
fn kill(device: &str, chance: &mut Chance, tally: &Tally) {
    let program = std::env::current_exe().unwrap();
    let seed = chance.number().to_string();
    let reader = Run::of(program.to_str().unwrap(), &["reader", device, &seed]).start();
    chance.pause(Duration::from_millis(1500));
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

fn rebind(chance: &mut Chance, tally: &Tally) {
    let readers = DEVICES.map(|device| Reader::start(device, chance));
    thread::scope(|scope| {
        for reader in readers {
            let mut own = Chance::new(chance.number());
            scope.spawn(move || reader.run_until_gone(&mut own, tally));
        }
        chance.pause(Duration::from_millis(500));
        driver::unbind().unwrap();
        // Some readers still hold what is gone while it comes back.
        driver::bind().unwrap();
    });
    tally.rebind();
}

fn reload(tally: &Tally) {
    // An attribute that is just being read keeps it.
    wait::until("a module that nobody uses", || driver::unload().ok());
    driver::load().unwrap();
    tally.reload();
}
