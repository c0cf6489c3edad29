// SPDX-License-Identifier: MIT OR Apache-2.0
//! Faults of the engine, which the debug kernel's module injects: the engine of QEMU never fails.

use dmaframe::netlink::{Client, Events};
use dmaframe::sysfs::{Attribute, Attributes};
use dmaframe::{Policy, Shape, Stream};
use dmaframe_abi::netlink::Event;
use dmaframe_abi::ring::{FAULTED, MAP_CONSUMER, MAP_META, STOPPED};
use dmaframe_abi::stream::{Fault, State};
use dmaframe_abi::uapi::{self, Config};
use dmaframe_tests::fault::Injector;
use dmaframe_tests::frames::{Account, SHAPE, start};
use dmaframe_tests::kernel_log::KernelLog;
use dmaframe_tests::mapping::{Mapping, PAGE};
use dmaframe_tests::raw::{GOOD, Raw};
use dmaframe_tests::{BoardLock, DEVICES, LIMIT, driver, wait};
use nix::errno::Errno;
use nix::poll::PollFlags;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use std::io::Read;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::task::Poll;
use std::thread;
use std::time::Duration;

/// `CS.ERROR` of the BCM2835.
const CS_ERROR: u32 = 1 << 8;
/// Bytes that read(2) gives for a frame of [`GOOD`].
const FRAME: usize = 64 + GOOD.frame_bytes as usize;

/// Reads and checks `frames` frames of [`SHAPE`] from `device`.
fn check_stream(device: &str, frames: u64) {
    let mut stream = start(device, SHAPE);
    let mut account = Account::of(&stream, SHAPE);
    while account.frames < frames {
        account.take_next(&mut stream);
    }
    let stats = stream.stats().unwrap();
    assert_eq!((stats.lost, stats.errors, stats.fault), (0, 0, 0), "{device}");
}

/// Waits for the next event `event` of device 0.
fn wait_for_event(events: &mut Events, event: Event) -> dmaframe::netlink::Attributes {
    loop {
        let found = events.next_timeout(LIMIT).unwrap();
        let found = found.unwrap_or_else(|| panic!("no event {} came", event.name()));
        if found.id == Some(0) && found.event == Some(event) {
            return found;
        }
    }
}

/// Reads and checks the ready frames until read(2) reports the fault. Returns their number.
fn drain(raw: &Raw, stream: u32) -> u64 {
    let mut account = Account::new(SHAPE, stream);
    let mut bytes = vec![0; FRAME];
    loop {
        match (&mut raw.file()).read(&mut bytes) {
            Ok(read) => {
                assert_eq!(read, FRAME);
                account.take_bytes(&bytes);
            }
            Err(error) => {
                assert_eq!(error.raw_os_error(), Some(Errno::EIO as i32));
                return account.frames;
            }
        }
    }
}

