// SPDX-License-Identifier: MIT OR Apache-2.0
//! The generic netlink family, used by the kernel's YNL client and by the library.

use dmaframe::netlink::{Attributes, Client, Events, Settings};
use dmaframe::{Error, Fault, Policy, Shape, State, sysfs};
use dmaframe_abi::netlink::Event;
use dmaframe_abi::ring::{MAP_CONSUMER, MAP_META};
use dmaframe_abi::uapi;
use dmaframe_tests::frames::{Account, SHAPE, start};
use dmaframe_tests::kernel_log::KernelLog;
use dmaframe_tests::mapping::{Mapping, PAGE};
use dmaframe_tests::process::{Done, Run, User};
use dmaframe_tests::raw::{GOOD, Raw};
use dmaframe_tests::{BoardLock, DEVICES, LIMIT, driver, wait};
use nix::errno::Errno;
use serde_json::{Value, json};
use std::sync::atomic::Ordering::Relaxed;

/// The kernel's YNL client, which shares no code with the library.
fn ynl(arguments: &[&str]) -> Run {
    Run::of("ynl", &[&["--family", "dmaframe", "--output-json"], arguments].concat())
}

fn answer(done: &Done) -> Value {
    assert!(done.status.success(), "{done:?}");
    serde_json::from_str(&done.stdout).unwrap()
}

fn set(arguments: Value) -> Done {
    ynl(&["--do", "device-set", "--json", &arguments.to_string()]).finish()
}

/// The attributes of an idle device with default settings.
fn default_device(id: u32) -> Value {
    json!({
        "id": id,
        "name": format!("dmaframe{id}"),
        "channel": 4 + id,
        "state": "idle",
        "source": "pattern",
        "frame-bytes": 4096,
        "slots": 16,
        "policy": "backpressure",
        "interval-us": 0,
        "engine": "bcm2835-dma",
        "frame-bytes-max": 16 << 20,
        "frame-granularity": 4,
        "slots-max": 1024,
        "ring-bytes-max": 256 << 20,
        "interval-us-min": 50,
        "interval-us-max": 60_000_000,
        "stamp-hz": 1_000_000,
    })
}

/// `all` without the values that an earlier stream may have left: the counters and the fault.
fn without_counters(mut all: Value) -> Value {
    let object = all.as_object_mut().unwrap();
    for counter in [
        "frames",
        "lost",
        "bytes",
        "errors",
        "overruns",
        "chains",
        "interrupts",
        "kicks",
        "bad-consumer",
        "error-bits",
        "too-fast",
    ] {
        assert!(object.remove(counter).unwrap().is_u64(), "{counter}");
    }
    assert!(object.remove("fault").unwrap().is_string());
    all
}

/// Both ways of naming the specification find the schema that validates it.
#[test]
fn ynl_accepts_the_specification() {
    let done = ynl(&["--validate"]).finish();
    assert!(done.status.success() && done.stderr.is_empty(), "{done:?}");
    let by_path = ["--spec", "/usr/share/ynl/specs/dmaframe.yaml", "--list-ops"];
    let done = Run::of("ynl", &by_path).finish();
    assert!(done.status.success() && done.stdout.contains("device-get"), "{done:?}");
}

#[test]
fn ynl_gets_a_device() {
    let _board = BoardLock::acquire();
    for id in [0, 1] {
        let question = json!({ "id": id }).to_string();
        let done = ynl(&["--do", "device-get", "--json", &question]).finish();
        assert_eq!(without_counters(answer(&done)), default_device(id));
    }
}

#[test]
fn ynl_dumps_all_devices() {
    let _board = BoardLock::acquire();
    let all = answer(&ynl(&["--dump", "device-get"]).finish());
    let all: Vec<_> = all.as_array().unwrap().iter().cloned().map(without_counters).collect();
    assert_eq!(all, [default_device(0), default_device(1)]);
}

#[test]
fn ynl_shows_which_process_has_a_device_open() {
    let _board = BoardLock::acquire();
    let raw = Raw::open(DEVICES[1]);
    let question = json!({ "id": 1 }).to_string();
    let device = answer(&ynl(&["--do", "device-get", "--json", &question]).finish());
    assert_eq!(device["owner-pid"], std::process::id());
    let comm = std::fs::read_to_string("/proc/self/comm").unwrap();
    assert_eq!(device["owner-comm"], comm.trim_end());
    let sysfs =
        |name: &str| std::fs::read_to_string(format!("/sys/class/misc/dmaframe1/{name}")).unwrap();
    assert_eq!(sysfs("owner_pid"), format!("{}\n", std::process::id()));
    assert_eq!(sysfs("owner_comm"), comm);
    drop(raw);
    let device = answer(&ynl(&["--do", "device-get", "--json", &question]).finish());
    assert!(device.get("owner-pid").is_none() && device.get("owner-comm").is_none(), "{device}");
    assert_eq!((sysfs("owner_pid").as_str(), sysfs("owner_comm").as_str()), ("0\n", "\n"));
}

