// SPDX-License-Identifier: MIT OR Apache-2.0
//! Mappings that are moved, cut, protected, advised, poked at: only the reader's own page changes,
//! and only the documented ranges are to be had.

use dmaframe::sysfs::{Attribute, Attributes};
use dmaframe_abi::ring::{MAP_CONSUMER, MAP_META, MAP_SLOTS};
use dmaframe_abi::uapi::{self, Config};
use dmaframe_tests::background_stream::check_streams;
use dmaframe_tests::mapping::{Mapping, PAGE};
use dmaframe_tests::process::Run;
use dmaframe_tests::raw::{GOOD, Raw};
use dmaframe_tests::{BackgroundStream, BoardLock, DEVICES, wait};
use libc::{MAP_FAILED, MAP_SHARED, PROT_EXEC, PROT_NONE, PROT_READ, PROT_WRITE};
use nix::errno::Errno;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::fs::OpenOptions;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::sync::atomic::Ordering::{Acquire, Relaxed};

/// A full ring that the engine does not touch any more, and a look at it of its own: what is done
/// to other mappings must not show in it.
struct Ring {
    raw: Raw,
    slots_bytes: usize,
    meta: Mapping,
    consumer: Mapping,
    slots: Mapping,
    before: [Vec<u8>; 3],
}

impl Ring {
    fn full() -> Self {
        Self::of(Raw::open(DEVICES[0]), GOOD)
    }

    fn of(raw: Raw, config: Config) -> Self {
        let slots_bytes = raw.configure(config).unwrap().slots_bytes as usize;
        raw.request(uapi::START, 0).unwrap();
        let meta = Mapping::read_only(&raw, MAP_META, PAGE).unwrap();
        let consumer = Mapping::read_only(&raw, MAP_CONSUMER, PAGE).unwrap();
        let slots = Mapping::read_only(&raw, MAP_SLOTS, slots_bytes).unwrap();
        wait::until("a full ring", || {
            (meta.meta().producer.load(Acquire) == config.slots).then_some(())
        });
        raw.request(uapi::STOP, 0).unwrap();
        let before = [meta.copy(0, PAGE), consumer.copy(0, PAGE), slots.copy(0, slots_bytes)];
        Self { raw, slots_bytes, meta, consumer, slots, before }
    }

    /// The regions: name, offset, bytes.
    fn regions(&self) -> [(&'static str, u64, usize); 3] {
        [
            ("meta", MAP_META, PAGE),
            ("consumer", MAP_CONSUMER, PAGE),
            ("slots", MAP_SLOTS, self.slots_bytes),
        ]
    }

    /// Those that nobody writes but the driver.
    fn drivers(&self) -> [(&'static str, u64, usize); 2] {
        let [meta, _, slots] = self.regions();
        [meta, slots]
    }

    fn map(&self, (name, offset, bytes): (&str, u64, usize)) -> Range {
        let writable = if name == "consumer" { PROT_WRITE } else { 0 };
        Range::of(&self.raw, offset, bytes, PROT_READ | writable).unwrap()
    }

    #[track_caller]
    fn is_unchanged(&self, after: &str) {
        assert!(self.meta.copy(0, PAGE) == self.before[0], "meta, after {after}");
        assert!(self.consumer.copy(0, PAGE) == self.before[1], "consumer, after {after}");
        assert!(self.slots.copy(0, self.slots_bytes) == self.before[2], "slots, after {after}");
    }
}

/// A mapping that may lose parts of itself, or all.
struct Range {
    address: usize,
    bytes: usize,
}

fn pointer(address: usize) -> *mut libc::c_void {
    std::ptr::with_exposed_provenance_mut(address)
}

impl Range {
    fn of(raw: &Raw, offset: u64, bytes: usize, protection: i32) -> Result<Self, Errno> {
        let fd = raw.file().as_raw_fd();
        // SAFETY: without MAP_FIXED nothing that is mapped is replaced.
        let address = unsafe {
            libc::mmap(pointer(0), bytes, protection, MAP_SHARED, fd, offset as libc::off_t)
        };
        if address == MAP_FAILED {
            return Err(Errno::last());
        }
        let bytes = bytes.next_multiple_of(PAGE);
        Ok(Self { address: address.expose_provenance(), bytes })
    }

    fn unmap(&self, at: usize, bytes: usize) -> Result<(), Errno> {
        // SAFETY: the range is this mapping's, of which no reference is ever made.
        Errno::result(unsafe { libc::munmap(pointer(self.address + at), bytes) }).map(drop)
    }

    fn remap(&mut self, old: usize, new: usize, flags: i32) -> Result<(), Errno> {
        // SAFETY: as for `unmap`.
        let address = unsafe { libc::mremap(pointer(self.address), old, new, flags) };
        if address == MAP_FAILED {
            return Err(Errno::last());
        }
        // Not a new value: the old one would unmap the range.
        (self.address, self.bytes) = (address.expose_provenance(), new);
        Ok(())
    }

    /// Its bytes, as another process would read them: what is not there is an error.
    fn read(&self) -> Result<Vec<u8>, Errno> {
        let memory = OpenOptions::new().read(true).open("/proc/self/mem").unwrap();
        let mut bytes = vec![0; self.bytes];
        match memory.read_exact_at(&mut bytes, self.address as u64) {
            Ok(()) => Ok(bytes),
            Err(error) => Err(Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))),
        }
    }
}