/// Starts a stream with the fault `words` armed, and checks everything that reports the fault.
/// Returns the number of frames published before it.
fn check_fault(words: &str, fault: Fault, bits: u32) -> u64 {
    let injector = Injector::of(0);
    let before = injector.injected();
    let mut events = Client::connect().unwrap().events().unwrap();
    // The other device streams meanwhile.
    let mut other = start(DEVICES[1], SHAPE);
    let mut account = Account::of(&other, SHAPE);

    let raw = Raw::open(DEVICES[0]);
    raw.configure(GOOD).unwrap();
    let page = Mapping::read_only(&raw, MAP_META, PAGE).unwrap();
    let meta = page.meta();
    injector.arm(words).unwrap();
    assert_eq!(injector.armed(), words);
    raw.request(uapi::START, 0).unwrap();
    wait::until("a fault", || (meta.flags.load(Acquire) & FAULTED != 0).then_some(()));
    assert_eq!((injector.armed().as_str(), injector.injected()), ("none", before + 1), "{words}");

    assert_eq!(meta.flags.load(Acquire), STOPPED | FAULTED, "{words}");
    assert_eq!(meta.fault.load(Relaxed), fault as u32, "{words}");
    assert_eq!(meta.errors.load(Relaxed), 1, "{words}");
    let polled = wait::events(&raw);
    assert!(polled.contains(PollFlags::POLLERR | PollFlags::POLLIN), "{words}: {polled:?}");
    let stats = raw.stats();
    assert_eq!((stats.state, stats.fault), (State::Faulted as u32, fault as u32), "{words}");
    assert_eq!((stats.errors, stats.error_bits), (1, bits), "{words}");
    let sysfs = Attributes::of(0);
    assert_eq!(sysfs.read(Attribute::State).unwrap(), "faulted", "{words}");
    assert_eq!(sysfs.number(Attribute::Errors).unwrap(), 1, "{words}");
    let told = wait_for_event(&mut events, Event::Error);
    assert_eq!((told.fault, told.errors), (Some(fault), Some(1)), "{words}");

    // Frames completed before the fault are whole and can be read.
    let frames = drain(&raw, stats.stream);
    assert_eq!((frames, frames * 4096), (stats.frames, stats.bytes), "{words}");
    for _ in 0..100 {
        account.take_next(&mut other);
    }
    let unharmed = other.stats().unwrap();
    assert_eq!((account.lost, unharmed.errors), (0, 0), "{words}");

    // The next start clears the fault.
    raw.request(uapi::START, 0).unwrap();
    let mut again = Account::new(SHAPE, stats.stream + 1);
    let mut bytes = vec![0; FRAME];
    while again.frames < 100 {
        assert_eq!((&mut raw.file()).read(&mut bytes).ok(), Some(FRAME), "{words}");
        again.take_bytes(&bytes);
    }
    let stats = raw.stats();
    assert_eq!((stats.errors, stats.fault, stats.error_bits), (0, 0, 0), "{words}");
    // The mapping keeps the device busy as well.
    drop((raw, page));
    check_stream(DEVICES[0], 200);
    frames
}

#[test]
fn an_error_ends_the_stream_with_its_bits() {
    let _board = BoardLock::acquire();
    // CS.ERROR, each bit of DEBUG, and all of them.
    for bits in [CS_ERROR, 1, 2, 4, CS_ERROR | 7] {
        let frames = check_fault(&format!("error {bits}"), Fault::Engine, bits);
        // QEMU had completed all frames; the end stamps show it.
        assert!(frames > 0);
    }
}

#[test]
fn a_chain_that_ends_half_way_is_a_fault() {
    let _board = BoardLock::acquire();
    // The first chain has half a ring of frames; half of these are complete.
    assert_eq!(check_fault("half", Fault::Incomplete, 0), u64::from(GOOD.slots / 4));
}

#[test]
fn a_missing_interrupt_is_a_timeout() {
    let _board = BoardLock::acquire();
    // The watchdog stops the engine and publishes the completed frames.
    assert_eq!(check_fault("withhold", Fault::Timeout, 0), u64::from(GOOD.slots / 2));
}

/// Starts a stream whose first completion interrupt is withheld.
fn withheld(injector: &Injector, config: Config) -> Raw {
    withheld_by("withhold", injector, config)
}

/// A started stream whose first completion is withheld by `fault`.
fn withheld_by(fault: &str, injector: &Injector, config: Config) -> Raw {
    let before = injector.injected();
    let raw = Raw::open(DEVICES[0]);
    raw.configure(config).unwrap();
    injector.arm(fault).unwrap();
    raw.request(uapi::START, 0).unwrap();
    wait::until("an interrupt to be withheld", || (injector.injected() > before).then_some(()));
    raw
}

