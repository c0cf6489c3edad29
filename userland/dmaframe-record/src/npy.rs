// SPDX-License-Identifier: MIT OR Apache-2.0
//! NumPy: one array of a structured type, with a field for each field of the frame's header.
//!
//! ```text
//! rows = numpy.load("a.npy", mmap_mode="r")
//! rows["payload"]                    # words: one row a frame
//! rows["sequence"], rows["lost"]     # losses before each frame
//! ```
//!
//! The array begins at byte 4096. The text before it is a Python dictionary, as the format demands,
//! and a comment behind it that NumPy skips: a JSON object with the description of the stream and the
//! ending. While the recording runs, the comment has no ending, and the number of rows is that of the
//! last checkpoint.
//!
//! Source: numpy/lib/format.py.

use crate::buffer::{Buffer, PAYLOAD_MAX};
use crate::description::ascii;
use crate::ending::{Ending, Reason};
use crate::recorder::Writer;
use crate::recording::Reader;
use crate::sink::Sink;
use crate::{Description, Error, FrameRef, Result};
use dmaframe_abi::frame::HEADER_BYTES;
use serde_json::{Value, json};
use std::io::Read;
use zerocopy::IntoBytes;

/// What a file begins with.
pub(crate) const MAGIC: &[u8] = b"\x93NUMPY";
/// Where the array begins: a page, so that the rows can be mapped.
pub(crate) const START: usize = 4096;
/// The magic, the version 1.0 and the length of the text.
const PREFIX: usize = 10;
/// Longest header that is read.
const HEADER_MAX: usize = 1 << 20;

/// The fields of the frame's header, in its order.
const FIELDS: &str = "('magic', '<u4'), ('version', '<u2'), ('header_bytes', '<u2'), \
    ('sequence', '<u8'), ('lost', '<u8'), ('payload_bytes', '<u4'), ('source', '<u2'), \
    ('flags', '<u2'), ('device_start', '<u8'), ('device_end', '<u8'), ('published_ns', '<u8'), \
    ('stream', '<u4'), ('reserved', '<u4')";
const PAYLOAD: &str = ", ('payload', '";
const COMMENT: &str = "# ";

/// The type of a row: the payload has `words` words.
fn row_type(word_bytes: usize, words: usize) -> String {
    let word = if word_bytes == 1 { "|u1".to_owned() } else { format!("<u{word_bytes}") };
    format!("[{FIELDS}{PAYLOAD}{word}', ({words},))]")
}

/// Everything before the array.
fn header(
    description: &Description,
    word_bytes: usize,
    rows: u64,
    end: Option<&Ending>,
) -> Vec<u8> {
    let words = description.frame_bytes as usize / word_bytes;
    let descr = row_type(word_bytes, words);
    let comment = json!({
        "dmaframe": description.to_json(),
        "end": end.map_or(Value::Null, Ending::to_json),
    });
    let mut text =
        format!("{{'descr': {descr}, 'fortran_order': False, 'shape': ({rows},), }} {COMMENT}");
    text.push_str(&ascii(&comment));
    let mut bytes = [MAGIC, &[1, 0], &((START - PREFIX) as u16).to_le_bytes()].concat();
    bytes.extend_from_slice(text.as_bytes());
    // The names in the description and the message of an ending are limited: there is room.
    bytes.resize(START - 1, b' ');
    bytes.push(b'\n');
    bytes
}

#[derive(Debug)]
pub(crate) struct NpyWriter {
    sink: Sink,
    description: Description,
    word_bytes: usize,
}

impl NpyWriter {
    pub(crate) fn begin(mut sink: Sink, description: &Description) -> Result<Self> {
        let word = description.word_bytes as usize;
        let whole = description.frame_bytes as usize % word == 0;
        // NumPy has no words of 16 bytes.
        let word_bytes = if whole && word <= 8 { word } else { 1 };
        sink.put(&header(description, word_bytes, 0, None))?;
        sink.whole(0);
        sink.flush()?;
        Ok(Self { sink, description: description.clone(), word_bytes })
    }

    fn rewrite(&mut self, end: Option<&Ending>) -> Result<()> {
        let rows = self.sink.frames();
        self.sink.patch(0, &header(&self.description, self.word_bytes, rows, end))
    }
}

impl Writer for NpyWriter {
    fn sink(&mut self) -> Option<&mut Sink> {
        Some(&mut self.sink)
    }

    fn refuses(&self, frame: FrameRef<'_>) -> Option<String> {
        let (row, bytes) = (self.description.frame_bytes as usize, frame.payload.len());
        (bytes != row).then(|| format!("a payload of {bytes} bytes is no row of {row}"))
    }

    fn frame(&mut self, frame: FrameRef<'_>) -> Result<()> {
        self.sink.put(frame.header.as_bytes())?;
        self.sink.put(frame.payload)?;
        self.sink.whole(1);
        Ok(())
    }

    fn checkpoint(&mut self) -> Result<()> {
        self.rewrite(None)
    }

    fn finish(&mut self, ending: &Ending) -> Result<Option<String>> {
        self.sink.end_frames(0)?;
        self.rewrite(Some(ending))?;
        self.sink.end(&[])?;
        Ok(None)
    }
}

pub(crate) struct NpyReader {
    file: Box<dyn Read + Send>,
    name: String,
    payload_bytes: usize,
    rows: u64,
    row: u64,
    /// What the comment says.
    recorded: Option<Ending>,
    ending: Option<Ending>,
}

