// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command `dmaframe`: its output and its exit status.

use dmaframe::sysfs::{Attribute, Attributes};
use dmaframe::{Device, pattern};
use dmaframe_tests::process::{Done, Run, User};
use dmaframe_tests::raw::{GOOD, Raw};
use dmaframe_tests::{BoardLock, DEVICES, wait};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::fs;

fn run(arguments: &[&str]) -> Done {
    Run::dmaframe(arguments).finish()
}

/// The standard output of a run that must succeed.
fn printed(arguments: &[&str]) -> String {
    let done = run(arguments);
    assert_eq!(done.status.code(), Some(0), "{arguments:?}: {done:?}");
    done.stdout
}

fn json_of(arguments: &[&str]) -> Value {
    serde_json::from_str(&printed(arguments)).unwrap()
}

/// Waits until device 0 has published a frame.
fn wait_for_frames() {
    let sysfs = Attributes::of(0);
    wait::until("frames", || {
        let running = sysfs.read(Attribute::State).unwrap() == "running";
        (running && sysfs.number(Attribute::Frames).unwrap() > 0).then_some(())
    });
}

#[test]
fn stream_prints_a_summary() {
    let _board = BoardLock::acquire();
    let done = run(&["stream", "--frames", "100", "--verify"]);
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    assert_eq!((&*done.stdout, &*done.stderr), ("frames=100 lost=0 bytes=409600 errors=0\n", ""));
}

#[test]
fn stream_accepts_every_setting() {
    let _board = BoardLock::acquire();
    for (arguments, bytes) in [
        (&["--frame-bytes", "65536", "--slots", "4"][..], 40 * 65536),
        (&["--source", "systimer"], 40 * 4096),
        (&["--source", "gpio", "--device", "1"], 40 * 4096),
        (&["--device", "/dev/dmaframe1", "--frame-bytes", "4", "--slots", "1024"], 160),
        (&["--interval-us", "500"], 40 * 4096),
    ] {
        let all = [&["stream", "--frames", "40", "--verify"], arguments].concat();
        let expected = format!("frames=40 lost=0 bytes={bytes} errors=0\n");
        assert_eq!(printed(&all), expected, "{arguments:?}");
    }
}

#[test]
fn stream_without_options_uses_the_devices_settings() {
    let _board = BoardLock::acquire();
    printed(&["set", "source=systimer", "frame-bytes=1000", "slots=4"]);
    assert_eq!(printed(&["stream", "--frames", "10"]), "frames=10 lost=0 bytes=10000 errors=0\n");
    // Another source changes the source alone.
    let other = printed(&["stream", "--frames", "10", "--source", "gpio"]);
    assert_eq!(other, "frames=10 lost=0 bytes=10000 errors=0\n");
    printed(&["set", "policy=drop", "interval-us=1000", "frame-bytes=256"]);
    let paced = printed(&["stream", "--frames", "10", "--source", "gpio"]);
    assert!(paced.contains(" bytes=2560 errors=0"), "{paced}");
}

#[test]
fn stream_counts_losses_of_a_slow_reader_and_succeeds() {
    let _board = BoardLock::acquire();
    let arguments =
        ["stream", "--frames", "40", "--policy", "drop", "--interval-us", "1000", "--slots", "4"];
    let more = ["--hold-us", "10000", "--verify", "--json"];
    let summary = json_of(&[&arguments[..], &more].concat());
    assert_eq!((&summary["frames"], &summary["errors"]), (&json!(40), &json!(0)));
    assert_eq!(summary["bytes"], 40 * 4096);
    assert!(summary["lost"].as_u64() > Some(0), "{summary}");
    assert!(summary["seconds"].is_f64(), "{summary}");
}