/// source-get returns what GET_SOURCE returns, for every device.
#[test]
fn ynl_dumps_the_sources() {
    let _board = BoardLock::acquire();
    let all = answer(&ynl(&["--dump", "source-get"]).finish());
    let mut expected = Vec::new();
    for (device, path) in DEVICES.into_iter().enumerate() {
        for source in dmaframe::Device::open(path).unwrap().sources().unwrap() {
            expected.push(json!({
                "device": device,
                "index": source.index,
                "name": source.name,
                "bus": source.bus,
                "bytes": source.bytes,
                "width": source.width,
                "dreq": source.dreq,
                "rate-hz": source.rate_hz,
                "flags": u32::from(source.increments) | u32::from(source.pattern) << 1,
                "frame-bytes": source.frame_bytes,
                "frame-bytes-max": source.frame_bytes_max,
                "interval-us": source.interval_us,
            }));
        }
    }
    assert_eq!(all, Value::Array(expected));
}

#[test]
fn ynl_gets_a_message_with_each_error() {
    let _board = BoardLock::acquire();
    for (question, words) in [
        (json!({ "id": 7 }), "there is no device 7: No such device"),
        (json!({}), "the attribute id is missing: which device?: Invalid argument"),
    ] {
        let done = ynl(&["--do", "device-get", "--json", &question.to_string()]).finish();
        assert_eq!(done.status.code(), Some(1), "{done:?}");
        assert!(done.stdout.contains(words), "{question}: {done:?}");
    }
    // device-get does not take this attribute.
    let question = json!({ "id": 0, "slots": 4 }).to_string();
    let done = ynl(&["--do", "device-get", "--json", &question]).finish();
    assert_eq!(done.status.code(), Some(1), "{done:?}");
}

#[test]
fn ynl_sets_settings() {
    let _board = BoardLock::acquire();
    let given = json!({
        "id": 1, "source": "gpio", "frame-bytes": 8192, "slots": 4, "policy": "drop",
        "interval-us": 700,
    });
    let done = set(given);
    assert!(done.status.success(), "{done:?}");
    let sysfs = sysfs::Attributes::of(1);
    for (attribute, value) in [
        (sysfs::Attribute::Source, "gpio"),
        (sysfs::Attribute::FrameBytes, "8192"),
        (sysfs::Attribute::Slots, "4"),
        (sysfs::Attribute::Policy, "drop"),
        (sysfs::Attribute::IntervalUs, "700"),
    ] {
        assert_eq!(sysfs.read(attribute).unwrap(), value, "{}", attribute.name());
    }
    // Setting one value keeps the others.
    assert!(set(json!({ "id": 1, "slots": 8 })).status.success());
    assert_eq!(sysfs.read(sysfs::Attribute::Slots).unwrap(), "8");
    assert_eq!(sysfs.read(sysfs::Attribute::Source).unwrap(), "gpio");
}

#[test]
fn ynl_gets_a_message_when_a_setting_is_refused() {
    let _board = BoardLock::acquire();
    for (given, words) in [
        (json!({ "id": 0, "slots": 3 }), "slots 3 is not a power of two from 2 to 1024"),
        (
            json!({ "id": 0, "policy": "drop" }),
            "policy drop needs an interval: set interval-us to 50 or more",
        ),
        (json!({ "id": 0, "source": "none" }), "there is no source "),
        // A valid setting is not applied if another one in the request is invalid.
        (json!({ "id": 0, "slots": 8, "frame-bytes": 6 }), "frame-bytes 6 is not a multiple of 4"),
        (json!({ "slots": 8 }), "the attribute id is missing"),
    ] {
        let done = set(given.clone());
        assert_eq!(done.status.code(), Some(1), "{given}: {done:?}");
        assert!(done.stdout.contains(words), "{given}: {done:?}");
        assert!(done.stdout.contains("Invalid argument"), "{given}: {done:?}");
    }
    let mut client = Client::connect().unwrap();
    assert_eq!(client.device(0).unwrap().slots, Some(16));

    let raw = Raw::open(DEVICES[0]);
    raw.configure(GOOD).unwrap();
    let done = set(json!({ "id": 0, "slots": 8 }));
    let words = "a stream uses the device: close it first: Device or resource busy";
    assert_eq!(done.status.code(), Some(1), "{done:?}");
    assert!(done.stdout.contains(words), "{done:?}");
}

