// SPDX-License-Identifier: MIT OR Apache-2.0
//! The frame: one slot of the ring, lent to the reader.

use crate::{Error, Result, Stream};
use dmaframe_abi::frame::{self, HEADER_BYTES, Header};
use std::fmt;
use std::ops::Deref;
use zerocopy::{FromBytes, Immutable, KnownLayout};

/// A frame, where the engine wrote it. It dereferences to its payload; dropping it returns its
/// slot to the driver.
///
/// ```no_run
/// # fn f(stream: &mut dmaframe::Stream) -> dmaframe::Result<()> {
/// while let Some(frame) = stream.next()? {
///     println!("{}: {} bytes, first {:#04x}", frame.sequence(), frame.len(), frame[0]);
/// }
/// # Ok(()) }
/// ```
pub struct Frame<'a> {
    stream: &'a mut Stream,
    // A copy: 64 bytes that every reader looks at, checked once. The payload stays in place.
    header: Header,
}

/// When the engine wrote a frame: ticks of [`Stream::stamp_hz`], from the same counter throughout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceStamps {
    /// When the engine began the payload.
    pub start: u64,
    /// When the engine had written the payload.
    pub end: u64,
}

impl<'a> Frame<'a> {
    /// The oldest ready frame of `stream`, which has one.
    pub(crate) fn oldest(stream: &'a mut Stream) -> Result<Self> {
        match frame::parse(stream.ring().oldest()) {
            Ok((&header, _)) => Ok(Self { stream, header }),
            Err(reason) => Err(Error::Frame { path: stream.handle().path().to_owned(), reason }),
        }
    }

    /// The header as the driver and the engine wrote it.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The frame's number: counts every frame of the source since the start, taken or lost.
    pub fn sequence(&self) -> u64 {
        self.header.sequence.get()
    }

    /// Frames lost between the frame before and this one.
    pub fn lost(&self) -> u64 {
        self.header.lost.get()
    }

    /// When the engine wrote the frame.
    pub fn device_stamps(&self) -> DeviceStamps {
        let Header { device_start, device_end, .. } = self.header;
        DeviceStamps { start: device_start.get(), end: device_end.get() }
    }

    /// CLOCK_MONOTONIC in nanoseconds when the driver published the frame.
    pub fn published_ns(&self) -> u64 {
        self.header.published_ns.get()
    }

    /// The payload as a slice of `T`, in place. It is aligned for types of up to 64 bytes.
    ///
    /// The engine writes words as the board has them: little-endian.
    ///
    /// # Errors
    ///
    /// [`Error::View`] when the payload is no whole number of `T`.
    pub fn as_slice_of<T: FromBytes + Immutable + KnownLayout>(&self) -> Result<&[T]> {
        let payload: &[u8] = self;
        let refused = || Error::View {
            payload_bytes: payload.len(),
            type_name: std::any::type_name::<T>(),
            type_bytes: size_of::<T>(),
        };
        if size_of::<T>() == 0 {
            return Err(refused());
        }
        <[T]>::ref_from_bytes(payload).map_err(|_| refused())
    }
}

impl Deref for Frame<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // `Frame::oldest` saw that the slot holds this much, and the slot stays the oldest until
        // the drop.
        let end = HEADER_BYTES + self.header.payload_bytes.get() as usize;
        &self.stream.ring().oldest()[HEADER_BYTES..end]
    }
}

impl AsRef<[u8]> for Frame<'_> {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for Frame<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame").field("header", &self.header).finish_non_exhaustive()
    }
}

impl Drop for Frame<'_> {
    fn drop(&mut self) {
        self.stream.release();
    }
}
