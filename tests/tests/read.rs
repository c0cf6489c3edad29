// SPDX-License-Identifier: MIT OR Apache-2.0
//! read(2): frames with their headers, as a stream of bytes.

use dmaframe::Shape;
use dmaframe::sysfs::{Attribute, Attributes};
use dmaframe_abi::stream::State;
use dmaframe_abi::uapi::{self, Config};
use dmaframe_tests::frames::{Account, SHAPE};
use dmaframe_tests::mapping::{Mapping, PAGE};
use dmaframe_tests::process::{Run, User};
use dmaframe_tests::raw::{GOOD, QUIET, Raw};
use dmaframe_tests::{BoardLock, DEVICES, wait};
use nix::errno::Errno;
use nix::sys::pthread::{pthread_kill, pthread_self};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::unistd::gettid;
use std::fs;
use std::os::fd::AsRawFd;
use std::sync::mpsc::channel;
use std::thread;

/// Bytes of a frame of [`GOOD`], header included.
const FRAME: usize = 64 + 4096;

/// read(2) into any address.
fn read_to(raw: &Raw, address: usize, bytes: usize) -> Result<usize, Errno> {
    let to = std::ptr::with_exposed_provenance_mut(address);
    // SAFETY: callers pass the address of a buffer of at least this length, or an invalid address.
    let read = unsafe { libc::read(raw.file().as_raw_fd(), to, bytes) };
    Errno::result(read).map(|read| read as usize)
}

fn read(raw: &Raw, buffer: &mut [u8]) -> Result<usize, Errno> {
    read_to(raw, buffer.as_mut_ptr().expose_provenance(), buffer.len())
}

/// Waits until all slots are filled.
fn fill(raw: &Raw, slots: u32) {
    wait::until("a full ring", || (raw.stats().frames >= slots.into()).then_some(()));
}

fn account(raw: &Raw, shape: Shape) -> Account {
    Account::new(shape, raw.stats().stream)
}

#[test]
fn the_first_read_starts_a_stream_with_the_devices_settings() {
    let _board = BoardLock::acquire();
    let sysfs = Attributes::of(0);
    sysfs.write(Attribute::FrameBytes, 128).unwrap();
    sysfs.write(Attribute::Slots, 4).unwrap();
    let raw = Raw::open(DEVICES[0]);
    let mut buffer = [0; 192];
    assert_eq!(read(&raw, &mut buffer), Ok(192));
    assert_eq!(raw.stats().state, State::Running as u32);
    let shape = Shape { frame_bytes: 128, slots: 4, ..SHAPE };
    let mut account = account(&raw, shape);
    account.take_bytes(&buffer);
    for _ in 0..1000 {
        assert_eq!(read(&raw, &mut buffer), Ok(192));
        account.take_bytes(&buffer);
    }
    assert_eq!((account.frames, account.lost), (1001, 0));
}

#[test]
fn a_read_returns_as_many_whole_frames_as_fit() {
    let _board = BoardLock::acquire();
    let (raw, _) = Raw::streaming(DEVICES[0], GOOD);
    fill(&raw, 16);
    let mut account = account(&raw, SHAPE);
    let mut buffer = vec![0; 20 * FRAME];
    for (room, frames) in [(FRAME, 1), (2 * FRAME + FRAME / 2, 2), (4 * FRAME - 1, 3)] {
        assert_eq!(read(&raw, &mut buffer[..room]), Ok(frames * FRAME), "room for {room}");
        account.take_bytes(&buffer[..frames * FRAME]);
    }
    // A buffer for more frames than are ready gets the ready ones.
    let some = read(&raw, &mut buffer).unwrap();
    assert!(some >= 2 * FRAME && some % FRAME == 0, "{some}");
    account.take_bytes(&buffer[..some]);
    assert_eq!(account.lost, 0);
}

#[test]
fn a_short_buffer_gets_part_of_a_frame_and_the_next_read_the_rest() {
    let _board = BoardLock::acquire();
    let (raw, _) = Raw::streaming(DEVICES[0], GOOD);
    let mut account = account(&raw, SHAPE);
    for room in [1, 63, 64, 1000, FRAME - 1, FRAME] {
        let mut frame = vec![0; FRAME];
        let mut done = 0;
        while done < FRAME {
            let end = FRAME.min(done + room);
            let bytes = read(&raw, &mut frame[done..end]).unwrap();
            assert_eq!(bytes, end - done, "{room}");
            done = end;
        }
        account.take_bytes(&frame);
    }
    assert_eq!((account.next, account.lost), (6, 0));
}

