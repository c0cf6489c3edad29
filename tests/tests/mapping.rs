// SPDX-License-Identifier: MIT OR Apache-2.0
//! Mappings: ranges, protection and lifetime. No access can write the driver's pages.

use dmaframe_abi::frame::{FrameError, parse};
use dmaframe_abi::ring::{DETACHED, MAGIC, MAP_CONSUMER, MAP_META, MAP_SLOTS, STOPPED};
use dmaframe_abi::uapi::{self, Config};
use dmaframe_tests::mapping::{Mapping, PAGE};
use dmaframe_tests::raw::{GOOD, Raw};
use dmaframe_tests::{BoardLock, DEVICES, wait};
use libc::{MAP_PRIVATE, MAP_SHARED, PROT_EXEC, PROT_READ, PROT_WRITE};
use nix::errno::Errno;
use nix::poll::PollFlags;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::sync::atomic::Ordering::Relaxed;

fn configured() -> (Raw, usize) {
    let raw = Raw::open(DEVICES[0]);
    let made = raw.configure(GOOD).unwrap();
    (raw, made.slots_bytes as usize)
}

fn regions(slots_bytes: usize) -> [(&'static str, u64, usize); 3] {
    [("meta", MAP_META, PAGE), ("consumer", MAP_CONSUMER, PAGE), ("slots", MAP_SLOTS, slots_bytes)]
}

#[test]
fn nothing_can_be_mapped_before_configure() {
    let _board = BoardLock::acquire();
    let raw = Raw::open(DEVICES[0]);
    for (name, offset, bytes) in regions(PAGE) {
        let refused = Mapping::read_only(&raw, offset, bytes).map(drop);
        assert_eq!(refused, Err(Errno::ENODATA), "{name}");
    }
}

#[test]
fn meta_and_slots_are_not_writable() {
    let _board = BoardLock::acquire();
    let (raw, slots_bytes) = configured();
    for (name, offset, bytes) in [regions(slots_bytes)[0], regions(slots_bytes)[2]] {
        for protection in [PROT_WRITE, PROT_READ | PROT_WRITE] {
            let refused = Mapping::new(&raw, offset, bytes, protection, MAP_SHARED).map(drop);
            assert_eq!(refused, Err(Errno::EPERM), "{name}, protection {protection}");
        }
        let mapping = Mapping::read_only(&raw, offset, bytes).unwrap();
        for protection in [PROT_WRITE, PROT_READ | PROT_WRITE] {
            let refused = mapping.protect(protection);
            assert_eq!(refused, Err(Errno::EACCES), "{name}, mprotect {protection}");
        }
    }
}

#[test]
fn no_mapping_is_executable() {
    let _board = BoardLock::acquire();
    let (raw, slots_bytes) = configured();
    for (name, offset, bytes) in regions(slots_bytes) {
        let refused =
            Mapping::new(&raw, offset, bytes, PROT_READ | PROT_EXEC, MAP_SHARED).map(drop);
        assert!(matches!(refused, Err(Errno::EINVAL | Errno::EPERM)), "{name}: {refused:?}");
        let mapping = Mapping::read_only(&raw, offset, bytes).unwrap();
        assert_eq!(mapping.protect(PROT_READ | PROT_EXEC), Err(Errno::EACCES), "{name}, mprotect");
    }
}

#[test]
fn no_mapping_is_private() {
    let _board = BoardLock::acquire();
    let (raw, slots_bytes) = configured();
    for (name, offset, bytes) in regions(slots_bytes) {
        for protection in [PROT_READ, PROT_READ | PROT_WRITE] {
            let refused = Mapping::new(&raw, offset, bytes, protection, MAP_PRIVATE).map(drop);
            assert_eq!(refused, Err(Errno::EINVAL), "{name}, protection {protection}");
        }
    }
}

#[test]
fn ranges_outside_a_region_are_refused() {
    let _board = BoardLock::acquire();
    let (raw, slots) = configured();
    let page = PAGE as u64;
    for (what, offset, bytes) in [
        ("two pages of meta", MAP_META, 2 * PAGE),
        ("after meta", MAP_META + page, PAGE),
        ("two pages of consumer", MAP_CONSUMER, 2 * PAGE),
        ("before consumer", MAP_CONSUMER - page, PAGE),
        ("after consumer", MAP_CONSUMER + page, PAGE),
        ("before slots", MAP_SLOTS - page, PAGE),
        ("from before slots", MAP_SLOTS - page, slots),
        ("slots and a page", MAP_SLOTS, slots + PAGE),
        ("all but a page of slots, and a page", MAP_SLOTS + page, slots),
        ("after slots", MAP_SLOTS + slots as u64, PAGE),
        ("a fourth region", 3 << 32, PAGE),
        ("far away", 1 << 52, PAGE),
        ("the last page there is", i64::MAX as u64 - (page - 1), PAGE),
    ] {
        let refused = Mapping::read_only(&raw, offset, bytes).map(drop);
        assert_eq!(refused, Err(Errno::EINVAL), "{what}");
    }
}

#[test]
fn no_mapping_can_grow() {
    let _board = BoardLock::acquire();
    let (raw, slots_bytes) = configured();
    for (name, offset, bytes) in regions(slots_bytes) {
        let mut mapping = Mapping::read_only(&raw, offset, bytes).unwrap();
        assert_eq!(mapping.resize(bytes + PAGE), Err(Errno::EFAULT), "{name}");
    }
}

/// /proc/PID/mem ignores the protection of a mapping.
#[test]
fn meta_and_slots_cannot_be_written_through_proc() {
    let _board = BoardLock::acquire();
    let (raw, slots_bytes) = configured();
    let memory = OpenOptions::new().write(true).open("/proc/self/mem").unwrap();
    for (name, offset, bytes) in [regions(slots_bytes)[0], regions(slots_bytes)[2]] {
        let mapping = Mapping::read_only(&raw, offset, bytes).unwrap();
        let before = mapping.copy(0, 64);
        assert!(memory.write_at(&[0xaa; 8], mapping.address() as u64).is_err(), "{name}");
        assert_eq!(mapping.copy(0, 64), before, "{name}");
    }
}

#[test]
fn the_meta_page_describes_the_ring() {
    let _board = BoardLock::acquire();
    let raw = Raw::open(DEVICES[0]);
    let config = Config { source: 1, frame_bytes: 5000, slots: 8, policy: 1, ..GOOD };
    let made = raw.configure(Config { interval_us: 1000, ..config }).unwrap();
    let mapping = Mapping::read_only(&raw, MAP_META, PAGE).unwrap();
    let meta = mapping.meta();
    assert_eq!(meta.magic.load(Relaxed), MAGIC);
    let expected = [
        (&meta.struct_bytes, 192),
        (&meta.slots, 8),
        (&meta.slot_stride, made.slot_stride),
        (&meta.header_bytes, 64),
        (&meta.frame_bytes, 5000),
        (&meta.source, 1),
        (&meta.policy, 1),
        (&meta.interval_us, 1000),
        (&meta.stamp_hz, 1_000_000),
        (&meta.producer, 0),
        (&meta.flags, STOPPED),
        (&meta.fault, 0),
    ];
    for (index, (field, value)) in expected.into_iter().enumerate() {
        assert_eq!(field.load(Relaxed), value, "field {index}");
    }
    // The rest of the page shows no data of other programs.
    assert_eq!(mapping.copy(192, PAGE - 192), [0; PAGE - 192]);
}

#[test]
fn new_memory_is_zero() {
    let _board = BoardLock::acquire();
    let (raw, slots_bytes) = configured();
    for (name, offset, bytes) in regions(slots_bytes).into_iter().skip(1) {
        let mapping = Mapping::read_only(&raw, offset, bytes).unwrap();
        assert!(mapping.copy(0, bytes).iter().all(|byte| *byte == 0), "{name}");
    }
}

#[test]
fn a_part_of_the_slots_can_be_mapped() {
    let _board = BoardLock::acquire();
    let (raw, made) = Raw::streaming(DEVICES[0], GOOD);
    let stride = made.slot_stride as usize;
    let meta = Mapping::read_only(&raw, MAP_META, PAGE).unwrap();
    wait::until("four frames", || (meta.meta().producer.load(Relaxed) >= 4).then_some(()));
    for slot in [0, 3] {
        let offset = MAP_SLOTS + (slot * stride) as u64;
        let mapping = Mapping::read_only(&raw, offset, stride).unwrap();
        let bytes = mapping.copy(0, stride);
        assert_eq!(parse(&bytes).unwrap().0.sequence.get(), slot as u64);
    }
    let second_page = Mapping::read_only(&raw, MAP_SLOTS + PAGE as u64, PAGE).unwrap();
    let whole = Mapping::read_only(&raw, MAP_SLOTS, stride).unwrap();
    assert_eq!(second_page.copy(0, PAGE), whole.copy(PAGE, PAGE));
}

#[test]
fn mappings_of_a_replaced_ring_stay_and_are_marked() {
    let _board = BoardLock::acquire();
    let (raw, slots_bytes) = configured();
    raw.request(uapi::START, 0).unwrap();
    assert!(wait::wake(&raw).contains(PollFlags::POLLIN));
    let old_meta = Mapping::read_only(&raw, MAP_META, PAGE).unwrap();
    let old_slots = Mapping::read_only(&raw, MAP_SLOTS, slots_bytes).unwrap();
    raw.request(uapi::STOP, 0).unwrap();
    assert_eq!(old_meta.meta().flags.load(Relaxed), STOPPED);
    let before = old_slots.copy(0, slots_bytes);
    assert!(parse(&before).is_ok());

    raw.configure(Config { source: 1, ..GOOD }).unwrap();
    assert_eq!(old_meta.meta().flags.load(Relaxed), STOPPED | DETACHED);
    raw.request(uapi::START, 0).unwrap();
    let new_meta = Mapping::read_only(&raw, MAP_META, PAGE).unwrap();
    let producer = || new_meta.meta().producer.load(Relaxed);
    wait::until("a full ring", || (producer() == GOOD.slots).then_some(()));
    // The new stream wrote nothing into the old ring.
    assert!(old_slots.copy(0, slots_bytes) == before);
}

/// A user of the device must not be able to exhaust the kernel's memory.
#[test]
fn mappings_of_replaced_rings_hold_limited_memory() {
    let _board = BoardLock::acquire();
    let raw = Raw::open(DEVICES[0]);
    let quarter = Config { frame_bytes: (1 << 20) - 64, slots: 64, ..GOOD };
    let mut held = Vec::new();
    for _ in 0..4 {
        raw.configure(quarter).unwrap();
        held.push(Mapping::read_only(&raw, MAP_SLOTS, PAGE).unwrap());
    }
    assert_eq!(raw.configure(GOOD).map(drop), Err(Errno::ENOBUFS));
    // The refused CONFIGURE has changed nothing.
    raw.request(uapi::START, 0).unwrap();
    assert!(wait::wake(&raw).contains(PollFlags::POLLIN));
    raw.request(uapi::STOP, 0).unwrap();
    assert!(matches!(parse(&held[3].copy(0, PAGE)), Err(FrameError::Short { .. })));
    held.remove(0);
    raw.configure(GOOD).unwrap();
}

/// A mapping keeps the file open, and so the device busy.
#[test]
fn a_mapping_keeps_the_device_busy() {
    let _board = BoardLock::acquire();
    let (raw, _) = configured();
    let mapping = Mapping::read_only(&raw, MAP_META, PAGE).unwrap();
    drop(raw);
    assert_eq!(Raw::try_open(DEVICES[0], 0).map(drop), Err(Errno::EBUSY));
    drop(mapping);
    assert_eq!(Raw::try_open(DEVICES[0], 0).map(drop), Ok(()));
}

/// A file opened read-only can map every region, for reading.
#[test]
fn a_read_only_file_maps_every_region_for_reading() {
    let _board = BoardLock::acquire();
    let raw = Raw::open_read_only(DEVICES[0]);
    let slots_bytes = raw.configure(GOOD).unwrap().slots_bytes as usize;
    let protection = PROT_READ | PROT_WRITE;
    for (name, offset, bytes) in regions(slots_bytes) {
        let mapping = Mapping::read_only(&raw, offset, bytes).unwrap();
        assert_eq!(mapping.protect(protection), Err(Errno::EACCES), "{name}, mprotect");
        let refused = Mapping::new(&raw, offset, bytes, protection, MAP_SHARED).map(drop);
        assert_eq!(refused, Err(Errno::EACCES), "{name}");
    }
}
