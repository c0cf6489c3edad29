// SPDX-License-Identifier: MIT OR Apache-2.0
//! An open device that is passed on by fork, dup, SCM_RIGHTS or exec. The stream continues, and the
//! device is busy until the last process closes it.

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

/// The program `continue_stream` with the device.
struct Receiver {
    running: Running,
    input: ChildStdin,
}

impl Receiver {
    /// Starts the program with `given` as an open descriptor.
    fn start(how: &str, given: impl AsFd) -> Self {
        // exec(2) closes the original, but not the duplicate.
        let left: OwnedFd = dup(given).unwrap();
        let descriptor = left.as_raw_fd().to_string();
        let (running, input) = Run::of("continue_stream", &[how, &descriptor]).start_with_input();
        Self { running, input }
    }

    /// Takes `frames` frames. Returns the sequence number of the first and the one after the last.
    fn take(&mut self, how: &str, frames: u64) -> (u64, u64) {
        let line = self.command(&format!("{how} {frames}"));
        let (first, next) = line.split_once(' ').unwrap();
        (first.parse().unwrap(), next.parse().unwrap())
    }

    fn command(&mut self, command: &str) -> String {
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

fn is_busy() -> bool {
    match Raw::try_open(DEVICES[0], 0) {
        Ok(_) => false,
        Err(Errno::EBUSY) => true,
        Err(errno) => panic!("{}: {errno}", DEVICES[0]),
    }
}

/// Two programs take turns in one stream without a gap.
#[test]
fn a_stream_continues_after_exec() {
    let _board = BoardLock::acquire();
    let background = BackgroundStream::start(DEVICES[1]);
    let (raw, _) = Raw::streaming(DEVICES[0], GOOD);
    let mut account = Account::new(SHAPE, raw.stats().stream);
    read(&raw, &mut account, 20);
    let mut receiver = Receiver::start("inherited", raw.as_fd());
    assert_eq!(receiver.take("read", 50), (20, 70));
    account.next = 70;
    read(&raw, &mut account, 30);
    assert_eq!(receiver.take("map", 100), (100, 200));

    // Now only the receiver has the device.
    drop(raw);
    assert!(is_busy());
    assert_eq!(receiver.take("read", 100), (200, 300));
    receiver.end();
    assert!(!is_busy());
    background.finish();
    check_streams(&DEVICES);
}

#[test]
fn a_stream_continues_after_fork() {
    let _board = BoardLock::acquire();
    let (raw, _) = Raw::streaming(DEVICES[0], GOOD);
    let mut receiver = Receiver::start("inherited", raw.as_fd());
    drop(raw);
    for round in 0..10 {
        assert_eq!(receiver.take("fork", 40), (round * 80, round * 80 + 40));
        assert_eq!(receiver.take("map", 40), (round * 80 + 40, round * 80 + 80));
    }
    assert!(is_busy());
    receiver.end();
    assert!(!is_busy());
    check_streams(&DEVICES[..1]);
}

#[test]
fn a_stream_continues_after_scm_rights() {
    let _board = BoardLock::acquire();
    let (raw, _) = Raw::streaming(DEVICES[0], GOOD);
    let (ours, theirs) = UnixDatagram::pair().unwrap();
    let mut receiver = Receiver::start("received", &theirs);
    drop(theirs);
    scm_rights::send(&ours, &raw).unwrap();
    drop((raw, ours));
    assert_eq!(receiver.take("read", 100), (0, 100));
    assert_eq!(receiver.take("map", 100), (100, 200));
    assert!(is_busy());
    receiver.end();
    assert!(!is_busy());
    check_streams(&DEVICES[..1]);
}

/// A file in a socket keeps the device busy until the socket is gone.
#[test]
fn a_file_in_a_socket_keeps_the_device() {
    let _board = BoardLock::acquire();
    let (raw, _) = Raw::streaming(DEVICES[0], GOOD);
    let stream = raw.stats().stream;
    let (ours, theirs) = UnixDatagram::pair().unwrap();
    scm_rights::send(&ours, &raw).unwrap();
    drop(raw);
    assert!(is_busy());
    let raw = Raw::from(std::fs::File::from(scm_rights::receive(&theirs).unwrap()));
    read(&raw, &mut Account::new(SHAPE, stream), 50);
    scm_rights::send(&ours, &raw).unwrap();
    drop(raw);
    assert!(is_busy());
    drop((ours, theirs));
    wait::until("the device to be free", || (!is_busy()).then_some(()));

    // A socket that is sent through itself, with the file: only the kernel's garbage collection of
    // sockets can find that no process has them.
    let (ours, theirs) = UnixDatagram::pair().unwrap();
    let (raw, _) = Raw::streaming(DEVICES[0], GOOD);
    scm_rights::send(&ours, &theirs).unwrap();
    scm_rights::send(&ours, &raw).unwrap();
    drop((raw, theirs, ours));
    wait::until("the device to be free", || {
        // Closing another socket starts the garbage collection.
        drop(UnixDatagram::pair());
        (!is_busy()).then_some(())
    });
    check_streams(&DEVICES[..1]);
}

#[test]
fn a_duplicate_shares_the_stream() {
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
    // Opening the file by another name is a second open.
    let name = format!("/proc/self/fd/{}", copy.as_fd().as_raw_fd());
    assert_eq!(Raw::try_open(&name, 0).map(drop), Err(Errno::EBUSY));
    drop(copy);
    // O_PATH does not open the device.
    let named = OpenOptions::new().read(true).custom_flags(libc::O_PATH).open(DEVICES[0]).unwrap();
    assert!(!is_busy());
    drop(named);
    check_streams(&DEVICES[..1]);
}

/// A process that has a mapping and no file keeps the device busy until it ends.
#[test]
fn a_mapping_alone_keeps_the_device() {
    let _board = BoardLock::acquire();
    let background = BackgroundStream::start(DEVICES[1]);
    for _ in 0..5 {
        let (raw, _) = Raw::streaming(DEVICES[0], GOOD);
        let mut receiver = Receiver::start("inherited", raw.as_fd());
        drop(raw);
        let child = Pid::from_raw(receiver.command("keep-mapping").parse().unwrap());
        receiver.take("map", 20);
        receiver.end();
        assert!(is_busy());
        kill(child, Signal::SIGKILL).unwrap();
        wait::until("the device to be free", || (!is_busy()).then_some(()));
    }
    background.finish();
    check_streams(&DEVICES);
}
