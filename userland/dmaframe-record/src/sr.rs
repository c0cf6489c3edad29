// SPDX-License-Identifier: MIT OR Apache-2.0
//! sigrok's session: a ZIP archive with one sample a word, of the chosen bits.
//!
//! A session has one rate and no gaps. Each run of frames without a gap therefore becomes a file of
//! its own. The rate is the chosen one, that of the paced stream on average, or the mean rate by the
//! device stamps. Lines that begin with # in `metadata` say what was lost around the run.
//!
//! Source: libsigrok, src/session_file.c and src/output/srzip.c, format version 2.

use crate::channel::Channel;
use crate::description::ascii;
use crate::ending::Ending;
use crate::medium::Medium;
use crate::rate::{Measure, measured};
use crate::recorder::Writer;
use crate::run::Run;
use crate::{Description, Error, FrameRef, Options, Result};
use serde_json::json;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// Bytes of a part of the samples, each a file in the archive.
const CHUNK: usize = 4 << 20;
/// Bytes that the end of the archive needs for each file in it, and for the rest.
const ENTRY_ROOM: u64 = 160;
const END_ROOM: u64 = 16384;

/// A request to the file below the archive: to be cut where it is.
const CUT: u64 = u64::MAX;

/// The file below the archive. The archive lets nobody else write to it, so requests for it are
/// carried out when it is flushed.
struct Below {
    medium: Box<dyn Medium>,
    request: Arc<AtomicU64>,
}

impl Write for Below {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.medium.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        let at = self.medium.stream_position()?;
        match self.request.swap(0, Ordering::Relaxed) {
            0 => return Ok(()),
            CUT => self.medium.set_len(at)?,
            room => io::copy(&mut io::repeat(0).take(room), &mut self.medium).map(drop)?,
        }
        self.medium.seek(SeekFrom::Start(at)).map(drop)
    }
}

impl Seek for Below {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.medium.seek(to)
    }
}

pub(crate) struct SrWriter {
    /// `None` once it is finished.
    archive: Option<ZipWriter<Below>>,
    request: Arc<AtomicU64>,
    name: String,
    description: Description,
    channels: Vec<Channel>,
    chosen_rate: Option<u64>,
    unit_bytes: usize,
    chunk: Vec<u8>,
    /// Frames in the chunk, and in the archive.
    chunk_frames: u64,
    frames: u64,
    bytes: u64,
    chunks: u32,
    run: Run,
    measure: Measure,
    lost_before: u64,
    failed: bool,
}

impl SrWriter {
    pub(crate) fn begin(
        (medium, name): (Box<dyn Medium>, String),
        description: &Description,
        options: &Options,
    ) -> Result<Self> {
        let channels = Channel::chosen(&options.channels, description)?;
        let request = Arc::new(AtomicU64::new(0));
        let below = Below { medium, request: Arc::clone(&request) };
        let mut writer = Self {
            archive: Some(ZipWriter::new(below)),
            request,
            name,
            description: description.clone(),
            unit_bytes: channels.len().div_ceil(8),
            channels,
            chosen_rate: options.rate,
            chunk: Vec::new(),
            chunk_frames: 0,
            frames: 0,
            bytes: 0,
            chunks: 0,
            run: Run::default(),
            measure: Measure::default(),
            lost_before: 0,
            failed: false,
        };
        writer.entry("version", b"2")?;
        Ok(writer)
    }

    /// Adds a file to the archive, whole or not at all, with room behind it for what ends the
    /// archive if there is no room for the next file.
    fn entry(&mut self, name: &str, contents: &[u8]) -> Result<()> {
        let Some(archive) = &mut self.archive else { return Ok(()) };
        let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        let room = END_ROOM + ENTRY_ROOM * u64::from(self.chunks);
        let mut add = || -> io::Result<()> {
            archive.start_file(name, stored)?;
            archive.write_all(contents)?;
            self.request.store(room, Ordering::Relaxed);
            archive.flush()
        };
        if let Err(error) = add() {
            // The error that comes first says more than that of the repair.
            let _ = archive.abort_file();
            self.failed = true;
            return Err(Error::write(&self.name, error));
        }
        self.bytes += contents.len() as u64 + ENTRY_ROOM;
        Ok(())
    }

