// SPDX-License-Identifier: MIT OR Apache-2.0
//! ioctl requests: a wrong one fails with the errno of the reference and changes nothing.

use dmaframe_abi::stream::{FRAME_BYTES_MAX, State};
use dmaframe_abi::uapi::{self, Config, Info, SourceInfo, Stats, field_name};
use dmaframe_tests::mapping::{Mapping, PAGE};
use dmaframe_tests::raw::{GOOD, QUIET, Raw};
use dmaframe_tests::{BoardLock, DEVICES};
use nix::errno::Errno;

/// Configurations that no device accepts.
const BAD: &[(&str, Config)] = &[
    ("source that is not there", Config { source: 3, ..GOOD }),
    ("source beyond all", Config { source: u32::MAX, ..GOOD }),
    ("no payload", Config { frame_bytes: 0, ..GOOD }),
    ("payload of 1 byte", Config { frame_bytes: 1, ..GOOD }),
    ("payload of half a word", Config { frame_bytes: 4098, ..GOOD }),
    ("payload too long by a word", Config { frame_bytes: FRAME_BYTES_MAX + 4, slots: 2, ..GOOD }),
    ("payload whose slot wraps", Config { frame_bytes: u32::MAX - 3, slots: 2, ..GOOD }),
    ("no slot", Config { slots: 0, ..GOOD }),
    ("one slot", Config { slots: 1, ..GOOD }),
    ("slots that are no power of two", Config { slots: 12, ..GOOD }),
    ("too many slots", Config { slots: 2048, ..GOOD }),
    ("slots whose bytes wrap", Config { slots: 1 << 31, ..GOOD }),
    ("ring too long", Config { frame_bytes: FRAME_BYTES_MAX, slots: 16, ..GOOD }),
    ("interval too short", Config { interval_us: 49, ..GOOD }),
    ("interval too long", Config { interval_us: 60_000_001, ..GOOD }),
    ("interval beyond all", Config { interval_us: u32::MAX, ..GOOD }),
    ("policy that is not known", Config { policy: 2, ..GOOD }),
    ("policy beyond all", Config { policy: u32::MAX, interval_us: 1000, ..GOOD }),
    ("drop without interval", Config { policy: 1, ..GOOD }),
    ("flag", Config { flags: 1, ..GOOD }),
    ("highest flag", Config { flags: 1 << 31, ..GOOD }),
    ("slot_stride given", Config { slot_stride: 8192, ..GOOD }),
    ("header_bytes given", Config { header_bytes: 64, ..GOOD }),
    ("slots_bytes given", Config { slots_bytes: 131_072, ..GOOD }),
    ("reserved[0]", Config { reserved: [1, 0, 0], ..GOOD }),
    ("reserved[1]", Config { reserved: [0, 1, 0], ..GOOD }),
    ("reserved[2]", Config { reserved: [0, 0, 1 << 63], ..GOOD }),
];

fn state(raw: &Raw) -> u32 {
    raw.exchange(uapi::GET_INFO, Info::default()).unwrap().state
}

#[test]
fn configure_refuses_invalid_configurations() {
    let _board = BoardLock::acquire();
    let raw = Raw::open(DEVICES[0]);
    for (what, config) in BAD {
        assert_eq!(raw.configure(*config), Err(Errno::EINVAL), "{what}");
        assert_eq!(state(&raw), State::Idle as u32, "after: {what}");
    }
    let made = raw.configure(GOOD).unwrap();
    for (what, config) in BAD {
        assert_eq!(raw.configure(*config), Err(Errno::EINVAL), "{what}, configured");
        let now = raw.exchange(uapi::GET_CONFIG, Config::default()).unwrap();
        assert_eq!(now, made, "after: {what}, configured");
    }
    // The result is not a valid request: the fields of the ring are set.
    assert_eq!(raw.configure(made), Err(Errno::EINVAL));
}

#[test]
fn configure_returns_the_layout_of_the_ring() {
    let _board = BoardLock::acquire();
    let raw = Raw::open(DEVICES[0]);
    for (frame_bytes, slots, stride) in [(4, 2, 4096), (4032, 16, 4096), (4036, 1024, 8192)] {
        let made = raw.configure(Config { frame_bytes, slots, ..GOOD }).unwrap();
        let slots_bytes = u64::from(slots * stride);
        let expected = Config {
            frame_bytes,
            slots,
            slot_stride: stride,
            header_bytes: 64,
            slots_bytes,
            ..GOOD
        };
        assert_eq!(made, expected);
        assert_eq!(raw.exchange(uapi::GET_CONFIG, Config::default()), Ok(expected));
    }
}

