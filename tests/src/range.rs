// SPDX-License-Identifier: MIT OR Apache-2.0
//! Address ranges of mappings.

use crate::mapping::PAGE;
use crate::raw::Raw;
use libc::{MAP_FAILED, MAP_SHARED};
use nix::errno::Errno;
use std::fs::OpenOptions;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

/// A mapping as an address range, which a test may move, shrink, cut or replace. Nothing refers to
/// its memory.
#[derive(Debug)]
pub struct Range {
    /// The address of the first byte.
    pub address: usize,
    /// Bytes, a multiple of a page.
    pub bytes: usize,
}

/// A pointer to an address that no Rust object has.
pub fn pointer(address: usize) -> *mut libc::c_void {
    std::ptr::with_exposed_provenance_mut(address)
}

impl Range {
    /// Maps `bytes` bytes at `offset` of the device, shared.
    ///
    /// # Errors
    ///
    /// Those of mmap(2).
    pub fn of(raw: &Raw, offset: u64, bytes: usize, protection: i32) -> Result<Self, Errno> {
        let fd = raw.file().as_raw_fd();
        // SAFETY: without MAP_FIXED nothing that is mapped is replaced.
        let address = unsafe {
            libc::mmap(pointer(0), bytes, protection, MAP_SHARED, fd, offset as libc::off_t)
        };
        if address == MAP_FAILED {
            return Err(Errno::last());
        }
        let bytes = bytes.next_multiple_of(PAGE);
        Ok(Self { address: address.expose_provenance(), bytes })
    }

    /// Unmaps `bytes` bytes, `at` bytes after the start.
    ///
    /// # Errors
    ///
    /// Those of munmap(2).
    pub fn unmap(&self, at: usize, bytes: usize) -> Result<(), Errno> {
        // SAFETY: nothing refers to the memory of the range.
        Errno::result(unsafe { libc::munmap(pointer(self.address + at), bytes) }).map(drop)
    }

    /// Changes the length from `old` to `new` bytes, and follows the mapping if it moves.
    ///
    /// # Errors
    ///
    /// Those of mremap(2).
    pub fn remap(&mut self, old: usize, new: usize, flags: i32) -> Result<(), Errno> {
        // SAFETY: as for `unmap`.
        let address = unsafe { libc::mremap(pointer(self.address), old, new, flags) };
        if address == MAP_FAILED {
            return Err(Errno::last());
        }
        // Assigned in place: dropping the old value would unmap the range.
        (self.address, self.bytes) = (address.expose_provenance(), new);
        Ok(())
    }

    /// Reads the bytes through /proc/self/mem, where an inaccessible page is an error.
    ///
    /// # Errors
    ///
    /// Those of pread(2).
    ///
    /// # Panics
    ///
    /// If /proc/self/mem cannot be opened.
    pub fn read(&self) -> Result<Vec<u8>, Errno> {
        let memory = OpenOptions::new().read(true).open("/proc/self/mem").unwrap();
        let mut bytes = vec![0; self.bytes];
        match memory.read_exact_at(&mut bytes, self.address as u64) {
            Ok(()) => Ok(bytes),
            Err(error) => Err(Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))),
        }
    }
}

impl Drop for Range {
    fn drop(&mut self) {
        let _ = self.unmap(0, self.bytes);
    }
}
