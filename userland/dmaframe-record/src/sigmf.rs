// SPDX-License-Identifier: MIT OR Apache-2.0
//! SigMF: the words in `.sigmf-data`, and what is known of them in `.sigmf-meta`.
//!
//! Each run of frames without a gap is a capture. Its `core:global_index` counts the samples of the
//! source, the lost ones included; `dmaframe:lost` is the number of frames that are lost before it.
//! `dmaframe:end` has the ending.
//!
//! Source: the SigMF specification 1.2.

use crate::ending::Ending;
use crate::medium::Medium;
use crate::rate::{Measure, measured};
use crate::recorder::Writer;
use crate::run::Run;
use crate::sink::Sink;
use crate::{Description, Error, FrameRef, Options, Result};
use serde_json::{Value, json};
use std::io::{self, SeekFrom};

/// The extension of the file with the metadata.
pub(crate) const META: &str = "sigmf-meta";
/// The extension of the file with the samples.
pub(crate) const DATA: &str = "sigmf-data";
/// Room that the metadata has for growth, so that a full disk does not keep them from the file.
const ROOM: usize = 32 << 10;

/// A capture, and the frame that it begins with.
struct Capture {
    first_frame: u64,
    json: Value,
}

pub(crate) struct SigmfWriter {
    data: Sink,
    meta: Box<dyn Medium>,
    meta_name: String,
    description: Description,
    datatype: &'static str,
    channels: u16,
    rate: Option<u64>,
    run: Run,
    measure: Measure,
    captures: Vec<Capture>,
    samples: u64,
}

fn datatype(description: &Description) -> Result<&'static str> {
    Ok(match description.word_bytes {
        1 => "ru8",
        2 => "ru16_le",
        4 => "ru32_le",
        other => return Err(Error::Refused(format!("SigMF has no samples of {other} bytes"))),
    })
}

/// Refuses what SigMF cannot describe.
pub(crate) fn check(description: &Description, options: &Options) -> Result<()> {
    datatype(description)?;
    let sample = description.word_bytes * u32::from(options.interleaved.max(1));
    if description.frame_bytes % sample != 0 {
        return Err(Error::Refused(format!(
            "frames of {} bytes are no whole number of samples of {} channels: use other \
             --frame-bytes or --interleaved",
            description.frame_bytes,
            options.interleaved.max(1)
        )));
    }
    Ok(())
}

impl SigmfWriter {
    pub(crate) fn begin(
        data: Sink,
        (meta, meta_name): (Box<dyn Medium>, String),
        description: &Description,
        options: &Options,
    ) -> Result<Self> {
        let mut writer = Self {
            data,
            meta,
            meta_name,
            description: description.clone(),
            datatype: datatype(description)?,
            channels: options.interleaved.max(1),
            rate: options.rate,
            run: Run::default(),
            measure: Measure::default(),
            captures: Vec::new(),
            samples: 0,
        };
        writer.write_meta(None)?;
        Ok(writer)
    }

    fn capture(&self, frame: FrameRef<'_>, words: u64) -> Value {
        let channels = u64::from(self.channels);
        let mut capture = json!({
            "core:sample_start": self.samples,
            "core:global_index": frame.sequence().saturating_mul(words) / channels,
            "dmaframe:sequence": frame.sequence(),
            "dmaframe:lost": frame.lost(),
        });
        if let Some(clock) = self.description.clock {
            // The driver publishes a frame once it is whole.
            let header = frame.header;
            let ticks = header.device_end.get().saturating_sub(header.device_start.get());
            let began = header.published_ns.get().saturating_sub(self.description.ticks_ns(ticks));
            capture["core:datetime"] = clock.wall(began).into();
        }
        capture
    }

    fn meta(&self, ending: Option<&Ending>) -> String {
        let frames = self.data.frames();
        // A full disk can take frames back.
        let whole = self.captures.iter().filter(|capture| capture.first_frame < frames);
        let captures: Vec<&Value> = whole.map(|capture| &capture.json).collect();
        let mut global = json!({
            "core:datatype": self.datatype,
            "core:version": "1.2.0",
            "core:num_channels": self.channels,
            "core:recorder": concat!("dmaframe ", env!("CARGO_PKG_VERSION")),
            "core:hw": self.description.device,
            "core:description": self.description.source,
            "core:extensions": [
                { "name": "dmaframe", "version": env!("CARGO_PKG_VERSION"), "optional": true },
            ],
            "dmaframe:stream": self.description.to_json(),
        });
        if let Some(rate) = measured(self.rate, &self.description, &self.measure) {
            global["core:sample_rate"] = (rate as f64 / f64::from(self.channels)).into();
        }
        if let Some(ending) = ending {
            global["dmaframe:end"] = ending.to_json();
        }
        json!({ "global": global, "captures": captures, "annotations": [] }).to_string()
    }

    /// Writes the metadata; while there is no ending, with room for growth.
    fn write_meta(&mut self, ending: Option<&Ending>) -> Result<()> {
        let mut text = self.meta(ending).into_bytes();
        if ending.is_none() {
            text.resize(text.len() * 2 + ROOM, b' ');
        }
        text.push(b'\n');
        let mut write = || -> io::Result<()> {
            self.meta.seek(SeekFrom::Start(0))?;
            self.meta.write_all(&text)?;
            self.meta.set_len(text.len() as u64)?;
            self.meta.sync()
        };
        write().map_err(|error| Error::write(&self.meta_name, error))
    }
}

impl Writer for SigmfWriter {
    fn sink(&mut self) -> Option<&mut Sink> {
        Some(&mut self.data)
    }

    fn frame(&mut self, frame: FrameRef<'_>) -> Result<()> {
        let words = self.description.words(frame.payload.len());
        if self.captures.is_empty() || self.run.gap(frame).is_some() {
            let json = self.capture(frame, words);
            self.captures.push(Capture { first_frame: self.data.frames(), json });
            self.measure = Measure::default();
        }
        self.run.add(frame);
        self.measure.add(frame, words);
        self.samples += words / u64::from(self.channels);
        self.data.put(frame.payload)?;
        self.data.whole(1);
        Ok(())
    }

    fn checkpoint(&mut self) -> Result<()> {
        self.data.flush()?;
        self.write_meta(None)
    }

    fn finish(&mut self, ending: &Ending) -> Result<Option<String>> {
        self.data.end_frames(0)?;
        self.data.end(&[])?;
        self.write_meta(Some(ending))?;
        Ok(None)
    }
}

impl std::fmt::Debug for SigmfWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigmfWriter").field("data", &self.data).finish_non_exhaustive()
    }
}
