// SPDX-License-Identifier: MIT OR Apache-2.0
//! The frame: one slot of the ring, lent to the reader or owned by it.

use crate::device::Handle;
use crate::mapping::{Ring, Ticket};
use crate::{Error, Result, Stream};
use dmaframe_abi::frame::{self, HEADER_BYTES, Header, TOO_FAST};
use std::fmt;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::sync::Arc;
use zerocopy::{FromBytes, Immutable, KnownLayout};

/// A ring and the open device that it belongs to.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) handle: Arc<Handle>,
    pub(crate) ring: Ring,
}

impl Shared {
    /// Returns a frame, and kicks the driver if it needs one.
    fn release(&self, ticket: Ticket) {
        if self.ring.release(ticket) {
            // A kick fails only if the device is gone, which the next look at the ring reports.
            let _ = self.handle.kick();
        }
    }

    /// The payload of a frame whose header says that its slot holds `payload_bytes`.
    fn payload(&self, ticket: Ticket, header: &Header) -> &[u8] {
        // `Frame::next` has checked that the slot holds this much.
        let end = HEADER_BYTES + header.payload_bytes.get() as usize;
        &self.ring.slot(ticket)[HEADER_BYTES..end]
    }
}

/// When the engine wrote a frame, in ticks of [`Stream::stamp_hz`]. All stamps are of one counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceStamps {
    /// When the engine began to write the payload.
    pub start: u64,
    /// When the engine had written the payload.
    pub end: u64,
}

/// A frame that the stream lends, in the memory that the engine wrote. It dereferences to its
/// payload. Dropping it returns its slot to the driver.
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
    ticket: Ticket,
    // A copy: 64 bytes that every reader needs, checked once. The payload stays in place.
    header: Header,
}

/// A frame that does not borrow the [`Stream`]. It can be kept, and sent to another thread.
///
/// Several can be held at once, in any order of return: the driver gets a slot back once all frames
/// before it are dropped as well. While all slots are held, no frame comes. It keeps the device
/// open. Do not call read(2) on the device meanwhile: it may return frames that are still held.
///
/// ```no_run
/// # fn f(stream: &mut dmaframe::Stream) -> dmaframe::Result<()> {
/// let (sender, receiver) = std::sync::mpsc::channel();
/// let worker = std::thread::spawn(move || {
///     for frame in receiver {
///         let frame: dmaframe::OwnedFrame = frame;
///         println!("{}: {} bytes", frame.sequence(), frame.len());
///     }
/// });
/// while let Some(frame) = stream.next()? {
///     sender.send(frame.into_owned()).unwrap();
/// }
/// # Ok(()) }
/// ```
pub struct OwnedFrame {
    shared: Arc<Shared>,
    ticket: Ticket,
    header: Header,
}

impl<'a> Frame<'a> {
    /// The next frame of `stream`, which has one.
    pub(crate) fn next(stream: &'a mut Stream) -> Result<Self> {
        let shared = stream.shared();
        let path = || shared.handle.path().to_owned();
        let Some(ticket) = shared.ring.next() else {
            return Err(Error::Ring { path: path(), what: "it has no frame".to_owned() });
        };
        match frame::parse(shared.ring.slot(ticket)) {
            Ok((&header, _)) => Ok(Self { stream, ticket, header }),
            Err(reason) => Err(Error::Frame { path: path(), reason }),
        }
    }

    /// Takes the frame out of the stream, so that the stream can give the next one while this one
    /// is held.
    pub fn into_owned(self) -> OwnedFrame {
        // The owned frame returns the slot.
        let this = ManuallyDrop::new(self);
        let shared = Arc::clone(this.stream.shared());
        shared.ring.take(this.ticket);
        OwnedFrame { shared, ticket: this.ticket, header: this.header }
    }
}

/// The methods of both kinds of frames.
macro_rules! accessors {
    () => {
        /// The header as the driver and the engine wrote it.
        pub fn header(&self) -> &Header {
            &self.header
        }

        /// Number of the frame. It counts every frame of the source since the start, taken or lost.
        pub fn sequence(&self) -> u64 {
            self.header.sequence.get()
        }

        /// Number of frames lost between the previous frame and this one.
        pub fn lost(&self) -> u64 {
            self.header.lost.get()
        }

        /// When the engine wrote the frame.
        pub fn device_stamps(&self) -> DeviceStamps {
            let Header { device_start, device_end, .. } = self.header;
            DeviceStamps { start: device_start.get(), end: device_end.get() }
        }

        /// Whether the engine read the frame at least twice as fast as the source can deliver it
        /// ([`crate::Source::rate_hz`]). The payload is then probably one word, repeated, because
        /// the DREQ is stuck. Always false if the source has no rate, or the frame is too short to
        /// judge: less than 256 reads, or 4 ticks of [`Stream::stamp_hz`].
        pub fn too_fast(&self) -> bool {
            self.header.flags.get() & TOO_FAST != 0
        }

        /// CLOCK_MONOTONIC in nanoseconds when the driver published the frame.
        pub fn published_ns(&self) -> u64 {
            self.header.published_ns.get()
        }

        /// The payload as a slice of `T`, in place. It is aligned for types of up to 64 bytes. The
        /// engine writes words in little-endian order.
        ///
        /// # Errors
        ///
        /// [`Error::View`] if the payload is not a whole number of `T`.
        pub fn as_slice_of<T: FromBytes + Immutable + KnownLayout>(&self) -> Result<&[T]> {
            slice_of(self)
        }
    };
}

impl Frame<'_> {
    accessors!();
}

impl OwnedFrame {
    accessors!();
}

fn slice_of<T: FromBytes + Immutable + KnownLayout>(payload: &[u8]) -> Result<&[T]> {
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

impl Deref for Frame<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.stream.shared().payload(self.ticket, &self.header)
    }
}

impl Deref for OwnedFrame {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.shared.payload(self.ticket, &self.header)
    }
}

impl AsRef<[u8]> for Frame<'_> {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl AsRef<[u8]> for OwnedFrame {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for Frame<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame").field("header", &self.header).finish_non_exhaustive()
    }
}

impl fmt::Debug for OwnedFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedFrame").field("header", &self.header).finish_non_exhaustive()
    }
}

impl Drop for Frame<'_> {
    fn drop(&mut self) {
        self.stream.shared().release(self.ticket);
    }
}

impl Drop for OwnedFrame {
    fn drop(&mut self) {
        self.shared.release(self.ticket);
    }
}