#[test]
fn requests_out_of_order_are_refused() {
    let _board = BoardLock::acquire();
    let raw = Raw::open(DEVICES[0]);
    assert_eq!(raw.request(uapi::START, 0), Err(Errno::ENODATA), "START before CONFIGURE");
    assert_eq!(raw.request(uapi::KICK, 0), Err(Errno::ENODATA), "KICK before CONFIGURE");
    assert_eq!(raw.request(uapi::STOP, 0), Ok(()), "STOP before CONFIGURE");
    raw.configure(GOOD).unwrap();
    assert_eq!(raw.request(uapi::KICK, 0), Ok(()), "KICK before START");
    assert_eq!(raw.request(uapi::START, 0), Ok(()));
    assert_eq!(raw.request(uapi::START, 0), Err(Errno::EBUSY), "START twice");
    assert_eq!(raw.configure(GOOD), Err(Errno::EBUSY), "CONFIGURE while running");
    assert_eq!(state(&raw), State::Running as u32);
    assert_eq!(raw.request(uapi::STOP, 0), Ok(()));
    assert_eq!(raw.request(uapi::STOP, 0), Ok(()), "STOP twice");
    assert_eq!(state(&raw), State::Configured as u32);
    raw.configure(GOOD).unwrap();
    assert_eq!(raw.request(uapi::START, 0), Ok(()), "START after CONFIGURE after STOP");
}

#[test]
fn requests_without_an_argument_refuse_one() {
    let _board = BoardLock::acquire();
    let raw = Raw::open(DEVICES[0]);
    raw.configure(GOOD).unwrap();
    for request in [uapi::START, uapi::STOP, uapi::KICK] {
        for argument in [1, PAGE, 1 << 32, usize::MAX] {
            assert_eq!(raw.request(request, argument), Err(Errno::EINVAL), "{request:#x}");
        }
    }
    assert_eq!(state(&raw), State::Configured as u32);
    raw.request(uapi::START, 0).unwrap();
    assert_eq!(raw.request(uapi::STOP, 1), Err(Errno::EINVAL));
    assert_eq!(state(&raw), State::Running as u32);
}

#[test]
fn unknown_requests_are_refused() {
    let _board = BoardLock::acquire();
    let raw = Raw::open(DEVICES[0]);
    // Large enough for any structure that a driver might mistake a request for.
    let memory = Mapping::anonymous(PAGE, libc::PROT_READ | libc::PROT_WRITE);
    let resized = uapi::GET_INFO + (8 << 16);
    let turned = uapi::CONFIGURE ^ (3 << 30);
    let of_another_type = (uapi::GET_INFO & !0xff00) | 0xde00;
    let next = (uapi::GET_STATS & !0xff) | 8;
    let all = [0xdf08, 0xdfff, next, resized, turned, of_another_type, u32::MAX];
    for request in all {
        for argument in [0, memory.address()] {
            let refused = raw.request(request, argument);
            assert_eq!(refused, Err(Errno::ENOTTY), "{request:#x}, {argument:#x}");
        }
    }
}

#[test]
fn bad_addresses_are_refused() {
    let _board = BoardLock::acquire();
    let raw = Raw::open(DEVICES[0]);
    let unmapped = {
        let gone = Mapping::anonymous(PAGE, libc::PROT_READ | libc::PROT_WRITE);
        gone.address()
    };
    let guarded = Mapping::anonymous(2 * PAGE, libc::PROT_READ | libc::PROT_WRITE);
    // The structure extends into the inaccessible page.
    let half = guarded.address() + PAGE - 8;
    // SAFETY: nothing reads or writes this page.
    let protected = unsafe {
        let second = std::ptr::with_exposed_provenance_mut(guarded.address() + PAGE);
        libc::mprotect(second, PAGE, libc::PROT_NONE)
    };
    assert_eq!(protected, 0);
    let kernel = 0xffff_8000_0000_0000;
    for request in
        [uapi::GET_INFO, uapi::GET_SOURCE, uapi::GET_CONFIG, uapi::CONFIGURE, uapi::GET_STATS]
    {
        for address in [0, 8, unmapped, half, kernel, usize::MAX - 7] {
            let refused = raw.request(request, address);
            assert_eq!(refused, Err(Errno::EFAULT), "{request:#x}, {address:#x}");
        }
    }
    assert_eq!(state(&raw), State::Idle as u32);
    let read_only = Mapping::anonymous(PAGE, libc::PROT_READ);
    for request in [uapi::GET_INFO, uapi::GET_SOURCE, uapi::GET_CONFIG, uapi::GET_STATS] {
        assert_eq!(raw.request(request, read_only.address()), Err(Errno::EFAULT), "{request:#x}");
    }
}