#[test]
fn stream_writes_payloads() {
    let _board = BoardLock::acquire();
    let mut reference = vec![0; pattern::REFERENCE_BYTES];
    pattern::fill(&mut reference);
    let check = |bytes: &[u8]| {
        assert_eq!(bytes.len(), 20 * 4096);
        for (sequence, payload) in (0..).zip(bytes.chunks(4096)) {
            assert_eq!(pattern::mismatch(&reference, sequence, payload), None, "{sequence}");
        }
    };
    let file = "/tmp/payloads";
    let summary = printed(&["stream", "--frames", "20", "--output", file]);
    assert_eq!(summary, "frames=20 lost=0 bytes=81920 errors=0\n");
    check(&fs::read(file).unwrap());
    // With payloads on standard output, the summary goes to standard error.
    let script = format!("dmaframe stream --frames 20 --output - >{file}");
    let done = Run::of("sh", &["-c", &script]).finish();
    assert_eq!((&*done.stdout, &*done.stderr), ("", "frames=20 lost=0 bytes=81920 errors=0\n"));
    check(&fs::read(file).unwrap());
    fs::remove_file(file).unwrap();
}

#[test]
fn stream_prints_no_error_when_its_output_is_closed() {
    let _board = BoardLock::acquire();
    let script = "dmaframe stream --output - | head -c 10000 | wc -c";
    let done = Run::of("sh", &["-c", script]).finish();
    assert_eq!(done.stdout.trim(), "10000", "{done:?}");
    assert!(!done.stderr.contains("roken pipe"), "{done:?}");
    assert!(!done.stderr.contains("panicked"), "{done:?}");
}

#[test]
fn stream_names_the_file_that_it_cannot_write() {
    let _board = BoardLock::acquire();
    let done = run(&["stream", "--frames", "10", "--output", "/dev/full"]);
    assert_eq!(done.status.code(), Some(1), "{done:?}");
    assert!(done.stderr.contains("/dev/full"), "{done:?}");
    let done = run(&["stream", "--frames", "10", "--output", "/no/such/file"]);
    assert_eq!(done.status.code(), Some(1), "{done:?}");
    assert!(done.stderr.contains("/no/such/file"), "{done:?}");
}

#[test]
fn a_refused_stream_leaves_the_output_alone() {
    let _board = BoardLock::acquire();
    let file = "/tmp/precious";
    fs::write(file, "precious").unwrap();
    for refused in [&["--slots", "3"][..], &["--device", "9"], &["--source", "none"]] {
        let arguments = [&["stream", "--frames", "1", "--output", file], refused].concat();
        assert_eq!(run(&arguments).status.code(), Some(1), "{refused:?}");
        assert_eq!(fs::read_to_string(file).unwrap(), "precious", "{refused:?}");
    }
    fs::remove_file(file).unwrap();
}

#[test]
fn an_output_closed_before_the_requested_frames_is_a_failure() {
    let _board = BoardLock::acquire();
    let script =
        "{ dmaframe stream --frames 1000 --output - ; echo $? >/tmp/status; } | head -c 10";
    let done = Run::of("sh", &["-c", script]).finish();
    assert!(done.stderr.contains("closed it after ") && done.stderr.contains(" of 1000 frames"));
    assert_eq!(fs::read_to_string("/tmp/status").unwrap(), "1\n", "{done:?}");
    // Frames that were not written whole do not count.
    let done = run(&["stream", "--frames", "10", "--output", "/dev/full"]);
    assert_eq!(done.stdout, "frames=0 lost=0 bytes=0 errors=1\n");
}

