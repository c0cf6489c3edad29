// SPDX-License-Identifier: MIT OR Apache-2.0
//! WAV: the words as samples, those of several channels interleaved.
//!
//! It has one rate and no gaps, so each run of frames without a gap becomes a file of its own. Its
//! lengths have 32 bits: after 4 GiB the recording goes on in another file. The comment (`ICMT`) has
//! the description of the stream; the ending is not in the file.
//!
//! Source: Multimedia Programming Interface and Data Specifications 1.0 (IBM, Microsoft), chapters 2
//! and 3. Samples of one byte are unsigned, longer ones signed.

use crate::description::ascii;
use crate::ending::Ending;
use crate::rate;
use crate::recorder::Writer;
use crate::run::Run;
use crate::sink::Sink;
use crate::{Description, Error, FrameRef, Options, Result};
use serde_json::json;

/// Longest file: its lengths are odd or even numbers of 32 bits.
const FILE_MAX: u64 = u32::MAX as u64 - 1;

/// What the file has before the samples.
#[derive(Debug)]
struct Head {
    channels: u16,
    rate: u32,
    sample_bytes: u16,
    comment: Vec<u8>,
}

impl Head {
    fn of(description: &Description, options: &Options) -> Result<Self> {
        let sample_bytes = description.word_bytes as u16;
        if ![1, 2, 4].contains(&sample_bytes) {
            return Err(Error::Refused(format!("wav has no samples of {sample_bytes} bytes")));
        }
        let rate = rate::known(options.rate, description).ok_or_else(|| {
            Error::Refused(
                "wav needs the rate of the words, which an unpaced source does not say: use --rate"
                    .to_owned(),
            )
        })?;
        let channels = options.interleaved.max(1);
        let frame_bytes = description.frame_bytes;
        if frame_bytes % (u32::from(channels) * u32::from(sample_bytes)) != 0 {
            return Err(Error::Refused(format!(
                "frames of {frame_bytes} bytes are no whole number of samples of {channels} \
                 channels: use other --frame-bytes or --interleaved"
            )));
        }
        let rate = rate / u64::from(channels);
        let rate = u32::try_from(rate).ok().filter(|&rate| rate > 0);
        let mut comment = ascii(&json!({ "dmaframe": description.to_json() })).into_bytes();
        // Strings end with a zero, and chunks at an even offset.
        comment.resize((comment.len() + 1).next_multiple_of(2), 0);
        Ok(Self {
            channels,
            rate: rate.ok_or_else(|| Error::Refused("no WAV file has this rate".to_owned()))?,
            sample_bytes,
            comment,
        })
    }

    /// The head of a file with so many bytes of samples.
    fn bytes(&self, samples: u64) -> Vec<u8> {
        let chunk =
            |name: &[u8; 4], length: usize| [&name[..], &(length as u32).to_le_bytes()].concat();
        let block = self.channels * self.sample_bytes;
        let format = [
            &1_u16.to_le_bytes()[..],
            &self.channels.to_le_bytes(),
            &self.rate.to_le_bytes(),
            &(self.rate * u32::from(block)).to_le_bytes(),
            &block.to_le_bytes(),
            &(self.sample_bytes * 8).to_le_bytes(),
        ]
        .concat();
        let comment = [chunk(b"ICMT", self.comment.len()), self.comment.clone()].concat();
        let body = [
            b"WAVE".to_vec(),
            chunk(b"fmt ", format.len()),
            format,
            chunk(b"LIST", comment.len() + 4),
            b"INFO".to_vec(),
            comment,
            chunk(b"data", samples as usize),
        ]
        .concat();
        let padding = samples % 2;
        [chunk(b"RIFF", body.len() + (samples + padding) as usize), body].concat()
    }
}

#[derive(Debug)]
pub(crate) struct WavWriter {
    sink: Sink,
    head: Head,
    head_bytes: u64,
    run: Run,
}

/// Refuses what no WAV file can have.
pub(crate) fn check(description: &Description, options: &Options) -> Result<()> {
    Head::of(description, options).map(drop)
}

impl WavWriter {
    pub(crate) fn begin(
        mut sink: Sink,
        description: &Description,
        options: &Options,
    ) -> Result<Self> {
        let head = Head::of(description, options)?;
        let bytes = head.bytes(0);
        sink.put(&bytes)?;
        sink.whole(0);
        sink.flush()?;
        Ok(Self { sink, head, head_bytes: bytes.len() as u64, run: Run::default() })
    }

    fn rewrite(&mut self) -> Result<()> {
        let samples = self.sink.bytes() - self.head_bytes;
        self.sink.patch(0, &self.head.bytes(samples))
    }
}

impl Writer for WavWriter {
    fn sink(&mut self) -> Option<&mut Sink> {
        Some(&mut self.sink)
    }

    fn refuses(&self, frame: FrameRef<'_>) -> Option<String> {
        if self.sink.bytes() + frame.payload.len() as u64 + 1 > FILE_MAX {
            return Some("a WAV file has at most 4 GiB".to_owned());
        }
        self.run.gap(frame).map(|gap| format!("{gap}, and a WAV file has no gaps"))
    }

    fn frame(&mut self, frame: FrameRef<'_>) -> Result<()> {
        self.run.add(frame);
        self.sink.put(frame.payload)?;
        self.sink.whole(1);
        Ok(())
    }

    fn checkpoint(&mut self) -> Result<()> {
        self.rewrite()
    }

    fn finish(&mut self, ending: &Ending) -> Result<Option<String>> {
        self.sink.end_frames(1)?;
        self.rewrite()?;
        let odd = (self.sink.bytes() - self.head_bytes) % 2 != 0;
        self.sink.end(if odd { &[0] } else { &[] })?;
        let name = self.sink.name();
        Ok((ending.lost > 0).then(|| {
            format!(
                "{name}: {} frames were lost after the last one, which a WAV file cannot show",
                ending.lost
            )
        }))
    }
}
