// SPDX-License-Identifier: GPL-2.0

//! Safe wrappers that the kernel crate still lacks.
//!
//! All of the driver's `unsafe` is here, one need a file; each is written to be moved into the
//! kernel crate as it stands. `helpers.c` makes functions of C's inlines and macros.

// bindgen leaves structures without fields where a kernel option is off (lock classes); they are
// only ever behind pointers here.
#![allow(improper_ctypes)]

pub(crate) mod attribute;
pub(crate) mod attribute_group;
pub(crate) mod channel_mask;
pub(crate) mod char_device;
#[cfg(CONFIG_DMAFRAME_TRACE)]
pub(crate) mod defmt_logger;
pub(crate) mod dma;
pub(crate) mod genetlink;
pub(crate) mod irq_thread;
pub(crate) mod node_registers;
pub(crate) mod pages;
pub(crate) mod process;
pub(crate) mod rate_limit;
#[cfg(CONFIG_DMAFRAME_FAULT_INJECTION)]
pub(crate) mod trace_mark;
