// SPDX-License-Identifier: MIT OR Apache-2.0
//! Takes frames from a stream and checks them.

use crate::LIMIT;
use dmaframe::{Device, Frame, Header, Policy, Shape, Stream, pattern};
use dmaframe_abi::frame::parse;
use std::task::Poll;

/// The default of most tests: 4096 bytes of the pattern, unpaced, 16 slots.
pub const SHAPE: Shape =
    Shape { source: 0, frame_bytes: 4096, slots: 16, policy: Policy::Backpressure, interval_us: 0 };

/// Opens `device` and starts a stream of `shape`.
///
/// # Panics
///
/// If the driver refuses a request.
pub fn start(device: &str, shape: Shape) -> Stream {
    let mut stream = Device::open(device).unwrap().configure(shape).unwrap();
    stream.start().unwrap();
    stream
}

/// Waits for the next frame of a running stream.
///
/// # Panics
///
/// If no frame comes within [`LIMIT`], or the stream ends.
pub fn next(stream: &mut Stream) -> Frame<'_> {
    match stream.next_timeout(LIMIT).unwrap() {
        Poll::Ready(Some(frame)) => frame,
        Poll::Ready(None) => panic!("the stream ended"),
        Poll::Pending => panic!("no frame came within {LIMIT:?}"),
    }
}

/// The index of the source `name`.
///
/// # Panics
///
/// If the device has no such source.
pub fn source(device: &str, name: &str) -> u32 {
    Device::open(device).unwrap().source(name).unwrap().index
}

/// Checks each frame of one stream, from the first one on, and counts frames and losses.
#[derive(Debug)]
pub struct Account {
    reference: Vec<u8>,
    shape: Shape,
    stream: u32,
    /// Frames checked so far.
    pub frames: u64,
    /// Frames that the headers reported as lost.
    pub lost: u64,
    /// Gaps in the sequence numbers.
    pub gaps: u64,
    /// The sequence number expected next, if nothing is lost.
    pub next: u64,
    last_end: u64,
}

impl Account {
    /// For the frames of stream number `stream`, which has just been started with `shape`.
    pub fn new(shape: Shape, stream: u32) -> Self {
        let mut reference = vec![0; pattern::REFERENCE_BYTES];
        pattern::fill(&mut reference);
        Self { reference, shape, stream, frames: 0, lost: 0, gaps: 0, next: 0, last_end: 0 }
    }

    /// For the frames of a stream of the library.
    pub fn of(stream: &Stream, shape: Shape) -> Self {
        Self::new(shape, stream.number())
    }

    /// Checks the header of the next frame.
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
        assert_eq!(
            sequence - self.next,
            lost,
            "frame {frame}: size of the gap, and frames reported as lost"
        );
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

    /// Checks the next frame of the pattern: its header and every byte.
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

    /// Takes the next frame of `stream` and checks it.
    ///
    /// # Panics
    ///
    /// If it is wrong, or no frame comes.
    pub fn take_next(&mut self, stream: &mut Stream) {
        let frame = next(stream);
        self.take(frame.header(), &frame);
    }

    /// Checks consecutive frames in the format of read(2).
    ///
    /// # Panics
    ///
    /// If a frame is wrong or incomplete.
    pub fn take_bytes(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (header, payload) = parse(bytes).unwrap();
            self.take(header, payload);
            bytes = &bytes[size_of::<Header>() + payload.len()..];
        }
    }
}
