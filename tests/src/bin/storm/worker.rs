// SPDX-License-Identifier: MIT OR Apache-2.0
//! A worker: one of the processes that make the calls.

use crate::call::KINDS;
use crate::controller::SOCKET;
use crate::generic_netlink;
use crate::options::Options;
use crate::tally::Tally;
use dmaframe_tests::Random;
use dmaframe_tests::mapping::PAGE;
use nix::errno::Errno;
use std::error::Error;
use std::mem::zeroed;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixDatagram;
use std::ptr::null_mut;

/// The most files that a worker has open.
pub(crate) const FILES: usize = 6;
/// Address ranges for mappings.
pub(crate) const WINDOWS: usize = 6;
/// Bytes of each.
pub(crate) const WINDOW: usize = 2 << 20;
/// Bytes of the memory for arguments. The page after it is inaccessible.
pub(crate) const ARENA: usize = 16 * PAGE;

/// The state of a worker.
pub(crate) struct Worker {
    pub(crate) devices: Vec<String>,
    pub(crate) files: [Option<OwnedFd>; FILES],
    pub(crate) socket: UnixDatagram,
    pub(crate) netlink: OwnedFd,
    pub(crate) family: u16,
    pub(crate) group: u32,
    pub(crate) epoll: OwnedFd,
    /// Read end and write end, both non-blocking.
    pub(crate) pipe: (OwnedFd, OwnedFd),
    /// The address of the memory for arguments, which an inaccessible page follows.
    pub(crate) arena: usize,
    /// The address of the ranges for mappings, reserved so that nothing else is mapped there.
    pub(crate) windows: usize,
    /// A buffer for what sysfs and netlink return.
    pub(crate) text: Vec<u8>,
}

/// Reserves inaccessible address space.
fn reserve(bytes: usize) -> Result<usize, Errno> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: without MAP_FIXED nothing that is mapped is replaced.
    let address = unsafe { libc::mmap(null_mut(), bytes, libc::PROT_NONE, flags, -1, 0) };
    if address == libc::MAP_FAILED { Err(Errno::last()) } else { Ok(address.expose_provenance()) }
}

pub(crate) fn pointer<T>(address: usize) -> *mut T {
    std::ptr::with_exposed_provenance_mut(address)
}

pub(crate) fn done(result: impl Into<i64>) -> Result<(), Errno> {
    if result.into() == -1 { Err(Errno::last()) } else { Ok(()) }
}

extern "C" fn interrupted(_signal: libc::c_int) {}

/// Starts a timer whose signal interrupts every call that sleeps.
fn wake_sleepers() -> Result<(), Errno> {
    // SAFETY: the handler does nothing. Without SA_RESTART a call that it interrupts ends.
    unsafe {
        let mut action: libc::sigaction = zeroed();
        action.sa_sigaction = interrupted as *const () as usize;
        done(libc::sigaction(libc::SIGALRM, &raw const action, null_mut()))?;
        // By default these signals of the devices would end the process.
        for signal in [libc::SIGIO, libc::SIGURG] {
            libc::signal(signal, libc::SIG_IGN);
        }
        let every = libc::timeval { tv_sec: 0, tv_usec: 10_000 };
        let timer = libc::itimerval { it_interval: every, it_value: every };
        done(libc::setitimer(libc::ITIMER_REAL, &raw const timer, null_mut()))
    }
}

impl Worker {
    pub(crate) fn new(options: &Options) -> Result<Self, Box<dyn Error>> {
        let socket: RawFd = std::env::var(SOCKET)?.parse()?;
        // SAFETY: the controlling process left the descriptor open for this worker, which alone
        // uses it.
        let socket = unsafe { UnixDatagram::from_raw_fd(socket) };
        let (family, group) = generic_netlink::family()?;
        let netlink = generic_netlink::socket()?;
        // SAFETY: each call makes descriptors that this function alone owns.
        let (epoll, pipe) = unsafe {
            let epoll = libc::epoll_create1(libc::EPOLL_CLOEXEC);
            done(epoll)?;
            let mut pipe = [0; 2];
            done(libc::pipe2(pipe.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK))?;
            let pipe = pipe.map(|end| OwnedFd::from_raw_fd(end));
            (OwnedFd::from_raw_fd(epoll), pipe)
        };
        let [from, to] = pipe;
        let arena = reserve(ARENA + PAGE)?;
        // SAFETY: the range was just reserved.
        done(unsafe { libc::mprotect(pointer(arena), ARENA, libc::PROT_READ | libc::PROT_WRITE) })?;
        let windows = reserve(WINDOWS * WINDOW)?;
        wake_sleepers()?;
        Ok(Self {
            devices: options.devices.clone(),
            files: [const { None }; FILES],
            socket,
            netlink,
            family,
            group,
            epoll,
            pipe: (from, to),
            arena,
            windows,
            text: vec![0; 8192],
        })
    }

    /// An open file, if there is one: a random one, or the next after it.
    pub(crate) fn any(&self, random: &mut Random) -> Result<RawFd, Errno> {
        let drawn = random.below(FILES as u64) as usize;
        let files = self.files.iter().cycle().skip(drawn).take(FILES);
        files.flatten().next().map(AsRawFd::as_raw_fd).ok_or(Errno::EBADF)
    }

    /// The memory for arguments.
    pub(crate) fn arena(&mut self) -> &mut [u8] {
        // SAFETY: the arena is readable and writable, is never unmapped, and nothing else refers to
        // it while `self` is borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(pointer(self.arena), ARENA) }
    }

    /// An address for an argument of `bytes` bytes: mostly in the arena, sometimes a bad one.
    pub(crate) fn address(&self, random: &mut Random, bytes: usize) -> usize {
        let end = self.arena + ARENA;
        match random.below(24) {
            0 => 0,
            1 => random.below(PAGE as u64) as usize,
            // Part of the argument, or all of it, lies in the inaccessible page.
            2 => end - random.below(bytes.max(1) as u64) as usize,
            3 => end,
            // Mapped pages of the devices; the driver must not be made to write to read-only ones.
            4..=5 => self.windows + random.below((WINDOWS * WINDOW) as u64) as usize,
            // Kernel addresses.
            6 => (0xffff_8000_0000_0000 | random.next()) as usize,
            7 => (0xffff_0000_0000_0000 | (random.next() >> 16)) as usize,
            8 => usize::MAX - random.below(256) as usize,
            9 => self.arena + random.below(64) as usize,
            _ => self.arena,
        }
    }
}

/// Makes the calls of one worker.
pub(crate) fn run(options: &Options, process: u64) -> Result<(), Box<dyn Error>> {
    let mut worker = Worker::new(options)?;
    let mut tally = Tally::default();
    let shares: u64 = KINDS.iter().map(|kind| kind.share).sum();
    for call in 0..options.calls {
        let mut random = Random::new(options.seed ^ (process << 48), call);
        let mut share = random.below(shares);
        let kind = KINDS.iter().position(|kind| {
            let mine = share < kind.share;
            share = share.saturating_sub(kind.share);
            mine
        });
        let kind = kind.expect("a share is less than all together");
        let good = (KINDS[kind].call)(&mut worker, &mut random).is_ok();
        tally.calls[kind] += 1;
        tally.good[kind] += u64::from(good);
    }
    print!("{tally}");
    Ok(())
}
