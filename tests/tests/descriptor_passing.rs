// SPDX-License-Identifier: MIT OR Apache-2.0
//! An open device in other hands: forked, duplicated, sent, inherited by another program. The
//! stream goes on, the last holder keeps the device, and nobody keeps more.

use dmaframe_tests::background_stream::check_streams;
use dmaframe_tests::frames::{Account, SHAPE};
use dmaframe_tests::process::{Run, Running, tell};
use dmaframe_tests::raw::{GOOD, Raw};
use dmaframe_tests::{BackgroundStream, BoardLock, DEVICES, scm_rights, wait};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, dup};
use std::fs::OpenOptions;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixDatagram;
use std::process::ChildStdin;

/// A program that was given the device.
struct Receiver {
    running: Running,
    input: ChildStdin,
}

impl Receiver {
    /// One that finds `given` open when it begins.
    fn with(how: &str, given: impl AsFd) -> Self {
        // Unlike the original, the duplicate is not closed by exec(2).
        let left: OwnedFd = dup(given).unwrap();
        let descriptor = left.as_raw_fd().to_string();
        let (running, input) = Run::of("continue_stream", &[how, &descriptor]).start_with_input();
        Self { running, input }
    }

    /// The sequence numbers of the first of `frames` frames, and after the last.
    fn take(&mut self, how: &str, frames: u64) -> (u64, u64) {
        let line = self.ask(&format!("{how} {frames}"));
        let (first, next) = line.split_once(' ').unwrap();
        (first.parse().unwrap(), next.parse().unwrap())
    }

    fn ask(&mut self, command: &str) -> String {
        tell(&mut self.input, command);
        self.running.line()
    }

    fn end(self) {
        drop(self.input);
        let done = self.running.finish();
        assert!(done.status.success(), "{done:?}");
    }
}

/// Reads `frames` frames.
fn read(raw: &Raw, account: &mut Account, frames: u64) {
    let mut frame = [0; 4160];
    for _ in 0..frames {
        (&mut raw.file()).read_exact(&mut frame).unwrap();
        account.take_bytes(&frame);
    }
}

fn taken() -> bool {
    match Raw::try_open(DEVICES[0], 0) {
        Ok(_) => false,
        Err(Errno::EBUSY) => true,
        Err(errno) => panic!("{}: {errno}", DEVICES[0]),
    }
}

/// Reader and receiver take turns, in one stream without a gap.
#[test]
fn by_exec() {
    let _board = BoardLock::acquire();
    let background = BackgroundStream::start(DEVICES[1]);
    let (raw, _) = Raw::streaming(DEVICES[0], GOOD);
    let mut account = Account::new(SHAPE, raw.stats().stream);
    read(&raw, &mut account, 20);
    let mut receiver = Receiver::with("inherited", raw.as_fd());
    assert_eq!(receiver.take("read", 50), (20, 70));
    account.next = 70;
    read(&raw, &mut account, 30);
    assert_eq!(receiver.take("map", 100), (100, 200));

    // It is the receiver's alone now.
    drop(raw);
    assert!(taken());
    assert_eq!(receiver.take("read", 100), (200, 300));
    receiver.end();
    assert!(!taken());
    background.finish();
    check_streams(&DEVICES);
}

#[test]
fn by_fork() {
    let _board = BoardLock::acquire();
    let (raw, _) = Raw::streaming(DEVICES[0], GOOD);
    let mut receiver = Receiver::with("inherited", raw.as_fd());
    drop(raw);
    for round in 0..10 {
        assert_eq!(receiver.take("fork", 40), (round * 80, round * 80 + 40));
        assert_eq!(receiver.take("map", 40), (round * 80 + 40, round * 80 + 80));
    }
    assert!(taken());
    receiver.end();
    assert!(!taken());
    check_streams(&DEVICES[..1]);
}

#[test]
fn by_a_socket() {
    let _board = BoardLock::acquire();
    let (raw, _) = Raw::streaming(DEVICES[0], GOOD);
    let (ours, theirs) = UnixDatagram::pair().unwrap();
    let mut receiver = Receiver::with("received", &theirs);
    drop(theirs);
    scm_rights::send(&ours, &raw).unwrap();
    drop((raw, ours));
    assert_eq!(receiver.take("read", 100), (0, 100));
    assert_eq!(receiver.take("map", 100), (100, 200));
    assert!(taken());
    receiver.end();
    assert!(!taken());
    check_streams(&DEVICES[..1]);
}

/// On its way a file is open, and nowhere else.
#[test]
fn by_a_socket_that_nobody_reads() {
    let _board = BoardLock::acquire();
    let (raw, _) = Raw::streaming(DEVICES[0], GOOD);
    let stream = raw.stats().stream;
    let (ours, theirs) = UnixDatagram::pair().unwrap();
    scm_rights::send(&ours, &raw).unwrap();
    drop(raw);
    assert!(taken());
    let raw = Raw::from(std::fs::File::from(scm_rights::receive(&theirs).unwrap()));
    read(&raw, &mut Account::new(SHAPE, stream), 50);
    scm_rights::send(&ours, &raw).unwrap();
    drop(raw);
    assert!(taken());
    drop((ours, theirs));
    wait::until("the device to be free", || (!taken()).then_some(()));

    // Sent through the very socket that it is in: only the kernel can find that nobody has it.
    let (ours, theirs) = UnixDatagram::pair().unwrap();
    let (raw, _) = Raw::streaming(DEVICES[0], GOOD);
    scm_rights::send(&ours, &theirs).unwrap();
    scm_rights::send(&ours, &raw).unwrap();
    drop((raw, theirs, ours));
    wait::until("the device to be free", || {
        // Another socket's end makes the kernel look for the lost ones.
        drop(UnixDatagram::pair());
        (!taken()).then_some(())
    });
    check_streams(&DEVICES[..1]);
}

#[test]
fn by_a_duplicate() {
    let _board = BoardLock::acquire();
    let (raw, _) = Raw::streaming(DEVICES[0], GOOD);
    let copy = Raw::from(raw.file().try_clone().unwrap());
    let mut account = Account::new(SHAPE, raw.stats().stream);
    for _ in 0..20 {
        read(&raw, &mut account, 3);
        read(&copy, &mut account, 3);
    }
    drop(raw);
    read(&copy, &mut account, 20);
    // Another name of the same file is another opener.
    let name = format!("/proc/self/fd/{}", copy.as_fd().as_raw_fd());
    assert_eq!(Raw::try_open(&name, 0).map(drop), Err(Errno::EBUSY));
    drop(copy);
    // A file that is named, and not opened, takes nothing.
    let named = OpenOptions::new().read(true).custom_flags(libc::O_PATH).open(DEVICES[0]).unwrap();
    assert!(!taken());
    drop(named);
    check_streams(&DEVICES[..1]);
}

/// A process that has a mapping, and no file, keeps the device until it is gone.
#[test]
fn by_a_mapping_alone() {
    let _board = BoardLock::acquire();
    let background = BackgroundStream::start(DEVICES[1]);
    for _ in 0..5 {
        let (raw, _) = Raw::streaming(DEVICES[0], GOOD);
        let mut receiver = Receiver::with("inherited", raw.as_fd());
        drop(raw);
        let child = Pid::from_raw(receiver.ask("bequeath").parse().unwrap());
        receiver.take("map", 20);
        receiver.end();
        assert!(taken());
        kill(child, Signal::SIGKILL).unwrap();
        wait::until("the device to be free", || (!taken()).then_some(()));
    }
    background.finish();
    check_streams(&DEVICES);
}
