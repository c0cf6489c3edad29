// SPDX-License-Identifier: GPL-2.0

//! Registers of a node that another driver may own: they can be read only.

use core::ptr::NonNull;
use kernel::{
    bindings,
    error::from_err_ptr,
    prelude::*, //
};

extern "C" {
    fn dmaframe_map_node(compatible: *const c_char, bytes: usize) -> *mut c_void;
}

/// The first registers of a node.
///
/// # Invariants
///
/// `base` is a mapping of `bytes` bytes of registers, which this owns.
pub(crate) struct NodeRegisters {
    base: NonNull<c_void>,
    bytes: usize,
}

// SAFETY: The mapping is valid in every thread, and reads of registers of 32 bits do not tear.
unsafe impl Send for NodeRegisters {}
// SAFETY: As above.
unsafe impl Sync for NodeRegisters {}

impl NodeRegisters {
    /// Maps the first `bytes` bytes of registers of the first node that is `compatible`. ENODEV if
    /// there is no such node, or it has fewer. ENOMEM without memory for the mapping.
    pub(crate) fn new(compatible: &CStr, bytes: usize) -> Result<Self> {
        // SAFETY: The string ends with NUL.
        let base = from_err_ptr(unsafe { dmaframe_map_node(compatible.as_char_ptr(), bytes) })?;
        // INVARIANT: Just mapped, and of this length.
        Ok(Self {
            base: NonNull::new(base).ok_or(ENOMEM)?,
            bytes,
        })
    }

    /// Reads the register at `offset`. 0 if there is none.
    pub(crate) fn read32(&self, offset: usize) -> u32 {
        if offset % 4 != 0 || offset >= self.bytes || self.bytes - offset < 4 {
            return 0;
        }
        // SAFETY: By the invariants and the check, this is inside the mapping, and aligned.
        unsafe { bindings::readl(self.base.as_ptr().byte_add(offset)) }
    }
}

impl Drop for NodeRegisters {
    fn drop(&mut self) {
        // SAFETY: By the invariants this mapping is ours.
        unsafe { bindings::iounmap(self.base.as_ptr()) };
    }
}
