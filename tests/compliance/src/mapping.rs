// SPDX-License-Identifier: MIT OR Apache-2.0
//! mmap(2) without the library: any region with any protection.

use crate::raw::Raw;
use dmaframe_abi::ring::{ConsumerPage, Meta};
use nix::errno::Errno;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// A mapping, which is unmapped when it is dropped.
#[derive(Debug)]
pub struct Mapping {
    address: usize,
    bytes: usize,
}

impl Mapping {
    /// mmap(2) of `raw` at `offset`.
    ///
    /// # Errors
    ///
    /// Those of mmap(2).
    pub fn new(
        raw: &Raw,
        offset: u64,
        bytes: usize,
        protection: i32,
        flags: i32,
    ) -> Result<Self, Errno> {
        let fd = raw.file().as_raw_fd();
        // SAFETY: without MAP_FIXED nothing that is mapped is replaced.
        let address = unsafe {
            libc::mmap(std::ptr::null_mut(), bytes, protection, flags, fd, offset as libc::off_t)
        };
        if address == libc::MAP_FAILED {
            return Err(Errno::last());
        }
        Ok(Self { address: address.expose_provenance(), bytes })
    }

    /// Shared and to be read alone, as an honest reader has it.
    ///
    /// # Errors
    ///
    /// Those of mmap(2).
    pub fn read_only(raw: &Raw, offset: u64, bytes: usize) -> Result<Self, Errno> {
        Self::new(raw, offset, bytes, libc::PROT_READ, libc::MAP_SHARED)
    }

    /// Memory of no file, without content.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn anonymous(bytes: usize, protection: i32) -> Self {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: without MAP_FIXED nothing that is mapped is replaced.
        let address = unsafe { libc::mmap(std::ptr::null_mut(), bytes, protection, flags, -1, 0) };
        assert_ne!(address, libc::MAP_FAILED, "mmap: {}", Errno::last());
        Self { address: address.expose_provenance(), bytes }
    }

    /// Its address.
    pub fn address(&self) -> usize {
        self.address
    }

    /// mprotect(2).
    ///
    /// # Errors
    ///
    /// Those of mprotect(2).
    pub fn protect(&self, protection: i32) -> Result<(), Errno> {
        let address = std::ptr::with_exposed_provenance_mut(self.address);
        // SAFETY: the range is this mapping, whose readers need it readable: no caller takes that
        // away while it reads.
        Errno::result(unsafe { libc::mprotect(address, self.bytes, protection) }).map(drop)
    }

    /// mremap(2) to another length.
    ///
    /// # Errors
    ///
    /// Those of mremap(2).
    pub fn resize(&mut self, bytes: usize) -> Result<(), Errno> {
        let address = std::ptr::with_exposed_provenance_mut(self.address);
        // SAFETY: nothing borrows from the mapping, which is borrowed for writing.
        let address = unsafe { libc::mremap(address, self.bytes, bytes, libc::MREMAP_MAYMOVE) };
        if address == libc::MAP_FAILED {
            return Err(Errno::last());
        }
        // Not a new value: dropping the old one would unmap what stayed in its place.
        (self.address, self.bytes) = (address.expose_provenance(), bytes);
        Ok(())
    }

    /// The meta page.
    pub fn meta(&self) -> &Meta {
        assert!(self.bytes >= size_of::<Meta>());
        // SAFETY: the mapping is long enough, aligned, and lives as long as the reference; the
        // fields are atomics.
        unsafe { &*std::ptr::with_exposed_provenance(self.address) }
    }

    /// The consumer page.
    pub fn consumer(&self) -> &ConsumerPage {
        assert!(self.bytes >= size_of::<ConsumerPage>());
        // SAFETY: as for `meta`.
        unsafe { &*std::ptr::with_exposed_provenance(self.address) }
    }

    /// Reads a byte of each page.
    pub fn touch(&self) {
        for at in (0..self.bytes).step_by(4096) {
            let byte = std::ptr::with_exposed_provenance::<AtomicU8>(self.address + at);
            // SAFETY: the byte lies in the mapping; an atomic may change meanwhile.
            unsafe { &*byte }.load(Ordering::Relaxed);
        }
    }

    /// A copy of `bytes` bytes at `at`. Nothing is assumed about who else writes them.
    pub fn copy(&self, at: usize, bytes: usize) -> Vec<u8> {
        assert!(at + bytes <= self.bytes);
        let first = std::ptr::with_exposed_provenance::<u8>(self.address + at);
        // SAFETY: the range lies in the mapping; atomics may change meanwhile, and their alignment
        // is checked.
        let (head, words, tail) =
            unsafe { std::slice::from_raw_parts(first.cast::<AtomicU8>(), bytes).align_to() };
        let words: &[AtomicU64] = words;
        let mut all = Vec::with_capacity(bytes);
        all.extend(head.iter().map(|byte| byte.load(Ordering::Relaxed)));
        for word in words {
            all.extend_from_slice(&word.load(Ordering::Relaxed).to_ne_bytes());
        }
        all.extend(tail.iter().map(|byte| byte.load(Ordering::Relaxed)));
        all
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        let address = std::ptr::with_exposed_provenance_mut(self.address);
        // SAFETY: the range is this mapping, from which nothing borrows any more.
        unsafe { libc::munmap(address, self.bytes) };
    }
}