impl NpyReader {
    pub(crate) fn begin(
        mut file: Box<dyn Read + Send>,
        name: String,
    ) -> Result<(Self, Description)> {
        let text = read_text(&mut *file, &name)?;
        let refused = |what: String| Error::malformed(&name, 0, what);
        let header = Header::parse(&text).map_err(refused)?;
        let description =
            Description { frame_bytes: header.payload_bytes as u32, ..header.description };
        let reader = Self {
            file,
            name,
            payload_bytes: header.payload_bytes,
            rows: header.rows,
            row: 0,
            recorded: header.ending,
            ending: None,
        };
        Ok((reader, description))
    }

    fn row_bytes(&self) -> usize {
        HEADER_BYTES + self.payload_bytes
    }
}

impl Reader for NpyReader {
    fn next(&mut self, buffer: &mut Buffer) -> Result<bool> {
        if self.row == self.rows {
            let unfinished = || Ending::because(Reason::Cut, "the recording was not finished");
            self.ending = Some(self.recorded.clone().unwrap_or_else(unfinished));
            return Ok(false);
        }
        let row_bytes = self.row_bytes();
        let whole = buffer.fill(&mut *self.file, row_bytes);
        if !whole.map_err(|error| Error::read(&self.name, error))? {
            let what = format!("it ends in row {} of {}", self.row, self.rows);
            self.ending = Some(Ending::because(Reason::Cut, what));
            return Ok(false);
        }
        let found = buffer.payload_bytes().and_then(|bytes| {
            let expected = self.payload_bytes;
            let wrong = || format!("a payload of {bytes} bytes in a row for {expected}");
            if bytes == expected { Ok(()) } else { Err(wrong()) }
        });
        let offset = self.row.saturating_mul(row_bytes as u64);
        found.map_err(|what| Error::malformed(&self.name, START as u64 + offset, what))?;
        self.row += 1;
        Ok(true)
    }

    fn ending(&self) -> Option<&Ending> {
        self.ending.as_ref()
    }
}

/// The text of the header, in version 1.0, 2.0 or 3.0 of the format.
fn read_text(file: &mut dyn Read, name: &str) -> Result<String> {
    let mut read = |bytes: usize| -> Result<Vec<u8>> {
        let mut part = Vec::new();
        let read = file.take(bytes as u64).read_to_end(&mut part);
        read.map_err(|error| Error::read(name, error))?;
        match part.len() {
            have if have == bytes => Ok(part),
            have => Err(Error::malformed(name, have as u64, "it ends in its header")),
        }
    };
    let start = read(MAGIC.len() + 2)?;
    let length = match start[MAGIC.len()..] {
        [1, 0] => read(2)?.iter().rev().fold(0, |length, &byte| length << 8 | usize::from(byte)),
        [2 | 3, 0] => {
            read(4)?.iter().rev().fold(0, |length, &byte| length << 8 | usize::from(byte))
        }
        _ => {
            let version = format!("version {}.{}", start[MAGIC.len()], start[MAGIC.len() + 1]);
            return Err(Error::malformed(name, 6, format!("{version} of npy is unknown")));
        }
    };
    if length > HEADER_MAX {
        return Err(Error::malformed(name, 8, format!("a header of {length} bytes is too long")));
    }
    Ok(String::from_utf8_lossy(&read(length)?).into_owned())
}

/// What the text of a header says.
struct Header {
    description: Description,
    ending: Option<Ending>,
    payload_bytes: usize,
    rows: u64,
}

impl Header {
    fn parse(text: &str) -> std::result::Result<Self, String> {
        // NumPy itself leaves the comment out when it saves an array again.
        let comment = text
            .split_once(COMMENT)
            .and_then(|(_, comment)| serde_json::from_str::<Value>(comment.trim_end()).ok());
        let (payload, after) = text
            .split_once(PAYLOAD)
            .ok_or("its rows are no frames")?
            .1
            .split_once("',")
            .ok_or("its rows have no payload")?;
        let word_bytes = match payload {
            "|u1" => 1,
            "<u2" => 2,
            "<u4" => 4,
            "<u8" => 8,
            other => return Err(format!("a payload of {other} is no payload of words")),
        };
        let words = number(after, "(").ok_or("its payload has no length")?;
        let payload_bytes = usize::try_from(words)
            .ok()
            .and_then(|words| words.checked_mul(word_bytes).filter(|bytes| *bytes <= PAYLOAD_MAX));
        let payload_bytes =
            payload_bytes.ok_or_else(|| format!("{words} words are more than any frame has"))?;
        // Everything else must be as this crate writes it.
        let expected = squeeze(&format!("'descr': {}", row_type(word_bytes, words as usize)));
        if !squeeze(text).contains(&expected) || !text.contains("'fortran_order': False") {
            return Err("its rows are no frames of this version".to_owned());
        }
        let rows = number(text, "'shape': (").ok_or("it has no number of rows")?;
        let known = comment.as_ref().map(|comment| &comment["dmaframe"]);
        let description = known.and_then(Description::from_json);
        Ok(Self {
            description: description
                .unwrap_or(Description { word_bytes: word_bytes as u32, ..Description::default() }),
            ending: match &comment {
                Some(comment) => Ending::from_json(&comment["end"]),
                None => Some(Ending::complete()),
            },
            payload_bytes,
            rows,
        })
    }
}

/// The number that follows `before`, up to a comma.
fn number(text: &str, before: &str) -> Option<u64> {
    text.split_once(before)?.1.split_once(',')?.0.trim().parse().ok()
}

fn squeeze(text: &str) -> String {
    text.chars().filter(|character| !character.is_whitespace()).collect()
}
