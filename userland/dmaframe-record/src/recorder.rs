// SPDX-License-Identifier: MIT OR Apache-2.0
//! The recorder: writes frames into files of a format.

use crate::ending::{Ending, Reason};
use crate::medium::Target;
use crate::npy::NpyWriter;
use crate::pcapng::{self, PcapngWriter};
use crate::raw::RawWriter;
use crate::sigmf::{self, SigmfWriter};
use crate::sink::Sink;
use crate::sr::SrWriter;
use crate::vcd_writer::VcdWriter;
use crate::wav::{self, WavWriter};
use crate::{Channel, Description, Error, Format, FrameRef, Options, Result};

/// Writes one file of a format.
pub(crate) trait Writer: Send {
    /// The file that grows by frames, unless the writer overrides what needs it.
    fn sink(&mut self) -> Option<&mut Sink> {
        None
    }

    /// Why the file cannot take this frame after those that it has, in words.
    fn refuses(&self, _frame: FrameRef<'_>) -> Option<String> {
        None
    }

    /// Adds a frame.
    fn frame(&mut self, frame: FrameRef<'_>) -> Result<()>;

    /// Frames that are whole.
    fn frames(&mut self) -> u64 {
        self.sink().map_or(0, |sink| sink.frames())
    }

    /// Bytes of the file.
    fn bytes(&mut self) -> u64 {
        self.sink().map_or(0, |sink| sink.bytes())
    }

    /// Writes everything that was added.
    fn flush(&mut self) -> Result<()> {
        self.sink().map_or(Ok(()), Sink::flush)
    }

    /// Makes the file one that opens, if nothing came after this.
    fn checkpoint(&mut self) -> Result<()> {
        self.flush()
    }

    /// Ends the file. After an error of the file, it is cut after its last whole frame. Returns
    /// words about what the file cannot show.
    fn finish(&mut self, ending: &Ending) -> Result<Option<String>>;
}

/// Writes frames into one or more files.
pub struct Recorder {
    format: Format,
    options: Options,
    description: Description,
    target: Box<dyn Target>,
    writer: Box<dyn Writer>,
    part: u32,
    files: Vec<String>,
    /// Frames of the parts before this one, and their bytes.
    frames: u64,
    bytes: u64,
    /// A part begins with the next frame.
    rotating: Option<&'static str>,
    error: Option<Error>,
}

/// What was recorded.
#[derive(Debug)]
pub struct Summary {
    /// Whole frames in the files.
    pub frames: u64,
    /// Bytes of the files.
    pub bytes: u64,
    /// Names of the files.
    pub files: Vec<String>,
    /// Why frames that were given to [`Recorder::write`] are not in the files.
    pub error: Option<Error>,
}

impl Recorder {
    /// Opens the first file, unless the format refuses the options, the stream or the target.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`], before anything is opened; [`Error::Write`].
    pub fn begin(
        format: Format,
        options: Options,
        description: Description,
        target: impl Target + 'static,
    ) -> Result<Self> {
        let mut target: Box<dyn Target> = Box::new(target);
        check(format, &options, &description, &*target)?;
        let (writer, name) = open(format, &options, &description, &mut *target, 1)?;
        Ok(Self {
            format,
            options,
            description,
            target,
            writer,
            part: 1,
            files: vec![name],
            frames: 0,
            bytes: 0,
            rotating: None,
            error: None,
        })
    }

    /// Adds a frame. Where the format cannot express what happened before it, the recording goes on
    /// in another file.
    ///
    /// # Errors
    ///
    /// [`Error::Write`] if a file cannot be written. [`Recorder::finish`] then leaves a file that
    /// ends after a whole frame.
    pub fn write(&mut self, frame: FrameRef<'_>) -> Result<()> {
        let done = self.try_write(frame);
        if let Err(Error::Write { name, source }) = &done {
            // The caller gets the error, and the file has it in its ending.
            let source = std::io::Error::new(source.kind(), source.to_string());
            self.error.get_or_insert(Error::Write { name: name.clone(), source });
        }
        done
    }

    fn try_write(&mut self, frame: FrameRef<'_>) -> Result<()> {
        if self.writer.frames() == 0 {
            self.rotating = None;
            if self.writer.refuses(frame).is_some() && self.frames == 0 {
                // A recording of unknown frames is described by its first one.
                self.reopen(frame)?;
            }
        } else if let Some(words) = self.rotating.take() {
            self.next_part(frame, words, false)?;
        } else if let Some(words) = self.writer.refuses(frame) {
            self.next_part(frame, &words, true)?;
        }
        if let Some(words) = self.writer.refuses(frame) {
            return Err(Error::Refused(format!("{}: {words}", self.format)));
        }
        self.writer.frame(frame)
    }