    /// Samples of a payload: the chosen bits of each word, packed.
    fn sample(&mut self, payload: &[u8]) {
        let word_bytes = self.description.word_bytes as usize;
        let all = self.channels.iter().enumerate().all(|(at, it)| it.bit as usize == at);
        if all && self.channels.len() == word_bytes * 8 {
            self.chunk.extend_from_slice(payload);
            return;
        }
        for word in payload.chunks_exact(word_bytes) {
            let at = self.chunk.len();
            self.chunk.resize(at + self.unit_bytes, 0);
            for (index, channel) in self.channels.iter().enumerate() {
                self.chunk[at + index / 8] |= u8::from(channel.is_high(word)) << (index % 8);
            }
        }
    }

    fn write_chunk(&mut self) -> Result<()> {
        if self.chunk.is_empty() || self.failed {
            return Ok(());
        }
        self.chunks += 1;
        let chunk = std::mem::take(&mut self.chunk);
        self.entry(&format!("logic-1-{}", self.chunks), &chunk)?;
        self.frames += std::mem::take(&mut self.chunk_frames);
        self.chunk = chunk;
        self.chunk.clear();
        Ok(())
    }

    fn metadata(&self, ending: &Ending) -> String {
        let about = json!({
            "dmaframe": self.description.to_json(),
            "lost_before": self.lost_before,
            "end": ending.to_json(),
        });
        let rate = measured(self.chosen_rate, &self.description, &self.measure);
        // A rate of 0 tells sigrok that there is none.
        let mut text = format!(
            "# {}\n[global]\nsigrok version=0.5.2\n\n[device 1]\ncapturefile=logic-1\n\
             total probes={}\nsamplerate={} Hz\ntotal analog=0\n",
            ascii(&about),
            self.channels.len(),
            rate.unwrap_or(0),
        );
        for (index, channel) in self.channels.iter().enumerate() {
            text.push_str(&format!("probe{}={}\n", index + 1, channel.name));
        }
        text.push_str(&format!("unitsize={}\n", self.unit_bytes));
        text
    }
}

impl Writer for SrWriter {
    fn refuses(&self, frame: FrameRef<'_>) -> Option<String> {
        self.run.gap(frame).map(|gap| format!("{gap}, and a session has no gaps"))
    }

    fn frame(&mut self, frame: FrameRef<'_>) -> Result<()> {
        if self.frames + self.chunk_frames == 0 {
            self.lost_before = frame.lost();
        }
        self.run.add(frame);
        self.measure.add(frame, self.description.words(frame.payload.len()));
        self.sample(frame.payload);
        self.chunk_frames += 1;
        if self.chunk.len() >= CHUNK { self.write_chunk() } else { Ok(()) }
    }

    fn frames(&mut self) -> u64 {
        self.frames + if self.failed { 0 } else { self.chunk_frames }
    }

    fn bytes(&mut self) -> u64 {
        self.bytes + self.chunk.len() as u64
    }

    fn flush(&mut self) -> Result<()> {
        self.write_chunk()
    }

    /// An archive opens only once it is finished.
    fn checkpoint(&mut self) -> Result<()> {
        Ok(())
    }

    fn finish(&mut self, ending: &Ending) -> Result<Option<String>> {
        let error = |error: io::Error| Error::write(&self.name, error);
        if let Some(archive) = &mut self.archive {
            self.request.store(CUT, Ordering::Relaxed);
            archive.flush().map_err(error)?;
        }
        if self.chunks == 0 {
            // Without a part, sigrok takes the session for a damaged one.
            self.entry("logic-1-1", &[])?;
        }
        let metadata = self.metadata(ending);
        self.entry("metadata", metadata.as_bytes())?;
        if let Some(mut archive) = self.archive.take() {
            let error = |error: io::Error| Error::write(&self.name, error);
            self.request.store(CUT, Ordering::Relaxed);
            archive.flush().map_err(error)?;
            let mut below = archive.finish().map_err(|it| error(it.into()))?;
            below.medium.sync().map_err(error)?;
        }
        Ok(None)
    }
}

impl std::fmt::Debug for SrWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SrWriter").field("name", &self.name).finish_non_exhaustive()
    }
}
