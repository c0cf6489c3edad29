// SPDX-License-Identifier: MIT OR Apache-2.0
//! The compliance program on our own driver: every rule holds, and the board is as it was.

use dmaframe::Device;
use dmaframe::sysfs::{Attribute, Attributes};
use dmaframe_tests::process::{Done, Run, User};
use dmaframe_tests::{BoardLock, DEVICES};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::MetadataExt;

const PROGRAM: &str = "dmaframe-compliance";
/// What cannot be seen on this board, whoever looks.
const UNSEEN: [&str; 2] =
    ["no source is wider than the granularity", "takes all devices from the driver"];

/// All that a run must leave as it found it.
fn board() -> Vec<String> {
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

/// Runs all checks of a device, line by line, for all together may take longer than one wait.
/// Returns the lines of those that were skipped.
fn comply(device: &str, user: User, more: &[&str]) -> Vec<String> {
    let before = board();
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
    assert_eq!(board(), before, "{device} by {user:?}");
    if more.is_empty() {
        assert!(passed >= 150, "{device} by {user:?}: {closing}");
    }
    skipped
}

#[test]
fn every_rule_holds_for_root() {
    let _board = BoardLock::acquire();
    for device in DEVICES {
        for line in comply(device, User::Root, &[]) {
            assert!(UNSEEN.iter().any(|reason| line.contains(reason)), "{device}: {line}");
        }
    }
}

#[test]
fn every_rule_that_a_member_can_see_holds() {
    let _board = BoardLock::acquire();
    for device in DEVICES {
        for line in comply(device, User::Member, &[]) {
            let reasons = ["needs root", "needs CAP_NET_ADMIN"];
            let known = reasons.iter().chain(&UNSEEN).any(|reason| line.contains(reason));
            assert!(known, "{device}: {line}");
        }
    }
}

#[test]
fn every_rule_of_unbinding_holds() {
    let _board = BoardLock::acquire();
    assert_eq!(comply(DEVICES[0], User::Root, &["--only", "18", "--unbind"]), [""; 0]);
}

/// Settings that are not those after boot, and of which one is possible only with another.
#[test]
fn settings_are_put_back() {
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
        comply(DEVICES[0], User::Root, &["--only", section]);
    }
}

fn run(arguments: &[&str]) -> Done {
    Run::of(PROGRAM, arguments).finish()
}

#[test]
fn what_cannot_be_checked_ends_with_2_and_says_why() {
    let _board = BoardLock::acquire();
    let _device = Device::open(DEVICES[1]).unwrap();
    for (arguments, words) in [
        (&["--device", "/dev/dmaframe9"][..], "/dev/dmaframe9: no such device"),
        (&["--device", "/dev/null"], "/dev/null is no dmaframe device"),
        (&["--device", "1"], "/dev/dmaframe1 is in use by another program"),
        (&["--only", "99"], "\"99\" is no SECTION"),
        (&["--only", "1.99"], "\"1.99\" is no SECTION"),
    ] {
        let done = run(arguments);
        assert_eq!(done.status.code(), Some(2), "{arguments:?}: {done:?}");
        assert!(done.stderr.contains(words), "{arguments:?}: {done:?}");
        assert_eq!(done.stdout, "", "{arguments:?}");
    }
}

#[test]
fn one_check_is_told_as_json_and_with_its_place() {
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
