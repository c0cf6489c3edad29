// SPDX-License-Identifier: MIT OR Apache-2.0
//! Readiness: poll(2), epoll and SIGIO.

use super::REFERENCE;
use crate::check::{Section, check};
use crate::outcome::{Outcome, equal, holds};
use crate::reader::Reader;
use crate::sleeper::while_asleep;
use crate::target::{LIMIT, Target};
use dmaframe_abi::uapi::Config;
use dmaframe_compliance::raw::Raw;
use dmaframe_compliance::wait;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicI32, AtomicI64, AtomicU32};
use std::time::Duration;

const PLACE: &str = "poll and signals";
const NOTHING: PollFlags = PollFlags::empty();
const READABLE: PollFlags = PollFlags::POLLIN.union(PollFlags::POLLRDNORM);

pub(super) const SECTION: Section = Section {
    number: 12,
    name: "poll and signals",
    document: REFERENCE,
    checks: &[
        check(1, PLACE, "an idle device reports nothing", |target| now(&target.open()?, NOTHING)),
        check(2, PLACE, "a configured stream reports POLLIN | POLLRDNORM", |target| {
            now(&Reader::configured(target, target.quiet())?.raw, READABLE)
        }),
        check(3, PLACE, "a running stream without a frame reports nothing", |target| {
            now(&Reader::started(target, target.quiet())?.raw, NOTHING)
        }),
        check(4, PLACE, "a ready frame reports POLLIN | POLLRDNORM", |target| {
            let reader = Reader::started(target, target.shape())?;
            reader.fill()?;
            now(&reader.raw, READABLE)
        }),
        check(5, PLACE, "a stopped stream reports POLLIN | POLLRDNORM", |target| {
            let reader = Reader::started(target, target.quiet())?;
            reader.stop()?;
            now(&reader.raw, READABLE)
        }),
        check(6, PLACE, "a faulted stream reports POLLERR as well", |target| {
            let reader = Reader::started(target, target.quiet())?;
            reader.write_impossible(reader.producer().wrapping_add(1))?;
            now(&reader.raw, READABLE | PollFlags::POLLERR)
        }),
        check(7, PLACE, "START clears POLLERR", |target| {
            let reader = Reader::started(target, target.quiet())?;
            reader.write_impossible(reader.producer().wrapping_add(1))?;
            reader.set_index(reader.producer());
            reader.start()?;
            now(&reader.raw, NOTHING)
        }),
        check(8, PLACE, "frames returned without a system call are not reported", |target| {
            // The interval is long, so one of the attempts falls between two frames.
            let reader = Reader::started(target, target.paced(1_000_000))?;
            let quiet = || {
                reader.set_index(reader.producer());
                let events = wait::readable(&reader.raw, Duration::ZERO).ok()?;
                (events.is_empty() && reader.producer() > 0).then_some(())
            };
            Ok(wait::until(LIMIT, "poll(2) to report nothing", quiet)?)
        }),
        check(9, PLACE, "poll(2) reports no event that is not in the table", |target| {
            let reader = Reader::started(target, target.shape())?;
            reader.fill()?;
            let all = PollFlags::POLLOUT | PollFlags::POLLWRNORM | PollFlags::POLLPRI | READABLE;
            let mut fds = [PollFd::new(reader.raw.as_fd(), all)];
            poll(&mut fds, PollTimeout::ZERO)?;
            equal("events", fds[0].revents(), Some(READABLE))
        }),
        check(10, PLACE, "poll(2) sleeps until a frame is ready", |target| {
            let reader = Reader::started(target, target.paced(50_000))?;
            equal("events", wait::readable(&reader.raw, LIMIT)?, READABLE)?;
            holds(reader.producer() > 0, || "got no frame".to_owned())
        }),
        check(11, PLACE, "STOP wakes a thread in poll(2)", |target| {
            let reader = Reader::started(target, target.quiet())?;
            let events = while_asleep(|| asleep(&reader), |_| reader.stop())?;
            equal("events", events?, READABLE)
        }),
        check(12, PLACE, "a fault wakes a thread in poll(2)", |target| {
            let reader = Reader::started(target, target.quiet())?;
            let events = while_asleep(|| asleep(&reader), |_| reader.write_impossible(1))?;
            equal("events", events?, READABLE | PollFlags::POLLERR)
        }),
        check(13, PLACE, "level-triggered epoll reports a ready frame every time", |target| {
            let reader = Reader::started(target, target.shape())?;
            let epoll = epoll_of(&reader, EpollFlags::EPOLLIN)?;
            for _ in 0..3 {
                equal("events", next(&epoll)?, Some(EpollFlags::EPOLLIN))?;
            }
            Ok(())
        }),
        check(14, PLACE, "edge-triggered epoll reports each frame", |target| {
            let reader = Reader::started(target, long(target))?;
            let epoll = epoll_of(&reader, EpollFlags::EPOLLIN | EpollFlags::EPOLLET)?;
            // The reader takes nothing, so only a new frame is a new edge.
            for _ in 0..5 {
                equal("events", next(&epoll)?, Some(EpollFlags::EPOLLIN))?;
            }
            Ok(())
        }),
        check(15, PLACE, "with O_ASYNC each frame sends SIGIO", |target| {
            let reader = Reader::configured(target, long(target))?;
            listen(&reader.raw, OFlag::O_ASYNC)?;
            reader.start()?;
            for _ in 0..5 {
                let before = SIGNALS.load(SeqCst);
                let heard = || (SIGNALS.load(SeqCst) > before).then_some(());
                wait::until(LIMIT, "SIGIO", heard)?;
            }
            Ok(())
        }),
        check(16, PLACE, "without O_ASYNC no SIGIO is sent", |target| {
            let reader = Reader::configured(target, target.paced(1000))?;
            listen(&reader.raw, OFlag::empty())?;
            reader.start()?;
            reader.reach(5)?;
            equal("signals", SIGNALS.load(SeqCst), 0)
        }),
        check(17, PLACE, "a reader that only polls and never kicks gets frames", |target| {
            let reader = Reader::started(target, target.shape())?;
            for _ in 0..10 {
                reader.wait_for_need_kick()?;
                reader.set_index(reader.producer());
                equal("events", wait::readable(&reader.raw, LIMIT)?, READABLE)?;
            }
            equal("kicks", reader.stats()?.kicks, 0)
        }),
        check(
            18,
            PLACE,
            "with F_SETSIG si_code is POLL_IN and si_band POLLIN | POLLRDNORM",
            |target| {
                let reader = Reader::configured(target, target.quiet())?;
                let action = SigAction::new(
                    SigHandler::SigAction(record),
                    SaFlags::SA_RESTART,
                    SigSet::empty(),
                );
                listen_with(&reader.raw, OFlag::O_ASYNC, &action)?;
                let fd = reader.raw.file().as_raw_fd();
                // SAFETY: the call touches no memory.
                Errno::result(unsafe { libc::fcntl(fd, F_SETSIG, libc::SIGIO) })?;
                reader.start()?;
                wait::until(LIMIT, "SIGIO", || (CODE.load(SeqCst) != 0).then_some(()))?;
                equal("si_code", CODE.load(SeqCst), POLL_IN)?;
                equal("si_band", BAND.load(SeqCst), READABLE.bits().into())?;
                equal("si_fd", FD.load(SeqCst), fd)
            },
        ),
        check(
            19,
            PLACE,
            "POLLIN of a running unpaced stream means that a frame is ready",
            |target| wakeups_have_frames(target, target.shape()),
        ),
        check(
            20,
            PLACE,
            "POLLIN of a running paced stream means that a frame is ready",
            |target| wakeups_have_frames(target, target.paced(1000)),
        ),
    ],
};