#[test]
fn one_signal_ends_the_wait_for_the_reader_of_a_fifo() {
    let _board = BoardLock::acquire();
    let fifo = "/tmp/fifo";
    nix::unistd::mkfifo(fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let running = Run::dmaframe(&["stream", "--output", fifo]).start();
    assert!(running.error_line().contains("waiting for a reader of /tmp/fifo"));
    running.signal(Signal::SIGINT);
    let done = running.finish();
    assert_eq!(done.status.code(), Some(1), "{done:?}");
    assert!(done.stderr.contains("interrupted before it had a reader"), "{done:?}");
    fs::remove_file(fifo).unwrap();
}

#[test]
fn monitor_survives_a_reload_of_the_module() {
    let _board = BoardLock::acquire();
    let monitor = Run::dmaframe(&["monitor"]).start();
    assert!(monitor.error_line().contains("listening"));
    dmaframe_tests::driver::unload().unwrap();
    assert!(monitor.error_line().contains("the module dmaframe was unloaded"));
    dmaframe_tests::driver::load().unwrap();
    printed(&["stream", "--frames", "10"]);
    assert!(monitor.line().contains("Z dmaframe0 started "));
    monitor.signal(Signal::SIGINT);
    assert_eq!(monitor.finish().status.code(), Some(0));
}

#[test]
fn another_network_namespace_is_named() {
    let _board = BoardLock::acquire();
    let script = "unshare -n dmaframe get state";
    let done = Run::of("sh", &["-c", script]).finish();
    assert_eq!(done.status.code(), Some(1), "{done:?}");
    assert!(done.stderr.contains("not in this network namespace"), "{done:?}");
}

#[test]
fn stream_shows_rates() {
    let _board = BoardLock::acquire();
    let running = Run::dmaframe(&["stream", "--stats", "--verify"]).start();
    for _ in 0..2 {
        let line = running.error_line();
        assert!(line.contains(" frames/s, ") && line.contains(" 0 lost"), "{line}");
    }
    running.signal(Signal::SIGINT);
    assert_eq!(running.finish().status.code(), Some(0));
}

#[test]
fn stream_prints_a_summary_when_interrupted() {
    let _board = BoardLock::acquire();
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let running = Run::dmaframe(&["stream", "--verify"]).start();
        wait_for_frames();
        running.signal(signal);
        let done = running.finish();
        assert_eq!(done.status.code(), Some(0), "{signal}: {done:?}");
        let summary = done.stdout.strip_suffix(" errors=0\n");
        assert!(summary.is_some_and(|line| line.starts_with("frames=")), "{signal}: {done:?}");
        assert!(done.stdout.contains(" lost=0 "), "{signal}: {done:?}");
    }
    // The same while the command waits for a frame.
    let quiet = Run::dmaframe(&["stream", "--interval-us", "60000000"]).start();
    let sysfs = Attributes::of(0);
    wait::until("a stream", || (sysfs.read(Attribute::State).unwrap() == "running").then_some(()));
    quiet.signal(Signal::SIGINT);
    assert_eq!(quiet.finish().stdout, "frames=0 lost=0 bytes=0 errors=0\n");
}

#[test]
fn stream_prints_a_summary_and_fails_when_the_device_is_gone() {
    let _board = BoardLock::acquire();
    let running = Run::dmaframe(&["stream", "--verify"]).start();
    wait_for_frames();
    dmaframe_tests::driver::unbind().unwrap();
    let done = running.finish();
    assert_eq!(done.status.code(), Some(1), "{done:?}");
    assert!(done.stderr.contains("/dev/dmaframe0 is gone"), "{done:?}");
    assert!(done.stdout.starts_with("frames=") && done.stdout.ends_with(" errors=1\n"), "{done:?}");
}

#[test]
fn wrong_usage_exits_with_2() {
    let _board = BoardLock::acquire();
    for arguments in [
        &[][..],
        &["fly"],
        &["stream", "--frames", "many"],
        &["stream", "--frames", "-1"],
        &["stream", "--frame-bytes", "-4"],
        &["stream", "--frame-bytes", "4G"],
        &["stream", "--slots", "4k"],
        &["stream", "--device", ""],
        &["stream", "--policy", "block"],
        &["stream", "--no-such"],
        &["set"],
        &["set", "slots"],
        &["set", "slots=many"],
        &["set", "state=idle"],
        &["get", "colour"],
        &["get", "--device", "none"],
        &["monitor", "--count", "x"],
        &["list", "extra"],
        &["-v", "-q", "list"],
    ] {
        let done = run(arguments);
        assert_eq!(done.status.code(), Some(2), "{arguments:?}: {done:?}");
        assert!(done.stdout.is_empty() && !done.stderr.is_empty(), "{arguments:?}: {done:?}");
    }
}

