// SPDX-License-Identifier: MIT OR Apache-2.0
//! CONFIGURE with little free memory.

use dmaframe_abi::uapi::Config;
use dmaframe_tests::background_stream::check_streams;
use dmaframe_tests::kernel_log::KernelLog;
use dmaframe_tests::raw::{GOOD, Raw};
use dmaframe_tests::{BackgroundStream, BoardLock, DEVICES};
use nix::errno::Errno;
use std::fs;
use std::hint::black_box;

/// A ring of 192 MiB. Its slots may consist of single pages, which the kernel can always find unless
/// it runs out of memory.
const LONG: Config = Config { frame_bytes: 48 * 4096 - 64, slots: 1024, ..GOOD };
/// Memory that is left free, less than the ring and enough for everything else.
const LEFT_BYTES: usize = 96 << 20;

fn available_bytes() -> usize {
    let text = fs::read_to_string("/proc/meminfo").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() << 10
}

/// A ring that does not fit is refused. The OOM killer ends no program to make room for it.
#[test]
fn a_ring_longer_than_free_memory_is_refused() {
    let _board = BoardLock::acquire();
    let background = BackgroundStream::start(DEVICES[1]);
    let log = KernelLog::from_now();
    // This makes the test the largest process, which the OOM killer would choose.
    let taken = vec![1_u8; available_bytes() - LEFT_BYTES];
    let raw = Raw::open(DEVICES[0]);
    assert_eq!(raw.configure(LONG).map(drop), Err(Errno::ENOMEM));
    black_box(&taken);
    drop(taken);
    assert!(!log.says("Out of memory"));
    assert!(raw.configure(LONG).is_ok(), "with enough memory");
    drop(raw);
    background.finish();
    check_streams(&DEVICES);
}
