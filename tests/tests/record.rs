// SPDX-License-Identifier: MIT OR Apache-2.0
//! `dmaframe record`: what ends a recording leaves a file that opens and says where it ends.

use dmaframe::sysfs::{Attribute, Attributes};
use dmaframe::{FrameData, Frames};
use dmaframe_record::{Ending, Reason, Recording};
use dmaframe_tests::process::{Done, Run};
use dmaframe_tests::{BoardLock, driver, wait};
use nix::mount::{MsFlags, mount, umount};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::fs;
use std::io::{Read, Write};
use std::path::Path;

/// What a recording holds.
struct Found {
    frames: u64,
    lost: u64,
    ending: Ending,
}

/// Reads a recording as an application reads a stream. Every gap must be reported.
fn read<F: Frames>(frames: &mut F) -> (u64, u64) {
    let (mut count, mut lost, mut next) = (0, 0, 0);
    while let Some(frame) = frames.next_frame().unwrap() {
        assert_eq!(frame.sequence(), next + frame.lost(), "frame {count}");
        assert_eq!(frame.len(), 4096);
        next = frame.sequence() + 1;
        count += 1;
        lost += frame.lost();
    }
    (count, lost)
}

fn found(path: &str) -> Found {
    let mut recording = Recording::open(Path::new(path)).unwrap();
    let (frames, lost) = read(&mut recording);
    Found { frames, lost, ending: recording.ending().unwrap().clone() }
}

/// The summary of a recording.
fn summary(done: &Done) -> Value {
    serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{error}: {done:?}"))
}

fn wait_for(attribute: Attribute, least: u64) {
    let sysfs = Attributes::of(0);
    wait::until("frames", || {
        let running = sysfs.read(Attribute::State).unwrap() == "running";
        (running && sysfs.number(attribute).unwrap() >= least).then_some(())
    });
}

#[test]
fn every_format_is_recorded() {
    let _board = BoardLock::acquire();
    for (format, options) in [
        ("npy", &[][..]),
        ("pcapng", &[]),
        ("raw", &[]),
        ("sigmf", &[]),
        ("vcd", &["--channels", "0,1=ONE"]),
        ("sr", &["--channels", "0-7"]),
        ("wav", &["--rate", "96000", "--interleaved", "2"]),
    ] {
        let file = format!("/tmp/recording.{format}");
        let arguments = [&["record", "--frames", "20"], options, &[&file]].concat();
        let done = Run::dmaframe(&arguments).finish();
        assert_eq!(done.status.code(), Some(0), "{format}: {done:?}");
        assert!(done.stdout.starts_with("frames=20 lost=0 bytes="), "{format}: {done:?}");
        if ["npy", "pcapng", "raw"].contains(&format) {
            let found = found(&file);
            assert_eq!((found.frames, found.ending), (20, Ending::complete()), "{format}");
            // The same frames in another format, and given as a device gives them.
            let other = format!("{file}.raw");
            for command in [&["convert"][..], &["replay", "--fast"]] {
                let done = Run::dmaframe(&[command, &[&file, &other]].concat()).finish();
                assert_eq!(done.status.code(), Some(0), "{format}: {done:?}");
                assert_eq!(fs::metadata(&other).unwrap().len(), 20 * (64 + 4096), "{format}");
            }
            fs::remove_file(other).unwrap();
        }
        let _ = fs::remove_file(&file);
    }
}

