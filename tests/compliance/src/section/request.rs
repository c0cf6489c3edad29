// SPDX-License-Identifier: MIT OR Apache-2.0
//! Unknown requests and invalid arguments.

use super::REFERENCE;
use crate::check::{Section, check};
use crate::outcome::{Outcome, equal, failed, refused};
use crate::reader::{Reader, state};
use crate::target::Target;
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
        check(1, PLACE, "a request number after the last one fails with ENOTTY", |target| {
            unknown(target, (uapi::GET_STATS & !0xff) | 8)
        }),
        check(2, PLACE, "the highest request number fails with ENOTTY", |target| {
            unknown(target, (uapi::GET_STATS & !0xff) | 0xff)
        }),
        check(
            3,
            PLACE,
            "a request number without argument after the last one fails with ENOTTY",
            |target| unknown(target, uapi::START - 4 + 8),
        ),
        check(4, PLACE, "a known request number with another size fails with ENOTTY", |target| {
            unknown(target, uapi::GET_INFO + (8 << 16))
        }),
        check(
            5,
            PLACE,
            "a known request number with another direction fails with ENOTTY",
            |target| unknown(target, uapi::GET_INFO ^ (3 << 30)),
        ),
        check(6, PLACE, "a known request number with another type fails with ENOTTY", |target| {
            unknown(target, uapi::GET_INFO ^ 0x100)
        }),
        check(7, PLACE, "START with an argument fails with EINVAL", |target| {
            check_argument_refused(target, uapi::START)
        }),
        check(8, PLACE, "STOP with an argument fails with EINVAL", |target| {
            check_argument_refused(target, uapi::STOP)
        }),
        check(9, PLACE, "KICK with an argument fails with EINVAL", |target| {
            check_argument_refused(target, uapi::KICK)
        }),
        check(10, PLACE, "START refused for its argument starts nothing", |target| {
            let reader = Reader::configured(target, target.quiet())?;
            refused(reader.raw.request(uapi::START, 1), Errno::EINVAL)?;
            equal("state", reader.state()?, State::Configured as u32)
        }),
        check(11, PLACE, "STOP refused for its argument stops nothing", |target| {
            let reader = Reader::started(target, target.quiet())?;
            refused(reader.raw.request(uapi::STOP, 1), Errno::EINVAL)?;
            equal("state", reader.state()?, State::Running as u32)
        }),
        check(12, PLACE, "GET_INFO with an invalid address fails with EFAULT", |target| {
            bad(target, uapi::GET_INFO)
        }),
        check(13, PLACE, "GET_SOURCE with an invalid address fails with EFAULT", |target| {
            bad(target, uapi::GET_SOURCE)
        }),
        check(14, PLACE, "GET_CONFIG with an invalid address fails with EFAULT", |target| {
            bad(target, uapi::GET_CONFIG)
        }),
        check(15, PLACE, "CONFIGURE with an invalid address fails with EFAULT", |target| {
            bad(target, uapi::CONFIGURE)
        }),
        check(16, PLACE, "GET_STATS with an invalid address fails with EFAULT", |target| {
            bad(target, uapi::GET_STATS)
        }),
        check(
            17,
            PLACE,
            "GET_INFO with a partly accessible structure fails with EFAULT",
            |target| half(target, uapi::GET_INFO),
        ),
        check(
            18,
            PLACE,
            "GET_SOURCE with a partly accessible structure fails with EFAULT",
            |target| half(target, uapi::GET_SOURCE),
        ),
        check(
            19,
            PLACE,
            "GET_CONFIG with a partly accessible structure fails with EFAULT",
            |target| half(target, uapi::GET_CONFIG),
        ),
        check(
            20,
            PLACE,
            "CONFIGURE with a partly accessible structure fails with EFAULT",
            |target| half(target, uapi::CONFIGURE),
        ),
        check(
            21,
            PLACE,
            "GET_STATS with a partly accessible structure fails with EFAULT",
            |target| half(target, uapi::GET_STATS),
        ),
        check(22, PLACE, "GET_INFO with read-only memory fails with EFAULT", |target| {
            fixed(target, uapi::GET_INFO)
        }),
        check(23, PLACE, "GET_SOURCE with read-only memory fails with EFAULT", |target| {
            fixed(target, uapi::GET_SOURCE)
        }),
        check(24, PLACE, "GET_CONFIG with read-only memory fails with EFAULT", |target| {
            fixed(target, uapi::GET_CONFIG)
        }),
        check(25, PLACE, "GET_STATS with read-only memory fails with EFAULT", |target| {
            fixed(target, uapi::GET_STATS)
        }),
        check(26, PLACE, "a request with a kernel address fails with EFAULT", |target| {
            let kernel = usize::MAX - 0xffff;
            refused(target.open()?.request(uapi::GET_INFO, kernel), Errno::EFAULT)
        }),
        check(27, PLACE, "CONFIGURE with an invalid address makes no stream", |target| {
            let raw = target.open()?;
            refused(raw.request(uapi::CONFIGURE, 8), Errno::EFAULT)?;
            equal("state", state(&raw)?, State::Idle as u32)
        }),
    ],
};

/// Fails unless the request is refused, both without an argument and with valid memory for any
/// structure.
fn unknown(target: &Target, request: u32) -> Outcome {
    let raw = target.open()?;
    let memory = Mapping::anonymous(target.page, libc::PROT_READ | libc::PROT_WRITE);
    refused(raw.request(request, 0), Errno::ENOTTY)?;
    refused(raw.request(request, memory.address()), Errno::ENOTTY)
}

fn check_argument_refused(target: &Target, request: u32) -> Outcome {
    let reader = Reader::configured(target, target.quiet())?;
    // Includes a value whose lower 32 bits are zero.
    for argument in [1, 1 << (usize::BITS - 1), usize::MAX] {
        refused(reader.raw.request(request, argument), Errno::EINVAL)?;
    }
    Ok(())
}

fn bad(target: &Target, request: u32) -> Outcome {
    let raw = target.open()?;
    refused(raw.request(request, 0), Errno::EFAULT)?;
    refused(raw.request(request, 8), Errno::EFAULT)
}

/// Passes a structure that extends into an inaccessible page.
fn half(target: &Target, request: u32) -> Outcome {
    let memory = Mapping::anonymous(2 * target.page, libc::PROT_READ | libc::PROT_WRITE);
    guard(&memory, target.page)?;
    refused(target.open()?.request(request, memory.address() + target.page - 8), Errno::EFAULT)
}

fn fixed(target: &Target, request: u32) -> Outcome {
    let memory = Mapping::anonymous(target.page, libc::PROT_READ);
    refused(target.open()?.request(request, memory.address()), Errno::EFAULT)
}

/// Makes the second page inaccessible.
pub(super) fn guard(memory: &Mapping, page: usize) -> Outcome {
    let second = std::ptr::with_exposed_provenance_mut(memory.address() + page);
    // SAFETY: no check accesses this page, except through system calls that are to fail.
    let done = unsafe { libc::mprotect(second, page, libc::PROT_NONE) };
    Errno::result(done).map(drop).map_err(|errno| failed(format!("mprotect: {errno}")))
}
