// SPDX-License-Identifier: MIT OR Apache-2.0
//! VCD: a wire for each chosen bit of the words, and one that is high in gaps.
//!
//! Times are nanoseconds since the first frame began. The words of a frame are spread evenly between
//! its two device stamps, and are at least 1 ns apart. In a gap the wire `gap` is 1, all others are x,
//! and the real variable `lost` is the number of lost frames. A comment would be more usual, but
//! libsigrok 0.5.2 reads nothing after one; only the ending is one, at the end.
//!
//! Source: IEEE 1364-2005, chapter 18.

use crate::channel::Channel;
use crate::description::ascii;
use crate::ending::Ending;
use crate::recorder::Writer;
use crate::run::Run;
use crate::sink::Sink;
use crate::{Description, Error, FrameRef, Options, Result};
use serde_json::json;
use std::io;
use vcd::{IdCode, SimulationCommand, TimescaleUnit, Value, VarType};

pub(crate) struct VcdWriter {
    sink: Sink,
    description: Description,
    wires: Vec<(Channel, IdCode)>,
    gap: IdCode,
    lost: IdCode,
    text: vcd::Writer<Vec<u8>>,
    run: Run,
    /// Device stamp of time 0.
    origin: Option<u64>,
    /// The last time in the file, and the end of the last frame.
    time: u64,
    end: u64,
    /// Levels of the wires; none after a gap.
    levels: Option<Vec<bool>>,
}

impl VcdWriter {
    pub(crate) fn begin(sink: Sink, description: &Description, options: &Options) -> Result<Self> {
        let channels = Channel::chosen(&options.channels, description)?;
        let mut text = vcd::Writer::new(Vec::new());
        let mut wires = Vec::new();
        let head = || -> io::Result<(IdCode, IdCode)> {
            if let Some(clock) = description.clock {
                text.date(&clock.wall(clock.monotonic_ns))?;
            }
            text.version(concat!("dmaframe ", env!("CARGO_PKG_VERSION")))?;
            text.comment(&ascii(&json!({ "dmaframe": description.to_json() })))?;
            text.timescale(1, TimescaleUnit::NS)?;
            text.add_module("dmaframe")?;
            for channel in channels {
                let id = text.add_wire(1, &channel.name)?;
                wires.push((channel, id));
            }
            let gap = text.add_wire(1, "gap")?;
            let lost = text.add_var(VarType::Real, 64, "lost", None)?;
            text.upscope()?;
            text.enddefinitions()?;
            text.timestamp(0)?;
            text.begin(SimulationCommand::Dumpvars)?;
            for (_, id) in &wires {
                text.change_scalar(*id, Value::X)?;
            }
            text.change_scalar(gap, Value::V0)?;
            text.change_real(lost, 0.0)?;
            text.end()?;
            Ok((gap, lost))
        };
        let (gap, lost) = head().map_err(|error| Error::write(sink.name(), error))?;
        let mut writer = Self {
            sink,
            description: description.clone(),
            wires,
            gap,
            lost,
            text,
            run: Run::default(),
            origin: None,
            time: 0,
            end: 0,
            levels: None,
        };
        writer.put(0)?;
        writer.sink.flush()?;
        Ok(writer)
    }

    /// Adds the text to the file. It ends `frames` frames.
    fn put(&mut self, frames: u64) -> Result<()> {
        let text = self.text.writer();
        self.sink.put(text)?;
        text.clear();
        self.sink.whole(frames);
        Ok(())
    }

    /// Goes on to a time after the last one.
    fn at(&mut self, time: u64) -> io::Result<()> {
        self.time = time.max(self.time + 1);
        self.text.timestamp(self.time)
    }

    fn write_gap(&mut self, lost: u64) -> io::Result<()> {
        self.at(self.end)?;
        self.text.change_real(self.lost, lost as f64)?;
        for (_, id) in &self.wires {
            self.text.change_scalar(*id, Value::X)?;
        }
        self.levels = None;
        self.text.change_scalar(self.gap, Value::V1)
    }

    fn write_frame(&mut self, frame: FrameRef<'_>) -> io::Result<()> {
        let (start, end) = (frame.header.device_start.get(), frame.header.device_end.get());
        let origin = *self.origin.get_or_insert(start);
        if frame.lost() > 0 || self.run.gap(frame).is_some() {
            self.write_gap(frame.lost())?;
        }
        self.run.add(frame);
        let began = self.description.ticks_ns(start.saturating_sub(origin));
        self.end = self.description.ticks_ns(end.saturating_sub(origin)).max(began);
        let words = frame.payload.chunks_exact(self.description.word_bytes as usize);
        let count = words.len().max(1) as u128;
        for (index, word) in words.enumerate() {
            let levels: Vec<bool> =
                self.wires.iter().map(|(channel, _)| channel.is_high(word)).collect();
            if self.levels.as_ref() == Some(&levels) {
                continue;
            }
            let offset = u128::from(self.end - began) * index as u128 / count;
            self.at(began.saturating_add(offset as u64))?;
            let before = self.levels.take();
            if before.is_none() {
                self.text.change_scalar(self.gap, Value::V0)?;
                self.text.change_real(self.lost, 0.0)?;
            }
            for (at, (_, id)) in self.wires.iter().enumerate() {
                if before.as_ref().is_none_or(|before| before[at] != levels[at]) {
                    self.text.change_scalar(*id, levels[at])?;
                }
            }
            self.levels = Some(levels);
        }
        Ok(())
    }

    fn write_end(&mut self, ending: &Ending) -> io::Result<()> {
        if ending.lost > 0 {
            self.write_gap(ending.lost)?;
        } else {
            self.at(self.end)?;
        }
        self.text.comment(&ascii(&json!({ "end": ending.to_json() })))
    }
}

impl Writer for VcdWriter {
    fn sink(&mut self) -> Option<&mut Sink> {
        Some(&mut self.sink)
    }

    fn frame(&mut self, frame: FrameRef<'_>) -> Result<()> {
        self.write_frame(frame).map_err(|error| Error::write(self.sink.name(), error))?;
        self.put(1)
    }

    fn finish(&mut self, ending: &Ending) -> Result<Option<String>> {
        self.sink.end_frames(1024 + 64 * self.wires.len() as u64)?;
        self.text.writer().clear();
        self.write_end(ending).map_err(|error| Error::write(self.sink.name(), error))?;
        let text = std::mem::take(self.text.writer());
        self.sink.end(&text)?;
        Ok(None)
    }
}

impl std::fmt::Debug for VcdWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VcdWriter").field("sink", &self.sink).finish_non_exhaustive()
    }
}
