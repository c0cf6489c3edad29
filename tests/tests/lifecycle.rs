// SPDX-License-Identifier: MIT OR Apache-2.0
//! The life cycle under load. The program `lifecycle` runs the same for longer.

use dmaframe_tests::BoardLock;
use dmaframe_tests::lifecycle::{Plan, run};

#[test]
fn the_driver_can_be_unbound_and_unloaded_under_load() {
    let _board = BoardLock::acquire();
    print!("{}", run(Plan { unbinds: 60, reloads: 20, seed: 1 }));
}