#[test]
fn get_source_describes_sources_and_refuses_invalid_requests() {
    let _board = BoardLock::acquire();
    let raw = Raw::open(DEVICES[0]);
    let count = raw.exchange(uapi::GET_INFO, Info::default()).unwrap().sources;
    let ask = |given: SourceInfo| raw.exchange(uapi::GET_SOURCE, given);
    let sources: Vec<SourceInfo> = (0..count)
        .map(|index| ask(SourceInfo { index, ..SourceInfo::default() }).unwrap())
        .collect();
    let names: Vec<_> = sources
        .iter()
        .map(|source| String::from_utf8_lossy(field_name(&source.name)).into_owned())
        .collect();
    assert_eq!(names, ["pattern", "systimer", "gpio"]);
    let facts: Vec<_> = sources
        .iter()
        .map(|source| (source.flags, source.bus, source.bytes, source.width))
        .collect();
    assert_eq!(facts[0].0 & uapi::SOURCE_PATTERN, uapi::SOURCE_PATTERN);
    assert_eq!(facts[1..], [(0, 0x7e00_3004, 4, 4), (0, 0x7e20_0034, 4, 4)]);
    for (index, source) in (0..).zip(&sources) {
        assert_eq!((source.index, source.frame_bytes, source.interval_us), (index, 4096, 0));
        assert_eq!(source.reserved, [0; 7]);
    }

    let zero = SourceInfo::default();
    let mut name = zero.name;
    name[31] = 1;
    for (what, bad) in [
        ("index one too high", SourceInfo { index: count, ..zero }),
        ("index beyond all", SourceInfo { index: u32::MAX, ..zero }),
        ("flags", SourceInfo { flags: 1, ..zero }),
        ("name", SourceInfo { name, ..zero }),
        ("bus", SourceInfo { bus: 1, ..zero }),
        ("bytes", SourceInfo { bytes: 1, ..zero }),
        ("width", SourceInfo { width: 1, ..zero }),
        ("dreq", SourceInfo { dreq: 1, ..zero }),
        ("rate_hz", SourceInfo { rate_hz: 1, ..zero }),
        ("frame_bytes", SourceInfo { frame_bytes: 1, ..zero }),
        ("interval_us", SourceInfo { interval_us: 1, ..zero }),
        ("frame_bytes_max", SourceInfo { frame_bytes_max: 1, ..zero }),
        ("reserved", SourceInfo { reserved: [0, 0, 0, 0, 0, 0, 1], ..zero }),
    ] {
        assert_eq!(ask(bad), Err(Errno::EINVAL), "{what}");
    }
}

#[test]
fn reserved_fields_of_info_and_statistics_are_zero() {
    let _board = BoardLock::acquire();
    for (device, channel) in (0..).zip([4, 5]) {
        let (raw, _) = Raw::streaming(DEVICES[device as usize], QUIET);
        let dirty = Info { reserved: [u64::MAX; 6], ..Info::default() };
        let info = raw.exchange(uapi::GET_INFO, dirty).unwrap();
        assert_eq!((info.device, info.channel, info.sources), (device, channel, 3));
        assert_eq!(field_name(&info.engine), b"bcm2835-dma");
        assert_eq!((info.stamp_hz, info.frame_granularity), (1_000_000, 4));
        assert_eq!((info.state, info.reserved), (State::Running as u32, [0; 6]));
        let dirty = Stats { reserved: [u64::MAX; 4], ..Stats::default() };
        let stats = raw.exchange(uapi::GET_STATS, dirty).unwrap();
        assert_eq!((stats.state, stats.fault), (State::Running as u32, 0));
        assert_eq!((stats.frames, stats.reserved), (0, [0; 4]));
    }
}
