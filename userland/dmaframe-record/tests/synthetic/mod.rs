// SPDX-License-Identifier: MIT OR Apache-2.0
//! Frames that no device made, and files that live in memory.
// Each test program uses a part of it.
#![allow(dead_code, unreachable_pub)]

use dmaframe_abi::frame::{HEADER_BYTES, MAGIC, VERSION};
use dmaframe_record::{
    ClockPair, Description, Ending, Error, Format, FrameRef, Header, Medium, Options, Recorder,
    Recording, Result, Summary, Target,
};
use std::collections::BTreeMap;
use std::io::{self, Cursor, ErrorKind, Seek, SeekFrom, Write};
use std::sync::{Arc, Mutex};

/// A frame of words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub header: Header,
    pub payload: Vec<u8>,
}

/// The frame `sequence`, before which `lost` frames were lost. Each takes a millisecond, and its
/// words count the words of the source.
pub fn frame(sequence: u64, lost: u64, words: u32) -> Frame {
    let first = sequence as u32 * words;
    let payload: Vec<u8> = (first..first + words).flat_map(u32::to_le_bytes).collect();
    let header = Header {
        magic: MAGIC.into(),
        version: VERSION.into(),
        header_bytes: (HEADER_BYTES as u16).into(),
        sequence: sequence.into(),
        lost: lost.into(),
        payload_bytes: (payload.len() as u32).into(),
        source: 2.into(),
        device_start: (5_000_000 + sequence * 1000).into(),
        device_end: (5_000_000 + sequence * 1000 + 1000).into(),
        published_ns: (7_000_000_000 + sequence * 1_000_000).into(),
        stream: 1.into(),
        ..Header::default()
    };
    Frame { header, payload }
}

/// Frames with a gap before the first one and one in the middle.
pub fn gappy(words: u32) -> Vec<Frame> {
    [(3, 3), (4, 0), (5, 0), (9, 3), (10, 0)].map(|(at, lost)| frame(at, lost, words)).into()
}

/// Lost after the last frame of [`gappy`].
pub const LOST_AFTER: u64 = 7;

pub fn description(words: u32) -> Description {
    Description {
        device: "/dev/dmaframe0".to_owned(),
        source: "gpio".to_owned(),
        word_bytes: 4,
        frame_bytes: words * 4,
        interval_us: 1000,
        stamp_hz: 1_000_000,
        clock: Some(ClockPair {
            monotonic_ns: 7_000_000_000,
            realtime_ns: 1_790_000_000_000_000_000,
        }),
    }
}

/// Files in memory, none of them longer than `room`.
#[derive(Clone, Debug)]
pub struct Memory {
    pub files: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    pub notes: Arc<Mutex<Vec<String>>>,
    pub room: usize,
}

impl Memory {
    pub fn new() -> Self {
        Self::with_room(usize::MAX)
    }

    pub fn with_room(room: usize) -> Self {
        Self { files: Arc::default(), notes: Arc::default(), room }
    }

    pub fn names(&self) -> Vec<String> {
        self.files.lock().unwrap().keys().cloned().collect()
    }

    pub fn contents(&self, name: &str) -> Vec<u8> {
        self.files.lock().unwrap()[name].clone()
    }

    pub fn notes(&self) -> Vec<String> {
        self.notes.lock().unwrap().clone()
    }
}

impl Target for Memory {
    fn rewinds(&self) -> bool {
        true
    }

    fn open(
        &mut self,
        part: u32,
        extension: Option<&'static str>,
    ) -> Result<(Box<dyn Medium>, String)> {
        let name =
            format!("part{part}{}", extension.map(|it| format!(".{it}")).unwrap_or_default());
        self.files.lock().unwrap().insert(name.clone(), Vec::new());
        let file = File { memory: self.clone(), name: name.clone(), at: 0 };
        Ok((Box::new(file), name))
    }

    fn note(&mut self, words: &str) {
        self.notes.lock().unwrap().push(words.to_owned());
    }
}

struct File {
    memory: Memory,
    name: String,
    at: u64,
}

impl Write for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut files = self.memory.files.lock().unwrap();
        let file = files.get_mut(&self.name).unwrap();
        let at = self.at as usize;
        let count = bytes.len().min(self.memory.room.saturating_sub(at));
        if count == 0 && !bytes.is_empty() {
            return Err(ErrorKind::StorageFull.into());
        }
        if file.len() < at + count {
            file.resize(at + count, 0);
        }
        file[at..at + count].copy_from_slice(&bytes[..count]);
        self.at += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for File {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let length = self.memory.files.lock().unwrap()[&self.name].len() as u64;
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => length.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or(ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

impl Medium for File {
    fn set_len(&mut self, bytes: u64) -> io::Result<()> {
        self.memory.files.lock().unwrap().get_mut(&self.name).unwrap().resize(bytes as usize, 0);
        Ok(())
    }
}

/// Records frames. A file that takes no more ends the recording.
pub fn record(
    format: Format,
    options: Options,
    frames: &[Frame],
    ending: Ending,
    memory: &Memory,
) -> Result<Summary> {
    let words = frames.first().map_or(4, |frame| frame.payload.len() as u32 / 4);
    let mut recorder = Recorder::begin(format, options, description(words), memory.clone())?;
    for Frame { header, payload } in frames {
        match recorder.write(FrameRef { header, payload }) {
            Err(error @ Error::Refused(_)) => return Err(error),
            Err(_) => break,
            Ok(()) => {}
        }
    }
    recorder.finish(ending)
}

/// All frames of a file, and its ending.
pub fn read(contents: Vec<u8>) -> Result<(Vec<Frame>, Description, Option<Ending>)> {
    let mut recording = Recording::read(Cursor::new(contents), "memory")?;
    let mut frames = Vec::new();
    while let Some(frame) = recording.next()? {
        frames.push(Frame { header: *frame.header, payload: frame.payload.to_vec() });
    }
    let ending = recording.ending().cloned();
    Ok((frames, recording.description().clone(), ending))
}
