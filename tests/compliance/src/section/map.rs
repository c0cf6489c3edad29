// SPDX-License-Identifier: MIT OR Apache-2.0
//! What can be mapped, and how.

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
/// Replaced rings that may stay mapped.
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
        check(1, PLACE, "meta without a stream is ENODATA", |target| absent(target, Meta)),
        check(2, PLACE, "consumer without a stream is ENODATA", |target| absent(target, Consumer)),
        check(3, PLACE, "slots without a stream are ENODATA", |target| absent(target, Slots)),
        check(4, PLACE, "meta maps to be read", |target| {
            had(target, Meta, PROT_READ, MAP_SHARED)?.map(drop).map_err(Into::into)
        }),
        check(5, PLACE, "consumer maps to be read and written", |target| {
            had(target, Consumer, PROT_READ | PROT_WRITE, MAP_SHARED)?.map(drop).map_err(Into::into)
        }),
        check(6, PLACE, "consumer maps to be read alone", |target| {
            had(target, Consumer, PROT_READ, MAP_SHARED)?.map(drop).map_err(Into::into)
        }),
        check(7, PLACE, "slots map to be read, all at once", |target| {
            had(target, Slots, PROT_READ, MAP_SHARED)?.map(drop).map_err(Into::into)
        }),
        check(8, PLACE, "meta to be written is EPERM", |target| unwritable(target, Meta)),
        check(9, PLACE, "slots to be written are EPERM", |target| unwritable(target, Slots)),
        check(10, PLACE, "meta cannot be made writable by mprotect(2)", |target| {
            protected(target, Meta, PROT_READ | PROT_WRITE)
        }),
        check(11, PLACE, "slots cannot be made writable by mprotect(2)", |target| {
            protected(target, Slots, PROT_READ | PROT_WRITE)
        }),
        check(12, PLACE, "meta to be executed is refused", |target| unexecutable(target, Meta)),
        check(13, PLACE, "consumer to be executed is refused", |target| {
            unexecutable(target, Consumer)
        }),
        check(14, PLACE, "slots to be executed are refused", |target| unexecutable(target, Slots)),
        check(15, PLACE, "meta cannot be made executable by mprotect(2)", |target| {
            protected(target, Meta, PROT_READ | PROT_EXEC)
        }),
        check(16, PLACE, "consumer cannot be made executable by mprotect(2)", |target| {
            protected(target, Consumer, PROT_READ | PROT_EXEC)
        }),
        check(17, PLACE, "slots cannot be made executable by mprotect(2)", |target| {
            protected(target, Slots, PROT_READ | PROT_EXEC)
        }),
        check(18, PLACE, "meta by MAP_PRIVATE is EINVAL", |target| private(target, Meta)),
        check(19, PLACE, "consumer by MAP_PRIVATE is EINVAL", |target| private(target, Consumer)),
        check(20, PLACE, "slots by MAP_PRIVATE are EINVAL", |target| private(target, Slots)),
        check(21, PLACE, "two pages of meta are EINVAL", |target| {
            elsewhere(target, |_| (MAP_META, 2 * target.page))
        }),
        check(22, PLACE, "two pages of consumer are EINVAL", |target| {
            elsewhere(target, |_| (MAP_CONSUMER, 2 * target.page))
        }),
        check(23, PLACE, "a page more than slots is EINVAL", |target| {
            elsewhere(target, |bytes| (MAP_SLOTS, bytes + target.page))
        }),
        check(24, PLACE, "the page after meta is EINVAL", |target| {
            elsewhere(target, |_| (MAP_META + target.page as u64, target.page))
        }),
        check(25, PLACE, "the page before consumer is EINVAL", |target| {
            elsewhere(target, |_| (MAP_CONSUMER - target.page as u64, target.page))
        }),
        check(26, PLACE, "the page after consumer is EINVAL", |target| {
            elsewhere(target, |_| (MAP_CONSUMER + target.page as u64, target.page))
        }),
        check(27, PLACE, "the page before slots is EINVAL", |target| {
            elsewhere(target, |_| (MAP_SLOTS - target.page as u64, target.page))
        }),
        check(28, PLACE, "the page after slots is EINVAL", |target| {
            elsewhere(target, |bytes| (MAP_SLOTS + bytes as u64, target.page))
        }),
        check(29, PLACE, "slots from their second page on and a page more are EINVAL", |target| {
            elsewhere(target, |bytes| (MAP_SLOTS + target.page as u64, bytes))
        }),
        check(30, PLACE, "a fourth region is EINVAL", |target| {
            elsewhere(target, |_| (3 << 32, target.page))
        }),
        check(31, PLACE, "the highest offset there is is EINVAL", |target| {
            let page = target.page as u64;
            elsewhere(target, |_| (i64::MAX as u64 / page * page, target.page))
        }),
        check(32, PLACE, "a part of the slots maps by its offset", |target| {
            let reader = Reader::started(target, target.shape())?;
            reader.fill()?;
            let at = reader.made.slots_bytes as usize - target.page;
            let part = Mapping::read_only(&reader.raw, MAP_SLOTS + at as u64, target.page)?;
            let same = part.copy(0, target.page) == reader.slots.copy(at, target.page);
            holds(same, || "got other bytes than at the same place of all".to_owned())
        }),
        check(33, PLACE, "meta does not grow by mremap(2)", |target| grows(target, Meta)),
        check(34, PLACE, "consumer does not grow by mremap(2)", |target| grows(target, Consumer)),
        check(35, PLACE, "slots do not grow by mremap(2)", |target| grows(target, Slots)),
        check(36, PLACE, "meta is not written through /proc/self/mem", |target| {
            poked(target, MAP_META)
        }),
        check(37, PLACE, "slots are not written through /proc/self/mem", |target| {
            poked(target, MAP_SLOTS)
        }),
        check(38, PLACE, "a file opened to be read alone maps all to be read", |target| {
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
            "a file opened to be read alone does not map consumer writable",
            |target| {
                let raw = Raw::open_read_only(&target.path);
                let made = configure(&raw, target.shape())?;
                let protection = PROT_READ | PROT_WRITE;
                let mapped = map(target, &raw, &made, Consumer, protection, MAP_SHARED);
                refused(mapped, Errno::EACCES)
            },
        ),
        check(40, PLACE, "fresh slots hold nothing", |target| {
            let reader = Reader::configured(target, target.shape())?;
            let dirty = reader.all().iter().position(|byte| *byte != 0);
            equal("first byte that is not zero at", dirty, None)
        }),
        check(41, PLACE, "a fresh consumer page holds nothing", |target| {
            let reader = Reader::configured(target, target.shape())?;
            let dirty = reader.consumer.copy(0, target.page).iter().position(|byte| *byte != 0);
            equal("first byte that is not zero at", dirty, None)
        }),
        check(42, PLACE, "two mappings of a region are one memory", |target| {
            let reader = Reader::configured(target, target.shape())?;
            let again = Mapping::read_only(&reader.raw, MAP_CONSUMER, target.page)?;
            reader.set_index(0);
            let page = reader.consumer.consumer();
            page.consumer.store(0x5a5a_5a5a, std::sync::atomic::Ordering::SeqCst);
            let seen = again.consumer().consumer.load(std::sync::atomic::Ordering::SeqCst);
            page.consumer.store(0, std::sync::atomic::Ordering::SeqCst);
            equal("consumer", seen, 0x5a5a_5a5a)
        }),
        check(43, "Life cycle", "what was received stays readable after STOP", |target| {
            let reader = Reader::started(target, target.shape())?;
            reader.fill()?;
            let before = reader.all();
            reader.stop()?;
            sleep(Duration::from_millis(50));
            holds(reader.all() == before, || "got other bytes in the slots".to_owned())
        }),
        check(
            44,
            "Life cycle",
            "eight replaced rings may stay mapped, a ninth may not",
            |target| {
                let raw = target.open()?;
                let mut metas = Vec::new();
                for _ in 0..=REPLACED_MAX {
                    configure(&raw, target.shape())?;
                    metas.push(Mapping::read_only(&raw, MAP_META, target.page)?);
                }
                refused(raw.configure(target.shape()), Errno::ENOBUFS)?;
                let still = raw.exchange(uapi::GET_CONFIG, Config::default())?;
                holds(still.slots_bytes != 0, || "the ring is gone".to_owned())?;
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

/// A region of a configured stream.
fn had(
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
    refused(had(target, region, PROT_READ | PROT_WRITE, MAP_SHARED)?, Errno::EPERM)?;
    refused(had(target, region, PROT_WRITE, MAP_SHARED)?, Errno::EPERM)
}

fn unexecutable(target: &Target, region: Region) -> Outcome {
    match had(target, region, PROT_READ | PROT_EXEC, MAP_SHARED)? {
        // The kernel's own answer where /dev is mounted noexec.
        Err(Errno::EPERM) => Ok(()),
        mapped => refused(mapped, Errno::EINVAL),
    }
}

fn private(target: &Target, region: Region) -> Outcome {
    refused(had(target, region, PROT_READ, MAP_PRIVATE)?, Errno::EINVAL)?;
    refused(had(target, region, PROT_READ | PROT_WRITE, MAP_PRIVATE)?, Errno::EINVAL)
}

fn protected(target: &Target, region: Region, protection: i32) -> Outcome {
    let mapping = had(target, region, PROT_READ, MAP_SHARED)??;
    refused(mapping.protect(protection), Errno::EACCES)
}

fn elsewhere(target: &Target, place: impl FnOnce(usize) -> (u64, usize)) -> Outcome {
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
    // Which error is the kernel's affair.
    let grown = mapping.resize(bytes + target.page);
    holds(grown.is_err(), || "got success".to_owned())
}

/// A debugger's way of writing does not ask for protection.
fn poked(target: &Target, offset: u64) -> Outcome {
    let reader = Reader::configured(target, target.shape())?;
    let mapping = if offset == MAP_META { &reader.meta } else { &reader.slots };
    let memory = OpenOptions::new().write(true).open("/proc/self/mem")?;
    let before = mapping.copy(0, 64);
    if memory.write_at(&[0xaa; 8], mapping.address() as u64).is_ok() {
        return Err(failed("got success"));
    }
    equal("bytes", mapping.copy(0, 64), before)
}
