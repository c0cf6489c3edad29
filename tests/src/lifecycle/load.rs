// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a process of the load does until it is told to end.

use super::{REST, Random};
use crate::frames::{Account, SHAPE};
use crate::mapping::{Mapping, PAGE};
use crate::raw::Raw;
use crate::{DEVICES, wait};
use dmaframe::netlink::Client;
use dmaframe::sysfs::{Attribute, Attributes};
use dmaframe::{Device, Error, Policy, Shape, pattern};
use dmaframe_abi::frame::parse;
use dmaframe_abi::ring::{DETACHED, MAP_CONSUMER, MAP_META, MAP_SLOTS, STOPPED};
use dmaframe_abi::stream::Fault;
use dmaframe_abi::uapi::{self, Config, Stats};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, getppid};
use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::task::Poll;
use std::thread::sleep;
use std::time::Duration;

/// From one short sleep to the next.
const TICK: Duration = Duration::from_millis(2);
const POLL_MS: u8 = 20;
/// Processes that look at rings of devices that are gone.
const LOOKERS_MAX: usize = 4;

const SHAPES: [Shape; 4] = [
    SHAPE,
    Shape { policy: Policy::Drop, interval_us: 500, ..SHAPE },
    Shape { frame_bytes: 20_000, slots: 8, ..SHAPE },
    Shape { frame_bytes: 64, slots: 4, policy: Policy::Drop, interval_us: 2_000, ..SHAPE },
];

/// Plays `role` on `device` until a signal ends it.
///
/// # Panics
///
/// If the driver does not behave; there is no such role.
pub fn serve(role: &str, device: usize, seed: u64) {
    let mut random = Random::new(seed);
    let mut lookers = Vec::new();
    loop {
        if resting() {
            // They hold the module.
            lookers.drain(..).for_each(|looker| reap(looker, WaitPidFlag::empty()));
            sleep(TICK);
            continue;
        }
        let shape = SHAPES[random.below(SHAPES.len() as u64) as usize];
        let frames = 200 + random.below(5_000);
        let ended = match role {
            "stream" => stream(DEVICES[device], shape, frames, &mut lookers),
            "read" => read(DEVICES[device], shape, frames, &mut lookers),
            "ask" => ask(),
            _ => panic!("there is no role {role}"),
        };
        if !ended {
            sleep(TICK);
        }
        if lookers.len() > LOOKERS_MAX {
            reap(lookers.remove(0), WaitPidFlag::empty());
        }
    }
}

fn resting() -> bool {
    Path::new(REST).exists()
}

fn say(name: &str, number: u64) {
    println!("{name}={number}");
}

/// Streams by the library. False when the device is not to be had now.
fn stream(path: &str, shape: Shape, frames: u64, lookers: &mut Vec<Pid>) -> bool {
    let begun = Device::open(path).and_then(|device| device.configure(shape));
    let mut stream = match begun {
        Ok(stream) => stream,
        Err(Error::NoDevice { .. } | Error::Gone { .. } | Error::InUse { .. }) => return false,
        Err(error) => panic!("{error}"),
    };
    match stream.start() {
        Ok(()) => {}
        Err(Error::Gone { .. }) => return false,
        Err(error) => panic!("{error}"),
    }
    let watchers = watch(&stream, shape, lookers);
    let mut account = Account::of(&stream, shape);
    let mut drained = false;
    let gone = loop {
        if account.frames >= frames || account.frames % 16 == 0 && resting() {
            break match stream.stop() {
                Ok(()) => false,
                Err(Error::Gone { .. }) => true,
                Err(error) => panic!("{error}"),
            };
        }
        match stream.next_timeout(Duration::from_millis(POLL_MS.into())) {
            Ok(Poll::Ready(Some(frame))) => account.take(frame.header(), &frame),
            Ok(Poll::Ready(None)) => panic!("the stream ended, and nobody had stopped it"),
            Ok(Poll::Pending) => {}
            Err(Error::Gone { .. }) => {
                drained = true;
                break true;
            }
            Err(error) => panic!("{error}"),
        }
    };
    if drained {
        assert_eq!(account.frames, stream.counters().frames, "frames before the end");
    }
    end(gone, &account, watchers);
    true
}

