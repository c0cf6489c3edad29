// SPDX-License-Identifier: GPL-2.0

//! Deliberate faults in Rust, which the checkers must report.

use core::ptr::read_volatile;
use kernel::prelude::*;

/// Reads after the end of an allocation.
#[no_mangle]
pub extern "C" fn checker_rust_out_of_bounds() {
    if let Ok(bytes) = KBox::new([0_u8; 40], GFP_KERNEL) {
        let first = bytes.as_ptr();
        // SAFETY: None, as this is the fault. The byte exists in the allocator's size class.
        unsafe { read_volatile(first.wrapping_add(44)) };
    }
}

/// Reads freed memory.
#[no_mangle]
pub extern "C" fn checker_rust_use_after_free() {
    if let Ok(bytes) = KBox::new([0_u8; 40], GFP_KERNEL) {
        let first = bytes.as_ptr();
        drop(bytes);
        // SAFETY: None, as this is the fault. The page of the slab still exists.
        unsafe { read_volatile(first.wrapping_add(4)) };
    }
}

/// Leaks memory.
#[no_mangle]
pub extern "C" fn checker_rust_leak() {
    // The allocator keeps addresses that it handed out in a sheaf of each processor, where kmemleak
    // finds them until others replace them. So this leaks some of many allocations: whichever
    // addresses the sheaves still hold, kmemleak reports some of the leaks.
    let mut others = KVec::new();
    for n in 0..1024 {
        let Ok(bytes) = KBox::new([0_u8; 40], GFP_KERNEL) else {
            continue;
        };
        if n % 64 == 0 {
            core::mem::forget(bytes);
        } else {
            let _ = others.push(bytes, GFP_KERNEL);
        }
    }
}

/// Asserts that `value` is not 1, with debug assertions.
#[no_mangle]
pub extern "C" fn checker_rust_assertion(value: u32) {
    debug_assert_ne!(value, 1);
}
