// SPDX-License-Identifier: MIT OR Apache-2.0
//! sysfs attributes: each file has one value, which root can change while no stream uses the
//! device.

use dmaframe::sysfs::{Attribute, Attributes};
use dmaframe::{Device, Shape};
use dmaframe_abi::uapi::{self, Config};
use dmaframe_tests::board_lock::DEFAULTS;
use dmaframe_tests::frames::{Account, SHAPE};
use dmaframe_tests::process::{Run, User};
use dmaframe_tests::raw::{GOOD, Raw};
use dmaframe_tests::{BoardLock, DEVICES};
use nix::errno::Errno;
use std::fs;

const SETTINGS: [Attribute; 5] = [
    Attribute::Source,
    Attribute::FrameBytes,
    Attribute::Slots,
    Attribute::Policy,
    Attribute::IntervalUs,
];

fn path(id: u32, name: &str) -> String {
    format!("/sys/class/misc/dmaframe{id}/{name}")
}

fn write(id: u32, attribute: Attribute, value: &str) -> Result<(), Errno> {
    let written = fs::write(path(id, attribute.name()), value);
    written.map_err(|error| Errno::from_raw(error.raw_os_error().unwrap()))
}

#[test]
fn each_attribute_is_one_line() {
    let _board = BoardLock::acquire();
    for id in [0, 1] {
        for attribute in Attribute::ALL {
            let text = fs::read_to_string(path(id, attribute.name())).unwrap();
            let name = attribute.name();
            assert!(text.len() > 1 && text.ends_with('\n'), "{name}: {text:?}");
            assert_eq!(text.lines().count(), 1, "{name}: {text:?}");
        }
    }
}

#[test]
fn settings_are_initially_those_of_the_device_tree() {
    let _board = BoardLock::acquire();
    for id in [0, 1] {
        for (attribute, value) in DEFAULTS {
            let name = attribute.name();
            assert_eq!(Attributes::of(id).read(attribute).unwrap(), value, "{name} of {id}");
        }
        assert_eq!(Attributes::of(id).read(Attribute::State).unwrap(), "idle");
    }
}

#[test]
fn the_next_stream_uses_the_settings() {
    let _board = BoardLock::acquire();
    let sysfs = Attributes::of(1);
    for (attribute, value) in [
        (Attribute::IntervalUs, "2000"),
        (Attribute::Policy, "drop"),
        (Attribute::FrameBytes, "8000\n"),
        (Attribute::Slots, "32"),
        (Attribute::Source, "systimer\n"),
    ] {
        sysfs.write(attribute, value).unwrap();
        assert_eq!(sysfs.read(attribute).unwrap(), value.trim_end());
    }
    let raw = Raw::open(DEVICES[1]);
    let config = raw.exchange(uapi::GET_CONFIG, Config::default()).unwrap();
    let expected = Config {
        source: 1,
        frame_bytes: 8000,
        slots: 32,
        policy: 1,
        interval_us: 2000,
        ..Config::default()
    };
    assert_eq!(config, expected);
    // The settings of the other device are unchanged.
    assert_eq!(Attributes::of(0).read(Attribute::Slots).unwrap(), "16");
}

#[test]
fn invalid_values_are_refused_and_change_nothing() {
    let _board = BoardLock::acquire();
    for (attribute, values) in [
        (Attribute::Source, &["", "none", "pattern2", "Pattern", "0", "pattern gpio"][..]),
        (
            Attribute::FrameBytes,
            &["", "0", "2", "4098", "16777220", "4294967296", "-4", "4k", "0x1000", "4 4"],
        ),
        (Attribute::Slots, &["", "0", "1", "3", "2048", "-2", "sixteen", "16.0"]),
        (Attribute::Policy, &["", "0", "Drop", "none", "dropped"]),
        (Attribute::IntervalUs, &["", "1", "49", "60000001", "4294967296", "-1", "1ms"]),
    ] {
        for value in values {
            let before = Attributes::of(0).read(attribute).unwrap();
            let name = attribute.name();
            // write(2) of 0 bytes does not reach the driver; an empty line does.
            let written = if value.is_empty() { "\n" } else { value };
            assert_eq!(write(0, attribute, written), Err(Errno::EINVAL), "{name} {value:?}");
            assert_eq!(Attributes::of(0).read(attribute).unwrap(), before, "{name} {value:?}");
        }
    }
    // Values that are invalid only together.
    assert_eq!(write(0, Attribute::Policy, "drop"), Err(Errno::EINVAL), "drop unpaced");
    assert_eq!(write(0, Attribute::IntervalUs, "1000"), Ok(()));
    assert_eq!(write(0, Attribute::Policy, "drop"), Ok(()));
    assert_eq!(write(0, Attribute::IntervalUs, "0"), Err(Errno::EINVAL), "unpaced drop");
    assert_eq!(write(0, Attribute::FrameBytes, "16777216"), Err(Errno::EINVAL), "ring too long");
}

