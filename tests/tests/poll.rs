// SPDX-License-Identifier: MIT OR Apache-2.0
//! Readiness: poll(2), epoll and SIGIO.

use dmaframe_abi::uapi::{self, Config};
use dmaframe_tests::frames::{Account, SHAPE, start};
use dmaframe_tests::raw::{GOOD, QUIET, Raw};
use dmaframe_tests::{BoardLock, DEVICES, LIMIT, wait};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::PollFlags;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use std::os::fd::AsRawFd;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::SeqCst;
use std::task::Poll;

const READABLE: PollFlags = PollFlags::POLLIN.union(PollFlags::POLLRDNORM);

#[test]
fn poll_reports_what_a_read_would_return() {
    let _board = BoardLock::acquire();
    let raw = Raw::open(DEVICES[0]);
    assert_eq!(wait::events(&raw), PollFlags::empty(), "idle");
    raw.configure(QUIET).unwrap();
    assert_eq!(wait::events(&raw), READABLE, "configured: read(2) would give 0");
    raw.request(uapi::START, 0).unwrap();
    assert_eq!(wait::events(&raw), PollFlags::empty(), "running, no frame");
    raw.request(uapi::STOP, 0).unwrap();
    assert_eq!(wait::events(&raw), READABLE, "stopped");
    raw.configure(GOOD).unwrap();
    raw.request(uapi::START, 0).unwrap();
    assert_eq!(wait::wake(&raw), READABLE, "frames");
}

#[test]
fn poll_sleeps_until_a_frame_is_ready() {
    let _board = BoardLock::acquire();
    let shape = dmaframe::Shape { interval_us: 20_000, ..SHAPE };
    let mut stream = start(DEVICES[0], shape);
    let mut account = Account::of(&stream, shape);
    for _ in 0..10 {
        while let Poll::Ready(frame) = stream.try_next().unwrap() {
            let frame = frame.expect("a running stream");
            account.take(frame.header(), &frame);
        }
        // The reader returned the frames without a system call, and poll(2) takes that into
        // account.
        assert_eq!(wait::wake(&stream), READABLE);
        account.take_next(&mut stream);
    }
}

/// Frames that the reader returned without a system call are not reported as ready.
#[test]
fn poll_reads_the_consumer_index() {
    let _board = BoardLock::acquire();
    let raw_shape = Config { interval_us: 1_000_000, ..GOOD };
    let shape = dmaframe::Shape { interval_us: raw_shape.interval_us, ..SHAPE };
    let mut stream = start(DEVICES[0], shape);
    let mut account = Account::of(&stream, shape);
    account.take_next(&mut stream);
    // The next frame is due in a second. If the machine is too slow for that, the loop tries again.
    wait::until("poll to report nothing between two frames", || {
        while let Poll::Ready(Some(frame)) = stream.try_next().unwrap() {
            account.take(frame.header(), &frame);
        }
        let events = wait::events(&stream);
        (events.is_empty() && stream.counters().frames == account.frames).then_some(())
    });
}

#[test]
fn a_stop_wakes_poll() {
    let _board = BoardLock::acquire();
    let (raw, _) = Raw::streaming(DEVICES[0], QUIET);
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let raw = &raw;
        let waiting = scope.spawn(move || {
            sender.send(nix::unistd::gettid()).unwrap();
            wait::wake(raw)
        });
        wait::asleep(receiver.recv().unwrap());
        raw.request(uapi::STOP, 0).unwrap();
        assert_eq!(waiting.join().unwrap(), READABLE);
    });
}

fn epoll_for(raw: &Raw, flags: EpollFlags) -> Epoll {
    let epoll = Epoll::new(EpollCreateFlags::empty()).unwrap();
    epoll.add(raw, EpollEvent::new(flags, 7)).unwrap();
    epoll
}

fn wait_on(epoll: &Epoll, timeout: EpollTimeout) -> Option<EpollEvent> {
    let mut events = [EpollEvent::empty()];
    (epoll.wait(&mut events, timeout).unwrap() > 0).then_some(events[0])
}

#[test]
fn level_triggered_epoll_reports_ready_frames_again() {
    let _board = BoardLock::acquire();
    let raw = Raw::open(DEVICES[0]);
    let epoll = epoll_for(&raw, EpollFlags::EPOLLIN);
    assert_eq!(wait_on(&epoll, EpollTimeout::ZERO), None, "idle");
    raw.configure(GOOD).unwrap();
    raw.request(uapi::START, 0).unwrap();
    let limit = EpollTimeout::try_from(LIMIT).unwrap();
    for _ in 0..3 {
        let event = wait_on(&epoll, limit).expect("an event");
        assert_eq!((event.events(), event.data()), (EpollFlags::EPOLLIN, 7));
    }
}

#[test]
fn edge_triggered_epoll_reports_each_frame() {
    let _board = BoardLock::acquire();
    let raw = Raw::open(DEVICES[0]);
    raw.configure(Config { interval_us: 10_000, slots: 1024, ..GOOD }).unwrap();
    raw.request(uapi::START, 0).unwrap();
    let epoll = epoll_for(&raw, EpollFlags::EPOLLIN | EpollFlags::EPOLLET);
    let limit = EpollTimeout::try_from(LIMIT).unwrap();
    // The reader takes nothing, so only a new frame is a new edge.
    for edge in 0..5 {
        let event = wait_on(&epoll, limit);
        assert!(event.is_some_and(|event| event.events() == EpollFlags::EPOLLIN), "edge {edge}");
    }
}

static SIGNALS: AtomicU32 = AtomicU32::new(0);

extern "C" fn count(_: libc::c_int) {
    SIGNALS.fetch_add(1, SeqCst);
}

#[test]
fn sigio_is_sent_for_each_frame_and_only_while_enabled() {
    let _board = BoardLock::acquire();
    let action = SigAction::new(SigHandler::Handler(count), SaFlags::SA_RESTART, SigSet::empty());
    // SAFETY: the handler only adds to an atomic.
    unsafe { sigaction(Signal::SIGIO, &action) }.unwrap();
    let raw = Raw::open(DEVICES[0]);
    // SAFETY: the owner is this process; the call touches no memory.
    let owned = unsafe { libc::fcntl(raw.file().as_raw_fd(), libc::F_SETOWN, libc::getpid()) };
    assert_eq!(owned, 0);
    let plain = OFlag::from_bits_retain(fcntl(raw.file(), FcntlArg::F_GETFL).unwrap());
    fcntl(raw.file(), FcntlArg::F_SETFL(plain | OFlag::O_ASYNC)).unwrap();
    let received = || SIGNALS.load(SeqCst);

    // No reader takes the frames, so the ring must be long.
    raw.configure(Config { interval_us: 10_000, slots: 1024, ..GOOD }).unwrap();
    raw.request(uapi::START, 0).unwrap();
    for _ in 0..5 {
        let before = received();
        wait::until("a signal", || (received() > before).then_some(()));
    }
    raw.request(uapi::STOP, 0).unwrap();

    // Without O_ASYNC no more signals are sent. The new ring is empty, however long the above took.
    fcntl(raw.file(), FcntlArg::F_SETFL(plain)).unwrap();
    let before = received();
    raw.configure(Config { interval_us: 10_000, slots: 1024, ..GOOD }).unwrap();
    raw.request(uapi::START, 0).unwrap();
    wait::until("frames", || (raw.stats().frames >= 20).then_some(()));
    // One signal may have been in its handler, and another one pending.
    assert!(received() <= before + 2, "{before} before, {} now", received());
}
