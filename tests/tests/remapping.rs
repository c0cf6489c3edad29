// SPDX-License-Identifier: MIT OR Apache-2.0
//! Mappings that are moved, shrunk, split, protected, advised, locked and replaced. Nothing of this
//! changes the ring.

use dmaframe_abi::ring::{MAP_META, MAP_SLOTS};
use dmaframe_tests::background_stream::check_streams;
use dmaframe_tests::full_ring::FullRing;
use dmaframe_tests::mapping::{Mapping, PAGE};
use dmaframe_tests::range::{Range, pointer};
use dmaframe_tests::raw::{GOOD, Raw};
use dmaframe_tests::{BackgroundStream, BoardLock, DEVICES};
use libc::{MAP_FAILED, MAP_SHARED, PROT_EXEC, PROT_NONE, PROT_READ, PROT_WRITE};
use nix::errno::Errno;
use std::os::fd::AsRawFd;

#[test]
fn a_mapping_can_be_moved_and_shrunk_but_not_grown() {
    let _board = BoardLock::acquire();
    let ring = FullRing::on_first_device();
    for (region, expected) in ring.regions().into_iter().zip(&ring.before) {
        let name = region.0;
        let mut range = ring.map(region);
        let bytes = range.bytes;
        // A destination that is known to be free.
        let to = Mapping::anonymous(2 * bytes, PROT_NONE);
        let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED;
        // SAFETY: nothing refers to either range.
        let moved = unsafe {
            libc::mremap(pointer(range.address), bytes, bytes, flags, pointer(to.address()))
        };
        assert_eq!(moved.addr(), to.address(), "{name}: {}", Errno::last());
        let old = std::mem::replace(&mut range.address, to.address());
        assert!(range.read().unwrap() == *expected, "{name} moved");
        assert!(Range { address: old, bytes: PAGE }.read().is_err(), "{name}, where it was");

        for flags in [0, libc::MREMAP_MAYMOVE] {
            let grown = range.remap(bytes, bytes + PAGE, flags);
            assert_eq!(grown, Err(Errno::EFAULT), "{name} grown, flags {flags}");
            // An old length of 0 asks for a second mapping of the same pages.
            let doubled = range.remap(0, bytes, flags);
            assert!(doubled.is_err(), "{name} doubled, flags {flags}");
            assert!(range.read().unwrap() == *expected, "{name} neither grown nor doubled");
        }
        let kept = range.remap(bytes, bytes, libc::MREMAP_MAYMOVE | libc::MREMAP_DONTUNMAP);
        assert_eq!(kept, Err(Errno::EINVAL), "{name} moved and kept");
        assert!(range.read().unwrap() == *expected, "{name} not moved");
        if bytes > PAGE {
            range.remap(bytes, bytes - PAGE, 0).unwrap();
            assert!(range.read().unwrap() == expected[..bytes - PAGE], "{name} shrunk");
            assert_eq!(range.remap(bytes - PAGE, bytes, 0), Err(Errno::EFAULT), "{name} regrown");
        }
        ring.assert_unchanged(name);
        std::mem::forget(range);
        drop(to);
    }
}

/// A hole splits a mapping; the device is free when the last part is unmapped.
#[test]
fn parts_of_a_split_mapping_keep_the_device() {
    let _board = BoardLock::acquire();
    let ring = FullRing::on_first_device();
    let range = ring.map(("slots", MAP_SLOTS, ring.slots_bytes));
    let expected = ring.before[2].clone();
    range.unmap(5 * PAGE, 3 * PAGE).unwrap();
    range.unmap(0, PAGE).unwrap();
    range.unmap(ring.slots_bytes - PAGE, PAGE).unwrap();
    let part = |first: usize, count: usize| Range {
        address: range.address + first * PAGE,
        bytes: count * PAGE,
    };
    let left = part(1, 4);
    let right = part(8, ring.slots_bytes / PAGE - 9);
    assert!(left.read().unwrap() == expected[PAGE..5 * PAGE]);
    assert!(right.read().unwrap() == expected[8 * PAGE..expected.len() - PAGE]);
    for hole in [part(0, 1), part(5, 1), part(7, 1)] {
        assert!(hole.read().is_err());
        std::mem::forget(hole);
    }
    ring.assert_unchanged("cutting");
    std::mem::forget(range);
    drop(ring);
    assert_eq!(Raw::try_open(DEVICES[0], 0).map(drop), Err(Errno::EBUSY));
    drop(left);
    assert_eq!(Raw::try_open(DEVICES[0], 0).map(drop), Err(Errno::EBUSY));
    assert!(right.read().unwrap() == expected[8 * PAGE..expected.len() - PAGE]);
    drop(right);
    assert_eq!(Raw::try_open(DEVICES[0], 0).map(drop), Ok(()));
    check_streams(&DEVICES[..1]);
}