/// The watchdog looks once a second, and sends statistics when it does.
#[test]
fn an_engine_that_moves_or_waits_for_data_is_no_fault() {
    let _board = BoardLock::acquire();
    let injector = Injector::of(0);
    for fault in ["slow", "wait"] {
        let mut events = Client::connect().unwrap().events().unwrap();
        let raw = withheld_by(fault, &injector, GOOD);
        for _ in 0..12 {
            let statistics = wait_for_event(&mut events, Event::Statistics);
            assert_eq!(statistics.state, Some(State::Running), "{fault}");
        }
        injector.interrupt();
        let mut account = Account::new(SHAPE, raw.stats().stream);
        let mut bytes = vec![0; FRAME];
        while account.frames < 100 {
            assert_eq!((&mut raw.file()).read(&mut bytes).ok(), Some(FRAME), "{fault}");
            account.take_bytes(&bytes);
        }
        assert_eq!((account.lost, raw.stats().errors), (0, 0), "{fault}");
    }
}

#[test]
fn a_late_interrupt_loses_nothing() {
    let _board = BoardLock::acquire();
    let injector = Injector::of(0);
    let raw = withheld(&injector, GOOD);
    // Without an interrupt no frame is published.
    thread::sleep(Duration::from_millis(300));
    assert_eq!((raw.stats().frames, raw.stats().interrupts), (0, 0));
    assert_eq!(wait::events(&raw), PollFlags::empty());
    injector.interrupt();
    let mut account = Account::new(SHAPE, raw.stats().stream);
    let mut bytes = vec![0; FRAME];
    while account.frames < 500 {
        assert_eq!((&mut raw.file()).read(&mut bytes).ok(), Some(FRAME));
        account.take_bytes(&bytes);
    }
    let stats = raw.stats();
    assert_eq!((account.lost, stats.lost, stats.errors), (0, 0, 0));
    // One interrupt for each chain, including the late one; one chain may still run.
    assert!(stats.chains - stats.interrupts <= 1, "{stats:?}");
}

/// While the engine works, poll(2) reports only frames that the reader has not returned yet.
#[test]
fn poll_reports_nothing_while_a_chain_runs_and_all_frames_are_returned() {
    let _board = BoardLock::acquire();
    let injector = Injector::of(0);
    let (raw, _) = Raw::streaming(DEVICES[0], GOOD);
    let meta = Mapping::read_only(&raw, MAP_META, PAGE).unwrap();
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let page = Mapping::new(&raw, MAP_CONSUMER, PAGE, protection, libc::MAP_SHARED).unwrap();
    let (producer, consumer) = (&meta.meta().producer, &page.consumer().consumer);
    wait::until("a full ring", || (producer.load(Acquire) == GOOD.slots).then_some(()));
    let injected = injector.injected();
    injector.arm("withhold").unwrap();
    consumer.store(GOOD.slots / 2, Release);
    raw.request(uapi::KICK, 0).unwrap();
    wait::until("a chain", || (injector.injected() > injected).then_some(()));
    let ready = PollFlags::POLLIN | PollFlags::POLLRDNORM;
    assert_eq!(wait::events(&raw), ready, "half of the ring is ready");
    consumer.store(GOOD.slots, Release);
    assert_eq!(wait::events(&raw), PollFlags::empty(), "all frames are returned");
    injector.interrupt();
    assert_eq!(wait::wake(&raw), ready, "the chain has ended");
}

#[test]
fn frames_due_before_a_late_interrupt_are_counted_as_lost() {
    let _board = BoardLock::acquire();
    let injector = Injector::of(0);
    let mut events = Client::connect().unwrap().events().unwrap();
    let shape = Shape { policy: Policy::Drop, interval_us: 1000, slots: 4, ..SHAPE };
    let raw = withheld(&injector, shape.into());
    let overrun = wait_for_event(&mut events, Event::Overrun);
    assert!(overrun.lost > Some(0), "{overrun:?}");
    injector.interrupt();
    let mut account = Account::new(shape, raw.stats().stream);
    let mut bytes = vec![0; FRAME];
    while account.lost == 0 || account.frames < 50 {
        assert_eq!((&mut raw.file()).read(&mut bytes).ok(), Some(FRAME));
        account.take_bytes(&bytes);
    }
    raw.request(uapi::STOP, 0).unwrap();
    while (&mut raw.file()).read(&mut bytes).unwrap() > 0 {
        account.take_bytes(&bytes);
    }
    let stats = raw.stats();
    assert_eq!(account.frames, stats.frames);
    assert!(account.lost <= stats.lost && stats.overruns > 0 && stats.errors == 0, "{stats:?}");
}

