// SPDX-License-Identifier: MIT OR Apache-2.0
//! poll and epoll.

use crate::worker::{Worker, done};
use dmaframe_tests::Random;
use nix::errno::Errno;
use std::os::fd::AsRawFd;

impl Worker {
    pub(crate) fn poll(&mut self, random: &mut Random) -> Result<(), Errno> {
        let mut files = [libc::pollfd { fd: -1, events: 0, revents: 0 }; 4];
        for file in &mut files {
            file.fd = self.any(random)?;
            file.events = random.number() as i16;
        }
        let epoll = self.epoll.as_raw_fd();
        let mut event = libc::epoll_event { events: random.number() as u32, u64: 0 };
        let mut events = [event; 4];
        // SAFETY: all pointers are to local variables.
        done(unsafe {
            match random.below(8) {
                0..=3 => libc::poll(files.as_mut_ptr(), random.below(5), random.below(3) as i32),
                4..=5 => {
                    let change = random.pick(&[
                        libc::EPOLL_CTL_ADD,
                        libc::EPOLL_CTL_ADD,
                        libc::EPOLL_CTL_MOD,
                        libc::EPOLL_CTL_DEL,
                    ]);
                    libc::epoll_ctl(epoll, change, files[0].fd, &raw mut event)
                }
                _ => libc::epoll_wait(epoll, events.as_mut_ptr(), 4, random.below(3) as i32),
            }
        })
    }
}