/// Reads by read(2).
fn read(path: &str, shape: Shape, frames: u64, lookers: &mut Vec<Pid>) -> bool {
    let raw = match Raw::try_open(path, 0) {
        Ok(raw) => raw,
        Err(Errno::ENOENT | Errno::ENODEV | Errno::ENXIO | Errno::EBUSY) => return false,
        Err(errno) => panic!("open {path}: {errno}"),
    };
    let begun = raw.configure(Config::from(shape)).and_then(|_| raw.request(uapi::START, 0));
    let stats = match begun.and_then(|()| raw.exchange(uapi::GET_STATS, Stats::default())) {
        Ok(stats) => stats,
        Err(Errno::ENODEV) => return false,
        Err(errno) => panic!("{path}: {errno}"),
    };
    let watchers = watch(&raw, shape, lookers);
    let mut account = Account::new(shape, stats.stream);
    let mut bytes = vec![0; 1 << 16];
    let gone = loop {
        if account.frames >= frames || resting() {
            break match raw.request(uapi::STOP, 0) {
                Ok(()) => false,
                Err(Errno::ENODEV) => true,
                Err(errno) => panic!("STOP: {errno}"),
            };
        }
        match (&mut raw.file()).read(&mut bytes) {
            Ok(0) => panic!("the stream ended, and nobody had stopped it"),
            Ok(count) => account.take_bytes(&bytes[..count]),
            Err(error) if error.raw_os_error() == Some(Errno::ENODEV as i32) => break true,
            Err(error) => panic!("read: {error}"),
        }
    };
    end(gone, &account, watchers);
    true
}

/// The holder's part of a stream is over: those who poll it see that too.
fn end(gone: bool, account: &Account, poller: Pid) {
    say("frames", account.frames);
    say("lost", account.lost);
    say(if gone { "gone" } else { "stopped" }, 1);
    reap(poller, WaitPidFlag::empty());
}

/// Forks two processes that share the open file: one polls it, one looks at what is mapped.
fn watch(file: &impl AsFd, shape: Shape, lookers: &mut Vec<Pid>) -> Pid {
    let raw = Raw::from(File::from(file.as_fd().try_clone_to_owned().unwrap()));
    lookers.retain(|&looker| {
        let ended = waitpid(looker, Some(WaitPidFlag::WNOHANG)).unwrap();
        judge(ended) == WaitStatus::StillAlive
    });
    lookers.push(fork_off(|| look(&raw, shape)));
    fork_off(|| poll_until_end(&raw, shape.interval_us == 0))
}

/// Runs `work` in a process that shares all open files with this one and ends with it.
fn fork_off(work: impl FnOnce()) -> Pid {
    let parent = nix::unistd::getpid();
    // SAFETY: no process of the load has a second thread.
    match unsafe { fork() }.unwrap() {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            set_pdeathsig(Signal::SIGTERM).unwrap();
            // What the parent holds is not dropped here: dropping a stream stops it.
            let worked = getppid() == parent && catch_unwind(AssertUnwindSafe(work)).is_ok();
            std::process::exit(i32::from(!worked));
        }
    }
}

fn reap(child: Pid, flags: WaitPidFlag) {
    judge(waitpid(child, Some(flags)).unwrap());
}

fn judge(status: WaitStatus) -> WaitStatus {
    assert!(
        matches!(status, WaitStatus::StillAlive | WaitStatus::Exited(_, 0)),
        "a forked process failed: {status:?}"
    );
    status
}

/// What the driver says of the stream: `None` once the device is gone.
fn state_of(raw: &Raw) -> Option<bool> {
    match raw.exchange(uapi::GET_STATS, Stats::default()) {
        Ok(stats) => {
            assert_eq!(stats.fault, Fault::None as u32);
            Some(stats.state == dmaframe::State::Running as u32)
        }
        Err(Errno::ENODEV) => None,
        Err(errno) => panic!("GET_STATS: {errno}"),
    }
}

/// poll(2), until the device is gone or the stream stopped.
fn poll_until_end(raw: &Raw, for_input: bool) {
    let asked = if for_input { PollFlags::POLLIN } else { PollFlags::empty() };
    loop {
        // Before it is polled: what is gone now was gone then.
        let state = state_of(raw);
        let mut fds = [PollFd::new(raw.as_fd(), asked)];
        poll(&mut fds, POLL_MS).unwrap();
        let events = fds[0].revents().unwrap();
        if events.contains(PollFlags::POLLHUP) {
            assert!(events.contains(PollFlags::POLLERR), "{events:?}");
            assert_eq!(state_of(raw), None);
            say("hung_up", 1);
            return;
        }
        match state {
            None => panic!("the device is gone, and poll(2) says {events:?}"),
            Some(true) => {}
            Some(false) => return,
        }
        if !events.is_empty() {
            sleep(TICK);
        }
    }
}

