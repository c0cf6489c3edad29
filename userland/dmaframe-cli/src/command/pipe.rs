// SPDX-License-Identifier: MIT OR Apache-2.0
//! A recording that goes to a pipe, whose reader takes its time.

use super::output::{Output, Unwritten};
use dmaframe_record::{Medium, Target};
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Standard output, or a FIFO.
#[derive(Debug)]
pub(super) struct Pipe {
    pub(super) path: PathBuf,
    pub(super) interrupted: Arc<AtomicBool>,
}

impl Target for Pipe {
    fn rewinds(&self) -> bool {
        false
    }

    fn open(
        &mut self,
        part: u32,
        _: Option<&'static str>,
    ) -> dmaframe_record::Result<(Box<dyn Medium>, String)> {
        let name = self.path.display().to_string();
        let error = |source| dmaframe_record::Error::Write { name: name.clone(), source };
        if part > 1 {
            let what = "what comes now needs another file: use a file instead of a pipe";
            return Err(error(io::Error::other(what)));
        }
        let output = Output::open(&self.path, &self.interrupted)
            .map_err(|words| error(io::Error::other(words)))?;
        let end = End { output, interrupted: Arc::clone(&self.interrupted) };
        Ok((Box::new(end), name))
    }

    fn note(&mut self, words: &str) {
        eprintln!("dmaframe: {words}");
    }
}

/// The end of a pipe that is written to.
struct End {
    output: Output,
    interrupted: Arc<AtomicBool>,
}

impl Write for End {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.output.write(bytes, &self.interrupted) {
            Ok(()) => Ok(bytes.len()),
            Err(Unwritten::Closed) => Err(ErrorKind::BrokenPipe.into()),
            Err(Unwritten::Interrupted) => Err(io::Error::other("interrupted")),
            Err(Unwritten::Failed(words)) => Err(io::Error::other(words)),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for End {
    fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
        Err(ErrorKind::NotSeekable.into())
    }
}

impl Medium for End {
    fn set_len(&mut self, _: u64) -> io::Result<()> {
        Err(ErrorKind::NotSeekable.into())
    }

    fn rewinds(&self) -> bool {
        false
    }
}
