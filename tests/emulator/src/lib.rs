// SPDX-License-Identifier: MIT OR Apache-2.0
//! Drives the emulated board without a CPU: registers, memory and the clock, through QEMU's qtest
//! protocol. Time passes only when a test lets it, so every run is the same.

mod block;
mod channel;
mod machine;
mod report;

pub use self::block::{Block, ti};
pub use self::channel::{Channel, cs, debug};
pub use self::machine::{Machine, bus, cprman, pcm, pwm};
pub use self::report::Report;
