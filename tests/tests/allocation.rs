// SPDX-License-Identifier: MIT OR Apache-2.0
//! Failed allocations: in each call, each allocation fails once. The call returns ENOMEM or works
//! without the memory, leaks nothing, and the device works afterwards.
//!
//! Needs a kernel with fault injection (`/proc/thread-self/fail-nth`). A bind makes hundreds of
//! allocations; with `TESTS_EXTENT=quick` in the environment only each thirteenth of them fails.

use dmaframe::netlink::{Client, Settings};
use dmaframe::sysfs::{Attribute, Attributes};
use dmaframe_abi::ring::{MAP_CONSUMER, MAP_META, MAP_SLOTS};
use dmaframe_abi::uapi::{self, Config, SourceInfo, Stats};
use dmaframe_tests::frames::{Account, SHAPE, start};
use dmaframe_tests::mapping::{Mapping, PAGE};
use dmaframe_tests::raw::{GOOD, QUIET, Raw};
use dmaframe_tests::{BoardLock, DEVICES, LIMIT, driver};
use nix::errno::Errno;
use std::cell::Cell;
use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

/// More allocations than any call makes.
const MOST: u32 = 3000;

/// Makes allocations of this thread fail.
struct FailNth(File);

impl FailNth {
    fn new() -> Self {
        let knob = |path: &str, value: &str| {
            fs::write(Path::new("/sys/kernel/debug").join(path), value).unwrap();
        };
        for (path, value) in [
            ("failslab/ignore-gfp-wait", "N"),
            ("failslab/verbose", "0"),
            ("fail_page_alloc/ignore-gfp-wait", "N"),
            ("fail_page_alloc/ignore-gfp-highmem", "N"),
            ("fail_page_alloc/min-order", "0"),
            ("fail_page_alloc/verbose", "0"),
        ] {
            knob(path, value);
        }
        let file = OpenOptions::new().read(true).write(true).open("/proc/thread-self/fail-nth");
        Self(file.unwrap())
    }

    /// Runs `call` with its `n`-th allocation failing. The flag is false if `call` made fewer.
    fn during<T>(&self, n: u32, call: impl FnOnce() -> T) -> (T, bool) {
        let mut text = [0; 16];
        self.0.write_all_at(n.to_string().as_bytes(), 0).unwrap();
        let result = call();
        let left = self.0.read_at(&mut text, 0);
        // This write may be the call whose allocation fails, which disarms the failure as well.
        if self.0.write_all_at(b"0", 0).is_err() {
            self.0.write_all_at(b"0", 0).unwrap();
        }
        (result, left.is_ok_and(|bytes| text[..bytes] == *b"0\n"))
    }
}

/// Runs sweeps; each goes over the allocations of one call.
struct Sweep {
    fail: FailNth,
    /// Receives the name of each call that returned.
    alive: Sender<String>,
    ended: Cell<u32>,
}

impl Sweep {
    /// Runs `call` repeatedly, with one allocation failing each time. `prepare` makes its argument,
    /// and `check` examines the argument after a refusal.
    fn over<S, T: Debug>(
        &self,
        name: &str,
        prepare: impl FnMut() -> S,
        call: impl Fn(&S) -> Result<T, Errno>,
        check: impl Fn(&S),
    ) {
        self.over_every(1, name, prepare, call, check);
    }

    /// Like [`Sweep::over`], but only every `step`-th allocation fails.
    fn over_every<S, T: Debug>(
        &self,
        step: usize,
        name: &str,
        mut prepare: impl FnMut() -> S,
        call: impl Fn(&S) -> Result<T, Errno>,
        check: impl Fn(&S),
    ) {
        let (mut refused, mut survived) = (0, 0);
        for n in (1..).step_by(step) {
            assert!(n < MOST, "{name} allocates without end");
            let state = prepare();
            let (result, failed) = self.fail.during(n, || call(&state));
            self.alive.send(format!("{name}, allocation {n}")).unwrap();
            match (result, failed) {
                (Ok(_), true) => survived += 1,
                (Err(Errno::ENOMEM | Errno::ENOBUFS), true) => {
                    refused += 1;
                    check(&state);
                }
                (Ok(_), false) => break,
                (Err(errno), _) => panic!("{name}, allocation {n}: {errno}"),
            }
        }
        println!("{name}: {refused} refused, {survived} succeeded");
        stream_on_both();
        self.ended.set(self.ended.get() + 1);
    }
}