    /// Lets the next frame begin another file.
    pub fn rotate(&mut self) {
        self.rotating = Some("rotated");
    }

    /// Makes the file one that opens, if the machine loses power after this.
    ///
    /// # Errors
    ///
    /// As [`Recorder::write`].
    pub fn checkpoint(&mut self) -> Result<()> {
        self.writer.checkpoint()
    }

    /// Frames that were written.
    pub fn frames(&mut self) -> u64 {
        self.frames + self.writer.frames()
    }

    /// Bytes of all files.
    pub fn bytes(&mut self) -> u64 {
        self.bytes + self.writer.bytes()
    }

    /// Bytes of the current file.
    pub fn part_bytes(&mut self) -> u64 {
        self.writer.bytes()
    }

    /// Ends the recording. If a file took no more, the reason is that.
    ///
    /// # Errors
    ///
    /// [`Error::Write`] if the end of the file cannot be written.
    pub fn finish(mut self, mut ending: Ending) -> Result<Summary> {
        if self.error.is_none() {
            self.error = self.writer.flush().err();
        }
        if let Some(error) = &self.error {
            ending.reason = if error.is_full() { Reason::Full } else { Reason::Failed };
            ending.message = Some(error.to_string());
        }
        self.end_part(&ending)?;
        Ok(Summary { frames: self.frames, bytes: self.bytes, files: self.files, error: self.error })
    }

    fn end_part(&mut self, ending: &Ending) -> Result<()> {
        if let Some(words) = self.writer.finish(ending)? {
            self.target.note(&words);
        }
        self.frames += self.writer.frames();
        self.bytes += self.writer.bytes();
        Ok(())
    }

    fn next_part(&mut self, frame: FrameRef<'_>, words: &str, note: bool) -> Result<()> {
        self.writer.flush()?;
        self.end_part(&Ending::because(Reason::Continued, words))?;
        self.part += 1;
        self.reopen(frame)?;
        if note {
            let name = self.files.last().map_or("", String::as_str);
            self.target.note(&format!("{words}: the recording goes on in {name}"));
        }
        Ok(())
    }

    /// Opens the file of the current part for frames like this one.
    fn reopen(&mut self, frame: FrameRef<'_>) -> Result<()> {
        self.description.frame_bytes = frame.header.payload_bytes.get();
        let (writer, name) =
            open(self.format, &self.options, &self.description, &mut *self.target, self.part)?;
        self.writer = writer;
        self.files.truncate(self.part as usize - 1);
        self.files.push(name);
        Ok(())
    }
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder").field("format", &self.format).finish_non_exhaustive()
    }
}

/// Whether the format can record this at all.
fn check(
    format: Format,
    options: &Options,
    description: &Description,
    target: &dyn Target,
) -> Result<()> {
    if format.rewinds() && !target.rewinds() {
        return Err(Error::Refused(format!(
            "{format} needs a file that can be rewound, and not a pipe: use raw, pcapng or vcd"
        )));
    }
    match format {
        Format::Npy | Format::Raw => Ok(()),
        Format::Pcapng if description.frame_bytes > pcapng::PAYLOAD_MAX => {
            Err(Error::Refused(format!(
                "Wireshark reads packets with frames of at most {} bytes, and these have {}: use \
                 shorter frames, npy or raw",
                pcapng::PAYLOAD_MAX,
                description.frame_bytes
            )))
        }
        Format::Pcapng => Ok(()),
        Format::Sr | Format::Vcd => Channel::chosen(&options.channels, description).map(drop),
        Format::Sigmf => sigmf::check(description, options),
        Format::Wav => wav::check(description, options),
    }
}

fn open(
    format: Format,
    options: &Options,
    description: &Description,
    target: &mut dyn Target,
    part: u32,
) -> Result<(Box<dyn Writer>, String)> {
    let extension = (format == Format::Sigmf).then_some(sigmf::DATA);
    let (medium, name) = target.open(part, extension)?;
    let sink = |medium| Sink::new((medium, name.clone()));
    let writer: Box<dyn Writer> = match format {
        Format::Npy => Box::new(NpyWriter::begin(sink(medium), description)?),
        Format::Raw => Box::new(RawWriter(sink(medium))),
        Format::Pcapng => Box::new(PcapngWriter::begin(sink(medium), description)?),
        Format::Sr => Box::new(SrWriter::begin((medium, name.clone()), description, options)?),
        Format::Vcd => Box::new(VcdWriter::begin(sink(medium), description, options)?),
        Format::Sigmf => {
            let meta = target.open(part, Some(sigmf::META))?;
            Box::new(SigmfWriter::begin(sink(medium), meta, description, options)?)
        }
        Format::Wav => Box::new(WavWriter::begin(sink(medium), description, options)?),
    };
    Ok((writer, name))
}
