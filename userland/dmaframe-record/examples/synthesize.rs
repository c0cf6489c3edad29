// SPDX-License-Identifier: MIT OR Apache-2.0
//! Writes recordings of synthetic frames, in every format, into a directory: of no frame, of one, and
//! with gaps at both ends and in the middle. `cargo xtask test formats` opens each with the tool of
//! its ecosystem.
//!
//! cargo run --package dmaframe-record --example synthesize -- DIRECTORY

#[path = "../tests/synthetic/mod.rs"]
mod synthetic;

use dmaframe_record::{Directory, Ending, Format, FrameRef, Options, Reason, Recorder};
use std::error::Error;
use std::path::PathBuf;
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
    Ok(())
}