fn stream_on_both() {
    for device in DEVICES {
        let mut stream = start(device, SHAPE);
        let mut account = Account::of(&stream, SHAPE);
        while account.frames < 40 {
            account.take_next(&mut stream);
        }
        assert_eq!(account.lost, 0, "{device}");
    }
}

fn errno_of(error: &std::io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::UnknownErrno, Errno::from_raw)
}

fn probe(sweep: &Sweep) {
    let unbound = || {
        if driver::is_bound() {
            driver::unbind().unwrap();
        }
        driver::binding()
    };
    let nothing_left = |_: &(File, String)| {
        assert!(!driver::is_bound());
        for device in DEVICES {
            assert!(!Path::new(device).exists(), "{device} is there without its driver");
        }
    };
    let unreachable = Cell::new(0);
    let bind = |(bind, device): &(File, String)| {
        (&*bind).write(device.as_bytes()).map_err(|error| match errno_of(&error) {
            // Without memory for the node's dma-ranges the kernel ignores them
            // (of_dma_configure_id), and the driver refuses memory that no bus address reaches.
            Errno::EINVAL => {
                unreachable.set(unreachable.get() + 1);
                Errno::ENOMEM
            }
            errno => errno,
        })
    };
    let quick = std::env::var("TESTS_EXTENT").is_ok_and(|extent| extent == "quick");
    sweep.over_every(if quick { 13 } else { 1 }, "bind", unbound, bind, nothing_left);
    assert!(unreachable.get() <= 1, "{} binds were refused with EINVAL", unreachable.get());
}

fn file(sweep: &Sweep) {
    sweep.over("open", || (), |()| Raw::try_open(DEVICES[0], 0), |()| drop(Raw::open(DEVICES[0])));

    let opened = || Raw::open(DEVICES[0]);
    let stopped = || {
        let raw = Raw::open(DEVICES[0]);
        raw.configure(QUIET).unwrap();
        raw
    };
    let running = || Raw::streaming(DEVICES[0], GOOD).0;
    let still = |raw: &Raw| assert!(raw.configure(GOOD).is_ok());
    let simple = |raw: &Raw, request| raw.request(request, 0);
    let nothing = |_: &Raw| ();
    let mut info = [0_u64; 16];
    let info = info.as_mut_ptr().expose_provenance();
    sweep.over("GET_INFO", opened, |raw| raw.request(uapi::GET_INFO, info), nothing);
    let source = |raw: &Raw| raw.exchange(uapi::GET_SOURCE, SourceInfo::default());
    sweep.over("GET_SOURCE", opened, source, nothing);
    let config = |raw: &Raw| raw.exchange(uapi::GET_CONFIG, Config::default());
    sweep.over("GET_CONFIG", opened, config, nothing);
    let stats = |raw: &Raw| raw.exchange(uapi::GET_STATS, Stats::default());
    sweep.over("GET_STATS", running, stats, nothing);
    sweep.over("CONFIGURE", opened, |raw| raw.configure(GOOD), still);
    let large = Config { frame_bytes: 300_000, ..GOOD };
    sweep.over("CONFIGURE, large", opened, |raw| raw.configure(large), still);
    sweep.over("CONFIGURE, again", stopped, |raw| raw.configure(GOOD), still);
    let start = |raw: &Raw| simple(raw, uapi::START);
    sweep.over("START", stopped, start, |raw| start(raw).unwrap());
    sweep.over("KICK", running, |raw| simple(raw, uapi::KICK), nothing);
    sweep.over("STOP", running, |raw| simple(raw, uapi::STOP), nothing);
}

fn mapping(sweep: &Sweep) {
    let configured = || {
        let raw = Raw::open(DEVICES[0]);
        let made = raw.configure(GOOD).unwrap();
        (raw, made.slots_bytes as usize)
    };
    for (name, offset) in [
        ("mmap, meta page", MAP_META),
        ("mmap, consumer page", MAP_CONSUMER),
        ("mmap, slots", MAP_SLOTS),
    ] {
        let map = |(raw, slots_bytes): &(Raw, usize)| {
            let bytes = if offset == MAP_SLOTS { *slots_bytes } else { PAGE };
            let mapping = Mapping::read_only(raw, offset, bytes)?;
            mapping.touch();
            Ok(mapping)
        };
        sweep.over(name, configured, map, |state| drop(map(state).unwrap()));
    }
}