impl Drop for Range {
    fn drop(&mut self) {
        let _ = self.unmap(0, self.bytes);
    }
}

/// Every offset and every length around every edge: what the reference names, and nothing else.
#[test]
fn every_range() {
    let _board = BoardLock::acquire();
    // Four slots of two pages.
    let ring = Ring::of(Raw::open(DEVICES[0]), Config { slots: 4, ..GOOD });
    let pages = (ring.slots_bytes / PAGE) as i64;
    assert_eq!(pages, 8);
    let page = PAGE as i64;
    let mut had = 0;
    for (region, length) in [(MAP_META, 1), (MAP_CONSUMER, 1), (MAP_SLOTS, pages)] {
        for first in -3..length + 3 {
            let offset = region as i64 + first * page;
            if offset < 0 {
                continue;
            }
            for count in 1..length + 4 {
                // A length is rounded up to whole pages.
                for bytes in [count * page - page + 1, count * page - 1, count * page] {
                    let range = Range::of(&ring.raw, offset as u64, bytes as usize, PROT_READ);
                    let what = format!("{bytes} bytes at {offset:#x}");
                    if first >= 0 && first + count <= length {
                        let range = range.unwrap_or_else(|errno| panic!("{what}: {errno}"));
                        let whole = match region {
                            MAP_META => &ring.before[0],
                            MAP_CONSUMER => &ring.before[1],
                            _ => &ring.before[2],
                        };
                        let from = first as usize * PAGE;
                        let expected = &whole[from..from + count as usize * PAGE];
                        assert!(range.read().unwrap() == expected, "{what}");
                        had += 1;
                    } else {
                        assert_eq!(range.map(drop), Err(Errno::EINVAL), "{what}");
                    }
                }
            }
            for unaligned in [1, 64, page - 1] {
                let range = Range::of(&ring.raw, (offset + unaligned) as u64, PAGE, PROT_READ);
                assert_eq!(range.map(drop), Err(Errno::EINVAL), "{offset:#x} + {unaligned}");
            }
        }
    }
    assert_eq!(had, 3 + 3 + 3 * (8 * 9 / 2));
    ring.is_unchanged("the sweep");
}