/// `head`, `od`, `dd` and stdio read 4096 bytes at a time.
#[test]
fn reads_of_4096_bytes_return_a_continuous_stream() {
    let _board = BoardLock::acquire();
    let raw = Raw::open(DEVICES[0]);
    let mut stream = Vec::new();
    let mut buffer = [0; 4096];
    while stream.len() < 100 * FRAME {
        let bytes = read(&raw, &mut buffer).unwrap();
        assert!(bytes > 0);
        stream.extend_from_slice(&buffer[..bytes]);
    }
    let mut account = account(&raw, SHAPE);
    for frame in stream.chunks_exact(FRAME) {
        account.take_bytes(frame);
    }
    assert!(account.frames >= 100 && account.lost == 0);
}

#[test]
fn a_refused_read_starts_no_stream() {
    let _board = BoardLock::acquire();
    let raw = Raw::open(DEVICES[0]);
    assert_eq!(read(&raw, &mut []), Ok(0));
    assert_eq!(read_to(&raw, 0, FRAME), Err(Errno::EFAULT));
    assert_eq!(raw.stats().state, State::Idle as u32);
    drop(raw);
    let raw = Raw::try_open(DEVICES[0], libc::O_NONBLOCK).unwrap();
    assert_eq!(read(&raw, &mut [0; FRAME]), Err(Errno::ENODATA));
    assert_eq!(raw.stats().state, State::Idle as u32);
    raw.configure(GOOD).unwrap();
}

#[test]
fn a_read_into_a_bad_address_loses_no_frame() {
    let _board = BoardLock::acquire();
    let (raw, _) = Raw::streaming(DEVICES[0], GOOD);
    let mut account = account(&raw, SHAPE);
    let gone = Mapping::anonymous(2 * PAGE, libc::PROT_READ).address();
    let read_only = Mapping::anonymous(2 * PAGE, libc::PROT_READ);
    let guarded = Mapping::anonymous(2 * PAGE, libc::PROT_READ | libc::PROT_WRITE);
    protect_second_page(&guarded);
    for address in [0, gone, read_only.address(), guarded.address()] {
        assert_eq!(read_to(&raw, address, FRAME), Err(Errno::EFAULT), "{address:#x}");
    }
    let mut buffer = [0; FRAME];
    assert_eq!(read(&raw, &mut buffer), Ok(FRAME));
    account.take_bytes(&buffer);
    assert_eq!(account.next, 1);
}

fn protect_second_page(mapping: &Mapping) {
    let second = std::ptr::with_exposed_provenance_mut(mapping.address() + PAGE);
    // SAFETY: nothing reads or writes this page.
    assert_eq!(unsafe { libc::mprotect(second, PAGE, libc::PROT_NONE) }, 0);
}

/// A read whose buffer becomes inaccessible returns the frames before that point.
#[test]
fn a_partly_bad_buffer_gets_the_frames_that_fit() {
    let _board = BoardLock::acquire();
    let (raw, _) = Raw::streaming(DEVICES[0], Config { frame_bytes: 1984, ..GOOD });
    fill(&raw, 16);
    let shape = Shape { frame_bytes: 1984, ..SHAPE };
    let mut account = account(&raw, shape);
    let guarded = Mapping::anonymous(2 * PAGE, libc::PROT_READ | libc::PROT_WRITE);
    protect_second_page(&guarded);
    // Two frames fit before the inaccessible page.
    assert_eq!(read_to(&raw, guarded.address(), 3 * 2048), Ok(2 * 2048));
    account.take_bytes(&guarded.copy(0, 2 * 2048));
    let mut buffer = [0; 2048];
    assert_eq!(read(&raw, &mut buffer), Ok(2048));
    account.take_bytes(&buffer);
    assert_eq!((account.next, account.lost), (3, 0));
}

#[test]
fn a_non_blocking_read_without_a_frame_fails_with_eagain() {
    let _board = BoardLock::acquire();
    let raw = Raw::try_open(DEVICES[0], libc::O_NONBLOCK).unwrap();
    raw.configure(QUIET).unwrap();
    raw.request(uapi::START, 0).unwrap();
    let mut buffer = [0; FRAME];
    for _ in 0..3 {
        assert_eq!(read(&raw, &mut buffer), Err(Errno::EAGAIN));
    }
    assert_eq!(raw.stats().state, State::Running as u32);
    assert_eq!(read(&raw, &mut buffer[..100]), Err(Errno::EAGAIN));
}

#[test]
fn a_non_blocking_read_returns_ready_frames() {
    let _board = BoardLock::acquire();
    let raw = Raw::try_open(DEVICES[0], libc::O_NONBLOCK).unwrap();
    raw.configure(GOOD).unwrap();
    raw.request(uapi::START, 0).unwrap();
    let mut account = account(&raw, SHAPE);
    let mut buffer = vec![0; 16 * FRAME];
    while account.frames < 500 {
        match read(&raw, &mut buffer) {
            Ok(bytes) => account.take_bytes(&buffer[..bytes]),
            Err(Errno::EAGAIN) => assert!(!wait::wake(&raw).is_empty(), "no frame came"),
            Err(errno) => panic!("{errno}"),
        }
    }
    assert_eq!(account.lost, 0);
}

