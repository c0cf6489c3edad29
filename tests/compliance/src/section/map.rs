// SPDX-License-Identifier: MIT OR Apache-2.0
//! mmap(2) and what follows from it.

use super::REFERENCE;
use crate::check::{Section, check};
use crate::outcome::{Outcome, equal, failed, holds, refused};
use crate::reader::{Reader, configure};
use crate::target::Target;
use dmaframe_abi::ring::{MAP_CONSUMER, MAP_META, MAP_SLOTS};
use dmaframe_abi::uapi::{self, Config};
use dmaframe_compliance::mapping::Mapping;
use dmaframe_compliance::raw::Raw;
use libc::{MAP_PRIVATE, MAP_SHARED, PROT_EXEC, PROT_READ, PROT_WRITE};
use nix::errno::Errno;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::thread::sleep;
use std::time::Duration;

const PLACE: &str = "Mapping";
/// The number of replaced rings that may stay mapped.
const REPLACED_MAX: usize = 8;

#[derive(Clone, Copy)]
enum Region {
    Meta,
    Consumer,
    Slots,
}
use Region::{Consumer, Meta, Slots};

pub(super) const SECTION: Section = Section {
    number: 7,
    name: "Mapping",
    document: REFERENCE,
    checks: &[
        check(1, PLACE, "mmap(2) of the meta page without a stream fails with ENODATA", |target| {
            absent(target, Meta)
        }),
        check(
            2,
            PLACE,
            "mmap(2) of the consumer page without a stream fails with ENODATA",
            |target| absent(target, Consumer),
        ),
        check(3, PLACE, "mmap(2) of the slots without a stream fails with ENODATA", |target| {
            absent(target, Slots)
        }),
        check(4, PLACE, "the meta page can be mapped for reading", |target| {
            map_region(target, Meta, PROT_READ, MAP_SHARED)?.map(drop).map_err(Into::into)
        }),
        check(5, PLACE, "the consumer page can be mapped for reading and writing", |target| {
            map_region(target, Consumer, PROT_READ | PROT_WRITE, MAP_SHARED)?
                .map(drop)
                .map_err(Into::into)
        }),
        check(6, PLACE, "the consumer page can be mapped for reading", |target| {
            map_region(target, Consumer, PROT_READ, MAP_SHARED)?.map(drop).map_err(Into::into)
        }),
        check(7, PLACE, "all slots can be mapped for reading", |target| {
            map_region(target, Slots, PROT_READ, MAP_SHARED)?.map(drop).map_err(Into::into)
        }),
        check(8, PLACE, "mmap(2) of the meta page for writing fails with EPERM", |target| {
            unwritable(target, Meta)
        }),
        check(9, PLACE, "mmap(2) of the slots for writing fails with EPERM", |target| {
            unwritable(target, Slots)
        }),
        check(10, PLACE, "mprotect(2) cannot make the meta page writable", |target| {
            protected(target, Meta, PROT_READ | PROT_WRITE)
        }),
        check(11, PLACE, "mprotect(2) cannot make the slots writable", |target| {
            protected(target, Slots, PROT_READ | PROT_WRITE)
        }),
        check(12, PLACE, "mmap(2) of the meta page for execution fails", |target| {
            unexecutable(target, Meta)
        }),
        check(13, PLACE, "mmap(2) of the consumer page for execution fails", |target| {
            unexecutable(target, Consumer)
        }),
        check(14, PLACE, "mmap(2) of the slots for execution fails", |target| {
            unexecutable(target, Slots)
        }),
        check(15, PLACE, "mprotect(2) cannot make the meta page executable", |target| {
            protected(target, Meta, PROT_READ | PROT_EXEC)
        }),
        check(16, PLACE, "mprotect(2) cannot make the consumer page executable", |target| {
            protected(target, Consumer, PROT_READ | PROT_EXEC)
        }),
        check(17, PLACE, "mprotect(2) cannot make the slots executable", |target| {
            protected(target, Slots, PROT_READ | PROT_EXEC)
        }),
        check(18, PLACE, "mmap(2) of the meta page with MAP_PRIVATE fails with EINVAL", |target| {
            private(target, Meta)
        }),
        check(
            19,
            PLACE,
            "mmap(2) of the consumer page with MAP_PRIVATE fails with EINVAL",
            |target| private(target, Consumer),
        ),
        check(20, PLACE, "mmap(2) of the slots with MAP_PRIVATE fails with EINVAL", |target| {
            private(target, Slots)
        }),
        check(21, PLACE, "mmap(2) of two pages at the meta page fails with EINVAL", |target| {
            check_outside(target, |_| (MAP_META, 2 * target.page))
        }),
        check(22, PLACE, "mmap(2) of two pages at the consumer page fails with EINVAL", |target| {
            check_outside(target, |_| (MAP_CONSUMER, 2 * target.page))
        }),
        check(23, PLACE, "mmap(2) of the slots and one more page fails with EINVAL", |target| {
            check_outside(target, |bytes| (MAP_SLOTS, bytes + target.page))
        }),
        check(24, PLACE, "mmap(2) of the page after the meta page fails with EINVAL", |target| {
            check_outside(target, |_| (MAP_META + target.page as u64, target.page))
        }),
        check(
            25,
            PLACE,
            "mmap(2) of the page before the consumer page fails with EINVAL",
            |target| check_outside(target, |_| (MAP_CONSUMER - target.page as u64, target.page)),
        ),
        check(
            26,
            PLACE,
            "mmap(2) of the page after the consumer page fails with EINVAL",
            |target| check_outside(target, |_| (MAP_CONSUMER + target.page as u64, target.page)),
        ),
        check(27, PLACE, "mmap(2) of the page before the slots fails with EINVAL", |target| {
            check_outside(target, |_| (MAP_SLOTS - target.page as u64, target.page))
        }),
        check(28, PLACE, "mmap(2) of the page after the slots fails with EINVAL", |target| {
            check_outside(target, |bytes| (MAP_SLOTS + bytes as u64, target.page))
        }),
        check(
            29,
            PLACE,
            "mmap(2) from the second page of the slots to a page after them fails with EINVAL",
            |target| check_outside(target, |bytes| (MAP_SLOTS + target.page as u64, bytes)),
        ),
        check(30, PLACE, "mmap(2) of a fourth region fails with EINVAL", |target| {
            check_outside(target, |_| (3 << 32, target.page))
        }),
        check(31, PLACE, "mmap(2) at the highest offset fails with EINVAL", |target| {
            let page = target.page as u64;
            check_outside(target, |_| (i64::MAX as u64 / page * page, target.page))
        }),
        check(32, PLACE, "a part of the slots can be mapped at its offset", |target| {
            let reader = Reader::started(target, target.shape())?;
            reader.fill()?;
            let at = reader.made.slots_bytes as usize - target.page;
            let part = Mapping::read_only(&reader.raw, MAP_SLOTS + at as u64, target.page)?;
            let same = part.copy(0, target.page) == reader.slots.copy(at, target.page);
            holds(same, || "the part differs from the same bytes of the whole".to_owned())
        }),
        check(33, PLACE, "mremap(2) cannot extend the meta page", |target| grows(target, Meta)),
        check(34, PLACE, "mremap(2) cannot extend the consumer page", |target| {
            grows(target, Consumer)
        }),
        check(35, PLACE, "mremap(2) cannot extend the slots", |target| grows(target, Slots)),
        check(36, PLACE, "a write to the meta page through /proc/self/mem fails", |target| {
            check_forced_write(target, MAP_META)
        }),
        check(37, PLACE, "a write to the slots through /proc/self/mem fails", |target| {
            check_forced_write(target, MAP_SLOTS)
        }),
        check(38, PLACE, "a file opened for reading can map every region for reading", |target| {
            let raw = Raw::open_read_only(&target.path);
            let made = configure(&raw, target.shape())?;
            [Meta, Consumer, Slots].into_iter().try_for_each(|region| {
                map(target, &raw, &made, region, PROT_READ, MAP_SHARED)
                    .map(drop)
                    .map_err(Into::into)
            })
        }),
        check(
            39,
            PLACE,
            "a file opened for reading cannot map the consumer page for writing",
            |target| {
                let raw = Raw::open_read_only(&target.path);
                let made = configure(&raw, target.shape())?;
                let protection = PROT_READ | PROT_WRITE;
                let mapped = map(target, &raw, &made, Consumer, protection, MAP_SHARED);
                refused(mapped, Errno::EACCES)
            },
        ),
        check(40, PLACE, "new slots are zero", |target| {
            let reader = Reader::configured(target, target.shape())?;
            let dirty = reader.all().iter().position(|byte| *byte != 0);
            equal("first byte that is not zero at", dirty, None)
        }),
        check(41, PLACE, "a new consumer page is zero", |target| {
            let reader = Reader::configured(target, target.shape())?;
            let dirty = reader.consumer.copy(0, target.page).iter().position(|byte| *byte != 0);
            equal("first byte that is not zero at", dirty, None)
        }),
        check(42, PLACE, "two mappings of a region share their memory", |target| {
            let reader = Reader::configured(target, target.shape())?;
            let again = Mapping::read_only(&reader.raw, MAP_CONSUMER, target.page)?;
            reader.set_index(0);
            let page = reader.consumer.consumer();
            page.consumer.store(0x5a5a_5a5a, std::sync::atomic::Ordering::SeqCst);
            let seen = again.consumer().consumer.load(std::sync::atomic::Ordering::SeqCst);
            page.consumer.store(0, std::sync::atomic::Ordering::SeqCst);
            equal("consumer", seen, 0x5a5a_5a5a)
        }),
        check(43, "Life cycle", "received frames stay readable after STOP", |target| {
            let reader = Reader::started(target, target.shape())?;
            reader.fill()?;
            let before = reader.all();
            reader.stop()?;
            sleep(Duration::from_millis(50));
            holds(reader.all() == before, || "the slots have changed".to_owned())
        }),
        check(
            44,
            "Life cycle",
            "eight replaced rings may stay mapped, and a ninth CONFIGURE fails with ENOBUFS",
            |target| {
                let raw = target.open()?;
                let mut metas = Vec::new();
                for _ in 0..=REPLACED_MAX {
                    configure(&raw, target.shape())?;
                    metas.push(Mapping::read_only(&raw, MAP_META, target.page)?);
                }
                refused(raw.configure(target.shape()), Errno::ENOBUFS)?;
                let still = raw.exchange(uapi::GET_CONFIG, Config::default())?;
                holds(still.slots_bytes != 0, || {
                    "the refused CONFIGURE removed the ring".to_owned()
                })?;
                metas.remove(0);
                configure(&raw, target.shape()).map(drop)
            },
        ),
    ],
};