/// Far from all regions, and where sums of offset and length wrap.
#[test]
fn every_far_range() {
    let _board = BoardLock::acquire();
    let ring = Ring::full();
    for bit in 12..63 {
        for near in [-1_i64, 0, 1] {
            let offset = ((1_i64 << bit) + near * PAGE as i64) as u64;
            for bytes in [PAGE, ring.slots_bytes] {
                let expected = match (offset, bytes) {
                    (MAP_META | MAP_CONSUMER, PAGE) | (MAP_SLOTS, _) => Ok(()),
                    (offset, PAGE) if offset == MAP_SLOTS + PAGE as u64 => Ok(()),
                    // The sum of offset and length is no offset: the kernel's own answer.
                    (offset, _) if offset > i64::MAX as u64 - bytes as u64 => Err(()),
                    _ => Err(()),
                };
                let range = Range::of(&ring.raw, offset, bytes, PROT_READ).map(drop);
                let known = matches!(range, Ok(()) | Err(Errno::EINVAL | Errno::EOVERFLOW));
                assert!(known, "{bytes} at {offset:#x}: {range:?}");
                assert_eq!(range.map_err(drop), expected, "{bytes} at {offset:#x}");
            }
        }
    }
}

/// A slot that is longer than one block of memory is mapped right across the blocks' edges.
#[test]
fn every_range_around_the_edge_of_a_block() {
    let _board = BoardLock::acquire();
    let config = Config { frame_bytes: 9 << 20, slots: 2, ..GOOD };
    let ring = Ring::of(Raw::open(DEVICES[0]), config);
    let stride = ring.slots_bytes / 2;
    for edge in [4 << 20, 8 << 20, stride, stride + (4 << 20)] {
        for first in [edge - 2 * PAGE, edge - PAGE, edge] {
            for count in 1..4 {
                let range = Range::of(&ring.raw, MAP_SLOTS + first as u64, count * PAGE, PROT_READ)
                    .unwrap();
                let expected = &ring.before[2][first..first + count * PAGE];
                assert!(range.read().unwrap() == expected, "{count} pages at {first:#x}");
            }
        }
    }
}

#[test]
fn moved_and_shrunk() {
    let _board = BoardLock::acquire();
    let ring = Ring::full();
    for (region, expected) in ring.regions().into_iter().zip(&ring.before) {
        let name = region.0;
        let mut range = ring.map(region);
        let bytes = range.bytes;
        // To a place that is known to be free.
        let to = Mapping::anonymous(2 * bytes, PROT_NONE);
        let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED;
        // SAFETY: nothing points into either range.
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
            // What would make a second mapping of a shared one.
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
        ring.is_unchanged(name);
        std::mem::forget(range);
        drop(to);
    }
}