/// Takes frames as poll(2) reports them. Fails if it reports POLLIN without a frame.
fn wakeups_have_frames(target: &Target, config: Config) -> Outcome {
    let reader = Reader::started(target, config)?;
    for wakeup in 1..=500 {
        let events = wait::readable(&reader.raw, LIMIT)?;
        equal("events", events, READABLE)?;
        // Only this thread changes the consumer index, so the frame must still be there.
        let (producer, consumer) = (reader.producer(), reader.index());
        holds(producer != consumer, || {
            format!("got POLLIN at wake-up {wakeup}, producer and consumer are both {producer}")
        })?;
        reader.set_index(producer);
    }
    Ok(())
}

/// A ring that does not become full during a check that takes no frame.
fn long(target: &Target) -> Config {
    let frame_bytes = target.unit(&target.source());
    Config { frame_bytes, slots: target.info.slots_max, ..target.paced(20_000) }
}

fn now(raw: &Raw, want: PollFlags) -> Outcome {
    equal("events", wait::readable(raw, Duration::ZERO)?, want)
}

/// Sleeps in poll(2).
fn asleep(reader: &Reader) -> nix::Result<PollFlags> {
    wait::readable(&reader.raw, LIMIT)
}

fn epoll_of(reader: &Reader, flags: EpollFlags) -> Outcome<Epoll> {
    let epoll = Epoll::new(EpollCreateFlags::empty())?;
    epoll.add(&reader.raw, EpollEvent::new(flags, 0))?;
    Ok(epoll)
}

