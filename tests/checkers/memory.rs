// SPDX-License-Identifier: GPL-2.0

//! Faults in Rust, each for a checker to catch.

use core::ptr::read_volatile;
use kernel::prelude::*;

/// Reads behind the end of an allocation.
#[no_mangle]
pub extern "C" fn checker_rust_out_of_bounds() {
    if let Ok(bytes) = KBox::new([0_u8; 40], GFP_KERNEL) {
        let first = bytes.as_ptr();
        // SAFETY: None: this is the fault. The allocator's size class has the byte.
        unsafe { read_volatile(first.wrapping_add(44)) };
    }
}

/// Reads what was freed.
#[no_mangle]
pub extern "C" fn checker_rust_use_after_free() {
    if let Ok(bytes) = KBox::new([0_u8; 40], GFP_KERNEL) {
        let first = bytes.as_ptr();
        drop(bytes);
        // SAFETY: None: this is the fault. The slab's page is still there.
        unsafe { read_volatile(first.wrapping_add(4)) };
    }
}

/// Forgets memory.
#[no_mangle]
pub extern "C" fn checker_rust_leak() {
    // The allocator's sheaves, one a processor, hold the addresses that they gave out, where
    // kmemleak finds them, until others take their place: hence few among many, of which some are
    // seen whatever the last ones are and wherever this is moved to meanwhile.
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