/// A mapping with a hole is two; the device is free when the last of them is gone.
#[test]
fn cut() {
    let _board = BoardLock::acquire();
    let ring = Ring::full();
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
    ring.is_unchanged("cutting");
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
fn protected() {
    let _board = BoardLock::acquire();
    for raw in [Raw::open, Raw::open_read_only] {
        let raw = raw(DEVICES[0]);
        let ring = Ring::of(raw, GOOD);
        for (name, offset, bytes) in ring.drivers() {
            let range = Range::of(&ring.raw, offset, bytes, PROT_READ).unwrap();
            for at in (0..bytes).step_by(PAGE) {
                for protection in 0..8 {
                    let page = pointer(range.address + at);
                    // SAFETY: no reference points into the range.
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
        ring.is_unchanged("mprotect");
    }
}

/// Advice is taken or refused. It makes nothing writable, and what it drops is dropped from the
/// adviser's mapping alone.
#[test]
fn advised() {
    const REFUSED: [(&str, i32, Errno); 5] = [
        ("FREE", libc::MADV_FREE, Errno::EINVAL),
        ("DODUMP", libc::MADV_DODUMP, Errno::EINVAL),
        ("DOFORK", libc::MADV_DOFORK, Errno::EINVAL),
        ("WIPEONFORK", libc::MADV_WIPEONFORK, Errno::EINVAL),
        ("POPULATE_WRITE", libc::MADV_POPULATE_WRITE, Errno::EINVAL),
    ];
    let _board = BoardLock::acquire();
    let background = BackgroundStream::start(DEVICES[1]);
    let ring = Ring::full();
    let advise = |range: &Range, advice| {
        // SAFETY: no reference points into the range.
        Errno::result(unsafe { libc::madvise(pointer(range.address), range.bytes, advice) })
            .map(drop)
    };
    for region in ring.regions() {
        let name = region.0;
        // All there are, but for those that break memory for good, which root may.
        for advice in (0..=25).chain([102, 103]) {
            let range = ring.map(region);
            let answer = advise(&range, advice);
            let _ = range.read();
            ring.is_unchanged(&format!("advice {advice} on {name}: {answer:?}"));
        }
    }
    for region in ring.drivers() {
        let range = ring.map(region);
        for (word, advice, errno) in REFUSED {
            assert_eq!(advise(&range, advice), Err(errno), "{word} on {}", region.0);
        }
        assert!(advise(&range, libc::MADV_REMOVE).is_err(), "REMOVE on {}", region.0);
        assert!(range.read().is_ok());
        advise(&range, libc::MADV_POPULATE_READ).unwrap();
        // What was dropped does not come back, and is never another page.
        advise(&range, libc::MADV_DONTNEED).unwrap();
        assert!(range.read().is_err(), "{} after DONTNEED", region.0);
        assert_eq!(advise(&range, libc::MADV_POPULATE_READ), Err(Errno::EFAULT), "{}", region.0);
        ring.is_unchanged("DONTNEED");
    }
    background.finish();
    drop(ring);
    check_streams(&DEVICES);
}

#[test]
fn locked_and_synced() {
    let _board = BoardLock::acquire();
    let ring = Ring::full();
    for region in ring.regions() {
        let (name, range) = (region.0, ring.map(region));
        for round in 0..3 {
            // SAFETY: no reference points into the range.
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
    ring.is_unchanged("mlock and msync");
}

/// Memory mapped over a mapping takes its place, and nothing of the ring.
#[test]
fn mapped_over() {
    let _board = BoardLock::acquire();
    let ring = Ring::full();
    for region in ring.regions() {
        let (name, range) = (region.0, ring.map(region));
        let middle = range.address + range.bytes / 2 / PAGE * PAGE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
        // SAFETY: what is replaced is part of the range, into which no reference points.
        let over = unsafe {
            let over = libc::mmap(pointer(middle), PAGE, PROT_READ | PROT_WRITE, flags, -1, 0);
            assert_ne!(over, MAP_FAILED, "{name}");
            over.cast::<u8>().write_bytes(0xee, PAGE);
            over
        };
        assert_eq!(over.addr(), middle, "{name}");
        ring.is_unchanged(name);
        // And the device over that.
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
    ring.is_unchanged("mappings over it");
}

/// Who writes to another process's memory by force gets the reader's page, and no other.
#[test]
fn poked() {
    let _board = BoardLock::acquire();
    let background = BackgroundStream::start(DEVICES[1]);
    for open in [Raw::open, Raw::open_read_only] {
        let ring = Ring::of(open(DEVICES[0]), GOOD);
        let memory = OpenOptions::new().read(true).write(true).open("/proc/self/mem").unwrap();
        for (name, offset, bytes) in ring.drivers() {
            let range = Range::of(&ring.raw, offset, bytes, PROT_READ).unwrap();
            for at in [0, 8, 64, PAGE - 8, bytes - 8] {
                let poke = memory.write_at(&[0xaa; 8], (range.address + at) as u64);
                assert!(poke.is_err(), "{name} at {at}");
                let poke = write_to_process(range.address + at);
                assert!(matches!(poke, Err(Errno::EFAULT | Errno::ENOSYS)), "{name}: {poke:?}");
            }
            // Not even what the kernel writes for us.
            let mut pipe = [0; 2];
            // SAFETY: the kernel refuses to write, or the check below fails.
            unsafe {
                assert_eq!(libc::pipe(pipe.as_mut_ptr()), 0);
                assert_eq!(libc::write(pipe[1], [0xaa_u8; 8].as_ptr().cast(), 8), 8);
                let read = Errno::result(libc::read(pipe[0], pointer(range.address), 8));
                assert_eq!(read, Err(Errno::EFAULT), "{name}");
                libc::close(pipe[0]);
                libc::close(pipe[1]);
            }
            assert!(range.read().is_ok(), "{name}");
        }
        ring.is_unchanged("pokes");
    }
    // The same way the reader's page is written: it is a way.
    let ring = Ring::full();
    let memory = OpenOptions::new().read(true).write(true).open("/proc/self/mem").unwrap();
    let page = ring.map(("consumer", MAP_CONSUMER, PAGE));
    memory.write_at(&3_u32.to_le_bytes(), page.address as u64).unwrap();
    assert_eq!(ring.consumer.consumer().consumer.load(Relaxed), 3);
    drop((page, ring));
    background.finish();
    check_streams(&DEVICES);
}

/// Eight bytes, by process_vm_writev(2).
fn write_to_process(address: usize) -> Result<(), Errno> {
    let mut junk = [0xaa_u8; 8];
    let from = libc::iovec { iov_base: junk.as_mut_ptr().cast(), iov_len: 8 };
    let to = libc::iovec { iov_base: pointer(address), iov_len: 8 };
    // SAFETY: the kernel refuses to write, or the caller's check fails.
    let written =
        unsafe { libc::process_vm_writev(libc::getpid(), &raw const from, 1, &raw const to, 1, 0) };
    Errno::result(written).map(drop)
}

/// A debugger stops a reader and pokes at what it has mapped.
#[test]
fn poked_by_a_debugger() {
    let _board = BoardLock::acquire();
    let background = BackgroundStream::start(DEVICES[1]);
    let holder = Run::of("hold_device", &[DEVICES[0], "started"]).start();
    assert_eq!(holder.line(), "there");
    let frames = || Attributes::of(0).number(Attribute::Frames).unwrap();
    wait::until("a frame", || (frames() > 0).then_some(()));
    let pid = holder.pid();
    ptrace(libc::PTRACE_ATTACH, pid, 0, 0).unwrap();
    wait::until("the reader to stop", || match waitpid(pid, Some(WaitPidFlag::WNOHANG)) {
        Ok(WaitStatus::Stopped(..)) => Some(()),
        other => {
            assert_eq!(other, Ok(WaitStatus::StillAlive));
            None
        }
    });
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let mut seen = 0;
    for line in maps.lines().filter(|line| line.ends_with(DEVICES[0])) {
        let (address, rest) = line.split_once('-').unwrap();
        let address = usize::from_str_radix(address, 16).unwrap();
        let writable = rest.split(' ').nth(1).unwrap().contains('w');
        // Of meta the magic number, of the slots the first header's, which stay as they are.
        let address = if writable { address + PAGE / 2 } else { address };
        let before = ptrace(libc::PTRACE_PEEKDATA, pid, address, 0).unwrap();
        let poked = ptrace(libc::PTRACE_POKEDATA, pid, address, !before);
        if writable {
            // The reader's own page, and the way is one.
            poked.unwrap();
            assert_eq!(ptrace(libc::PTRACE_PEEKDATA, pid, address, 0), Ok(!before), "{line}");
        } else {
            assert!(matches!(poked, Err(Errno::EIO | Errno::EFAULT)), "{line}: {poked:?}");
            assert_eq!(ptrace(libc::PTRACE_PEEKDATA, pid, address, 0), Ok(before), "{line}");
        }
        seen += 1;
    }
    assert_eq!(seen, 3, "{maps}");
    ptrace(libc::PTRACE_DETACH, pid, 0, 0).unwrap();
    drop(holder);
    background.finish();
    check_streams(&DEVICES);
}

/// What was peeked at, if that was the request.
fn ptrace(request: libc::c_uint, pid: Pid, address: usize, data: usize) -> Result<usize, Errno> {
    // By the bare call, which gives what is peeked at in memory.
    let mut peeked = 0_usize;
    let data = if request == libc::PTRACE_PEEKDATA { (&raw mut peeked).addr() } else { data };
    // SAFETY: the process is another one, or the kernel says so; what is peeked goes to `peeked`.
    let done =
        unsafe { libc::syscall(libc::SYS_ptrace, u64::from(request), pid.as_raw(), address, data) };
    Errno::result(done).map(|_| peeked)
}
