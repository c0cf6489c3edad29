// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the tests share. They need the board, and run in the guest that `cargo xtask test` boots.
//!
//! Every wait is bounded by [`LIMIT`], which no healthy board comes near: tests never hang, and
//! none depends on how long something took.
#![deny(missing_docs)]

pub mod background_stream;
pub mod board_lock;
pub mod driver;
pub mod fault;
pub mod frames;
pub mod full_ring;
pub mod kernel_log;
pub mod lifecycle;
pub mod mapping;
pub mod process;
pub mod random;
pub mod range;
pub mod raw;
pub mod scm_rights;
pub mod wait;

pub use background_stream::BackgroundStream;
pub use board_lock::BoardLock;
pub use random::Random;

use std::time::Duration;

/// The longest wait: a board that is emulated on a busy machine needs half a minute to start Python.
pub const LIMIT: Duration = Duration::from_secs(180);

/// The device nodes, one a channel.
pub const DEVICES: [&str; 2] = ["/dev/dmaframe0", "/dev/dmaframe1"];