#[test]
fn a_spurious_interrupt_changes_nothing() {
    let _board = BoardLock::acquire();
    let injector = Injector::of(0);
    let raw = Raw::open(DEVICES[0]);
    let mut seen = raw.stats();
    let mut nothing_changes = |raw: &Raw, state: State| {
        seen = raw.stats();
        assert_eq!(seen.state, state as u32);
        for _ in 0..50 {
            injector.interrupt();
        }
        assert_eq!(raw.stats(), seen, "{state:?}");
    };
    nothing_changes(&raw, State::Idle);
    raw.configure(GOOD).unwrap();
    nothing_changes(&raw, State::Configured);
    raw.request(uapi::START, 0).unwrap();
    let meta = Mapping::read_only(&raw, MAP_META, PAGE).unwrap();
    let meta = meta.meta();
    wait::until("a full ring", || (meta.producer.load(Relaxed) == GOOD.slots).then_some(()));
    nothing_changes(&raw, State::Running);
    injector.arm("error 256").unwrap();
    let page = Mapping::new(
        &raw,
        MAP_CONSUMER,
        PAGE,
        libc::PROT_READ | libc::PROT_WRITE,
        libc::MAP_SHARED,
    )
    .unwrap();
    page.consumer().consumer.store(GOOD.slots, Release);
    raw.request(uapi::KICK, 0).unwrap();
    wait::until("a fault", || (meta.flags.load(Acquire) & FAULTED != 0).then_some(()));
    nothing_changes(&raw, State::Faulted);
}

#[test]
fn spurious_interrupts_do_not_disturb_a_stream() {
    let _board = BoardLock::acquire();
    let injector = Injector::of(0);
    let mut stream = start(DEVICES[0], SHAPE);
    let mut account = Account::of(&stream, SHAPE);
    for _ in 0..500 {
        account.take_next(&mut stream);
        injector.interrupt();
    }
    let stats = stream.stats().unwrap();
    assert_eq!((account.lost, stats.errors), (0, 0));
}

/// Ends a stream whose completion interrupt was withheld; the next stream must work.
fn check_end_of_withheld(end: impl FnOnce(Raw)) {
    let injector = Injector::of(0);
    end(withheld(&injector, GOOD));
    // The withheld completion belongs to a chain that no longer exists.
    injector.interrupt();
    check_stream(DEVICES[0], 200);
}

#[test]
fn a_stop_discards_a_withheld_completion() {
    let _board = BoardLock::acquire();
    check_end_of_withheld(|raw| {
        raw.request(uapi::STOP, 0).unwrap();
        // The engine had completed the frames, so the stop publishes them.
        assert_eq!(raw.stats().frames, u64::from(GOOD.slots / 2));
        raw.request(uapi::START, 0).unwrap();
        let mut bytes = vec![0; FRAME];
        for _ in 0..100 {
            assert_eq!((&mut raw.file()).read(&mut bytes).ok(), Some(FRAME));
        }
    });
}

#[test]
fn a_close_discards_a_withheld_completion() {
    let _board = BoardLock::acquire();
    check_end_of_withheld(drop);
}

#[test]
fn an_unbind_does_not_wait_for_a_withheld_completion() {
    let _board = BoardLock::acquire();
    let raw = withheld(&Injector::of(0), GOOD);
    driver::unbind().unwrap();
    driver::bind().unwrap();
    drop(raw);
    for device in DEVICES {
        check_stream(device, 100);
    }
}

