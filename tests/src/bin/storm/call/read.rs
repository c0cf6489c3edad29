// SPDX-License-Identifier: MIT OR Apache-2.0
//! read, readv, pread, write and splice.

use crate::worker::{ARENA, Worker, done, pointer};
use dmaframe_tests::Random;
use nix::errno::Errno;
use std::os::fd::AsRawFd;
use std::ptr::null_mut;

impl Worker {
    pub(crate) fn read(&mut self, random: &mut Random) -> Result<(), Errno> {
        let file = self.any(random)?;
        let mut parts = [libc::iovec { iov_base: null_mut(), iov_len: 0 }; 3];
        for part in &mut parts {
            let bytes = random.pick(&[0, 1, 64, 4159, 4160, 8320, ARENA, ARENA, ARENA + 1]);
            *part = libc::iovec { iov_base: pointer(self.address(random, bytes)), iov_len: bytes };
            // Most fit into the arena.
            if !random.once_in(16) {
                part.iov_len = part.iov_len.min(ARENA - 64);
            }
        }
        let offset = random.number() as i64;
        let [first, ..] = parts;
        // SAFETY: as for ioctl(2); write(2) only reads.
        let bytes = unsafe {
            match random.below(12) {
                0..=5 => libc::read(file, first.iov_base, first.iov_len),
                6..=7 => libc::readv(file, parts.as_ptr(), 3),
                8 => libc::pread(file, first.iov_base, first.iov_len, offset),
                9 => libc::preadv2(file, parts.as_ptr(), 2, -1, random.number() as i32),
                10 => libc::write(file, first.iov_base, first.iov_len),
                _ => libc::splice(
                    file,
                    null_mut(),
                    self.pipe.1.as_raw_fd(),
                    null_mut(),
                    first.iov_len,
                    libc::SPLICE_F_NONBLOCK,
                ),
            }
        };
        done(bytes as i64)
    }
}