/// The reader of a pipe is slow, and the source does not wait.
#[test]
fn losses_are_in_the_file() {
    let _board = BoardLock::acquire();
    let (fifo, file) = ("/tmp/recorded", "/tmp/losses.pcapng");
    nix::unistd::mkfifo(fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let dropping = ["--policy", "drop", "--interval-us", "1000", "--slots", "4", "--json"];
    let arguments =
        [&["record", "--format", "pcapng", "--frames", "200"], &dropping[..], &[fifo]].concat();
    let running = Run::dmaframe(&arguments).start();
    let mut reader = fs::File::open(fifo).unwrap();
    let mut copy = fs::File::create(file).unwrap();
    for lost in [20, 40, 60] {
        wait_for(Attribute::Lost, lost);
        // More than the pipe and the ring hold, so that the next frame follows the gap.
        let mut part = vec![0; 200_000];
        reader.read_exact(&mut part).unwrap();
        copy.write_all(&part).unwrap();
    }
    std::io::copy(&mut reader, &mut copy).unwrap();
    let summary = summary(&running.finish());
    let found = found(file);
    assert_eq!((&summary["frames"], found.frames), (&200.into(), 200));
    assert!(found.lost >= 60, "{} lost", found.lost);
    assert_eq!((&summary["lost"], found.ending), (&found.lost.into(), Ending::complete()));
    fs::remove_file(fifo).unwrap();
    fs::remove_file(file).unwrap();
}

#[test]
fn a_full_disk_leaves_a_file_that_opens() {
    let _board = BoardLock::acquire();
    let disk = "/tmp/full";
    fs::create_dir_all(disk).unwrap();
    mount(Some("tmpfs"), disk, Some("tmpfs"), MsFlags::empty(), Some("size=1m")).unwrap();
    for format in ["npy", "pcapng"] {
        let file = format!("{disk}/recording.{format}");
        let done = Run::dmaframe(&["record", "--json", &file]).finish();
        assert_eq!(done.status.code(), Some(1), "{done:?}");
        assert!(done.stderr.contains("No space left"), "{done:?}");
        let found = found(&file);
        assert_eq!(found.ending.reason, Reason::Full, "{format}");
        assert_eq!(summary(&done)["frames"], found.frames, "{format}");
        // All but the last part of the disk.
        assert!(found.frames > 240, "{format}: {} frames", found.frames);
        fs::remove_file(&file).unwrap();
    }
    umount(disk).unwrap();
}

#[test]
fn a_signal_and_a_device_that_goes_leave_files_that_open() {
    let _board = BoardLock::acquire();
    for (reason, status) in [(Reason::Interrupted, 0), (Reason::Device, 1)] {
        let file = "/tmp/ended.npy";
        let running = Run::dmaframe(&["record", "--json", "--interval-us", "1000", file]).start();
        wait_for(Attribute::Frames, 20);
        if reason == Reason::Device {
            driver::unbind().unwrap();
        } else {
            running.signal(Signal::SIGINT);
        }
        let done = running.finish();
        assert_eq!(done.status.code(), Some(status), "{done:?}");
        let found = found(file);
        assert_eq!(found.ending.reason, reason, "{}", found.ending);
        assert_eq!(summary(&done)["frames"], found.frames);
        assert!(found.frames >= 19, "{} frames", found.frames);
        fs::remove_file(file).unwrap();
    }
}

#[test]
fn a_refused_recording_leaves_the_file_alone() {
    let _board = BoardLock::acquire();
    let file = "/tmp/precious.wav";
    fs::write(file, "precious").unwrap();
    for (options, words) in [
        (&["--slots", "3"][..], "slots 3 is not a power of two"),
        (&[], "wav needs the rate of the words"),
        (&["--rate", "1", "--interleaved", "3"], "no whole number of samples of 3 channels"),
        (&["--format", "sr", "--channels", "40"], "bit 40 is not in a word"),
        (&["--format", "pcapng", "--frame-bytes", "1M", "--slots", "4"], "at most 262080 bytes"),
    ] {
        let done = Run::dmaframe(&[&["record", file], options].concat()).finish();
        assert_eq!(done.status.code(), Some(1), "{done:?}");
        assert!(done.stderr.contains(words), "{done:?}");
        assert_eq!(fs::read_to_string(file).unwrap(), "precious", "{options:?}");
    }
    let done = Run::of("sh", &["-c", "dmaframe record --format npy - | cat"]).finish();
    assert!(done.stderr.contains("npy needs a file that can be rewound"), "{done:?}");
    fs::remove_file(file).unwrap();
}
