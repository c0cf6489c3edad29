// SPDX-License-Identifier: MIT OR Apache-2.0
//! open, close, dup, SCM_RIGHTS, fcntl and the other calls on an open file.

use crate::worker::{FILES, WINDOW, WINDOWS, Worker, done};
use dmaframe_tests::{Random, scm_rights};
use nix::errno::Errno;
use std::fs::OpenOptions;
use std::mem::zeroed;
use std::os::unix::fs::OpenOptionsExt;

// libc does not define it.
const F_SETSIG: libc::c_int = 10;

impl Worker {
    pub(crate) fn open(&mut self, random: &mut Random) -> Result<(), Errno> {
        let place = random.below(FILES as u64) as usize;
        let device = &self.devices[random.below(self.devices.len() as u64) as usize];
        let flags = random.pick(&[0, 0, 0, libc::O_NONBLOCK, libc::O_ASYNC, libc::O_DIRECT])
            | random.pick(&[0, 0, 0, libc::O_TRUNC, libc::O_APPEND, libc::O_SYNC]);
        let write = !random.once_in(8);
        let opened = OpenOptions::new().read(true).write(write).custom_flags(flags).open(device);
        let file = opened.map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))?;
        self.files[place] = Some(file.into());
        Ok(())
    }

    pub(crate) fn close(&mut self, random: &mut Random) -> Result<(), Errno> {
        if random.once_in(4) {
            return self.leave();
        }
        let place = random.below(FILES as u64) as usize;
        self.files[place].take().map(drop).ok_or(Errno::EBADF)
    }

    /// Gives up everything that holds a device: files and mappings. A single mapping left behind
    /// would keep the device busy for all workers.
    fn leave(&mut self) -> Result<(), Errno> {
        let held = self.files.iter().flatten().count();
        self.files = [const { None }; FILES];
        self.reserve_again(self.windows, WINDOWS * WINDOW);
        if held == 0 { Err(Errno::EBADF) } else { Ok(()) }
    }

    /// Sends a file to the other workers, receives one, or duplicates one.
    pub(crate) fn pass(&mut self, random: &mut Random) -> Result<(), Errno> {
        let place = random.below(FILES as u64) as usize;
        let file = match random.below(8) {
            0..=3 => scm_rights::receive(&self.socket)?,
            4..=6 => {
                let file = self.files[place].as_ref().ok_or(Errno::EBADF)?;
                return scm_rights::send(&self.socket, file);
            }
            _ => {
                let file = self.files[place].as_ref().ok_or(Errno::EBADF)?;
                file.try_clone().map_err(|_| Errno::EMFILE)?
            }
        };
        self.files[random.below(FILES as u64) as usize] = Some(file);
        Ok(())
    }

    /// Other calls on an open file.
    pub(crate) fn file(&mut self, random: &mut Random) -> Result<(), Errno> {
        let file = self.any(random)?;
        let number = random.number() as i64;
        // SAFETY: no argument is a pointer except fstat's, which points to a local variable.
        done(unsafe {
            match random.below(12) {
                0..=2 => {
                    let flags = random.pick(&[0, libc::O_NONBLOCK, libc::O_ASYNC, libc::O_DIRECT])
                        | random.pick(&[0, libc::O_APPEND, libc::O_NONBLOCK]);
                    libc::fcntl(file, libc::F_SETFL, flags)
                }
                3 => libc::fcntl(file, libc::F_SETOWN, libc::getpid()),
                4 => libc::fcntl(file, F_SETSIG, random.pick(&[0, libc::SIGIO, libc::SIGURG])),
                5 => libc::flock(file, random.below(16) as i32 | libc::LOCK_NB),
                6 => libc::fsync(file),
                7 => libc::ftruncate(file, number),
                8 => i32::from(libc::lseek(file, number, random.below(6) as i32) == -1)
                    .wrapping_neg(),
                9 => {
                    libc::fallocate(file, random.below(256) as i32, number, random.number() as i64)
                }
                10 => libc::posix_fadvise(file, number, 4096, random.below(8) as i32),
                _ => {
                    let mut stat: libc::stat = zeroed();
                    libc::fstat(file, &raw mut stat)
                }
            }
        })
    }
}
