// SPDX-License-Identifier: MIT OR Apache-2.0
//! The memory, tasks and interrupts that the kernel uses while nothing runs.

use super::Figures;
use crate::mapping::PAGE;
use crate::wait;
use std::fs;

/// Lines of /proc/meminfo whose growth means a leak. MemFree is compared separately.
const GROWING: [&str; 4] = ["SUnreclaim", "KernelStack", "PageTables", "VmallocUsed"];
/// What the allocators may keep in partly used slabs. A leaked ring is at least 128 KiB, a leaked
/// channel of a bound device 64 KiB.
const SLACK_KIB: i64 = 3 << 10;

#[derive(Debug)]
pub(super) struct Memory {
    /// MemFree and the pages in the lists of each processor.
    free: i64,
    growing: [i64; GROWING.len()],
    tasks: usize,
    interrupts: usize,
}

impl Memory {
    /// Waits until free memory stays the same, and returns the numbers.
    pub(super) fn settled() -> Self {
        let mut last = i64::MIN;
        wait::until("free memory to settle", || {
            fs::write("/proc/sys/vm/drop_caches", "3").unwrap();
            // The kernel frees memory after a grace period, and in workers.
            std::thread::sleep(std::time::Duration::from_millis(500));
            let now = Self::now();
            let still = (now.free - last).abs() <= 64;
            last = now.free;
            still.then_some(now)
        })
    }

    fn now() -> Self {
        let text = fs::read_to_string("/proc/meminfo").unwrap();
        let kib = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            let number = line.and_then(|line| line.trim().strip_suffix(" kB"));
            number.unwrap_or_else(|| panic!("no {name} in /proc/meminfo")).parse().unwrap()
        };
        let numbered = |name: &std::ffi::OsStr| name.to_string_lossy().parse::<u32>().is_ok();
        let interrupts = fs::read_to_string("/proc/interrupts").unwrap();
        Self {
            free: kib("MemFree") + put_aside_kib(),
            growing: GROWING.map(kib),
            tasks: fs::read_dir("/proc")
                .unwrap()
                .filter(|entry| numbered(&entry.as_ref().unwrap().file_name()))
                .filter(|entry| {
                    // The kernel starts and ends workers at any time.
                    let comm = entry.as_ref().unwrap().path().join("comm");
                    !fs::read_to_string(comm).unwrap_or_default().starts_with("kworker")
                })
                .count(),
            interrupts: interrupts.lines().filter(|line| line.contains("dmaframe")).count(),
        }
    }

    /// Adds the differences to `figures`.
    ///
    /// # Panics
    ///
    /// If the kernel uses more than before.
    pub(super) fn compare(&self, after: &Self, figures: &mut Figures) {
        let lost = self.free - after.free;
        figures.add("free_lost_KiB", lost);
        for (index, name) in GROWING.iter().enumerate() {
            figures.add(&format!("{name}_grown_KiB"), after.growing[index] - self.growing[index]);
        }
        assert!(lost <= SLACK_KIB, "{lost} KiB of free memory are missing:\n{figures}");
        for (index, name) in GROWING.iter().enumerate() {
            let grown = after.growing[index] - self.growing[index];
            assert!(grown <= SLACK_KIB / 2, "{name} has grown by {grown} KiB:\n{figures}");
        }
        assert_eq!(self.tasks, after.tasks, "tasks");
        assert_eq!(self.interrupts, after.interrupts, "interrupts");
    }
}

/// Free pages in the lists of each processor, which the kernel does not count as free.
fn put_aside_kib() -> i64 {
    let zones = fs::read_to_string("/proc/zoneinfo").unwrap();
    let counts = zones.lines().filter_map(|line| line.trim_start().strip_prefix("count:"));
    let pages: i64 = counts.map(|count| count.trim().parse::<i64>().unwrap()).sum();
    pages * (PAGE as i64 >> 10)
}
