// SPDX-License-Identifier: MIT OR Apache-2.0
//! Frames that a DMA engine writes, read in place.
//!
//! [`Device`] is one channel of the engine, [`Stream`] its ring mapped into this process, and
//! [`Frame`] one slot of it: header and payload are read where the engine wrote them, and dropping
//! the frame returns its slot. While frames are ready, taking one costs no system call.
//!
//! ```no_run
//! use dmaframe::{Device, Policy, Shape};
//!
//! fn main() -> Result<(), dmaframe::Error> {
//!     let device = Device::open("/dev/dmaframe0")?;
//!     let mut stream = device.configure(Shape {
//!         source: device.source("systimer")?.index,
//!         frame_bytes: 65536,
//!         slots: 16,
//!         policy: Policy::Backpressure,
//!         interval_us: 0,
//!     })?;
//!     stream.start()?;
//!     for _ in 0..1000 {
//!         let Some(frame) = stream.next()? else { break };
//!         let samples = frame.as_slice_of::<u32>()?;
//!         println!("frame {}: first sample {}", frame.sequence(), samples[0]);
//!     }
//!     stream.stop()
//! }
//! ```
//!
//! [`sysfs`] reads and writes the attributes of a device. [`netlink`] does the same for all devices
//! and receives events. Both work while another program has the device open.
//!
//! With the feature `tracing` the library reports its requests to the crate `tracing`, at the levels
//! debug and trace.
#![deny(missing_docs)]

#[cfg(feature = "tokio")]
mod async_stream;
mod canceller;
pub mod device;
pub mod error;
mod event_log;
pub mod frame;
mod frames;
mod mapping;
pub mod netlink;
pub mod stream;
pub mod sysfs;

#[cfg(feature = "tokio")]
pub use async_stream::AsyncStream;
pub use canceller::Canceller;
pub use device::{Device, Info, Source};
pub use dmaframe_abi::frame::Header;
pub use dmaframe_abi::pattern;
pub use dmaframe_abi::rate;
pub use dmaframe_abi::stream::{Fault, Policy, Shape, ShapeError, State};
pub use dmaframe_abi::uapi::Stats;
pub use error::Error;
pub use frame::{DeviceStamps, Frame, OwnedFrame};
pub use frames::{FrameData, Frames};
pub use stream::{Counters, Stream};
/// The crate whose traits bound [`Frame::as_slice_of`] and whose types [`Header`] has.
pub use zerocopy;

/// The result of the library's functions.
pub type Result<T> = std::result::Result<T, Error>;
