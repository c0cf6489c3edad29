// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sources and nodes of the overlays in `tests/overlay`, which only this test's guest has.

use dmaframe::netlink::{Client, Settings};
use dmaframe::{Device, Error, Shape, ShapeError, Stats};
use dmaframe_tests::frames::{SHAPE, next, source, start};
use dmaframe_tests::kernel_log::KernelLog;
use dmaframe_tests::process::Run;
use dmaframe_tests::{BoardLock, DEVICES, driver};
use nix::errno::Errno;
use std::path::Path;

/// 2048 reads.
const FRAME_BYTES: u32 = 8192;

fn shape(name: &str, frame_bytes: u32) -> Shape {
    Shape { source: source(DEVICES[0], name), frame_bytes, ..SHAPE }
}

/// Takes 40 frames. Returns how many of the frames that the driver published are marked as too
/// fast, and the counters at the end.
fn marked(shape: Shape) -> (u64, Stats) {
    let mut stream = start(DEVICES[0], shape);
    let mut marked = 0;
    for _ in 0..40 {
        marked += u64::from(next(&mut stream).too_fast());
    }
    stream.stop().unwrap();
    while let Some(frame) = stream.next().unwrap() {
        marked += u64::from(frame.too_fast());
    }
    (marked, stream.stats().unwrap())
}

#[test]
fn frames_that_are_too_fast_are_marked_counted_and_logged_once() {
    let _board = BoardLock::acquire();
    // The limit on messages is fresh after a bind.
    driver::unbind().unwrap();
    driver::bind().unwrap();
    let log = KernelLog::from_now();
    let (marked, stats) = marked(shape("i2s", FRAME_BYTES));
    assert_eq!((marked, stats.too_fast), (stats.frames, stats.frames), "{stats:?}");
    // They are no errors of the engine, and no losses.
    assert_eq!((stats.errors, stats.lost, stats.fault), (0, 0, 0), "{stats:?}");

    let sysfs = std::fs::read_to_string("/sys/class/misc/dmaframe0/too_fast").unwrap();
    assert_eq!(sysfs.trim_end().parse(), Ok(stats.too_fast));
    let attributes = Client::connect().unwrap().device(0).unwrap();
    assert_eq!(attributes.too_fast, Some(stats.too_fast));

    let mut messages = log.messages();
    messages.retain(|message| message.contains("'i2s'"));
    assert_eq!(messages.len(), 1, "{messages:?}");
    for words in
        ["dmaframe0: source 'i2s': frame 0 took ", " us, where its rate needs 204800000 us"]
    {
        assert!(messages[0].contains(words), "{messages:?}");
    }
}

#[test]
fn frames_that_are_slow_enough_or_cannot_be_judged_are_not_marked() {
    let _board = BoardLock::acquire();
    for (name, frame_bytes, too_fast) in [
        // Slower than the shortest plausible time.
        ("smi", FRAME_BYTES, false),
        // Half of 2.6 us is less than two ticks.
        ("smi", 1040, false),
        // 255 reads, and 256.
        ("i2s", 1020, false),
        ("i2s", 1024, true),
        // No rate.
        ("systimer", FRAME_BYTES, false),
    ] {
        let (marked, stats) = marked(shape(name, frame_bytes));
        let expected = if too_fast { stats.frames } else { 0 };
        let what = format!("{name}, {frame_bytes} bytes: {stats:?}");
        assert_eq!((marked, stats.too_fast), (expected, expected), "{what}");
    }
}

#[test]
fn the_command_counts_frames_that_are_too_fast_as_errors() {
    let _board = BoardLock::acquire();
    let arguments = ["stream", "--source", "i2s", "--frame-bytes", "8K", "--frames", "5"];
    let done = Run::dmaframe(&arguments).finish();
    assert_eq!(done.status.code(), Some(1), "{done:?}");
    assert_eq!(done.stdout, "frames=5 lost=0 bytes=40960 errors=5\n");
    for words in ["frame 0: it took ", "the source needs 204800000 us: the DREQ may be stuck"] {
        assert!(done.stderr.contains(words), "{done:?}");
    }

    let done = Run::dmaframe(&["info"]).finish();
    let row = done.stdout.lines().find(|line| line.trim_start().starts_with("smi "));
    let row: Vec<_> = row.unwrap_or_default().split_whitespace().collect();
    assert_eq!(row[..6], ["smi", "0x7e60000c", "4", "4", "4", "100000000"], "{done:?}");
}