fn map(
    target: &Target,
    raw: &Raw,
    made: &Config,
    region: Region,
    protection: i32,
    flags: i32,
) -> Result<Mapping, Errno> {
    let (offset, bytes) = match region {
        Meta => (MAP_META, target.page),
        Consumer => (MAP_CONSUMER, target.page),
        Slots => (MAP_SLOTS, made.slots_bytes as usize),
    };
    Mapping::new(raw, offset, bytes, protection, flags)
}

/// Maps a region of a newly configured stream.
fn map_region(
    target: &Target,
    region: Region,
    protection: i32,
    flags: i32,
) -> Outcome<Result<Mapping, Errno>> {
    let raw = target.open()?;
    let made = configure(&raw, target.shape())?;
    Ok(map(target, &raw, &made, region, protection, flags))
}

fn absent(target: &Target, region: Region) -> Outcome {
    let made = Config { slots_bytes: target.page as u64, ..Config::default() };
    refused(map(target, &target.open()?, &made, region, PROT_READ, MAP_SHARED), Errno::ENODATA)
}

fn unwritable(target: &Target, region: Region) -> Outcome {
    refused(map_region(target, region, PROT_READ | PROT_WRITE, MAP_SHARED)?, Errno::EPERM)?;
    refused(map_region(target, region, PROT_WRITE, MAP_SHARED)?, Errno::EPERM)
}

