// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads and writes of attributes.

use crate::worker::{Worker, done};
use dmaframe_tests::Random;
use nix::errno::Errno;
use std::fs::OpenOptions;
use std::os::fd::{AsFd, AsRawFd};

impl Worker {
    pub(crate) fn sysfs(&mut self, random: &mut Random) -> Result<(), Errno> {
        const ATTRIBUTES: [&str; 28] = [
            "source",
            "frame_bytes",
            "slots",
            "policy",
            "interval_us",
            "state",
            "frames",
            "lost",
            "bytes",
            "errors",
            "overruns",
            "chains",
            "interrupts",
            "kicks",
            "bad_consumer",
            "error_bits",
            "too_fast",
            "owner_pid",
            "owner_comm",
            "engine",
            "channel",
            "sources",
            "frame_bytes_max",
            "slots_max",
            "ring_bytes_max",
            "interval_us_min",
            "interval_us_max",
            "stamp_hz",
        ];
        const VALUES: [&str; 16] = [
            "pattern",
            "gpio",
            "systimer",
            "backpressure",
            "drop",
            "0",
            "4096",
            "16",
            "1000",
            "-1",
            "+4",
            "0x10",
            "4294967296",
            "",
            "\n",
            "\0",
        ];
        let device = &self.devices[random.below(self.devices.len() as u64) as usize];
        let name = device.rsplit('/').next().unwrap_or_default();
        let path = format!("/sys/class/misc/{name}/{}", random.pick(&ATTRIBUTES));
        let write = random.once_in(2);
        let offset = if random.once_in(8) { random.number() as i64 & i64::MAX } else { 0 };
        let mut value = random.pick(&VALUES).as_bytes().to_vec();
        match random.below(8) {
            0 => {
                value.resize(random.pick(&[1, 7, 4095, 4096, 8192]), 0);
                random.fill(&mut value);
            }
            1 => value = (random.number() as u32).to_string().into_bytes(),
            2 => value.push(b'\n'),
            _ => {}
        }
        let opened = OpenOptions::new().read(!write).write(write).open(&path);
        let file = opened.map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))?;
        let file = file.as_fd().as_raw_fd();
        // SAFETY: both buffers have the given lengths.
        done(unsafe {
            if write {
                libc::pwrite(file, value.as_ptr().cast(), value.len(), offset) as i64
            } else {
                let bytes = random.pick(&[1, 64, self.text.len()]);
                libc::pread(file, self.text.as_mut_ptr().cast(), bytes, offset) as i64
            }
        })
    }
}
