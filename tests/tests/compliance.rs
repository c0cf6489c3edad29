// SPDX-License-Identifier: MIT OR Apache-2.0
//! The compliance program on this driver: every rule holds, and the board is as before.

use dmaframe::Device;
use dmaframe::sysfs::{Attribute, Attributes};
use dmaframe_tests::process::{Done, Run, User};
use dmaframe_tests::{BoardLock, DEVICES};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::MetadataExt;

const PROGRAM: &str = "dmaframe-compliance";
/// Reasons for skipped checks that apply to every user of this board.
const UNTESTABLE: [&str; 3] = [
    "no source is wider than the granularity",
    "needs --unbind",
    "no source delivers frames that are too fast",
];

/// Everything that a run must leave unchanged.
fn board_state() -> Vec<String> {
    let attributes = [0, 1].into_iter().flat_map(|id| {
        let settings = Attribute::ALL.into_iter().take_while(|it| *it != Attribute::Frames);
        settings.map(move |attribute| Attributes::of(id).read(attribute).unwrap())
    });
    let nodes = DEVICES.into_iter().map(|device| {
        let node = fs::metadata(device).unwrap();
        format!("{} {} {:o}", node.uid(), node.gid(), node.mode())
    });
    attributes.chain(nodes).collect()
}

/// Runs all checks of a device. Reads the output line by line, as the whole run may take longer
/// than one wait. Returns the lines of the skipped checks.
fn run_checks(device: &str, user: User, more: &[&str]) -> Vec<String> {
    let before = board_state();
    let arguments = [&["--device", device], more].concat();
    let running = Run::of(PROGRAM, &arguments).by(user).start();
    let (mut skipped, mut failed, mut passed) = (Vec::new(), Vec::new(), 0);
    let closing = loop {
        let line = running.line();
        if line.starts_with(PROGRAM) {
            break line;
        } else if line.ends_with(": OK") {
            passed += 1;
        } else if line.contains(": FAIL: ") {
            failed.push(line);
        } else if line.contains(": not supported: ") {
            skipped.push(line);
        }
    };
    let done = running.finish();
    let checks = passed + failed.len() + skipped.len();
    assert!(failed.is_empty(), "{device} by {user:?}: {failed:#?}");
    assert_eq!(done.status.code(), Some(0), "{device} by {user:?}: {done:?}");
    assert_eq!(done.stderr, "", "{device} by {user:?}");
    let counts =
        format!("{PROGRAM}: {checks} checks: {passed} passed, 0 failed, {} skipped", skipped.len());
    assert_eq!(closing, counts, "{device} by {user:?}");
    assert_eq!(board_state(), before, "{device} by {user:?}");
    if more.is_empty() {
        assert!(passed >= 150, "{device} by {user:?}: {closing}");
    }
    skipped
}

#[test]
fn every_rule_holds_for_root() {
    let _board = BoardLock::acquire();
    for device in DEVICES {
        for line in run_checks(device, User::Root, &[]) {
            assert!(UNTESTABLE.iter().any(|reason| line.contains(reason)), "{device}: {line}");
        }
    }
}

#[test]
fn every_rule_that_a_member_can_test_holds() {
    let _board = BoardLock::acquire();
    for device in DEVICES {
        for line in run_checks(device, User::Member, &[]) {
            let reasons = ["needs root", "needs CAP_NET_ADMIN"];
            let known = reasons.iter().chain(&UNTESTABLE).any(|reason| line.contains(reason));
            assert!(known, "{device}: {line}");
        }
    }
}

#[test]
fn every_rule_of_unbinding_holds() {
    let _board = BoardLock::acquire();
    assert_eq!(run_checks(DEVICES[0], User::Root, &["--only", "18", "--unbind"]), [""; 0]);
}

/// Settings other than the defaults, of which one is valid only together with another.
#[test]
fn settings_are_restored() {
    let _board = BoardLock::acquire();
    let sysfs = Attributes::of(0);
    for (attribute, value) in [
        (Attribute::Source, "gpio"),
        (Attribute::FrameBytes, "1000"),
        (Attribute::Slots, "512"),
        (Attribute::IntervalUs, "700"),
        (Attribute::Policy, "drop"),
    ] {
        sysfs.write(attribute, value).unwrap();
    }
    for section in ["14", "15"] {
        run_checks(DEVICES[0], User::Root, &["--only", section]);
    }
}

fn run(arguments: &[&str]) -> Done {
    Run::of(PROGRAM, arguments).finish()
}

#[test]
fn a_run_that_is_impossible_exits_with_2_and_names_the_reason() {
    let _board = BoardLock::acquire();
    let _device = Device::open(DEVICES[1]).unwrap();
    for (arguments, words) in [
        (&["--device", "/dev/dmaframe9"][..], "/dev/dmaframe9: no such device"),
        (&["--device", "/dev/null"], "/dev/null is no dmaframe device"),
        (&["--device", "1"], "/dev/dmaframe1 is in use by another program"),
        (&["--only", "99"], "\"99\" is not a SECTION"),
        (&["--only", "1.99"], "\"1.99\" is not a SECTION"),
    ] {
        let done = run(arguments);
        assert_eq!(done.status.code(), Some(2), "{arguments:?}: {done:?}");
        assert!(done.stderr.contains(words), "{arguments:?}: {done:?}");
        assert_eq!(done.stdout, "", "{arguments:?}");
    }
}

#[test]
fn one_check_is_reported_as_json_and_with_its_place() {
    let _board = BoardLock::acquire();
    let done = run(&["--only", "3.22", "--json"]);
    let all: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!((&all["counts"]["checks"], &all["counts"]["passed"]), (&1.into(), &1.into()));
    assert_eq!(
        (&all["checks"][0]["number"], &all["checks"][0]["result"]),
        (&"3.22".into(), &"passed".into())
    );
    let done = run(&["--only", "3.22", "--verbose"]);
    let lines: Vec<_> = done.stdout.lines().collect();
    assert_eq!(
        lines,
        [
            "3. GET_CONFIG and CONFIGURE",
            "  3.22 CONFIGURE refuses a zero frame_bytes with EINVAL: OK",
            "       userspace-api/dmaframe.rst, CONFIGURE",
            "dmaframe-compliance: 1 checks: 1 passed, 0 failed, 0 skipped",
        ]
    );
    let done = run(&["--list", "--only", "3.22"]);
    assert_eq!(done.stdout, "  3.22 CONFIGURE refuses a zero frame_bytes with EINVAL\n");
}
