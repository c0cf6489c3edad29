// SPDX-License-Identifier: MIT OR Apache-2.0
//! The kinds of calls.

mod file;
mod ioctl;
mod mapping;
mod netlink;
mod poll;
mod read;
mod sysfs;

use crate::worker::Worker;
use dmaframe_tests::Random;
use nix::errno::Errno;

/// A kind of calls.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// The share of all calls that are of this kind, relative to the other kinds.
    pub(crate) share: u64,
    pub(crate) call: fn(&mut Worker, &mut Random) -> Result<(), Errno>,
}

const fn kind(
    name: &'static str,
    share: u64,
    call: fn(&mut Worker, &mut Random) -> Result<(), Errno>,
) -> Kind {
    Kind { name, share, call }
}

pub(crate) const KINDS: [Kind; 12] = [
    kind("open", 40, Worker::open),
    kind("close", 20, Worker::close),
    kind("pass", 15, Worker::pass),
    kind("ioctl", 350, Worker::ioctl),
    kind("read", 130, Worker::read),
    kind("poll", 80, Worker::poll),
    kind("file", 40, Worker::file),
    kind("mmap", 80, Worker::mmap),
    kind("remap", 60, Worker::remap),
    kind("touch", 60, Worker::touch),
    kind("sysfs", 80, Worker::sysfs),
    kind("netlink", 120, Worker::netlink),
];

/// At least one of this many calls of a kind must succeed.
pub(crate) const CALLS_PER_SUCCESS: u64 = 100;