#[test]
fn a_payload_that_needs_too_many_transfers_is_refused() {
    const MOST: u32 = 624;
    let _board = BoardLock::acquire();
    let device = Device::open(DEVICES[0]).unwrap();
    let counter = device.source("counter").unwrap();
    assert_eq!((counter.bytes, counter.increments), (8, true));
    assert_eq!((counter.frame_bytes_max, counter.frame_bytes), (MOST, MOST));
    for bytes in [MOST + 4, 4096] {
        let reason =
            match device.configure(Shape { source: counter.index, frame_bytes: bytes, ..SHAPE }) {
                Err(Error::Shape { reason, .. }) => reason,
                other => panic!("{bytes} bytes: {other:?}"),
            };
        assert_eq!(reason, ShapeError::FrameLimit { bytes, most: MOST });
    }
    let settings = Settings {
        source: Some("counter".to_owned()),
        frame_bytes: Some(4096),
        ..Settings::default()
    };
    match Client::connect().unwrap().set(0, &settings) {
        Err(Error::Refused { errno: Errno::EINVAL, message: Some(message), .. }) => {
            assert_eq!(message, "frame-bytes 4096 is over the source's limit of 624");
        }
        other => panic!("{other:?}"),
    }
    drop(device);

    let mut stream = start(DEVICES[0], shape("counter", MOST));
    let mut last = 0;
    for _ in 0..100 {
        let frame = next(&mut stream);
        for pair in frame.as_slice_of::<[u32; 2]>().unwrap() {
            // The guest does not run for the 71 minutes until CLO wraps.
            assert!(pair[0] >= last && pair[1] == 0, "{last} before {pair:?}");
            last = pair[0];
        }
    }
    assert!(last > 0);
}

#[test]
fn sources_of_one_name_are_reached_by_their_full_names() {
    let _board = BoardLock::acquire();
    for (name, bus) in [("gpio@7e200034", 0x7e20_0034), ("gpio@7e200038", 0x7e20_0038)] {
        let device = Device::open(DEVICES[0]).unwrap();
        let source = device.source(name).unwrap();
        assert_eq!((&*source.name, source.bus), (name, bus));
        drop(device);
        let mut stream = start(DEVICES[0], Shape { source: source.index, ..SHAPE });
        assert_eq!(u32::from(next(&mut stream).header().source.get()), source.index);
        drop(stream);
        let settings = Settings { source: Some(name.to_owned()), ..Settings::default() };
        Client::connect().unwrap().set(0, &settings).unwrap();
        let done = Run::dmaframe(&["stream", "--frames", "3"]).finish();
        assert_eq!(done.stdout, "frames=3 lost=0 bytes=12288 errors=0\n", "{name}: {done:?}");
    }
    // Neither has the short name, and it is not a guess.
    match Device::open(DEVICES[0]).unwrap().source("gpio") {
        Err(Error::NoSource { known, .. }) => {
            assert!(known.iter().filter(|name| name.starts_with("gpio@")).count() == 2);
        }
        other => panic!("{other:?}"),
    }
}

/// The error and the messages of an attempt to bind the driver to a node.
fn refusal(device: &str) -> (Option<i32>, String) {
    let log = KernelLog::from_now();
    let error = driver::bind_other(device).expect_err(device).raw_os_error();
    (error, log.messages().join("\n"))
}

#[test]
fn a_channel_of_the_controllers_mask_is_refused() {
    let _board = BoardLock::acquire();
    let (error, messages) = refusal("3f007800.dmaframe");
    assert_eq!(error, Some(Errno::EBUSY as i32), "{messages}");
    let words = "DMA channel 8 is in brcm,dma-channel-mask 0x7f05 of the controller's node, \
        so bcm2835-dma uses it too: take it out of the mask";
    assert!(messages.contains(words), "{messages}");
    assert!(!Path::new("/dev/dmaframe2").exists());
    // The other node's channels work.
    for device in DEVICES {
        let mut stream = start(device, SHAPE);
        for sequence in 0..40 {
            assert_eq!(next(&mut stream).sequence(), sequence);
        }
    }
}

#[test]
fn a_rate_that_is_out_of_bounds_or_without_a_dreq_is_refused() {
    let _board = BoardLock::acquire();
    for (device, words) in [
        (
            "3f007900.dmaframe",
            "source 'i2s': dmaframe,rate-hz needs dmaframe,dreq: add it, or remove the rate",
        ),
        (
            "3f007a00.dmaframe",
            "source 'smi': dmaframe,rate-hz = 100000001 is refused by the binding",
        ),
    ] {
        let (error, messages) = refusal(device);
        assert_eq!(error, Some(Errno::EINVAL as i32), "{messages}");
        assert!(messages.contains(words), "{messages}");
    }
}

/// The checks that look at every source pass, and none of those of the rate is skipped.
#[test]
fn the_sources_comply() {
    let _board = BoardLock::acquire();
    for (only, skipped) in [
        ("2", true),
        ("5.18", false),
        ("5.19", false),
        ("10", true),
        ("19.19", false),
        ("20", true),
    ] {
        let done = Run::of("dmaframe-compliance", &["--only", only, "--json"]).finish();
        assert_eq!(done.status.code(), Some(0), "{only}: {done:?}");
        let report: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
        let counts = &report["counts"];
        assert_eq!(counts["failed"], 0, "{only}: {report}");
        assert!(skipped || counts["skipped"] == 0, "{only}: {report}");
    }
}
