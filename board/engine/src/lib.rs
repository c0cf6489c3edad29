// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0
//! What an engine needs to know to move frames: registers, control blocks and chains.
//!
//! Only the driver depends on this crate. Programs share [`dmaframe_abi`] with the driver and see
//! no register; code here names no ioctl and no netlink attribute. [`chain`] plans a frame for any
//! engine; [`register`] and [`control_block`] describe the BCM2835 DMA controller.
//!
//! ```text
//! register -> control_block -> chain
//! ```
//!
//! Addresses named *bus* are what the DMA engine sees, never CPU addresses. The crate knows no
//! operating system, does not allocate and contains no `unsafe` code.
#![no_std]
#![deny(missing_docs)]
#![forbid(unsafe_code)]
// The kernel build has neither Cargo's lint table nor its rustc.
#![allow(unknown_lints)]

pub mod chain;
pub mod control_block;
pub mod register;
