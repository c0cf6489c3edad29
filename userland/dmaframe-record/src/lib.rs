// SPDX-License-Identifier: MIT OR Apache-2.0
//! Recordings of dmaframe streams, in formats that other tools open.
//!
//! A [`Recorder`] writes frames into one or more files of a [`Format`]; a [`Recording`] reads the
//! frames of a file again, with their headers. Neither needs a device. Each format shows losses in
//! its own way, and refuses, or goes on in another file, where it cannot.
//!
//! ```
//! use dmaframe_abi::frame::{HEADER_BYTES, Header, MAGIC, VERSION};
//! use dmaframe_record::{
//!     Description, Directory, Ending, Format, FrameRef, Options, Recorder, Recording,
//! };
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! let path = directory.path().join("two.npy");
//! let description = Description { frame_bytes: 8, ..Description::default() };
//! let target = Directory::new(&path);
//! let mut recorder = Recorder::begin(Format::Npy, Options::default(), description, target)?;
//! for sequence in [0, 4] {
//!     let header = Header {
//!         magic: MAGIC.into(),
//!         version: VERSION.into(),
//!         header_bytes: (HEADER_BYTES as u16).into(),
//!         payload_bytes: 8.into(),
//!         sequence: sequence.into(),
//!         lost: sequence.saturating_sub(1).into(),
//!         ..Header::default()
//!     };
//!     recorder.write(FrameRef { header: &header, payload: b"12345678" })?;
//! }
//! recorder.finish(Ending::complete())?;
//!
//! let mut recording = Recording::open(&path)?;
//! assert_eq!(recording.next()?.map(|frame| frame.header.lost.get()), Some(0));
//! assert_eq!(recording.next()?.map(|frame| frame.header.lost.get()), Some(3));
//! assert!(recording.next()?.is_none());
//! # Ok(()) }
//! ```
#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod buffer;
mod channel;
mod description;
mod directory;
mod ending;
mod error;
mod format;
mod frame;
mod medium;
mod npy;
mod pcapng;
mod pcapng_reader;
mod rate;
mod raw;
mod recorder;
mod recording;
mod run;
mod sigmf;
mod sink;
mod sr;
mod trigger;
mod vcd_writer;
mod wav;

pub use channel::Channel;
pub use description::{ClockPair, Description};
pub use directory::Directory;
pub use dmaframe_abi::frame::Header;
pub use ending::{Ending, Reason};
pub use error::Error;
pub use format::{Format, Options};
pub use frame::FrameRef;
pub use medium::{Medium, Target};
pub use recorder::{Recorder, Summary};
pub use recording::Recording;
pub use trigger::Trigger;

/// The result of the crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Compiles and runs the example in the README.
#[cfg(all(doctest, feature = "replay"))]
#[doc = include_str!("../README.md")]
struct Readme;