/// Looks at the mapped ring; when the device is gone, that it stays as it is.
fn look(raw: &Raw, shape: Shape) {
    let mapped = (|| {
        let config = raw.exchange(uapi::GET_CONFIG, Config::default())?;
        let bytes = config.slots_bytes as usize;
        let slots = Mapping::read_only(raw, MAP_SLOTS, bytes)?;
        let consumer = Mapping::read_only(raw, MAP_CONSUMER, PAGE)?;
        Ok((Mapping::read_only(raw, MAP_META, PAGE)?, consumer, slots, config))
    })();
    let (page, consumer, slots, config) = match mapped {
        Ok(mapped) => mapped,
        // Its stream, and all that was configured, went with the device.
        Err(Errno::ENODEV) => return say("gone_unmapped", 1),
        Err(errno) => panic!("mmap: {errno}"),
    };
    let meta = page.meta();
    let stride = config.slot_stride as usize;
    let mut at = 0;
    while meta.flags.load(Acquire) & DETACHED == 0 {
        if meta.flags.load(Acquire) & STOPPED != 0 && state_of(raw) == Some(false) {
            return;
        }
        slots.copy(at, stride);
        at = (at + stride) % config.slots_bytes as usize;
        sleep(TICK);
    }
    assert_eq!(state_of(raw), None, "detached, but not gone");

    let all = config.slots_bytes as usize;
    let before = (page.copy(0, PAGE), slots.copy(0, all));
    let mut reference = vec![0; pattern::REFERENCE_BYTES];
    pattern::fill(&mut reference);
    let (mut index, end) =
        (consumer.consumer().consumer.load(Relaxed), meta.producer.load(Relaxed));
    while index != end {
        let slot = (index % shape.slots) as usize * stride;
        let (header, payload) = parse(&before.1[slot..slot + stride]).unwrap();
        let wrong = pattern::mismatch(&reference, header.sequence.get(), payload);
        assert_eq!(wrong, None, "frame {} of a ring that is left", header.sequence.get());
        say("frozen_frames", 1);
        index = index.wrapping_add(1);
    }
    // Until the device is back and streams into another ring, unless that is not to be waited for.
    let mut bound = false;
    for _ in 0..100 {
        bound = super::running(0) && super::running(1);
        if bound || resting() {
            break;
        }
        sleep(TICK);
    }
    let after = (page.copy(0, PAGE), slots.copy(0, all));
    assert!(before == after, "a ring that is left has changed");
    assert_eq!(raw.request(uapi::START, 0), Err(Errno::ENODEV));
    assert!(wait::events(raw).contains(PollFlags::POLLHUP));
    say("frozen", 1);
    say("frozen_across_bind", bound.into());
}

/// Reads and writes attributes, asks by netlink, hears events.
fn ask() -> bool {
    let attributes = [Attributes::of(0), Attributes::of(1)];
    let connected = Client::connect().and_then(|client| {
        let mut asking = Client::connect()?;
        let events = client.events()?;
        asking.devices()?;
        Ok((asking, events))
    });
    let (mut client, mut events) = match connected {
        Ok(connected) => connected,
        Err(error) => {
            refused(&error);
            return false;
        }
    };
    let (mut answers, mut heard) = (0, 0);
    for _ in 0..20 {
        for device in &attributes {
            for attribute in Attribute::ALL {
                match device.read(attribute) {
                    Ok(_) => answers += 1,
                    Err(error) => refused(&error),
                }
            }
            if let Err(error) = device.write(Attribute::IntervalUs, 0) {
                refused(&error);
            }
        }
        for asked in [client.device(0).map(drop), client.devices().map(drop)] {
            match asked {
                Ok(()) => answers += 1,
                Err(error) => refused(&error),
            }
        }
        match events.next_timeout(TICK) {
            Ok(event) => heard += u64::from(event.is_some()),
            Err(Error::EventsLost) => {}
            Err(error) => panic!("{error}"),
        }
    }
    say("answers", answers);
    say("events", heard);
    true
}

/// Answers that a device in use, or one that comes and goes, may give.
fn refused(error: &Error) {
    let errno = match error {
        Error::NoFamily => Errno::ENOENT,
        Error::Refused { errno, .. } => *errno,
        Error::Attribute { source, .. } => Errno::from_raw(source.raw_os_error().unwrap_or(0)),
        _ => panic!("{error}"),
    };
    let known = [Errno::ENOENT, Errno::ENODEV, Errno::EBUSY];
    assert!(known.contains(&errno), "{error}: {errno}");
}