#[test]
fn settings_cannot_change_while_a_stream_uses_them() {
    let _board = BoardLock::acquire();
    let raw = Raw::open(DEVICES[0]);
    // An open device without a stream does not use the settings.
    assert_eq!(write(0, Attribute::Slots, "8"), Ok(()));
    raw.configure(Config { source: 2, slots: 4, frame_bytes: 64, ..GOOD }).unwrap();
    // The attributes show the values of the stream.
    for (attribute, value) in
        [(Attribute::Source, "gpio"), (Attribute::Slots, "4"), (Attribute::FrameBytes, "64")]
    {
        assert_eq!(Attributes::of(0).read(attribute).unwrap(), value);
    }
    for attribute in SETTINGS {
        let value = Attributes::of(0).read(attribute).unwrap();
        assert_eq!(write(0, attribute, &value), Err(Errno::EBUSY), "{}", attribute.name());
    }
    assert_eq!(write(1, Attribute::Slots, "8"), Ok(()), "the other device is free");
    drop(raw);
    assert_eq!(Attributes::of(0).read(Attribute::Slots).unwrap(), "8");
    assert_eq!(write(0, Attribute::Slots, "16"), Ok(()));
}

#[test]
fn state_and_counters_cannot_be_written() {
    let _board = BoardLock::acquire();
    for attribute in
        [Attribute::State, Attribute::Frames, Attribute::Lost, Attribute::Bytes, Attribute::Errors]
    {
        assert_eq!(write(0, attribute, "0"), Err(Errno::EACCES), "{}", attribute.name());
    }
}

#[test]
fn only_root_writes_and_everyone_reads() {
    let _board = BoardLock::acquire();
    for user in [User::Member, User::Outsider] {
        for attribute in SETTINGS {
            let file = path(0, attribute.name());
            let read = Run::of("cat", &[&file]).by(user).finish();
            assert!(read.status.success(), "{user:?}: {read:?}");
            let value = Attributes::of(0).read(attribute).unwrap();
            assert_eq!(read.stdout.trim_end(), value);
            let script = format!("echo {value} >{file}");
            let written = Run::of("sh", &["-c", &script]).by(user).finish();
            assert!(!written.status.success(), "{user:?}, {file}");
            assert!(written.stderr.contains("Permission denied"), "{user:?}: {written:?}");
        }
    }
}

#[test]
fn state_and_counters_follow_a_stream() {
    let _board = BoardLock::acquire();
    let sysfs = Attributes::of(0);
    let state = || sysfs.read(Attribute::State).unwrap();
    let device = Device::open(DEVICES[0]).unwrap();
    assert_eq!(state(), "idle");
    let mut stream = device.configure(SHAPE).unwrap();
    assert_eq!(state(), "configured");
    stream.start().unwrap();
    assert_eq!(state(), "running");
    let mut account = Account::of(&stream, SHAPE);
    while account.frames < 100 {
        account.take_next(&mut stream);
    }
    stream.stop().unwrap();
    assert_eq!(state(), "configured");
    let stats = stream.stats().unwrap();
    let numbers = [Attribute::Frames, Attribute::Bytes, Attribute::Lost, Attribute::Errors]
        .map(|attribute| sysfs.number(attribute).unwrap());
    assert_eq!(numbers, [stats.frames, stats.frames * 4096, 0, 0]);
    drop(stream);
    drop(device);
    assert_eq!(state(), "idle");
    // The counters stay until the next stream.
    assert_eq!(sysfs.number(Attribute::Frames).unwrap(), stats.frames);
    let device = Device::open(DEVICES[0]).unwrap();
    let mut stream = device.configure(Shape { interval_us: 60_000_000, ..SHAPE }).unwrap();
    stream.start().unwrap();
    assert_eq!(sysfs.number(Attribute::Frames).unwrap(), 0);
}
