// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0
//! The layouts and rules that both sides of dmaframe share.
//!
//! One source, three lives: compiled into the kernel module, into userland, and on the host for
//! tests. It knows no operating system, allocates nothing and holds no `unsafe` of its own; what
//! touches hardware or shared memory is handed in as a reference.
//!
//! ```text
//! register -> control_block -> chain -> frame -> ring -> uapi / netlink
//! ```
//!
//! Addresses named *bus* are what the DMA engine sees, never CPU addresses.
#![no_std]
#![deny(missing_docs)]
#![forbid(unsafe_code)]
// The kernel build has neither Cargo's lint table nor its rustc.
#![allow(unknown_lints)]

mod atomic;
pub mod chain;
pub mod control_block;
pub mod frame;
pub mod netlink;
pub mod pattern;
pub mod register;
pub mod ring;
pub mod stream;
pub mod uapi;
