// SPDX-License-Identifier: GPL-2.0

//! Memory in whole pages, physically contiguous, that userland can map and a device can reach.

use core::ptr::NonNull;
use kernel::{
    bindings,
    error::to_result,
    iov::IovIterDest,
    mm::virt::VmaNew,
    page::PAGE_SIZE,
    prelude::*, //
};

extern "C" {
    fn dmaframe_alloc_pages(order: c_uint, account: bool) -> *mut bindings::page;
    fn dmaframe_page_address(page: *const bindings::page) -> *mut c_void;
    fn dmaframe_page_count(page: *const bindings::page) -> c_int;
    #[cfg(CONFIG_DMAFRAME_FAULT_INJECTION)]
    fn dmaframe_page_to_phys(page: *mut bindings::page) -> bindings::phys_addr_t;
}

/// The largest order that the page allocator gives: 4 MiB with pages of 4 KiB.
pub(crate) const ORDER_MAX: u32 = 10;

/// A type that both the kernel and hostile programs may write at any time.
///
/// # Safety
///
/// Every bit pattern is valid, all fields are atomics, and it fits in a page.
pub(crate) unsafe trait Shared {}

// SAFETY: All its fields are atomic integers; its size is asserted to be 192 bytes.
unsafe impl Shared for dmaframe_abi::ring::Meta {}
// SAFETY: All its fields are atomic integers; its size is asserted to be 64 bytes.
unsafe impl Shared for dmaframe_abi::ring::ConsumerPage {}

/// `1 << order` pages, zeroed when made, as one compound page.
///
/// A program that maps them holds references of its own: the memory outlives this owner for as
/// long as it is mapped anywhere.
///
/// # Invariants
///
/// `page` is a compound page of `order` that this owns a reference to, and `address` is its
/// address in the kernel's linear mapping.
pub(crate) struct Pages {
    page: NonNull<bindings::page>,
    address: NonNull<u8>,
    order: u32,
}

// SAFETY: Pages belong to no thread; their bytes are only reached through raw copies and atomics.
unsafe impl Send for Pages {}
// SAFETY: As above; `&mut` access asks for an exclusive borrow.
unsafe impl Sync for Pages {}

impl Pages {
    /// Allocates `1 << order` zeroed pages.
    pub(crate) fn new(order: u32) -> Result<Self> {
        Self::allocate(order, false)
    }

    /// Allocates `1 << order` zeroed pages that are charged to the caller's memory cgroup.
    pub(crate) fn charged(order: u32) -> Result<Self> {
        Self::allocate(order, true)
    }

    fn allocate(order: u32, account: bool) -> Result<Self> {
        // SAFETY: Any order may be asked for; one too large fails.
        let page = NonNull::new(unsafe { dmaframe_alloc_pages(order, account) }).ok_or(ENOMEM)?;
        // SAFETY: `page` was just allocated, and no GFP flag allowed high memory.
        let address = unsafe { dmaframe_page_address(page.as_ptr()) };
        let address = NonNull::new(address.cast()).ok_or(ENOMEM)?;
        // INVARIANT: The reference that the allocation gave is ours.
        Ok(Self {
            page,
            address,
            order,
        })
    }

    /// Bytes of all pages.
    pub(crate) fn bytes(&self) -> usize {
        PAGE_SIZE << self.order
    }

    /// Whether anybody else holds a reference: a mapping, or what looked at the memory through one.
    pub(crate) fn is_mapped(&self) -> bool {
        // SAFETY: The page is ours. A reference to any page of a compound page counts for its
        // first one.
        unsafe { dmaframe_page_count(self.page.as_ptr()) > 1 }
    }

    /// The first page, for the DMA API.
    pub(super) fn as_raw(&self) -> *mut bindings::page {
        self.page.as_ptr()
    }

    fn check(&self, at: usize, bytes: usize) -> Result {
        match at.checked_add(bytes) {
            Some(end) if end <= self.bytes() => Ok(()),
            _ => Err(EFAULT),
        }
    }

    /// All bytes, before anybody else can know of them.
    pub(crate) fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: The memory is valid for this many bytes and initialized; `&mut self` excludes
        // other users of this owner, and nobody can have mapped pages that are not shared yet.
        unsafe { core::slice::from_raw_parts_mut(self.address.as_ptr(), self.bytes()) }
    }

    /// Copies `bytes` to offset `at`.
    pub(crate) fn write(&self, at: usize, bytes: &[u8]) -> Result {
        self.check(at, bytes.len())?;
        #[cfg(CONFIG_DMAFRAME_FAULT_INJECTION)]
        self.mark_write(at, bytes.len());
        // SAFETY: The range was checked. A reader that races sees old or new bytes, as it would
        // with a device's writes; the kernel makes no reference to this memory.
        unsafe {
            core::ptr::copy_nonoverlapping(
                bytes.as_ptr(),
                self.address.as_ptr().add(at),
                bytes.len(),
            )
        };
        Ok(())
    }

    /// Shows a write by the CPU in the kernel's trace, among the hand-overs.
    #[cfg(CONFIG_DMAFRAME_FAULT_INJECTION)]
    fn mark_write(&self, at: usize, bytes: usize) {
        // SAFETY: The page is ours.
        let first = unsafe { dmaframe_page_to_phys(self.page.as_ptr()) };
        let phys = first + at as u64;
        super::trace_mark::mark(fmt!("write {phys:x} {bytes}"));
    }

    /// Copies bytes from offset `at`.
    pub(crate) fn read(&self, at: usize, bytes: &mut [u8]) -> Result {
        self.check(at, bytes.len())?;
        // SAFETY: The range was checked; see `write` for races.
        unsafe {
            core::ptr::copy_nonoverlapping(
                self.address.as_ptr().add(at),
                bytes.as_mut_ptr(),
                bytes.len(),
            )
        };
        Ok(())
    }

    /// Copies `bytes` bytes from offset `at` to userland.
    pub(crate) fn read_to_user(
        &self,
        at: usize,
        bytes: usize,
        iov: &mut IovIterDest<'_>,
    ) -> Result {
        self.check(at, bytes)?;
        // SAFETY: The range was checked, and `iov` is a valid destination.
        let copied = unsafe {
            bindings::_copy_to_iter(self.address.as_ptr().add(at).cast(), bytes, iov.as_raw())
        };
        if copied == bytes {
            Ok(())
        } else {
            Err(EFAULT)
        }
    }

    /// The structure at the start of the pages.
    pub(crate) fn shared<T: Shared>(&self) -> &T {
        const { assert!(size_of::<T>() <= PAGE_SIZE) };
        // SAFETY: The memory is valid for at least a page and page aligned. `Shared` allows any
        // bytes and any writer at any time.
        unsafe { self.address.cast().as_ref() }
    }

    /// Maps page `index` at `address` of a mapping under construction.
    pub(crate) fn insert(&self, vma: &VmaNew, address: usize, index: usize) -> Result {
        self.check(index << bindings::PAGE_SHIFT, PAGE_SIZE)?;
        // SAFETY: `vma` is being set up, so its flags may still be changed by this; `index` is
        // inside the compound page, whose page structures are consecutive. The mapping takes a
        // reference of its own.
        to_result(unsafe {
            bindings::vm_insert_page(vma.as_ptr(), address, self.page.as_ptr().add(index))
        })
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: By the invariants this reference is ours. Mappings hold their own.
        unsafe { bindings::__free_pages(self.page.as_ptr(), self.order) };
    }
}