#[test]
fn refused_requests_exit_with_1_and_name_the_reason() {
    let _board = BoardLock::acquire();
    for (arguments, words) in [
        (&["stream", "--frame-bytes", "6"][..], "frame-bytes 6 is not a multiple of 4"),
        (&["stream", "--slots", "3"], "slots 3 is not a power of two"),
        (
            &["stream", "--policy", "drop"],
            "policy drop needs an interval: set interval-us to 50 or more",
        ),
        (&["stream", "--interval-us", "1"], "interval-us 1 is neither 0 nor from 50 to 60000000"),
        (&["stream", "--frame-bytes", "32M"], "frame-bytes 33554432 is not from 4 to 16777216"),
        (&["stream", "--frame-bytes", "1M", "--slots", "1024"], "reduce slots or frame-bytes"),
        (&["stream", "--source", "none"], "its sources are: pattern, systimer, gpio"),
        (&["stream", "--device", "/dev/dmaframe9"], "/dev/dmaframe9: no such device"),
        (&["stream", "--device", "/dev/null"], "/dev/null is no dmaframe device"),
        (&["info", "--device", "9"], "/dev/dmaframe9: no such device"),
        (&["get", "--device", "9"], "there is no device 9"),
        (&["get", "event"], "has no event"),
        (&["set", "slots=3"], "slots 3 is not a power of two"),
        (&["set", "source=none"], "there is no source 'none'"),
    ] {
        let done = run(arguments);
        assert_eq!(done.status.code(), Some(1), "{arguments:?}: {done:?}");
        assert!(done.stderr.contains(words), "{arguments:?}: {done:?}");
        assert!(done.stdout.is_empty(), "{arguments:?}: {done:?}");
    }
}

#[test]
fn a_device_in_use_is_reported_with_a_free_one() {
    let _board = BoardLock::acquire();
    let _device = Device::open(DEVICES[0]).unwrap();
    let done = run(&["stream"]);
    assert_eq!(done.status.code(), Some(1), "{done:?}");
    let own = fs::read_to_string("/proc/self/comm").unwrap();
    let owner = format!("{} (pid {})", own.trim_end(), std::process::id());
    let in_use = format!("/dev/dmaframe0 is in use by another program, {owner}; stop it");
    assert!(done.stderr.contains(&in_use), "{done:?}");
    assert!(done.stderr.contains("/dev/dmaframe1"), "{done:?}");
    // `info` shows it all the same.
    assert!(printed(&["info"]).contains(&format!("owner:       {owner}")));
    assert_eq!(json_of(&["info", "--json"])["owner"]["pid"], std::process::id());
    // Requests that need no open device work.
    assert_eq!(printed(&["get", "state"]), "idle\n");
}