/// The kernel cuts a message to 79 characters, and logs that.
#[test]
fn no_message_of_a_refusal_is_truncated() {
    let _board = BoardLock::acquire();
    let log = KernelLog::from_now();
    let mut client = Client::connect().unwrap();
    let none = Settings::default();
    for (id, settings) in [
        (u32::MAX, none.clone()),
        (0, Settings { source: Some("x".repeat(31)), ..none.clone() }),
        (0, Settings { frame_bytes: Some(u32::MAX - 3), ..none.clone() }),
        (0, Settings { frame_bytes: Some(u32::MAX), ..none.clone() }),
        (0, Settings { frame_bytes: Some(4098), ..none.clone() }),
        (0, Settings { frame_bytes: Some(16 << 20), slots: Some(1024), ..none.clone() }),
        (0, Settings { slots: Some(u32::MAX), ..none.clone() }),
        (0, Settings { policy: Some(Policy::Drop), ..none.clone() }),
        (0, Settings { interval_us: Some(u32::MAX), ..none.clone() }),
    ] {
        match client.set(id, &settings) {
            Err(Error::Refused { message: Some(message), .. }) => {
                assert!((1..79).contains(&message.len()), "{settings:?}: {message}");
            }
            other => panic!("{settings:?}: {other:?}"),
        }
    }
    let raw = Raw::open(DEVICES[0]);
    raw.configure(GOOD).unwrap();
    assert!(client.set(0, &Settings { slots: Some(8), ..none }).is_err());
    let messages = log.messages();
    let truncated = messages.iter().find(|message| message.contains("truncated extack"));
    assert_eq!(truncated, None);
}

