// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads frames from pcapng files, those that Wireshark saved again included.

use crate::buffer::{Buffer, PAYLOAD_MAX};
use crate::ending::{Ending, Reason};
use crate::pcapng::{
    BYTE_ORDER, INTERFACE, LINKTYPE_USER0, OPTION_COMMENT, PACKET, SECTION, STATISTICS,
};
use crate::recording::Reader;
use crate::{Description, Error, Result};
use dmaframe_abi::frame::HEADER_BYTES;
use serde_json::Value;
use std::io::Read;

/// Longest block that is no packet.
const BLOCK_MAX: usize = 1 << 20;
/// The fields of a packet before its bytes.
const PACKET_FIELDS: usize = 20;

/// A field of a block.
fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes)
}

pub(crate) struct PcapngReader {
    file: Box<dyn Read + Send>,
    name: String,
    offset: u64,
    frames: u64,
    recorded: Option<Ending>,
    ending: Option<Ending>,
}

/// The start of a block.
struct Start {
    kind: u32,
    /// Length in bytes of the block's body, without the total length that ends the block.
    body: usize,
}

impl PcapngReader {
    pub(crate) fn begin(file: Box<dyn Read + Send>, name: String) -> Result<(Self, Description)> {
        let mut reader = Self { file, name, offset: 0, frames: 0, recorded: None, ending: None };
        let section = reader.block()?;
        if section.as_ref().is_none_or(|(kind, _)| *kind != SECTION) {
            return Err(reader.malformed("it has no section"));
        }
        // The interface comes before its packets, but not always at once.
        while let Some((kind, body)) = reader.block()? {
            if kind != INTERFACE {
                continue;
            }
            let link = body.get(..2).map(|link| u16::from_le_bytes([link[0], link[1]]));
            if link != Some(LINKTYPE_USER0) {
                return Err(reader.malformed("its link type is not USER0: it has no frames"));
            }
            let described = comments(&body[8.min(body.len())..])
                .find_map(|comment| Description::from_json(&comment["dmaframe"]));
            return Ok((reader, described.unwrap_or_default()));
        }
        Err(reader.malformed("it has no interface"))
    }

    fn malformed(&self, what: impl Into<String>) -> Error {
        Error::malformed(&self.name, self.offset, what)
    }

    /// Reads as many bytes, or fewer where the file ends.
    fn bytes(&mut self, count: usize) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = (&mut self.file).take(count as u64).read_to_end(&mut bytes);
        read.map_err(|error| Error::read(&self.name, error))?;
        Ok(bytes)
    }

    /// The start of the next block; `None` where the file ends.
    fn start(&mut self) -> Result<Option<Start>> {
        let bytes = self.bytes(8)?;
        let (Some(kind), Some(length)) = (word(&bytes, 0), word(&bytes, 4)) else {
            self.ended(bytes.is_empty());
            return Ok(None);
        };
        // Checked for the first section too, whose length tells the byte order.
        if kind == SECTION && length > BLOCK_MAX as u32 && length.swap_bytes() <= BLOCK_MAX as u32 {
            return Err(self.malformed("its byte order is big-endian, which no device has"));
        }
        if length < 12 || length % 4 != 0 || length as usize > PAYLOAD_MAX + BLOCK_MAX {
            return Err(self.malformed(format!("a block of {length} bytes is none")));
        }
        Ok(Some(Start { kind, body: length as usize - 12 }))
    }

    /// The next whole block.
    fn block(&mut self) -> Result<Option<(u32, Vec<u8>)>> {
        let Some(start) = self.start()? else { return Ok(None) };
        let body = self.body(&start)?;
        Ok(body.map(|body| (start.kind, body)))
    }

    fn body(&mut self, start: &Start) -> Result<Option<Vec<u8>>> {
        if start.body > BLOCK_MAX {
            return Err(self.malformed(format!("a block of {} bytes is too long", start.body + 12)));
        }
        let mut body = self.bytes(start.body + 4)?;
        if body.len() < start.body + 4 {
            self.ended(false);
            return Ok(None);
        }
        body.truncate(start.body);
        if start.kind == SECTION && word(&body, 0) != Some(BYTE_ORDER) {
            return Err(self.malformed("its byte order is unknown"));
        }
        self.offset += start.body as u64 + 12;
        Ok(Some(body))
    }

    fn ended(&mut self, between_blocks: bool) {
        let frames = self.frames;
        self.ending = Some(match self.recorded.take().filter(|_| between_blocks) {
            Some(ending) => ending,
            None if between_blocks => {
                Ending::because(Reason::Cut, format!("it has no statistics after {frames} frames"))
            }
            None => {
                Ending::because(Reason::Cut, format!("it ends in a block after {frames} frames"))
            }
        });
    }

    /// Reads a packet, which is one frame.
    fn packet(&mut self, start: &Start, buffer: &mut Buffer) -> Result<bool> {
        let fields = self.bytes(PACKET_FIELDS)?;
        let (Some(captured), Some(original)) = (word(&fields, 12), word(&fields, 16)) else {
            self.ended(false);
            return Ok(false);
        };
        let captured = captured as usize;
        let room = start.body.checked_sub(PACKET_FIELDS);
        if !(HEADER_BYTES..=HEADER_BYTES + PAYLOAD_MAX).contains(&captured)
            || captured != original as usize
            || room.is_none_or(|room| captured > room)
        {
            return Err(self.malformed(format!("a packet of {captured} bytes is no whole frame")));
        }
        let whole = buffer.fill(&mut *self.file, captured);
        let rest = start.body - PACKET_FIELDS - captured + 4;
        if rest > BLOCK_MAX {
            return Err(self.malformed("a packet has too many options"));
        }
        if !whole.map_err(|error| Error::read(&self.name, error))? || self.bytes(rest)?.len() < rest
        {
            self.ended(false);
            return Ok(false);
        }
        match buffer.payload_bytes() {
            Ok(bytes) if bytes + HEADER_BYTES == captured => {}
            Ok(bytes) => {
                let what = format!("a payload of {bytes} bytes in a packet of {captured}");
                return Err(self.malformed(what));
            }
            Err(what) => return Err(self.malformed(what)),
        }
        self.offset += start.body as u64 + 12;
        self.frames += 1;
        Ok(true)
    }
}

impl Reader for PcapngReader {
    fn next(&mut self, buffer: &mut Buffer) -> Result<bool> {
        while let Some(start) = self.start()? {
            if start.kind == PACKET {
                return self.packet(&start, buffer);
            }
            let Some(body) = self.body(&start)? else { return Ok(false) };
            if start.kind == STATISTICS {
                self.recorded = comments(&body[12.min(body.len())..])
                    .find_map(|comment| Ending::from_json(&comment["end"]));
            }
        }
        Ok(false)
    }

    fn ending(&self) -> Option<&Ending> {
        self.ending.as_ref()
    }
}

/// The comments among the options of a block, as JSON.
fn comments(mut options: &[u8]) -> impl Iterator<Item = Value> {
    std::iter::from_fn(move || {
        let start = options.get(..4)?;
        let (code, length) = (
            u16::from_le_bytes([start[0], start[1]]),
            usize::from(u16::from_le_bytes([start[2], start[3]])),
        );
        let value = options.get(4..4 + length)?;
        options = options.get(4 + length.next_multiple_of(4)..).unwrap_or_default();
        Some((code, value))
    })
    .take_while(|(code, _)| *code != 0)
    .filter(|(code, _)| *code == OPTION_COMMENT)
    .filter_map(|(_, value)| serde_json::from_slice(value).ok())
}
