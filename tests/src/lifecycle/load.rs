// SPDX-License-Identifier: MIT OR Apache-2.0
//! The load processes, which run until a signal ends them.

use super::PAUSE;
use crate::frames::{Account, SHAPE};
use crate::mapping::{Mapping, PAGE};
use crate::raw::Raw;
use crate::{DEVICES, Random, wait};
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

/// A short sleep.
const TICK: Duration = Duration::from_millis(2);
const POLL_MS: u8 = 20;
/// The most processes that keep mappings of rings.
const WATCHERS_MAX: usize = 4;

const SHAPES: [Shape; 4] = [
    SHAPE,
    Shape { policy: Policy::Drop, interval_us: 500, ..SHAPE },
    Shape { frame_bytes: 20_000, slots: 8, ..SHAPE },
    Shape { frame_bytes: 64, slots: 4, policy: Policy::Drop, interval_us: 2_000, ..SHAPE },
];

/// Runs `role` on `device` until a signal ends the process.
///
/// # Panics
///
/// If the driver misbehaves, or `role` is unknown.
pub fn serve(role: &str, device: usize, seed: u64) {
    let mut random = Random::new(seed, 0);
    let mut watchers = Vec::new();
    loop {
        if paused() {
            // Their mappings keep the module in use.
            watchers.drain(..).for_each(|watcher| reap(watcher, WaitPidFlag::empty()));
            sleep(TICK);
            continue;
        }
        let shape = SHAPES[random.below(SHAPES.len() as u64) as usize];
        let frames = 200 + random.below(5_000);
        let ended = match role {
            "stream" => stream(DEVICES[device], shape, frames, &mut watchers),
            "read" => read(DEVICES[device], shape, frames, &mut watchers),
            "query" => query(),
            _ => panic!("there is no role {role}"),
        };
        if !ended {
            sleep(TICK);
        }
        if watchers.len() > WATCHERS_MAX {
            reap(watchers.remove(0), WaitPidFlag::empty());
        }
    }
}

fn paused() -> bool {
    Path::new(PAUSE).exists()
}

fn print_count(name: &str, number: u64) {
    println!("{name}={number}");
}

