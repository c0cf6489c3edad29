// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where `dmaframe stream` writes payloads.

use super::notice::notice;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc::{PIPE_BUF, S_IFIFO, S_IFMT};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// How often a wait looks whether it was interrupted.
const LOOK: Duration = Duration::from_millis(100);

/// A file, a FIFO or standard output.
#[derive(Debug)]
pub(super) struct Output {
    file: File,
    name: String,
    /// A pipe blocks for as long as its reader pleases.
    pipe: bool,
}

/// Why a payload was not written whole.
#[derive(Debug)]
pub(super) enum Unwritten {
    /// The reader closed its end.
    Closed,
    /// A signal asked the program to end.
    Interrupted,
    /// The file takes no more.
    Failed(String),
}

impl Output {
    /// Opens `path`, which is emptied, or standard output for `-`.
    ///
    /// Waits for the reader of a FIFO until `interrupted`.
    pub(super) fn open(path: &Path, interrupted: &AtomicBool) -> Result<Self, String> {
        if is_stdout(path) {
            // Not `Stdout`, which looks for line ends in binary data.
            let file = io::stdout().as_fd().try_clone_to_owned().map(File::from);
            return Self::of(file, "standard output".to_owned());
        }
        let name = path.display().to_string();
        if fs::metadata(path).is_ok_and(|it| it.file_type().is_fifo()) {
            return Self::of(open_fifo(path, interrupted), name);
        }
        Self::of(File::create(path), name)
    }

    fn of(file: io::Result<File>, name: String) -> Result<Self, String> {
        let file = file.map_err(|error| format!("cannot write {name}: {error}"))?;
        let mode = file.metadata().map_or(0, |metadata| metadata.mode());
        Ok(Self { file, name, pipe: mode & S_IFMT == S_IFIFO })
    }

    /// Writes all of `payload`. Ends early if the reader is gone or at `interrupted`.
    pub(super) fn write(
        &mut self,
        payload: &[u8],
        interrupted: &AtomicBool,
    ) -> Result<(), Unwritten> {
        if !self.pipe {
            return self.file.write_all(payload).map_err(|error| self.unwritten(error));
        }
        // A pipe that is ready takes PIPE_BUF bytes without blocking.
        for part in payload.chunks(PIPE_BUF) {
            while !self.ready().map_err(|error| self.unwritten(error))? {
                if interrupted.load(Ordering::Relaxed) {
                    return Err(Unwritten::Interrupted);
                }
            }
            self.file.write_all(part).map_err(|error| self.unwritten(error))?;
        }
        Ok(())
    }

    /// Waits until the pipe takes bytes or has lost its reader, but not longer than [`LOOK`].
    fn ready(&self) -> io::Result<bool> {
        let mut fds = [PollFd::new(self.file.as_fd(), PollFlags::POLLOUT)];
        let timeout = PollTimeout::try_from(LOOK).unwrap_or(PollTimeout::ZERO);
        match poll(&mut fds, timeout) {
            Ok(count) => Ok(count > 0),
            Err(Errno::EINTR) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }

    fn unwritten(&self, error: io::Error) -> Unwritten {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Unwritten::Closed,
            _ => Unwritten::Failed(format!("cannot write {}: {error}", self.name)),
        }
    }
}

/// Whether `path` means standard output.
pub(super) fn is_stdout(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Opens a FIFO for writing once it has a reader.
fn open_fifo(path: &Path, interrupted: &AtomicBool) -> io::Result<File> {
    let mut told = false;
    loop {
        let opened =
            OpenOptions::new().write(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path);
        match opened {
            Err(error) if error.raw_os_error() == Some(Errno::ENXIO as i32) => {
                if interrupted.load(Ordering::Relaxed) {
                    return Err(io::Error::other("interrupted before it had a reader"));
                }
                if !std::mem::replace(&mut told, true) {
                    notice(format_args!("waiting for a reader of {}", path.display()));
                }
                thread::sleep(LOOK);
            }
            Err(error) => return Err(error),
            Ok(file) => {
                fcntl(&file, FcntlArg::F_SETFL(OFlag::empty()))?;
                return Ok(file);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn never() -> AtomicBool {
        AtomicBool::new(false)
    }

    #[test]
    fn a_pipe_without_a_reader_is_closed() {
        let (reader, writer) = io::pipe().unwrap();
        let file = File::from(std::os::fd::OwnedFd::from(writer));
        let mut output = Output::of(Ok(file), "a pipe".to_owned()).unwrap();
        assert!(output.pipe);
        assert!(output.write(&[0; 100], &never()).is_ok());
        drop(reader);
        assert!(matches!(output.write(&[0; 100], &never()), Err(Unwritten::Closed)));
    }

    #[test]
    fn a_full_pipe_can_be_interrupted() {
        let (_reader, writer) = io::pipe().unwrap();
        let file = File::from(std::os::fd::OwnedFd::from(writer));
        let mut output = Output::of(Ok(file), "a pipe".to_owned()).unwrap();
        let much = vec![0; 1 << 20];
        let written = output.write(&much, &AtomicBool::new(true));
        assert!(matches!(written, Err(Unwritten::Interrupted)), "{written:?}");
    }

    #[test]
    fn a_full_disk_is_named() {
        let mut output = Output::open(Path::new("/dev/full"), &never()).unwrap();
        let Err(Unwritten::Failed(message)) = output.write(&[0; 100], &never()) else { panic!() };
        assert!(message.starts_with("cannot write /dev/full: No space left"), "{message}");
    }
}
