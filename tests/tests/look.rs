// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the command shows of all devices, how much it says, and how it starts at boot.

use dmaframe_tests::process::{Done, Run};
use dmaframe_tests::{BoardLock, DEVICES};
use serde_json::Value;
use std::fs;

fn finish(arguments: &[&str]) -> Done {
    let done = Run::dmaframe(arguments).finish();
    assert_eq!(done.status.code(), Some(0), "{arguments:?}: {done:?}");
    done
}

#[test]
fn list_shows_every_device_and_its_owner() {
    let _board = BoardLock::acquire();
    let _device = dmaframe::Device::open(DEVICES[1]).unwrap();
    let text = finish(&["list"]).stdout;
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("name ") && lines[0].ends_with("owner"), "{text}");
    assert!(lines[1].starts_with("dmaframe0 ") && lines[1].ends_with(" none"), "{text}");
    assert!(lines[2].starts_with("dmaframe1 "), "{text}");
    assert!(lines[2].ends_with(&format!("(pid {})", std::process::id())), "{text}");
    let json: Value = serde_json::from_str(&finish(&["list", "--json"]).stdout).unwrap();
    assert_eq!((&json[0]["name"], &json[1]["channel"]), (&"dmaframe0".into(), &5.into()));
}

#[test]
fn verbose_shows_requests_and_quiet_hides_notices() {
    let _board = BoardLock::acquire();
    let done = finish(&["-v", "stream", "--frames", "1"]);
    assert!(done.stderr.contains("CONFIGURE") && done.stderr.contains("START"), "{done:?}");
    assert!(!done.stderr.contains('\x1b'), "{done:?}");
    let gpio = ["stream", "--source", "gpio", "--verify", "--frames", "1"];
    assert!(finish(&gpio).stderr.contains("not predictable"));
    assert_eq!(finish(&[&["--quiet"][..], &gpio].concat()).stderr, "");
    // An error is no notice.
    let done = Run::dmaframe(&["-q", "stream", "--slots", "3"]).finish();
    assert!(done.stderr.contains("slots 3 is not a power of two"), "{done:?}");
}

/// The script in `userland/dmaframe-cli/boot`, as BusyBox's init runs it.
#[test]
fn the_init_script_streams_to_a_file_until_it_is_stopped() {
    let _board = BoardLock::acquire();
    let (script, directory) = ("/tmp/S60dmaframe-stream", "/var/lib/dmaframe");
    fs::write(script, include_str!("../../userland/dmaframe-cli/boot/S60dmaframe-stream")).unwrap();
    let init = |action| {
        let done = Run::of("sh", &[script, action]).finish();
        assert_eq!(done.status.code(), Some(0), "{action}: {done:?}");
        done.stdout
    };
    fs::create_dir_all("/etc/default").unwrap();
    let options = "options='--interval-us 1000 --frame-bytes 512'\n";
    fs::write("/etc/default/dmaframe-stream", options).unwrap();
    init("start");
    assert!(init("start").contains("runs already"));
    let file = dmaframe_tests::wait::until("a frame in the file", || {
        let file = fs::read_dir(directory).ok()?.next()?.ok()?;
        (file.metadata().ok()?.len() > 0).then_some(file)
    });
    init("stop");
    assert_eq!(file.metadata().unwrap().len() % 512, 0);
    let log = fs::read_to_string("/var/log/dmaframe-stream").unwrap();
    assert!(log.starts_with("frames=") && log.ends_with(" errors=0\n"), "{log}");
    init("stop");
    for path in ["/etc/default/dmaframe-stream", "/var/log/dmaframe-stream", script] {
        fs::remove_file(path).unwrap();
    }
    fs::remove_dir_all(directory).unwrap();
}
