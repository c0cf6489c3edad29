// SPDX-License-Identifier: MIT OR Apache-2.0
//! Frames: taken in time, and held against what they must be.

use crate::LIMIT;
use dmaframe::{Device, Frame, Header, Policy, Shape, Stream, pattern};
use dmaframe_abi::frame::parse;
use std::task::Poll;

/// 4096 bytes of the pattern, unpaced, 16 slots: what tests vary from.
pub const SHAPE: Shape =
    Shape { source: 0, frame_bytes: 4096, slots: 16, policy: Policy::Backpressure, interval_us: 0 };

/// Opens `device` and starts a stream.
///
/// # Panics
///
/// If any of it is refused.
pub fn start(device: &str, shape: Shape) -> Stream {
    let mut stream = Device::open(device).unwrap().configure(shape).unwrap();
    stream.start().unwrap();
    stream
}

/// The next frame of a running stream.
///
/// # Panics
///
/// If none comes within [`LIMIT`], or the stream ends.
pub fn next(stream: &mut Stream) -> Frame<'_> {
    match stream.next_timeout(LIMIT).unwrap() {
        Poll::Ready(Some(frame)) => frame,
        Poll::Ready(None) => panic!("the stream ended"),
        Poll::Pending => panic!("no frame came within {LIMIT:?}"),
    }
}

/// The number of a source.
///
/// # Panics
///
/// If there is none of that name.
pub fn source(device: &str, name: &str) -> u32 {
    Device::open(device).unwrap().source(name).unwrap().index
}

/// The reader's account of one stream from its first frame on: every frame that is taken is
/// checked, header and each byte.
#[derive(Debug)]
pub struct Account {
    reference: Vec<u8>,
    shape: Shape,
    stream: u32,
    /// Frames taken.
    pub frames: u64,
    /// Frames reported lost before those taken.
    pub lost: u64,
    /// Gaps that they were lost in.
    pub gaps: u64,
    /// The sequence number after the last frame's.
    pub next: u64,
    last_end: u64,
}

impl Account {
    /// Of a stream of `shape` that has just been started.
    pub fn new(shape: Shape, stream: u32) -> Self {
        let mut reference = vec![0; pattern::REFERENCE_BYTES];
        pattern::fill(&mut reference);
        Self { reference, shape, stream, frames: 0, lost: 0, gaps: 0, next: 0, last_end: 0 }
    }

    /// Of a stream of the library's.
    pub fn of(stream: &Stream, shape: Shape) -> Self {
        Self::new(shape, stream.number())
    }

    /// Checks a frame's header.
    ///
    /// # Panics
    ///
    /// If it is wrong.
    pub fn take_header(&mut self, header: &Header) {
        let (sequence, lost) = (header.sequence.get(), header.lost.get());
        let frame = self.frames;
        assert_eq!(header.stream.get(), self.stream, "stream of frame {frame}");
        assert_eq!(u32::from(header.source.get()), self.shape.source, "source of frame {frame}");
        assert_eq!(header.payload_bytes.get(), self.shape.frame_bytes, "bytes of frame {frame}");
        assert_eq!((header.flags.get(), header.reserved.get()), (0, 0), "frame {frame}");
        assert!(sequence >= self.next, "frame {frame}: {sequence} came after {}", self.next);
        assert_eq!(sequence - self.next, lost, "frame {frame}: a gap, and what is reported lost");
        let (start, end) = (header.device_start.get(), header.device_end.get());
        assert_ne!(end, 0, "end stamp of frame {frame}");
        assert!(self.last_end <= start, "frame {frame}: began at {start}, after {}", self.last_end);
        assert!(start <= end, "frame {frame}: began at {start}, ended at {end}");
        assert_ne!(header.published_ns.get(), 0, "publication of frame {frame}");
        self.frames += 1;
        self.lost += lost;
        self.gaps += u64::from(lost > 0);
        self.next = sequence + 1;
        self.last_end = end;
    }

    /// Checks a frame of the pattern: header and every byte.
    ///
    /// # Panics
    ///
    /// If it is wrong.
    pub fn take(&mut self, header: &Header, payload: &[u8]) {
        self.take_header(header);
        let sequence = header.sequence.get();
        assert_eq!(payload.len(), self.shape.frame_bytes as usize, "bytes of frame {sequence}");
        if let Some(at) = pattern::mismatch(&self.reference, sequence, payload) {
            panic!("frame {sequence}: byte {at} is {:#04x}, which is wrong", payload[at]);
        }
    }

    /// Takes and checks the next frame of `stream`.
    ///
    /// # Panics
    ///
    /// If it is wrong, or none comes.
    pub fn take_next(&mut self, stream: &mut Stream) {
        let frame = next(stream);
        self.take(frame.header(), &frame);
    }

    /// Checks frames one after the other, as read(2) gives them.
    ///
    /// # Panics
    ///
    /// If one is wrong or not whole.
    pub fn take_bytes(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (header, payload) = parse(bytes).unwrap();
            self.take(header, payload);
            bytes = &bytes[size_of::<Header>() + payload.len()..];
        }
    }
}
