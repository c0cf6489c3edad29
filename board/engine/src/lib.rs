// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0
//! What the driver needs to run a DMA engine: registers, control blocks and chains.
//!
//! Only the driver depends on this crate. Programs share [`dmaframe_abi`] with the driver and see
//! no register. Code in this crate names no ioctl and no netlink attribute.
//!
//! | module | contents |
//! |---|---|
//! | [`chain`] | plans the transfers of one frame, for any engine |
//! | [`control_block`] | encodes transfers as control blocks of the BCM2835 DMA controller |
//! | [`channel`] | runs one channel of that controller: the order of its register accesses |
//! | [`stamp`] | extends the stamps that the engine writes |
//! | [`register`] | registers of the BCM2835 DMA controller and system timer |
//!
//! Addresses named *bus* are addresses that the DMA engine uses, never CPU addresses. The crate
//! depends on no operating system, does not allocate and contains no `unsafe` code.
#![no_std]
#![deny(missing_docs)]
#![forbid(unsafe_code)]
// The kernel build uses neither Cargo's lint table nor the same rustc.
#![allow(unknown_lints)]

pub mod chain;
pub mod channel;
pub mod control_block;
pub mod register;
pub mod stamp;

/// Compiles and runs the example in the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