fn unexecutable(target: &Target, region: Region) -> Outcome {
    match map_region(target, region, PROT_READ | PROT_EXEC, MAP_SHARED)? {
        // The kernel refuses by itself if /dev is mounted noexec.
        Err(Errno::EPERM) => Ok(()),
        mapped => refused(mapped, Errno::EINVAL),
    }
}

fn private(target: &Target, region: Region) -> Outcome {
    refused(map_region(target, region, PROT_READ, MAP_PRIVATE)?, Errno::EINVAL)?;
    refused(map_region(target, region, PROT_READ | PROT_WRITE, MAP_PRIVATE)?, Errno::EINVAL)
}

fn protected(target: &Target, region: Region, protection: i32) -> Outcome {
    let mapping = map_region(target, region, PROT_READ, MAP_SHARED)??;
    refused(mapping.protect(protection), Errno::EACCES)
}

fn check_outside(target: &Target, place: impl FnOnce(usize) -> (u64, usize)) -> Outcome {
    let raw = target.open()?;
    let made = configure(&raw, target.shape())?;
    let (offset, bytes) = place(made.slots_bytes as usize);
    refused(Mapping::read_only(&raw, offset, bytes), Errno::EINVAL)
}

fn grows(target: &Target, region: Region) -> Outcome {
    let raw = target.open()?;
    let made = configure(&raw, target.shape())?;
    let mut mapping = map(target, &raw, &made, region, PROT_READ, MAP_SHARED)?;
    let bytes = match region {
        Slots => made.slots_bytes as usize,
        Meta | Consumer => target.page,
    };
    // The kernel decides on the errno.
    let grown = mapping.resize(bytes + target.page);
    holds(grown.is_err(), || "got success".to_owned())
}

/// Writes through /proc/self/mem, which ignores the protection of a mapping.
fn check_forced_write(target: &Target, offset: u64) -> Outcome {
    let reader = Reader::configured(target, target.shape())?;
    let mapping = if offset == MAP_META { &reader.meta } else { &reader.slots };
    let memory = OpenOptions::new().write(true).open("/proc/self/mem")?;
    let before = mapping.copy(0, 64);
    if memory.write_at(&[0xaa; 8], mapping.address() as u64).is_ok() {
        return Err(failed("got success"));
    }
    equal("bytes", mapping.copy(0, 64), before)
}
