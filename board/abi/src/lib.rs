// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0
//! The binary interface between the dmaframe driver and programs.
//!
//! The same source is compiled into the kernel module, into programs and into host tests. It
//! knows no operating system, does not allocate and contains no `unsafe` code. Shared memory is
//! passed in as a reference.
//!
//! ```text
//! frame -> ring -> uapi / netlink
//! ```
//!
//! Registers, control blocks and chains are in the crate `dmaframe-engine`, which programs do not
//! depend on.
#![no_std]
#![deny(missing_docs)]
#![forbid(unsafe_code)]
// The kernel build has neither Cargo's lint table nor its rustc.
#![allow(unknown_lints)]

mod atomic;
pub mod frame;
pub mod netlink;
pub mod pattern;
pub mod ring;
pub mod stream;
pub mod uapi;
