// SPDX-License-Identifier: MIT OR Apache-2.0
//! The device by system calls alone, for programs that test it: any request, any mapping, bounded
//! waits.
#![deny(missing_docs)]

pub mod mapping;
pub mod raw;
pub mod wait;
