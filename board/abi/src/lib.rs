// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0
//! The binary interface between the dmaframe driver and programs.
//!
//! The same source is compiled into the kernel module, into programs and into host tests. It
//! depends on no operating system, does not allocate and contains no `unsafe` code. Callers map the
//! shared memory and pass references to it.
//!
//! | module | contents |
//! |---|---|
//! | [`frame`] | the 64-byte header of each frame |
//! | [`ring`] | the shared pages, and both sides of the ring's protocol |
//! | [`stream`] | a stream's parameters and their limits, states, faults |
//! | [`uapi`] | ioctl numbers and structures |
//! | [`netlink`] | the numbers of the generic netlink family |
//! | [`pattern`] | the bytes of the built-in test source |
//! | [`rate`] | the shortest plausible duration of a frame |
//! | [`trace`] | the items that delimit the records of a trace |
//!
//! Registers, control blocks and chains are in the crate `dmaframe-engine`, which programs do not
//! depend on.
#![no_std]
#![deny(missing_docs)]
#![forbid(unsafe_code)]
// The kernel build uses neither Cargo's lint table nor the same rustc.
#![allow(unknown_lints)]

mod atomic;
pub mod frame;
pub mod netlink;
pub mod pattern;
pub mod rate;
pub mod ring;
pub mod stream;
pub mod trace;
pub mod uapi;

/// Compiles and runs the example in the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
