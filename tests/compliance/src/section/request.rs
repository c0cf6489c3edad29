// SPDX-License-Identifier: MIT OR Apache-2.0
//! Requests that are none, and arguments that are bad.

use super::REFERENCE;
use crate::bench::Bench;
use crate::check::{Outcome, Section, check, equal, failed, refused};
use crate::reader::{Reader, state};
use dmaframe_abi::stream::State;
use dmaframe_abi::uapi;
use dmaframe_compliance::mapping::Mapping;
use nix::errno::Errno;

const PLACE: &str = "Requests";

pub(super) const SECTION: Section = Section {
    number: 6,
    name: "Requests",
    document: REFERENCE,
    checks: &[
        check(1, PLACE, "a number after the last is ENOTTY", |bench| {
            unknown(bench, (uapi::GET_STATS & !0xff) | 8)
        }),
        check(2, PLACE, "the highest number is ENOTTY", |bench| {
            unknown(bench, (uapi::GET_STATS & !0xff) | 0xff)
        }),
        check(3, PLACE, "a number without structure after the last is ENOTTY", |bench| {
            unknown(bench, uapi::START - 4 + 8)
        }),
        check(4, PLACE, "a known number with another length is ENOTTY", |bench| {
            unknown(bench, uapi::GET_INFO + (8 << 16))
        }),
        check(5, PLACE, "a known number in another direction is ENOTTY", |bench| {
            unknown(bench, uapi::GET_INFO ^ (3 << 30))
        }),
        check(6, PLACE, "a known number of another type is ENOTTY", |bench| {
            unknown(bench, uapi::GET_INFO ^ 0x100)
        }),
        check(7, PLACE, "START with an argument is EINVAL", |bench| argued(bench, uapi::START)),
        check(8, PLACE, "STOP with an argument is EINVAL", |bench| argued(bench, uapi::STOP)),
        check(9, PLACE, "KICK with an argument is EINVAL", |bench| argued(bench, uapi::KICK)),
        check(10, PLACE, "START that was refused for its argument starts nothing", |bench| {
            let reader = Reader::configured(bench, bench.quiet())?;
            refused(reader.raw.request(uapi::START, 1), Errno::EINVAL)?;
            equal("state", reader.state()?, State::Configured as u32)
        }),
        check(11, PLACE, "STOP that was refused for its argument stops nothing", |bench| {
            let reader = Reader::started(bench, bench.quiet())?;
            refused(reader.raw.request(uapi::STOP, 1), Errno::EINVAL)?;
            equal("state", reader.state()?, State::Running as u32)
        }),
        check(12, PLACE, "GET_INFO to no address is EFAULT", |bench| bad(bench, uapi::GET_INFO)),
        check(13, PLACE, "GET_SOURCE to no address is EFAULT", |bench| {
            bad(bench, uapi::GET_SOURCE)
        }),
        check(14, PLACE, "GET_CONFIG to no address is EFAULT", |bench| {
            bad(bench, uapi::GET_CONFIG)
        }),
        check(15, PLACE, "CONFIGURE from no address is EFAULT", |bench| {
            bad(bench, uapi::CONFIGURE)
        }),
        check(16, PLACE, "GET_STATS to no address is EFAULT", |bench| bad(bench, uapi::GET_STATS)),
        check(17, PLACE, "GET_INFO to memory that ends too early is EFAULT", |bench| {
            half(bench, uapi::GET_INFO)
        }),
        check(18, PLACE, "GET_SOURCE to memory that ends too early is EFAULT", |bench| {
            half(bench, uapi::GET_SOURCE)
        }),
        check(19, PLACE, "GET_CONFIG to memory that ends too early is EFAULT", |bench| {
            half(bench, uapi::GET_CONFIG)
        }),
        check(20, PLACE, "CONFIGURE from memory that ends too early is EFAULT", |bench| {
            half(bench, uapi::CONFIGURE)
        }),
        check(21, PLACE, "GET_STATS to memory that ends too early is EFAULT", |bench| {
            half(bench, uapi::GET_STATS)
        }),
        check(22, PLACE, "GET_INFO to memory that is read-only is EFAULT", |bench| {
            fixed(bench, uapi::GET_INFO)
        }),
        check(23, PLACE, "GET_SOURCE to memory that is read-only is EFAULT", |bench| {
            fixed(bench, uapi::GET_SOURCE)
        }),
        check(24, PLACE, "GET_CONFIG to memory that is read-only is EFAULT", |bench| {
            fixed(bench, uapi::GET_CONFIG)
        }),
        check(25, PLACE, "GET_STATS to memory that is read-only is EFAULT", |bench| {
            fixed(bench, uapi::GET_STATS)
        }),
        check(26, PLACE, "a structure at an address of the kernel's is EFAULT", |bench| {
            let kernel = usize::MAX - 0xffff;
            refused(bench.open()?.request(uapi::GET_INFO, kernel), Errno::EFAULT)
        }),
        check(27, PLACE, "CONFIGURE from a bad address makes no stream", |bench| {
            let raw = bench.open()?;
            refused(raw.request(uapi::CONFIGURE, 8), Errno::EFAULT)?;
            equal("state", state(&raw)?, State::Idle as u32)
        }),
    ],
};

/// Refused with an argument that would be good memory for any structure, and without.
fn unknown(bench: &Bench, request: u32) -> Outcome {
    let raw = bench.open()?;
    let memory = Mapping::anonymous(bench.page, libc::PROT_READ | libc::PROT_WRITE);
    refused(raw.request(request, 0), Errno::ENOTTY)?;
    refused(raw.request(request, memory.address()), Errno::ENOTTY)
}

fn argued(bench: &Bench, request: u32) -> Outcome {
    let reader = Reader::configured(bench, bench.quiet())?;
    // Also where a register of half the width would be zero.
    for argument in [1, 1 << (usize::BITS - 1), usize::MAX] {
        refused(reader.raw.request(request, argument), Errno::EINVAL)?;
    }
    Ok(())
}

fn bad(bench: &Bench, request: u32) -> Outcome {
    let raw = bench.open()?;
    refused(raw.request(request, 0), Errno::EFAULT)?;
    refused(raw.request(request, 8), Errno::EFAULT)
}

/// The structure runs into memory that must not be touched.
fn half(bench: &Bench, request: u32) -> Outcome {
    let memory = Mapping::anonymous(2 * bench.page, libc::PROT_READ | libc::PROT_WRITE);
    guard(&memory, bench.page)?;
    refused(bench.open()?.request(request, memory.address() + bench.page - 8), Errno::EFAULT)
}

fn fixed(bench: &Bench, request: u32) -> Outcome {
    let memory = Mapping::anonymous(bench.page, libc::PROT_READ);
    refused(bench.open()?.request(request, memory.address()), Errno::EFAULT)
}

/// Takes all access to the second page away.
pub(super) fn guard(memory: &Mapping, page: usize) -> Outcome {
    let second = std::ptr::with_exposed_provenance_mut(memory.address() + page);
    // SAFETY: no check reads or writes this page itself.
    let done = unsafe { libc::mprotect(second, page, libc::PROT_NONE) };
    Errno::result(done).map(drop).map_err(|errno| failed(format!("mprotect: {errno}")))
}