#[test]
fn info_shows_a_device() {
    let _board = BoardLock::acquire();
    let info = json_of(&["info", "--json", "--device", "1"]);
    let facts = ["device", "channel", "engine", "state", "stamp_hz"].map(|name| info[name].clone());
    let expected = [json!(1), json!(5), json!("bcm2835-dma"), json!("idle"), json!(1_000_000)];
    assert_eq!(facts, expected);
    assert_eq!(info["limits"]["frame_bytes_max"], 16 << 20);
    assert_eq!(info["settings"]["slots"], 16);
    let sources: Vec<_> =
        info["sources"].as_array().unwrap().iter().map(|one| one["name"].as_str()).collect();
    assert_eq!(sources, [Some("pattern"), Some("systimer"), Some("gpio")]);
    let text = printed(&["info"]);
    for words in ["/dev/dmaframe0", "bcm2835-dma, channel 4", "pattern", "0x7e003004", "0x7e200034"]
    {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[test]
fn get_and_set_agree() {
    let _board = BoardLock::acquire();
    assert_eq!(printed(&["get", "slots"]), "16\n");
    assert_eq!(printed(&["set", "slots=8", "interval-us=900", "policy=drop"]), "");
    assert_eq!(printed(&["get", "slots"]), "8\n");
    assert_eq!(json_of(&["get", "policy", "--json"]), "drop");
    let changed = json_of(&["set", "--json", "--device", "dmaframe1", "source=gpio"]);
    assert_eq!((&changed["name"], &changed["source"]), (&json!("dmaframe1"), &json!("gpio")));
    let all = json_of(&["get", "--all", "--json"]);
    assert_eq!((&all[0]["slots"], &all[0]["interval-us"]), (&json!(8), &json!(900)));
    assert_eq!((&all[1]["slots"], &all[1]["source"]), (&json!(16), &json!("gpio")));
    let text = printed(&["get", "--device", "1"]);
    let lines: Vec<_> = text.lines().collect();
    for line in ["id: 1", "name: dmaframe1", "channel: 5", "state: idle", "source: gpio"] {
        assert!(lines.contains(&line), "{line}: {text}");
    }
    // A refused request changes none of the settings.
    assert_eq!(run(&["set", "slots=32", "frame-bytes=6"]).status.code(), Some(1));
    assert_eq!(printed(&["get", "slots"]), "8\n");
}

#[test]
fn set_is_refused_while_a_stream_uses_the_device() {
    let _board = BoardLock::acquire();
    let raw = Raw::open(DEVICES[0]);
    raw.configure(GOOD).unwrap();
    let done = run(&["set", "slots=8"]);
    assert_eq!(done.status.code(), Some(1), "{done:?}");
    assert!(done.stderr.contains("a stream uses the device"), "{done:?}");
}

#[test]
fn set_needs_cap_net_admin() {
    let _board = BoardLock::acquire();
    let done = Run::dmaframe(&["set", "slots=8"]).by(User::Member).finish();
    assert_eq!(done.status.code(), Some(1), "{done:?}");
    assert!(done.stderr.contains("CAP_NET_ADMIN"), "{done:?}");
    let done = Run::dmaframe(&["get", "slots"]).by(User::Outsider).finish();
    assert_eq!((done.status.code(), &*done.stdout), (Some(0), "16\n"));
}

#[test]
fn monitor_prints_events() {
    let _board = BoardLock::acquire();
    let monitor = Run::dmaframe(&["monitor", "--count", "2", "--json"]).start();
    // The message shows that the command listens from now on.
    assert!(monitor.error_line().contains("listening"));
    printed(&["stream", "--frames", "10", "--source", "systimer"]);
    let events =
        [monitor.line(), monitor.line()].map(|line| serde_json::from_str::<Value>(&line).unwrap());
    assert_eq!((&events[0]["event"], &events[0]["state"]), (&json!("started"), &json!("running")));
    assert_eq!(events[1]["event"], "stopped");
    let times = events.each_ref().map(|event| event["monotonic-ns"].as_u64().unwrap());
    assert!(times[0] < times[1], "{events:?}");
    assert!(
        events.iter().all(|event| event["name"] == "dmaframe0" && event["source"] == "systimer")
    );
    assert_eq!(monitor.finish().status.code(), Some(0));

    let monitor = Run::dmaframe(&["monitor"]).start();
    assert!(monitor.error_line().contains("listening"));
    printed(&["stream", "--frames", "10"]);
    let line = monitor.line();
    let (time, event) = line.split_once(' ').unwrap();
    assert!(
        event.starts_with("dmaframe0 started channel=4 state=running source=pattern"),
        "{line}"
    );
    assert!(time.len() == "2026-11-27T08:00:00.000001Z".len() && time.ends_with('Z'), "{line}");
    monitor.signal(Signal::SIGINT);
    assert_eq!(monitor.finish().status.code(), Some(0));
}

#[test]
fn a_missing_module_is_reported() {
    let _board = BoardLock::acquire();
    dmaframe_tests::driver::unload().unwrap();
    for subcommand in ["info", "list", "stream", "get", "monitor"] {
        let done = run(&[subcommand]);
        assert_eq!(done.status.code(), Some(1), "{subcommand}: {done:?}");
        assert!(done.stderr.contains("modprobe dmaframe"), "{subcommand}: {done:?}");
    }
}