/// Waits for the next event.
fn next(epoll: &Epoll) -> Outcome<Option<EpollFlags>> {
    let mut events = [EpollEvent::empty()];
    let timeout = EpollTimeout::try_from(LIMIT).unwrap_or(EpollTimeout::NONE);
    let count = epoll.wait(&mut events, timeout)?;
    Ok((count > 0).then(|| events[0].events()))
}

static SIGNALS: AtomicU32 = AtomicU32::new(0);

extern "C" fn count(_: libc::c_int) {
    SIGNALS.fetch_add(1, SeqCst);
}

static CODE: AtomicI32 = AtomicI32::new(0);
static BAND: AtomicI64 = AtomicI64::new(0);
static FD: AtomicI32 = AtomicI32::new(0);

/// The fields of `siginfo_t` for a signal from a file. The libc crate does not name them.
#[repr(C)]
struct FileSignal {
    _number: i32,
    _error: i32,
    code: i32,
    band: libc::c_long,
    fd: libc::c_int,
}

/// Values of `<asm-generic/fcntl.h>` and `<asm-generic/siginfo.h>`.
const F_SETSIG: libc::c_int = 10;
const POLL_IN: i32 = 1;

extern "C" fn record(_: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the kernel passes a complete siginfo_t, which is larger and begins with these fields.
    let info = unsafe { &*info.cast::<FileSignal>() };
    FD.store(info.fd, SeqCst);
    BAND.store(info.band, SeqCst);
    CODE.store(info.code, SeqCst);
}

/// Starts to count SIGIO, and sets `flag` on the file.
fn listen(raw: &Raw, flag: OFlag) -> Outcome {
    let action = SigAction::new(SigHandler::Handler(count), SaFlags::SA_RESTART, SigSet::empty());
    listen_with(raw, flag, &action)
}

/// Handles SIGIO with `action`, and sets `flag` on the file.
fn listen_with(raw: &Raw, flag: OFlag, action: &SigAction) -> Outcome {
    // SAFETY: the handlers only write to atomics.
    unsafe { sigaction(Signal::SIGIO, action)? };
    // SAFETY: the owner is this process; the call touches no memory.
    let owned = unsafe { libc::fcntl(raw.file().as_raw_fd(), libc::F_SETOWN, libc::getpid()) };
    Errno::result(owned)?;
    let plain = OFlag::from_bits_retain(fcntl(raw.file(), FcntlArg::F_GETFL)?);
    fcntl(raw.file(), FcntlArg::F_SETFL(plain | flag))?;
    Ok(())
}