fn readiness(sweep: &Sweep) {
    let quiet = || Raw::streaming(DEVICES[0], QUIET).0;
    let poll = |raw: &Raw| {
        let mut asked =
            libc::pollfd { fd: raw.file().as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one structure of the caller's.
        Errno::result(unsafe { libc::poll(&raw mut asked, 1, 0) })
    };
    sweep.over("poll", quiet, poll, |raw| assert_eq!(poll(raw), Ok(0)));
    let signal = |raw: &Raw| {
        // SAFETY: F_SETFL has no memory of the caller's.
        Errno::result(unsafe { libc::fcntl(raw.file().as_raw_fd(), libc::F_SETFL, libc::O_ASYNC) })
    };
    sweep.over("F_SETFL", quiet, signal, |raw| assert!(signal(raw).is_ok()));
}

fn read(sweep: &Sweep) {
    let opened = || Raw::open(DEVICES[0]);
    let read = |raw: &Raw| {
        let mut frame = [0; 8192];
        (&mut raw.file()).read(&mut frame).map_err(|error| errno_of(&error))
    };
    // A read that failed can be repeated.
    sweep.over("read, first", opened, read, |raw| assert!(read(raw).unwrap() > 4096));
    let running = || Raw::streaming(DEVICES[0], GOOD).0;
    sweep.over("read", running, read, |raw| assert!(read(raw).unwrap() > 4096));
}

fn sysfs(sweep: &Sweep) {
    let attributes = Attributes::of(0);
    let plain = |error| match error {
        dmaframe::Error::Attribute { source, .. } => errno_of(&source),
        error => panic!("{error}"),
    };
    for attribute in Attribute::ALL {
        let read = |(): &()| attributes.read(attribute).map_err(plain);
        sweep.over(attribute.name(), || (), read, |()| ());
    }
    for (attribute, value) in [(Attribute::Source, "pattern"), (Attribute::Slots, "16")] {
        let write = |(): &()| attributes.write(attribute, value).map_err(plain);
        sweep.over(&format!("{}, written", attribute.name()), || (), write, |()| ());
    }
}

fn netlink(sweep: &Sweep) {
    let plain = |error| match error {
        dmaframe::Error::Refused { errno, .. } => errno,
        dmaframe::Error::Socket(error) => errno_of(&error),
        error => panic!("{error}"),
    };
    // Each request has its own connection: a failure may leave half an answer in the socket.
    let connected = || std::cell::RefCell::new(Some(Client::connect().unwrap()));
    type Connection = std::cell::RefCell<Option<Client>>;
    let with = |state: &Connection| state.borrow_mut().take().unwrap();
    let get = |state: &Connection| with(state).device(0).map_err(plain);
    sweep.over("netlink get", connected, get, |_| ());
    let dump = |state: &Connection| {
        let devices = with(state).devices().map_err(plain)?;
        assert_eq!(devices.len(), DEVICES.len(), "a successful dump is complete");
        Ok(())
    };
    sweep.over("netlink dump", connected, dump, |_| ());
    let settings = Settings { slots: Some(16), ..Settings::default() };
    let set = |state: &Connection| with(state).set(0, &settings).map_err(plain);
    sweep.over("netlink set", connected, set, |_| ());
    let hear = |state: &Connection| with(state).events().map_err(plain);
    sweep.over("netlink events", connected, hear, |_| ());
}

/// The leaks that kmemleak reports after two scans. It ignores objects younger than 5 seconds.
fn leaks() -> String {
    let file = "/sys/kernel/debug/kmemleak";
    for _ in 0..2 {
        thread::sleep(Duration::from_secs(6));
        fs::write(file, "scan").unwrap();
    }
    fs::read_to_string(file).unwrap()
}

#[test]
fn each_failed_allocation_is_reported_or_survived() {
    let _board = BoardLock::acquire();
    if !Path::new("/proc/thread-self/fail-nth").exists() {
        println!("not run: this kernel has no fault injection");
        return;
    }
    let (alive, heard) = channel();
    // In a thread of its own, so that this thread notices a call that never returns.
    let sweeping = thread::spawn(move || {
        let sweep = Sweep { fail: FailNth::new(), alive, ended: Cell::new(0) };
        for part in [probe, file, mapping, readiness, read, sysfs, netlink] {
            part(&sweep);
        }
        sweep.ended.get()
    });
    let mut last = String::new();
    let silence = loop {
        match heard.recv_timeout(LIMIT) {
            Ok(call) => last = call,
            Err(silence) => break silence,
        }
    };
    assert_eq!(silence, RecvTimeoutError::Disconnected, "no call returned after {last}");
    let sweeps = sweeping.join().unwrap();
    assert!(sweeps > 30, "{sweeps} sweeps");
    assert_eq!(leaks(), "");
}