#[test]
fn only_root_sets_and_everyone_gets() {
    let _board = BoardLock::acquire();
    let question = ["--do", "device-get", "--json", r#"{"id": 0}"#];
    let done = ynl(&question).by(User::Outsider).finish();
    assert_eq!(answer(&done)["id"], 0);
    for user in [User::Member, User::Outsider] {
        let change = ["--do", "device-set", "--json", r#"{"id": 0, "slots": 8}"#];
        let done = ynl(&change).by(user).finish();
        assert_eq!(done.status.code(), Some(1), "{user:?}: {done:?}");
        assert!(done.stdout.contains("Operation not permitted"), "{user:?}: {done:?}");
    }
    assert_eq!(Client::connect().unwrap().device(0).unwrap().slots, Some(16));
}

#[test]
fn ynl_receives_events() {
    let _board = BoardLock::acquire();
    let listener = ynl(&["--subscribe", "events"]).start();
    // The client does not report when it starts to listen, so streams run until it prints an event.
    let mut heard = Vec::new();
    wait::until("the first event", || {
        let mut stream = start(DEVICES[1], SHAPE);
        stream.stop().unwrap();
        drop(stream);
        heard.extend(listener.try_line());
        (!heard.is_empty()).then_some(())
    });
    let mut wanted = vec!["started", "stopped", "overrun", "error"];
    let dropping = Shape { slots: 2, policy: Policy::Drop, interval_us: 1000, ..SHAPE };
    let stream = start(DEVICES[0], dropping);
    wait::until("a loss", || (stream.counters().lost > 0).then_some(()));
    drop(stream);
    fault();
    while !wanted.is_empty() {
        let line = heard.pop().unwrap_or_else(|| listener.line());
        let event: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(event["name"], "device-event", "{event}");
        let message = &event["msg"];
        assert!(message["id"].is_u64() && message["frames"].is_u64(), "{event}");
        let kind = message["event"].as_str().unwrap();
        if kind == "error" {
            assert_eq!(
                (&message["fault"], &message["state"]),
                (&json!("consumer"), &json!("faulted"))
            );
        }
        wanted.retain(|wanted| *wanted != kind);
    }
}

/// Stops device 0 with a fault: its reader writes an impossible index.
fn fault() {
    let (raw, _) = Raw::streaming(DEVICES[0], GOOD);
    let meta = Mapping::read_only(&raw, MAP_META, PAGE).unwrap();
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let page = Mapping::new(&raw, MAP_CONSUMER, PAGE, protection, libc::MAP_SHARED).unwrap();
    let producer = || meta.meta().producer.load(Relaxed);
    wait::until("a full ring", || (producer() == GOOD.slots).then_some(()));
    page.consumer().consumer.store(GOOD.slots + 1, Relaxed);
    raw.request(uapi::KICK, 0).unwrap();
}

/// The next event of device `id`, without the statistics of each second.
fn next_event(events: &mut Events, id: u32) -> Attributes {
    loop {
        let event = events.next_timeout(LIMIT).unwrap().expect("an event");
        if event.id == Some(id) && event.event != Some(Event::Statistics) {
            return event;
        }
    }
}

#[test]
fn the_library_receives_events_in_order() {
    let _board = BoardLock::acquire();
    let mut events = Client::connect().unwrap().events().unwrap();

    let mut stream = start(DEVICES[0], SHAPE);
    let started = next_event(&mut events, 0);
    assert_eq!((started.event, started.state), (Some(Event::Started), Some(State::Running)));
    assert_eq!((started.source.as_deref(), started.slots), (Some("pattern"), Some(16)));
    let mut account = Account::of(&stream, SHAPE);
    for _ in 0..100 {
        account.take_next(&mut stream);
    }
    stream.stop().unwrap();
    let stopped = next_event(&mut events, 0);
    assert_eq!((stopped.event, stopped.state), (Some(Event::Stopped), Some(State::Configured)));
    let stats = stream.stats().unwrap();
    assert_eq!((stopped.frames, stopped.bytes), (Some(stats.frames), Some(stats.bytes)));
    drop(stream);

    let dropping = Shape { slots: 2, policy: Policy::Drop, interval_us: 1000, ..SHAPE };
    let stream = start(DEVICES[0], dropping);
    assert_eq!(next_event(&mut events, 0).event, Some(Event::Started));
    let overrun = next_event(&mut events, 0);
    assert_eq!(overrun.event, Some(Event::Overrun));
    assert!(overrun.lost > Some(0) && overrun.policy == Some(Policy::Drop), "{overrun:?}");
    // One event for an overrun, however long it is: the next event is the stop.
    drop(stream);
    assert_eq!(next_event(&mut events, 0).event, Some(Event::Stopped));

    fault();
    assert_eq!(next_event(&mut events, 0).event, Some(Event::Started));
    let error = next_event(&mut events, 0);
    assert_eq!((error.event, error.fault), (Some(Event::Error), Some(Fault::Consumer)));
    assert_eq!(error.state, Some(State::Faulted));
}

#[test]
fn a_running_stream_sends_statistics() {
    let _board = BoardLock::acquire();
    let mut events = Client::connect().unwrap().events().unwrap();
    let _stream = start(DEVICES[1], SHAPE);
    for _ in 0..2 {
        let event = wait::until("statistics", || {
            let event = events.next_timeout(LIMIT).unwrap()?;
            (event.event == Some(Event::Statistics)).then_some(event)
        });
        assert_eq!((event.id, event.state), (Some(1), Some(State::Running)));
        assert!(event.frames > Some(0), "{event:?}");
    }
}

#[test]
fn an_unbind_of_a_running_stream_sends_stopped() {
    let _board = BoardLock::acquire();
    let _stream = start(DEVICES[0], SHAPE);
    let mut events = Client::connect().unwrap().events().unwrap();
    driver::unbind().unwrap();
    assert_eq!(next_event(&mut events, 0).event, Some(Event::Stopped));
    let mut client = Client::connect().unwrap();
    assert_eq!(client.devices().unwrap(), []);
    let refused = client.device(0).unwrap_err();
    assert!(matches!(refused, Error::Refused { errno: Errno::ENODEV, .. }), "{refused}");
}

#[test]
fn the_library_gets_and_sets() {
    let _board = BoardLock::acquire();
    let mut client = Client::connect().unwrap();
    let all = client.devices().unwrap();
    assert_eq!(all.len(), 2);
    for (id, device) in (0..).zip(&all) {
        assert_eq!(client.device(id).unwrap(), *device);
        assert_eq!((device.id, device.channel), (Some(id), Some(4 + id)));
        assert_eq!((device.state, device.event), (Some(State::Idle), None));
    }
    client.set(0, &Settings { slots: Some(64), ..Settings::default() }).unwrap();
    assert_eq!(client.device(0).unwrap().slots, Some(64));
    // An empty request succeeds.
    client.set(0, &Settings::default()).unwrap();
    for (id, settings, errno, words) in [
        (0, Settings { slots: Some(5), ..Settings::default() }, Errno::EINVAL, "slots 5"),
        (
            1,
            Settings { interval_us: Some(1), ..Settings::default() },
            Errno::EINVAL,
            "interval-us 1",
        ),
        (9, Settings::default(), Errno::ENODEV, "there is no device 9"),
        (
            0,
            Settings { source: Some("x".repeat(31)), ..Settings::default() },
            Errno::EINVAL,
            "there is no source ",
        ),
    ] {
        match client.set(id, &settings) {
            Err(Error::Refused { errno: got, message: Some(message), .. }) => {
                assert_eq!(got, errno, "{settings:?}");
                assert!(message.contains(words), "{settings:?}: {message}");
            }
            other => panic!("{settings:?}: {other:?}"),
        }
    }
    // Longer than any source's name: the kernel's attribute policy refuses it.
    let long = Settings { source: Some("x".repeat(40)), ..Settings::default() };
    let refused = client.set(0, &long).unwrap_err();
    assert!(matches!(refused, Error::Refused { errno: Errno::EINVAL, .. }), "{refused:?}");
}