/// Streams with the library. Returns false if the device is not available now.
fn stream(path: &str, shape: Shape, frames: u64, watchers: &mut Vec<Pid>) -> bool {
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
    let watchers = watch(&stream, shape, watchers);
    let mut account = Account::of(&stream, shape);
    let mut drained = false;
    let gone = loop {
        if account.frames >= frames || account.frames % 16 == 0 && paused() {
            break match stream.stop() {
                Ok(()) => false,
                Err(Error::Gone { .. }) => true,
                Err(error) => panic!("{error}"),
            };
        }
        match stream.next_timeout(Duration::from_millis(POLL_MS.into())) {
            Ok(Poll::Ready(Some(frame))) => account.take(frame.header(), &frame),
            Ok(Poll::Ready(None)) => panic!("the stream ended without a stop"),
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

/// Streams with read(2). Returns false if the device is not available now.
fn read(path: &str, shape: Shape, frames: u64, watchers: &mut Vec<Pid>) -> bool {
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
    let watchers = watch(&raw, shape, watchers);
    let mut account = Account::new(shape, stats.stream);
    let mut bytes = vec![0; 1 << 16];
    let gone = loop {
        if account.frames >= frames || paused() {
            break match raw.request(uapi::STOP, 0) {
                Ok(()) => false,
                Err(Errno::ENODEV) => true,
                Err(errno) => panic!("STOP: {errno}"),
            };
        }
        match (&mut raw.file()).read(&mut bytes) {
            Ok(0) => panic!("the stream ended without a stop"),
            Ok(count) => account.take_bytes(&bytes[..count]),
            Err(error) if error.raw_os_error() == Some(Errno::ENODEV as i32) => break true,
            Err(error) => panic!("read: {error}"),
        }
    };
    end(gone, &account, watchers);
    true
}

/// Ends a stream: the process that polls it must notice.
fn end(gone: bool, account: &Account, poller: Pid) {
    print_count("frames", account.frames);
    print_count("lost", account.lost);
    print_count(if gone { "gone" } else { "stopped" }, 1);
    reap(poller, WaitPidFlag::empty());
}

/// Forks two processes that share the open file: one polls it, one maps the ring. Returns the
/// first.
fn watch(file: &impl AsFd, shape: Shape, watchers: &mut Vec<Pid>) -> Pid {
    let raw = Raw::from(File::from(file.as_fd().try_clone_to_owned().unwrap()));
    watchers.retain(|&watcher| {
        let ended = waitpid(watcher, Some(WaitPidFlag::WNOHANG)).unwrap();
        judge(ended) == WaitStatus::StillAlive
    });
    watchers.push(fork_off(|| watch_ring(&raw, shape)));
    fork_off(|| poll_until_end(&raw, shape.interval_us == 0))
}

/// Runs `work` in a forked process, which ends with this one.
fn fork_off(work: impl FnOnce()) -> Pid {
    let parent = nix::unistd::getpid();
    // SAFETY: load processes have a single thread.
    match unsafe { fork() }.unwrap() {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            set_pdeathsig(Signal::SIGTERM).unwrap();
            // Exits without dropping what the parent holds: dropping a stream stops it.
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

/// Whether the stream runs; `None` once the device is gone.
fn is_running(raw: &Raw) -> Option<bool> {
    match raw.exchange(uapi::GET_STATS, Stats::default()) {
        Ok(stats) => {
            assert_eq!(stats.fault, Fault::None as u32);
            Some(stats.state == dmaframe::State::Running as u32)
        }
        Err(Errno::ENODEV) => None,
        Err(errno) => panic!("GET_STATS: {errno}"),
    }
}

/// Polls until the device is gone or the stream is stopped.
fn poll_until_end(raw: &Raw, for_input: bool) {
    let asked = if for_input { PollFlags::POLLIN } else { PollFlags::empty() };
    loop {
        // Before poll(2), so that a device that is gone here is gone there too.
        let state = is_running(raw);
        let mut fds = [PollFd::new(raw.as_fd(), asked)];
        poll(&mut fds, POLL_MS).unwrap();
        let events = fds[0].revents().unwrap();
        if events.contains(PollFlags::POLLHUP) {
            assert!(events.contains(PollFlags::POLLERR), "{events:?}");
            assert_eq!(is_running(raw), None);
            print_count("hung_up", 1);
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

/// Reads the mapped ring, and once the device is gone checks that the ring stays as it is.
fn watch_ring(raw: &Raw, shape: Shape) {
    let mapped = (|| {
        let config = raw.exchange(uapi::GET_CONFIG, Config::default())?;
        let bytes = config.slots_bytes as usize;
        let slots = Mapping::read_only(raw, MAP_SLOTS, bytes)?;
        let consumer = Mapping::read_only(raw, MAP_CONSUMER, PAGE)?;
        Ok((Mapping::read_only(raw, MAP_META, PAGE)?, consumer, slots, config))
    })();
    let (page, consumer, slots, config) = match mapped {
        Ok(mapped) => mapped,
        // The device went before the ring could be mapped.
        Err(Errno::ENODEV) => return print_count("gone_unmapped", 1),
        Err(errno) => panic!("mmap: {errno}"),
    };
    let meta = page.meta();
    let stride = config.slot_stride as usize;
    let mut at = 0;
    while meta.flags.load(Acquire) & DETACHED == 0 {
        if meta.flags.load(Acquire) & STOPPED != 0 && is_running(raw) == Some(false) {
            return;
        }
        slots.copy(at, stride);
        at = (at + stride) % config.slots_bytes as usize;
        sleep(TICK);
    }
    assert_eq!(is_running(raw), None, "the ring is detached, but the device is not gone");

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
        assert_eq!(wrong, None, "frame {} of a detached ring", header.sequence.get());
        print_count("frozen_frames", 1);
        index = index.wrapping_add(1);
    }
    // Waits a while for the device to come back and stream into another ring.
    let mut bound = false;
    for _ in 0..100 {
        bound = super::running(0) && super::running(1);
        if bound || paused() {
            break;
        }
        sleep(TICK);
    }
    let after = (page.copy(0, PAGE), slots.copy(0, all));
    assert!(before == after, "a detached ring has changed");
    assert_eq!(raw.request(uapi::START, 0), Err(Errno::ENODEV));
    assert!(wait::events(raw).contains(PollFlags::POLLHUP));
    print_count("frozen", 1);
    print_count("frozen_across_bind", bound.into());
}

/// Reads and writes attributes, sends netlink requests and receives events.
fn query() -> bool {
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
            expect_refusal(&error);
            return false;
        }
    };
    let (mut answers, mut heard) = (0, 0);
    for _ in 0..20 {
        for device in &attributes {
            for attribute in Attribute::ALL {
                match device.read(attribute) {
                    Ok(_) => answers += 1,
                    Err(error) => expect_refusal(&error),
                }
            }
            if let Err(error) = device.write(Attribute::IntervalUs, 0) {
                expect_refusal(&error);
            }
        }
        for asked in [client.device(0).map(drop), client.devices().map(drop)] {
            match asked {
                Ok(()) => answers += 1,
                Err(error) => expect_refusal(&error),
            }
        }
        match events.next_timeout(TICK) {
            Ok(event) => heard += u64::from(event.is_some()),
            Err(Error::EventsLost | Error::Unloaded) => {}
            Err(error) => panic!("{error}"),
        }
    }
    print_count("answers", answers);
    print_count("events", heard);
    true
}

/// Panics unless the error is one of a device that is in use or gone.
fn expect_refusal(error: &Error) {
    let errno = match error {
        Error::NoFamily => Errno::ENOENT,
        Error::Refused { errno, .. } => *errno,
        Error::Attribute { source, .. } => Errno::from_raw(source.raw_os_error().unwrap_or(0)),
        _ => panic!("{error}"),
    };
    let known = [Errno::ENOENT, Errno::ENODEV, Errno::EBUSY];
    assert!(known.contains(&errno), "{error}: {errno}");
}
