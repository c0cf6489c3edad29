// SPDX-License-Identifier: MIT OR Apache-2.0
//! pcapng: one packet a frame, header and payload, of the link type USER0.
//!
//! The losses before a frame are its packet's `epb_dropcount`, those of the whole recording the
//! interface's `isb_ifdrop`. The comment of the interface has the description of the stream, that of
//! the statistics at the end has the ending. A packet's time is the time of day at which the driver
//! published the frame, if the clocks are known, and else CLOCK_MONOTONIC.
//!
//! Source: draft-ietf-opsawg-pcapng, sections 4.1 to 4.6.

use crate::description::ascii;
use crate::ending::Ending;
use crate::recorder::Writer;
use crate::sink::Sink;
use crate::{Description, FrameRef, Result};
use dmaframe_abi::frame::HEADER_BYTES;
use serde_json::json;
use zerocopy::IntoBytes;

/// The type of the block that a section begins with.
pub(crate) const SECTION: u32 = 0x0a0d_0d0a;
pub(crate) const INTERFACE: u32 = 1;
pub(crate) const STATISTICS: u32 = 5;
pub(crate) const PACKET: u32 = 6;
/// The byte order of a section, as its writer sees it.
pub(crate) const BYTE_ORDER: u32 = 0x1a2b_3c4d;
/// The link type for what has none of its own.
pub(crate) const LINKTYPE_USER0: u16 = 147;
/// Longest packet of that link type that Wireshark reads. Source: wiretap/wtap.h,
/// WTAP_MAX_PACKET_SIZE_STANDARD.
const PACKET_MAX: u32 = 262_144;
/// Longest payload of a packet.
pub(crate) const PAYLOAD_MAX: u32 = PACKET_MAX - HEADER_BYTES as u32;

pub(crate) const OPTION_COMMENT: u16 = 1;
const SHB_APPLICATION: u16 = 4;
const IF_NAME: u16 = 2;
const IF_DESCRIPTION: u16 = 3;
const IF_RESOLUTION: u16 = 9;
const PACKET_DROPPED: u16 = 4;
const STATISTICS_START: u16 = 2;
const STATISTICS_END: u16 = 3;
const STATISTICS_RECEIVED: u16 = 4;
const STATISTICS_DROPPED: u16 = 5;
/// Room for the statistics: the message of an ending is limited.
const STATISTICS_ROOM: u64 = 1024;

/// A block that is being made.
struct Block(Vec<u8>);

impl Block {
    fn new(kind: u32) -> Self {
        Self([kind.to_le_bytes(), [0; 4]].concat())
    }

    fn put(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn option(self, code: u16, value: &[u8]) -> Self {
        let length = value.len() as u16;
        self.put(&code.to_le_bytes()).put(&length.to_le_bytes()).put(value).pad()
    }

    /// A time, high word first.
    fn time(self, code: u16, ns: u64) -> Self {
        self.option(code, &time(ns))
    }

    fn pad(mut self) -> Self {
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    fn end(self) -> Vec<u8> {
        let mut bytes = self.put(&[0; 4]).0;
        let length = bytes.len() as u32 + 4;
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes[4..8].copy_from_slice(&length.to_le_bytes());
        bytes
    }
}

fn time(ns: u64) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&((ns >> 32) as u32).to_le_bytes());
    bytes[4..].copy_from_slice(&(ns as u32).to_le_bytes());
    bytes
}

#[derive(Debug)]
pub(crate) struct PcapngWriter {
    sink: Sink,
    description: Description,
    lost: u64,
    /// Times of the first and the last packet.
    times: Option<(u64, u64)>,
}

impl PcapngWriter {
    pub(crate) fn begin(mut sink: Sink, description: &Description) -> Result<Self> {
        let section = Block::new(SECTION)
            .put(&BYTE_ORDER.to_le_bytes())
            // Version 1.0, and a section of unknown length.
            .put(&[1, 0, 0, 0])
            .put(&u64::MAX.to_le_bytes())
            .option(SHB_APPLICATION, concat!("dmaframe ", env!("CARGO_PKG_VERSION")).as_bytes());
        let comment = ascii(&json!({ "dmaframe": description.to_json() }));
        let interface = Block::new(INTERFACE)
            .put(&LINKTYPE_USER0.to_le_bytes())
            // Reserved, and no limit on the length of packets.
            .put(&[0; 6])
            .option(IF_NAME, description.device.as_bytes())
            .option(IF_DESCRIPTION, description.source.as_bytes())
            // Times are in nanoseconds.
            .option(IF_RESOLUTION, &[9])
            .option(OPTION_COMMENT, comment.as_bytes());
        sink.put(&section.end())?;
        sink.put(&interface.end())?;
        sink.whole(0);
        sink.flush()?;
        Ok(Self { sink, description: description.clone(), lost: 0, times: None })
    }
}

impl Writer for PcapngWriter {
    fn sink(&mut self) -> Option<&mut Sink> {
        Some(&mut self.sink)
    }

    fn frame(&mut self, frame: FrameRef<'_>) -> Result<()> {
        let published = frame.header.published_ns.get();
        let ns = self.description.clock.map_or(published, |clock| clock.wall_ns(published));
        let captured = (HEADER_BYTES + frame.payload.len()) as u32;
        let start = Block::new(PACKET)
            // The interface.
            .put(&[0; 4])
            .put(&time(ns))
            .put(&captured.to_le_bytes())
            .put(&captured.to_le_bytes())
            .put(frame.header.as_bytes());
        let padding = captured.next_multiple_of(4) - captured;
        let end = Block(vec![0; padding as usize])
            .option(PACKET_DROPPED, &frame.lost().to_le_bytes())
            .put(&[0; 4])
            .0;
        let mut start = start.0;
        let length = (start.len() + frame.payload.len() + end.len() + 4) as u32;
        start[4..8].copy_from_slice(&length.to_le_bytes());
        self.sink.put(&start)?;
        self.sink.put(frame.payload)?;
        self.sink.put(&end)?;
        self.sink.put(&length.to_le_bytes())?;
        self.sink.whole(1);
        self.lost = self.lost.saturating_add(frame.lost());
        self.times = Some((self.times.map_or(ns, |times| times.0), ns));
        Ok(())
    }

    fn finish(&mut self, ending: &Ending) -> Result<Option<String>> {
        self.sink.end_frames(STATISTICS_ROOM)?;
        let (first, last) = self.times.unwrap_or_default();
        let comment = ascii(&json!({ "end": ending.to_json() }));
        let frames = self.sink.frames();
        let statistics = Block::new(STATISTICS)
            .put(&[0; 4])
            .put(&time(last))
            .time(STATISTICS_START, first)
            .time(STATISTICS_END, last)
            .option(STATISTICS_RECEIVED, &frames.to_le_bytes())
            .option(STATISTICS_DROPPED, &(self.lost.saturating_add(ending.lost)).to_le_bytes())
            .option(OPTION_COMMENT, comment.as_bytes());
        self.sink.end(&statistics.end())?;
        Ok(None)
    }
}
