// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the tests share. They need the board, and run in the guest that `cargo xtask test` boots.
//!
//! Every wait is bounded by [`LIMIT`], which no healthy board comes near: tests never hang, and
//! none depends on how long something took.
#![deny(missing_docs)]

pub mod dice;
pub mod driver;
pub mod fault;
pub mod frames;
pub mod kernel_log;
pub mod lifecycle;
pub mod mapping;
pub mod process;
pub mod raw;
pub mod rights;
pub mod turn;
pub mod wait;
pub mod witness;

pub use dice::Dice;
pub use turn::Turn;
pub use witness::Witness;

use std::time::Duration;

/// The longest wait: a board that is emulated on a busy machine needs half a minute to start Python.
pub const LIMIT: Duration = Duration::from_secs(180);

/// The device nodes, one a channel.
pub const DEVICES: [&str; 2] = ["/dev/dmaframe0", "/dev/dmaframe1"];
