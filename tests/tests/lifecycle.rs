// SPDX-License-Identifier: MIT OR Apache-2.0
//! Life cycle under load; the program `lifecycle` does the same for longer.

use dmaframe_tests::BoardLock;
use dmaframe_tests::lifecycle::{Plan, run};

#[test]
fn devices_and_the_module_come_and_go_under_load() {
    let _board = BoardLock::acquire();
    print!("{}", run(Plan { unbinds: 60, reloads: 20, seed: 1 }));
}
