// SPDX-License-Identifier: MIT OR Apache-2.0
//! mmap, mremap, mprotect and the other calls on mappings, and accesses to what is mapped.

use crate::worker::{ARENA, WINDOW, WINDOWS, Worker, done, pointer};
use dmaframe_abi::ring::{MAP_CONSUMER, MAP_META, MAP_SLOTS};
use dmaframe_tests::Random;
use dmaframe_tests::mapping::PAGE;
use nix::errno::Errno;
use std::os::fd::AsRawFd;

impl Worker {
    fn window(&self, random: &mut Random) -> usize {
        self.windows + random.below(WINDOWS as u64) as usize * WINDOW
    }

    pub(crate) fn mmap(&mut self, random: &mut Random) -> Result<(), Errno> {
        let file = self.any(random)?;
        let at = self.window(random) + random.pick(&[0, 0, PAGE, WINDOW / 2]);
        let mut region = random.pick(&[MAP_META, MAP_CONSUMER, MAP_SLOTS, MAP_SLOTS, 3 << 32]);
        let mut bytes = match region {
            MAP_META | MAP_CONSUMER => PAGE,
            _ => PAGE * (1 + random.below(64) as usize),
        };
        let mut protection = if region == MAP_CONSUMER { libc::PROT_WRITE } else { 0 } | 1;
        let mut flags = libc::MAP_SHARED;
        // Most arguments are valid, or wrong in one respect.
        match random.below(16) {
            0 => region = random.number() & !(PAGE as u64 - 1),
            1 => bytes = (1 + random.number() as usize % (WINDOW / 2)).min(WINDOW / 2),
            2 => protection = random.below(8) as i32,
            3 => flags = libc::MAP_PRIVATE,
            4..=6 => region += random.below(32) * PAGE as u64,
            7 => region = region.wrapping_add(random.number()),
            8 => flags |= random.pick(&[libc::MAP_POPULATE, libc::MAP_LOCKED, libc::MAP_NORESERVE]),
            _ => {}
        }
        flags |= libc::MAP_FIXED;
        // SAFETY: the range lies in a window, to which no reference exists.
        let mapped = unsafe {
            libc::mmap(pointer(at), bytes, protection, flags, file, region as libc::off_t)
        };
        if mapped == libc::MAP_FAILED {
            let errno = Errno::last();
            // A failed mmap may have unmapped what was there.
            self.reserve_again(at, bytes);
            return Err(errno);
        }
        Ok(())
    }

    /// Reserves a range again, so that nothing else is mapped there.
    pub(crate) fn reserve_again(&self, at: usize, bytes: usize) {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_FIXED;
        let end = (at + bytes).next_multiple_of(PAGE).min(self.windows + WINDOWS * WINDOW);
        // SAFETY: the range lies in the windows, to which no reference exists.
        let address = unsafe { libc::mmap(pointer(at), end - at, libc::PROT_NONE, flags, -1, 0) };
        assert_ne!(address, libc::MAP_FAILED, "the windows are lost: {}", Errno::last());
    }

    /// Unmaps, moves, protects, advises or locks a part of a window.
    pub(crate) fn remap(&mut self, random: &mut Random) -> Result<(), Errno> {
        let window = self.window(random);
        let at = window + random.below(8) as usize * PAGE;
        let bytes = PAGE * (1 + random.below(16) as usize);
        let other = self.window(random) + WINDOW / 2;
        // SAFETY: all ranges lie in the windows, to which no reference exists.
        unsafe {
            match random.below(12) {
                0..=1 => {
                    let unmapped = done(libc::munmap(pointer(at), bytes));
                    self.reserve_again(at, bytes);
                    unmapped
                }
                2..=3 => {
                    let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED;
                    let flags = flags | random.pick(&[0, 0, 0, libc::MREMAP_DONTUNMAP]);
                    let from = random.pick(&[at, window, window]);
                    let old = random.pick(&[0, PAGE, bytes]);
                    let new = random.pick(&[PAGE, bytes, old.max(PAGE)]);
                    let moved = libc::mremap(pointer(from), old, new, flags, pointer::<u8>(other));
                    let moved = if moved == libc::MAP_FAILED { Err(Errno::last()) } else { Ok(()) };
                    // The move may have left holes at both ends.
                    self.fill_holes();
                    moved
                }
                4..=5 => done(libc::mprotect(pointer(at), bytes, random.below(8) as i32)),
                6..=8 => {
                    // Without the advice that poisons memory, which root may give.
                    let advice = random.pick(&[
                        0, 1, 2, 3, 4, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22,
                        23, 24, 25, 102, 103,
                    ]);
                    done(libc::madvise(pointer(at), bytes, advice))
                }
                9 => done(libc::msync(pointer(at), bytes, random.below(8) as i32)),
                10 => done(libc::mlock(pointer(at), bytes)),
                _ => done(libc::munlock(pointer(at), bytes)),
            }
        }
    }

    /// Reserves all parts of the windows that are not mapped.
    fn fill_holes(&self) {
        let flags = libc::MAP_PRIVATE
            | libc::MAP_ANONYMOUS
            | libc::MAP_NORESERVE
            | libc::MAP_FIXED_NOREPLACE;
        for page in (self.windows..self.windows + WINDOWS * WINDOW).step_by(PAGE) {
            // SAFETY: this replaces nothing that is mapped.
            unsafe { libc::mmap(pointer(page), PAGE, libc::PROT_NONE, flags, -1, 0) };
        }
    }

    /// Lets the kernel read and write mapped memory, so that an inaccessible page is an error and
    /// not a signal.
    pub(crate) fn touch(&mut self, random: &mut Random) -> Result<(), Errno> {
        let at = self.window(random) + random.pick(&[0, 0, 0, PAGE, WINDOW / 2]);
        let bytes = random.pick(&[4, 64, PAGE]);
        let (from, to) = (self.pipe.0.as_raw_fd(), self.pipe.1.as_raw_fd());
        let mut junk = [0; 64];
        random.fill(&mut junk);
        // A small number may be a valid consumer index.
        junk[..4].copy_from_slice(&(random.number() as u32).to_ne_bytes());
        // SAFETY: the kernel accesses windows, to which no reference exists, and local buffers.
        unsafe {
            while libc::read(from, pointer(self.arena), ARENA) > 0 {}
            if random.once_in(2) {
                done(libc::write(to, pointer(at), bytes) as i64)
            } else {
                done(libc::write(to, junk.as_ptr().cast(), bytes.min(64)) as i64)?;
                done(libc::read(from, pointer(at), bytes.min(64)) as i64)
            }
        }
    }
}
