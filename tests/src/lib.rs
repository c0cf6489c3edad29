// SPDX-License-Identifier: MIT OR Apache-2.0
//! Code that the guest tests share. They need the board, and run in the guest that
//! `cargo xtask test` boots.
//!
//! Every wait ends after [`LIMIT`], which is far more than a working board needs. So no test hangs,
//! and no result depends on the speed of the machine.
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
pub mod trace;
pub mod wait;

pub use background_stream::BackgroundStream;
pub use board_lock::BoardLock;
pub use random::Random;

use std::time::Duration;

/// The longest wait. A board that is emulated on a busy machine needs 30 seconds to start Python.
pub const LIMIT: Duration = Duration::from_secs(180);

/// The device nodes, one for each channel.
pub const DEVICES: [&str; 2] = ["/dev/dmaframe0", "/dev/dmaframe1"];
