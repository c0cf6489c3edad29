// SPDX-License-Identifier: MIT OR Apache-2.0
//! Random calls, after which the devices still work. The program `storm` runs the same for longer:
//! `storm --calls 1000000 --seed S`.

use dmaframe_abi::stream::State;
use dmaframe_tests::background_stream::check_streams;
use dmaframe_tests::process::Run;
use dmaframe_tests::raw::{GOOD, Raw};
use dmaframe_tests::{BackgroundStream, BoardLock, DEVICES, LIMIT};

fn storm(arguments: &[&str]) {
    let done = Run::of("storm", arguments).within(10 * LIMIT).finish();
    assert!(done.status.success(), "{done:?}");
    print!("{}", done.stdout);
}

#[test]
fn random_calls_on_both_devices() {
    let _board = BoardLock::acquire();
    storm(&["--seed", "20240229", "--calls", "20000", "--processes", "4"]);
    check_streams(&DEVICES);
}

#[test]
fn random_calls_do_not_disturb_the_other_device() {
    let _board = BoardLock::acquire();
    let background = BackgroundStream::start(DEVICES[1]);
    storm(&["--seed", "31", "--calls", "12000", "--processes", "3", "--device", DEVICES[0]]);
    background.finish();
    check_streams(&DEVICES);
}

/// The stressor `dev` of stress-ng: four processes with several threads each.
#[test]
fn stress_ng_does_no_harm() {
    let _board = BoardLock::acquire();
    let background = BackgroundStream::start(DEVICES[1]);
    let arguments = ["--dev", "4", "--dev-file", DEVICES[0], "--timeout", "20s", "--metrics"];
    let done = Run::of("stress-ng", &arguments).finish();
    assert!(done.status.success(), "{done:?}");
    let said = done.stdout.clone() + &done.stderr;
    assert!(said.contains("passed: 4: dev (4)"), "{done:?}");
    let raw = Raw::open(DEVICES[0]);
    raw.configure(GOOD).unwrap();
    assert_eq!(raw.stats().state, State::Configured as u32);
    drop(raw);
    background.finish();
    check_streams(&DEVICES);
}
