// SPDX-License-Identifier: MIT OR Apache-2.0
//! Samples of a running stream.

use super::scope::Arguments;
use crate::scope::samples::Run;
use crate::scope::word::Word;
use dmaframe::Stream;
use std::error::Error;
use std::task::Poll;
use std::time::Duration;

/// A stream whose frames are copied as samples. Times are seconds since the first frame began.
#[derive(Debug)]
pub(super) struct Live {
    stream: Stream,
    name: String,
    source: String,
    word: Word,
    origin: Option<u64>,
}

impl Live {
    /// Starts a stream with the device's settings and the changes of the command line.
    pub(super) fn start(arguments: &Arguments) -> Result<Self, Box<dyn Error>> {
        let device = arguments.stream.open()?;
        let shape = arguments.stream.shape(&device)?;
        let sources = device.sources()?;
        let source = sources
            .into_iter()
            .find(|source| source.index == shape.source)
            .ok_or_else(|| format!("{} has no source {}", device.path().display(), shape.source))?
            .name;
        let mut stream = device.configure(shape)?;
        stream.start()?;
        let name = format!("{} {source}", device.path().display());
        Ok(Self { stream, name, source, word: arguments.traces.word, origin: None })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn source(&self) -> &str {
        &self.source
    }

    /// The samples of the next frame. `None` if none came within `timeout`.
    pub(super) fn next(&mut self, timeout: Duration) -> Result<Option<Run>, Box<dyn Error>> {
        let hz = f64::from(self.stream.stamp_hz().max(1));
        let frame = match self.stream.next_timeout(timeout)? {
            Poll::Ready(Some(frame)) => frame,
            Poll::Ready(None) => return Err("the stream was stopped".into()),
            Poll::Pending => return Ok(None),
        };
        let stamps = frame.device_stamps();
        let origin = *self.origin.get_or_insert(stamps.start);
        let time = |stamp: u64| stamp.saturating_sub(origin) as f64 / hz;
        Ok(Some(Run {
            start: time(stamps.start),
            end: time(stamps.end),
            lost: frame.lost(),
            values: self.word.values(&frame),
        }))
    }
}