#[test]
fn a_channel_with_writes_outstanding_is_reset() {
    let _board = BoardLock::acquire();
    let injector = Injector::of(0);
    let mut stream = start(DEVICES[0], SHAPE);
    let mut account = Account::of(&stream, SHAPE);
    for _ in 0..20 {
        account.take_next(&mut stream);
    }
    injector.arm("stuck").unwrap();
    stream.stop().unwrap();
    assert_eq!(injector.armed(), "none");
    take_rest(&mut stream, &mut account);
    assert_eq!(account.frames, stream.stats().unwrap().frames);
    stream.start().unwrap();
    account = Account::of(&stream, SHAPE);
    for _ in 0..200 {
        account.take_next(&mut stream);
    }
}

#[test]
fn a_channel_that_somebody_else_uses_is_not_started() {
    let _board = BoardLock::acquire();
    assert_eq!(check_fault("busy", Fault::Engine, 0), 0);
}

/// The interrupt's handler may run on another processor when the engine is stopped. What it finds
/// belongs to the chain that ends, so a stop returns only after it.
#[test]
fn a_stop_waits_for_the_interrupt_handler() {
    let _board = BoardLock::acquire();
    let injector = Injector::of(0);
    // Linux routes the interrupts of this board to processor 0.
    let mut elsewhere = CpuSet::new();
    elsewhere.set(1).unwrap();
    sched_setaffinity(Pid::from_raw(0), &elsewhere).unwrap();
    let ends: [fn(Raw); 2] = [drop, |raw| raw.request(uapi::STOP, 0).map(drop).unwrap()];
    for end in ends {
        let raw = Raw::open(DEVICES[0]);
        raw.configure(GOOD).unwrap();
        let before = injector.injected();
        injector.arm("linger").unwrap();
        raw.request(uapi::START, 0).unwrap();
        wait::until("the handler", || (injector.injected() > before).then_some(()));
        end(raw);
        assert_eq!(injector.armed(), "none", "the engine was stopped beside the handler");
        check_stream(DEVICES[0], 100);
    }
}

/// An engine that kept running would write into memory that has a new owner.
#[test]
fn a_close_and_an_unbind_stop_the_engine() {
    let _board = BoardLock::acquire();
    let ends: [fn(Raw); 2] = [drop, |raw| {
        driver::unbind().unwrap();
        driver::bind().unwrap();
        drop(raw);
    }];
    for end in ends {
        let (raw, _) = Raw::streaming(DEVICES[0], GOOD);
        Injector::of(0).arm("stuck").unwrap();
        let log = KernelLog::from_now();
        end(raw);
        assert!(log.says("dmaframe0: writes outstanding after a stop"));
        check_stream(DEVICES[0], 100);
    }
}

/// Takes and checks the remaining frames of a stopped stream.
fn take_rest(stream: &mut Stream, account: &mut Account) {
    while let Poll::Ready(Some(frame)) = stream.next_timeout(LIMIT).unwrap() {
        account.take(frame.header(), &frame);
    }
}

#[test]
fn unknown_faults_are_refused() {
    let _board = BoardLock::acquire();
    let injector = Injector::of(0);
    for words in [
        "\n",
        "errors",
        "error",
        "error 0",
        "error x",
        "error 4294967296",
        "error 1 2",
        // No error bit: the engine cannot show it.
        "error 8",
        "error 513",
        "overtaken",
        "half 1",
        "Half",
        "none none",
        "withholdwithholdwithholdwithholdwithhold",
    ] {
        let refused = injector.arm(words).err().and_then(|error| error.raw_os_error());
        assert_eq!(refused, Some(Errno::EINVAL as i32), "{words:?}");
        assert_eq!(injector.armed(), "none", "{words}");
    }
    injector.arm("stuck\n").unwrap();
    assert_eq!(injector.armed(), "stuck");
    injector.arm("none").unwrap();
}