#[test]
fn read_only_regions_cannot_be_made_writable() {
    let _board = BoardLock::acquire();
    for raw in [Raw::open, Raw::open_read_only] {
        let raw = raw(DEVICES[0]);
        let ring = FullRing::of(raw, GOOD);
        for (name, offset, bytes) in ring.read_only_regions() {
            let range = Range::of(&ring.raw, offset, bytes, PROT_READ).unwrap();
            for at in (0..bytes).step_by(PAGE) {
                for protection in 0..8 {
                    let page = pointer(range.address + at);
                    // SAFETY: nothing refers to the range.
                    let set = Errno::result(unsafe { libc::mprotect(page, PAGE, protection) });
                    let expected = match protection & (PROT_WRITE | PROT_EXEC) {
                        0 => Ok(()),
                        _ => Err(Errno::EACCES),
                    };
                    let what = format!("{name}, page at {at:#x}, protection {protection}");
                    assert_eq!(set.map(drop), expected, "{what}");
                }
                // SAFETY: as above.
                unsafe { libc::mprotect(pointer(range.address + at), PAGE, PROT_READ) };
            }
            assert!(range.read().is_ok(), "{name}");
        }
        ring.assert_unchanged("mprotect");
    }
}

/// madvise(2) makes nothing writable, and drops pages from the caller's mapping alone.
#[test]
fn advice_changes_no_page_of_the_ring() {
    const REFUSED: [(&str, i32, Errno); 5] = [
        ("FREE", libc::MADV_FREE, Errno::EINVAL),
        ("DODUMP", libc::MADV_DODUMP, Errno::EINVAL),
        ("DOFORK", libc::MADV_DOFORK, Errno::EINVAL),
        ("WIPEONFORK", libc::MADV_WIPEONFORK, Errno::EINVAL),
        ("POPULATE_WRITE", libc::MADV_POPULATE_WRITE, Errno::EINVAL),
    ];
    let _board = BoardLock::acquire();
    let background = BackgroundStream::start(DEVICES[1]);
    let ring = FullRing::on_first_device();
    let advise = |range: &Range, advice| {
        // SAFETY: nothing refers to the range.
        Errno::result(unsafe { libc::madvise(pointer(range.address), range.bytes, advice) })
            .map(drop)
    };
    for region in ring.regions() {
        let name = region.0;
        // All values except those that poison memory, which root may give.
        for advice in (0..=25).chain([102, 103]) {
            let range = ring.map(region);
            let answer = advise(&range, advice);
            let _ = range.read();
            ring.assert_unchanged(&format!("advice {advice} on {name}: {answer:?}"));
        }
    }
    for region in ring.read_only_regions() {
        let range = ring.map(region);
        for (word, advice, errno) in REFUSED {
            assert_eq!(advise(&range, advice), Err(errno), "{word} on {}", region.0);
        }
        assert!(advise(&range, libc::MADV_REMOVE).is_err(), "REMOVE on {}", region.0);
        assert!(range.read().is_ok());
        advise(&range, libc::MADV_POPULATE_READ).unwrap();
        // A dropped page does not come back, and no other page takes its place.
        advise(&range, libc::MADV_DONTNEED).unwrap();
        assert!(range.read().is_err(), "{} after DONTNEED", region.0);
        assert_eq!(advise(&range, libc::MADV_POPULATE_READ), Err(Errno::EFAULT), "{}", region.0);
        ring.assert_unchanged("DONTNEED");
    }
    background.finish();
    drop(ring);
    check_streams(&DEVICES);
}

#[test]
fn mlock_and_msync_do_no_harm() {
    let _board = BoardLock::acquire();
    let ring = FullRing::on_first_device();
    for region in ring.regions() {
        let (name, range) = (region.0, ring.map(region));
        for round in 0..3 {
            // SAFETY: nothing refers to the range.
            unsafe {
                libc::mlock(pointer(range.address), range.bytes);
                for flags in [libc::MS_SYNC, libc::MS_ASYNC, libc::MS_ASYNC | libc::MS_INVALIDATE] {
                    let synced =
                        Errno::result(libc::msync(pointer(range.address), range.bytes, flags));
                    let known =
                        matches!(synced, Ok(0) | Err(Errno::EINVAL | Errno::EBUSY | Errno::EIO));
                    assert!(known, "{name}, msync {flags}: {synced:?}");
                }
                libc::munlock(pointer(range.address), range.bytes);
            }
            assert!(range.read().is_ok(), "{name}, round {round}");
        }
    }
    ring.assert_unchanged("mlock and msync");
}

/// Memory that is mapped over a mapping replaces it there, and does not change the ring.
#[test]
fn a_mapping_can_be_replaced() {
    let _board = BoardLock::acquire();
    let ring = FullRing::on_first_device();
    for region in ring.regions() {
        let (name, range) = (region.0, ring.map(region));
        let middle = range.address + range.bytes / 2 / PAGE * PAGE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
        // SAFETY: what is replaced is part of the range, to which nothing refers.
        let over = unsafe {
            let over = libc::mmap(pointer(middle), PAGE, PROT_READ | PROT_WRITE, flags, -1, 0);
            assert_ne!(over, MAP_FAILED, "{name}");
            over.cast::<u8>().write_bytes(0xee, PAGE);
            over
        };
        assert_eq!(over.addr(), middle, "{name}");
        ring.assert_unchanged(name);
        // The device is mapped over that again.
        let flags = MAP_SHARED | libc::MAP_FIXED;
        let fd = ring.raw.file().as_raw_fd();
        // SAFETY: as above.
        let again =
            unsafe { libc::mmap(over, PAGE, PROT_READ, flags, fd, MAP_META as libc::off_t) };
        assert_eq!(again, over, "{name}: {}", Errno::last());
        let page = Range { address: middle, bytes: PAGE };
        assert!(page.read().unwrap() == ring.before[0], "{name}");
        std::mem::forget(page);
    }
    ring.assert_unchanged("mappings over it");
}
