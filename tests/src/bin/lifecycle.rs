// SPDX-License-Identifier: MIT OR Apache-2.0
//! The life cycle under load, for any number of cycles.
//!
//! `lifecycle --unbind N --reload N --seed S` runs the cycles and prints what was seen.
//! `lifecycle load ROLE DEVICE SEED` is one process of the load.

use dmaframe_tests::BoardLock;
use dmaframe_tests::lifecycle::{Plan, run, serve};
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["load", role, device, seed] => serve(role, device.parse()?, seed.parse()?),
        ["--unbind", unbinds, "--reload", reloads, "--seed", seed] => {
            let _board = BoardLock::acquire();
            let plan =
                Plan { unbinds: unbinds.parse()?, reloads: reloads.parse()?, seed: seed.parse()? };
            print!("{}", run(plan));
        }
        _ => return Err("usage: lifecycle --unbind N --reload N --seed S".into()),
    }
    Ok(())
}
