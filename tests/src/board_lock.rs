// SPDX-License-Identifier: MIT OR Apache-2.0
//! Exclusive use of the board by one test at a time.

use crate::{DEVICES, driver};
use dmaframe::State;
use dmaframe::sysfs::{Attribute, Attributes};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

static BOARD: Mutex<()> = Mutex::new(());

/// The settings that a device has after boot.
pub const DEFAULTS: [(Attribute, &str); 5] = [
    // In this order each write is valid, whatever the settings after it are.
    (Attribute::Policy, "backpressure"),
    (Attribute::IntervalUs, "0"),
    (Attribute::FrameBytes, "4096"),
    (Attribute::Slots, "16"),
    (Attribute::Source, "pattern"),
];

/// Exclusive use of the board. The devices are idle and have default settings. Dropping this
/// restores that state, however the test ends.
#[derive(Debug)]
pub struct BoardLock {
    _board: MutexGuard<'static, ()>,
}

impl BoardLock {
    /// Waits until no other test uses the board.
    ///
    /// # Panics
    ///
    /// If this is not a board with the module loaded, or an earlier test left a device in use.
    pub fn acquire() -> Self {
        let board = BOARD.lock().unwrap_or_else(PoisonError::into_inner);
        for device in DEVICES {
            assert!(
                Path::new(device).exists(),
                "{device} is absent: these tests run in the guest; start them by `cargo xtask test`"
            );
        }
        for id in [0, 1] {
            let state = Attributes::of(id).read(Attribute::State).unwrap();
            assert_eq!(state, State::Idle.name(), "an earlier test still uses dmaframe{id}");
        }
        Self { _board: board }
    }
}

impl Drop for BoardLock {
    fn drop(&mut self) {
        let restored = driver::restore();
        let settings = [0, 1].into_iter().flat_map(|id| {
            DEFAULTS.map(|(attribute, value)| Attributes::of(id).write(attribute, value))
        });
        let failed = restored
            .err()
            .into_iter()
            .chain(settings.filter_map(|set| set.err().map(|error| error.to_string())))
            .collect::<Vec<_>>()
            .join("; ");
        if !failed.is_empty() {
            // A second panic while unwinding would abort the tests that follow.
            if std::thread::panicking() {
                eprintln!("the board was not restored: {failed}");
            } else {
                panic!("the board was not restored: {failed}");
            }
        }
    }
}
