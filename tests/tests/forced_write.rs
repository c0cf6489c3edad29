// SPDX-License-Identifier: MIT OR Apache-2.0
//! Writes that bypass the protection of a mapping: /proc/PID/mem, process_vm_writev(2), ptrace(2),
//! and the kernel's own writes. They reach the consumer page alone.

use dmaframe::sysfs::{Attribute, Attributes};
use dmaframe_abi::ring::MAP_CONSUMER;
use dmaframe_tests::background_stream::check_streams;
use dmaframe_tests::full_ring::FullRing;
use dmaframe_tests::mapping::PAGE;
use dmaframe_tests::process::Run;
use dmaframe_tests::range::{Range, pointer};
use dmaframe_tests::raw::{GOOD, Raw};
use dmaframe_tests::{BackgroundStream, BoardLock, DEVICES, wait};
use libc::PROT_READ;
use nix::errno::Errno;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;

/// Writes that bypass the page protection reach the consumer page and no other.
#[test]
fn forced_writes_reach_only_the_consumer_page() {
    let _board = BoardLock::acquire();
    let background = BackgroundStream::start(DEVICES[1]);
    for open in [Raw::open, Raw::open_read_only] {
        let ring = FullRing::of(open(DEVICES[0]), GOOD);
        let memory = OpenOptions::new().read(true).write(true).open("/proc/self/mem").unwrap();
        for (name, offset, bytes) in ring.read_only_regions() {
            let range = Range::of(&ring.raw, offset, bytes, PROT_READ).unwrap();
            for at in [0, 8, 64, PAGE - 8, bytes - 8] {
                let poke = memory.write_at(&[0xaa; 8], (range.address + at) as u64);
                assert!(poke.is_err(), "{name} at {at}");
                let poke = write_to_process(range.address + at);
                assert!(matches!(poke, Err(Errno::EFAULT | Errno::ENOSYS)), "{name}: {poke:?}");
            }
            // read(2) into the mapping, where the kernel is the writer.
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
        ring.assert_unchanged("forced writes");
    }
    // The same way of writing works on the consumer page, so the test itself is sound.
    let ring = FullRing::on_first_device();
    let memory = OpenOptions::new().read(true).write(true).open("/proc/self/mem").unwrap();
    let page = ring.map(("consumer", MAP_CONSUMER, PAGE));
    memory.write_at(&3_u32.to_le_bytes(), page.address as u64).unwrap();
    assert_eq!(ring.consumer_index(), 3);
    drop((page, ring));
    background.finish();
    check_streams(&DEVICES);
}

/// Writes 8 bytes with process_vm_writev(2).
fn write_to_process(address: usize) -> Result<(), Errno> {
    let mut junk = [0xaa_u8; 8];
    let from = libc::iovec { iov_base: junk.as_mut_ptr().cast(), iov_len: 8 };
    let to = libc::iovec { iov_base: pointer(address), iov_len: 8 };
    // SAFETY: the kernel refuses to write, or the caller's check fails.
    let written =
        unsafe { libc::process_vm_writev(libc::getpid(), &raw const from, 1, &raw const to, 1, 0) };
    Errno::result(written).map(drop)
}

/// A debugger stops a reader and writes to its mappings.
#[test]
fn a_debugger_writes_only_the_consumer_page() {
    let _board = BoardLock::acquire();
    let background = BackgroundStream::start(DEVICES[1]);
    let holder = Run::of("hold_device", &[DEVICES[0], "started"]).start();
    assert_eq!(holder.line(), "ready");
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
        // The first word of the meta page and of the slots is a magic number, which stays as it is.
        let address = if writable { address + PAGE / 2 } else { address };
        let before = ptrace(libc::PTRACE_PEEKDATA, pid, address, 0).unwrap();
        let poked = ptrace(libc::PTRACE_POKEDATA, pid, address, !before);
        if writable {
            // The consumer page: the same way of writing works there.
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

/// ptrace(2). Returns the word that PTRACE_PEEKDATA read.
fn ptrace(request: libc::c_uint, pid: Pid, address: usize, data: usize) -> Result<usize, Errno> {
    // The bare system call stores the word in memory.
    let mut peeked = 0_usize;
    let data = if request == libc::PTRACE_PEEKDATA { (&raw mut peeked).addr() } else { data };
    // SAFETY: the request concerns another process; a word that is read goes to `peeked`.
    let done =
        unsafe { libc::syscall(libc::SYS_ptrace, u64::from(request), pid.as_raw(), address, data) };
    Errno::result(done).map(|_| peeked)
}