#[test]
fn a_read_sleeps_until_a_frame_is_ready() {
    let _board = BoardLock::acquire();
    let (raw, _) = Raw::streaming(DEVICES[0], Config { interval_us: 20_000, ..GOOD });
    let mut account = account(&raw, SHAPE);
    let mut buffer = vec![0; 16 * FRAME];
    for _ in 0..10 {
        let bytes = read(&raw, &mut buffer).unwrap();
        account.take_bytes(&buffer[..bytes]);
    }
    assert!(account.frames >= 10 && account.lost == 0);
}

#[test]
fn after_a_stop_reads_return_the_rest_and_then_0() {
    let _board = BoardLock::acquire();
    let (raw, _) = Raw::streaming(DEVICES[0], GOOD);
    fill(&raw, 16);
    raw.request(uapi::STOP, 0).unwrap();
    let mut account = account(&raw, SHAPE);
    let mut buffer = vec![0; 16 * FRAME];
    let mut all = 0;
    loop {
        match read(&raw, &mut buffer).unwrap() {
            0 => break,
            bytes => {
                account.take_bytes(&buffer[..bytes]);
                all += bytes;
            }
        }
    }
    assert_eq!((all, account.frames), (16 * FRAME, raw.stats().frames));
    assert_eq!(read(&raw, &mut buffer), Ok(0), "again");
    raw.request(uapi::START, 0).unwrap();
    assert!(read(&raw, &mut buffer).unwrap() >= FRAME);
}

/// Runs `during` while another thread sleeps in read(2). Returns the result of that read.
fn while_asleep(
    raw: &Raw,
    during: impl FnOnce(nix::sys::pthread::Pthread),
) -> Result<usize, Errno> {
    let (sender, receiver) = channel();
    thread::scope(|scope| {
        let asleep = scope.spawn(move || {
            sender.send((gettid(), pthread_self())).unwrap();
            read(raw, &mut [0; FRAME])
        });
        let (tid, pthread) = receiver.recv().unwrap();
        wait::asleep(tid);
        during(pthread);
        asleep.join().unwrap()
    })
}

#[test]
fn a_second_read_meanwhile_fails_with_ebusy() {
    let _board = BoardLock::acquire();
    let (raw, _) = Raw::streaming(DEVICES[0], QUIET);
    let first = while_asleep(&raw, |_| {
        assert_eq!(read(&raw, &mut [0; FRAME]), Err(Errno::EBUSY));
        raw.request(uapi::STOP, 0).unwrap();
    });
    assert_eq!(first, Ok(0), "the stop ends the first read");
}

extern "C" fn ignore(_: libc::c_int) {}

#[test]
fn a_signal_interrupts_a_read() {
    let _board = BoardLock::acquire();
    let action = SigAction::new(SigHandler::Handler(ignore), SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler does nothing.
    unsafe { sigaction(Signal::SIGUSR1, &action) }.unwrap();
    let (raw, _) = Raw::streaming(DEVICES[0], QUIET);
    let read = while_asleep(&raw, |thread| pthread_kill(thread, Signal::SIGUSR1).unwrap());
    assert_eq!(read, Err(Errno::EINTR));
}

/// Programs that know nothing of frames, most of which read 4096 bytes at a time.
#[test]
fn ordinary_programs_read_frames() {
    const FRAMES: usize = 50;
    let _board = BoardLock::acquire();
    let bytes = FRAMES * FRAME;
    for command in [
        format!("dd bs={FRAME} count={FRAMES} 2>/dev/null"),
        format!("dd bs=4096 2>/dev/null | head -c {bytes}"),
        format!("head -c {bytes}"),
        format!("cat | head -c {bytes}"),
        format!("xxd -l {bytes} | xxd -r"),
    ] {
        let file = "/tmp/frames";
        let script = format!("{{ {command}; }} >{file} </dev/dmaframe1");
        let done = Run::of("sh", &["-c", &script]).by(User::Root).finish();
        assert!(done.status.success(), "{command}: {done:?}");
        let read = fs::read(file).unwrap();
        fs::remove_file(file).unwrap();
        assert_eq!(read.len(), bytes, "{command}");
        let stream = dmaframe_abi::frame::parse(&read).unwrap().0.stream.get();
        let mut account = Account::new(SHAPE, stream);
        account.take_bytes(&read);
        assert_eq!((account.frames, account.lost), (FRAMES as u64, 0), "{command}");
    }
}
