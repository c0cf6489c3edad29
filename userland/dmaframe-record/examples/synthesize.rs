// SPDX-License-Identifier: MIT OR Apache-2.0
//! Writes recordings of synthetic frames, in every format, into a directory: of no frame, of one, and
//! with gaps at both ends and in the middle; and of 10 GB, with holes for payloads. `cargo xtask test formats` opens each with the tool of
//! its ecosystem.
//!
//! cargo run --package dmaframe-record --example synthesize -- DIRECTORY

#[path = "../tests/synthetic/mod.rs"]
mod synthetic;

use dmaframe_record::{
    Directory, Ending, Format, FrameRef, Medium, Options, Reason, Recorder, Recording, Target,
};
use std::error::Error;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use synthetic::{Frame, LOST_AFTER, description, frame, gappy};

fn main() -> Result<(), Box<dyn Error>> {
    let directory = PathBuf::from(std::env::args().nth(1).ok_or("usage: synthesize DIRECTORY")?);
    for (name, frames, lost) in
        [("none", Vec::new(), 0), ("one", vec![frame(0, 0, 4)], 0), ("gaps", gappy(4), LOST_AFTER)]
    {
        for format in Format::ALL {
            let path = directory.join(name).with_extension(format.name());
            let target = Directory::new(&path).with_notes(|words| println!("{words}"));
            let mut recorder = Recorder::begin(format, Options::default(), description(4), target)?;
            for Frame { header, payload } in &frames {
                recorder.write(FrameRef { header, payload })?;
            }
            let ending = Ending { reason: Reason::Interrupted, message: None, lost };
            println!("{}", recorder.finish(ending)?.files.join(" "));
        }
    }
    large(&directory)
}

/// Records 10 GB, and reads their beginning.
fn large(directory: &Path) -> Result<(), Box<dyn Error>> {
    const WORDS: u32 = 4 << 20;
    const FRAMES: u64 = 640;
    let payload = vec![0; WORDS as usize * 4];
    for format in [Format::Npy, Format::Raw] {
        let path = directory.join("large").with_extension(format.name());
        let target = SparseFile(path.clone());
        let mut recorder = Recorder::begin(format, Options::default(), description(WORDS), target)?;
        for sequence in 0..FRAMES {
            let mut header = frame(sequence, 0, 0).header;
            header.payload_bytes = (WORDS * 4).into();
            recorder.write(FrameRef { header: &header, payload: &payload })?;
        }
        recorder.finish(Ending::complete())?;
        // NumPy maps all of it; to read 10 GB takes minutes.
        let mut recording = Recording::open(&path)?;
        for sequence in 0..3 {
            let found = recording.next()?.map(|frame| frame.header.sequence.get());
            assert_eq!(found, Some(sequence), "{format}");
        }
        println!("{}", path.display());
    }
    Ok(())
}

/// A file in which long payloads are holes.
struct SparseFile(PathBuf);

struct Sparse(File);

impl Target for SparseFile {
    fn rewinds(&self) -> bool {
        true
    }

    fn open(
        &mut self,
        _: u32,
        _: Option<&'static str>,
    ) -> dmaframe_record::Result<(Box<dyn Medium>, String)> {
        let name = self.0.display().to_string();
        let file = File::create(&self.0)
            .map_err(|source| dmaframe_record::Error::Write { name: name.clone(), source })?;
        Ok((Box::new(Sparse(file)), name))
    }

    fn note(&mut self, _: &str) {}
}

impl Write for Sparse {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() < 1 << 20 {
            return self.0.write(bytes);
        }
        let end = self.0.seek(SeekFrom::Current(bytes.len() as i64))?;
        self.0.set_len(end)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Seek for Sparse {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

impl Medium for Sparse {
    fn set_len(&mut self, bytes: u64) -> io::Result<()> {
        self.0.set_len(bytes)
    }
}
