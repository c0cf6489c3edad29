// SPDX-License-Identifier: MIT OR Apache-2.0
//! `dmaframe trace`.

mod decoder;
mod line;
mod module;

use self::decoder::Decoder;
use self::line::Line;
use self::module::{BuildId, ModuleFile};
use super::{Outcome, interrupted};
use dmaframe_abi::trace::{self, BUILD, ITEM_MAX, Items, LEVELS, SECTION};
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const NODE: &str = "/dev/dmaframe-trace";
const LEVEL: &str = "/sys/class/misc/dmaframe-trace/level";
/// How often a wait looks whether it was interrupted, and whether the command has ended.
const LOOK: Duration = Duration::from_millis(100);
const PIECE: usize = 64 << 10;

/// Show what the driver does, step by step
///
/// Prints a record for each step of the driver's hot path from now on, until Ctrl-C, --count or the
/// end of COMMAND: start, arm, completion, publish, kick, loss, error and stop, at the level trace
/// also control blocks and frame headers. Each line has the time (CLOCK_MONOTONIC), level, record,
/// and the place in the driver's source.
///
/// The records are decoded with the strings in the module's file, which must have the build id of
/// the module that wrote them. Needs root. A trace keeps the module from being unloaded.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    dmaframe trace --since-boot\n  \
    dmaframe trace --level debug -- dmaframe stream --frames 3\n  \
    dmaframe trace --level trace --raw saved.trace\n  \
    dmaframe trace --from saved.trace --elf dmaframe.ko --json")]
pub(crate) struct Arguments {
    /// Print the records that the driver has kept since it was loaded, and end
    #[arg(long, conflicts_with = "from")]
    since_boot: bool,
    /// With --since-boot: go on with the records that follow
    #[arg(long, requires = "since_boot")]
    follow: bool,
    /// Set the driver's level meanwhile: off, error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL", value_parser = LEVELS, conflicts_with = "from")]
    level: Option<String>,
    /// End after this many lines
    #[arg(long, value_name = "N", conflicts_with = "raw")]
    count: Option<u64>,
    /// Print one JSON object a line
    #[arg(long, conflicts_with = "raw")]
    json: bool,
    /// Save the records to FILE instead, not decoded; - is standard output
    #[arg(long, value_name = "FILE", conflicts_with = "from")]
    raw: Option<PathBuf>,
    /// Decode this file, which --raw saved, on any machine
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// File of the module that wrote the records. The default is the installed module
    #[arg(long, value_name = "FILE", conflicts_with = "raw")]
    elf: Option<PathBuf>,
    /// Run this command, and end with it and its exit status
    #[arg(last = true, value_name = "COMMAND", conflicts_with_all = ["count", "from"])]
    command: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    match &arguments.from {
        Some(path) => {
            let cannot = |error| format!("cannot read {}: {error}", path.display());
            let mut input = File::open(path).map_err(cannot)?;
            let module = ModuleFile::open(arguments.elf.as_deref())?;
            let mut output = Output::Lines(Box::new(Lines::new(Decoder::new(module), arguments)));
            let mut piece = vec![0; PIECE];
            loop {
                match input.read(&mut piece).map_err(cannot)? {
                    0 => break,
                    bytes if output.take(&piece[..bytes])? => {}
                    _ => return Ok(ExitCode::SUCCESS),
                }
            }
            output.end()?;
            Ok(ExitCode::SUCCESS)
        }
        None => follow(arguments),
    }
}

/// Reads the driver's records.
fn follow(arguments: &Arguments) -> Outcome {
    let interrupted = interrupted()?;
    let mut node = Node::open()?;
    // The open node keeps the module loaded: what follows is about the same module.
    let mut output = match &arguments.raw {
        Some(path) => Output::Raw(super::output::Output::open(path, &interrupted)?, &interrupted),
        None => {
            let module = ModuleFile::open(arguments.elf.as_deref())?;
            Output::Lines(Box::new(Lines::new(Decoder::of_loaded(module)?, arguments)))
        }
    };
    if arguments.raw.is_some() {
        let id = BuildId::of_loaded()?;
        let mut item = [0; ITEM_MAX];
        output.take(trace::write(BUILD, 0, &id.0, &mut item).ok_or("the build id is too long")?)?;
    }
    let _level = arguments.level.as_deref().map(Level::set).transpose()?;
    if !arguments.since_boot {
        node.skip(&mut output)?;
        eprintln!("dmaframe: tracing; Ctrl-C ends");
    }
    let mut child = match arguments.command.split_first() {
        Some((program, words)) => Some(
            Command::new(program)
                .args(words)
                .spawn()
                .map_err(|error| format!("cannot start {program}: {error}"))?,
        ),
        None => None,
    };
    let mut status = ExitCode::SUCCESS;
    let once = arguments.since_boot && !arguments.follow && child.is_none();
    let mut last = once;
    loop {
        // Interrupted or not: what was written before is shown.
        let stop = child.is_none() && interrupted.load(Ordering::Relaxed);
        let more = node.read(|piece| output.take(piece))?;
        if !more || stop || last {
            break;
        }
        if let Some(code) = ended(&mut child)? {
            status = code;
            last = true;
            continue;
        }
        node.wait()?;
    }
    output.end()?;
    Ok(status)
}

/// The exit status of the command, once it has ended.
fn ended(child: &mut Option<Child>) -> io::Result<Option<ExitCode>> {
    let Some(running) = child else {
        return Ok(None);
    };
    let status = running.try_wait()?;
    // A command that a signal has ended has no code.
    Ok(status.map(|status| match status.code() {
        Some(code) => ExitCode::from(code as u8),
        None => ExitCode::FAILURE,
    }))
}

/// The node of the trace.
#[derive(Debug)]
struct Node {
    file: File,
    piece: Vec<u8>,
}

impl Node {
    fn open() -> Result<Self, String> {
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(OFlag::O_NONBLOCK.bits())
            .open(NODE)
            .map_err(|error| match error.kind() {
                ErrorKind::NotFound => format!(
                    "{NODE} is absent: the module is not loaded, or was built without the trace"
                ),
                ErrorKind::PermissionDenied => format!("cannot open {NODE}: it needs root"),
                _ => format!("cannot open {NODE}: {error}"),
            })?;
        Ok(Self { file, piece: vec![0; PIECE] })
    }

    /// Reads what there is, until `take` returns false. Returns what it returned last.
    fn read(
        &mut self,
        mut take: impl FnMut(&[u8]) -> Result<bool, Box<dyn Error>>,
    ) -> Result<bool, Box<dyn Error>> {
        loop {
            match self.file.read(&mut self.piece) {
                Ok(bytes) if take(&self.piece[..bytes])? => {}
                Ok(_) => return Ok(false),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(format!("cannot read {NODE}: {error}").into()),
            }
        }
    }

    /// Skips the records that there are.
    fn skip(&mut self, output: &mut Output<'_>) -> Result<(), Box<dyn Error>> {
        self.read(|piece| {
            for item in Items::new(piece).filter(|item| item.kind == SECTION) {
                let mut whole = [0; ITEM_MAX];
                let item = trace::write(item.kind, item.sequence, item.payload, &mut whole);
                output.take(item.unwrap_or_default())?;
            }
            Ok(true)
        })?;
        Ok(())
    }

    /// Waits for a record, but not longer than [`LOOK`].
    fn wait(&self) -> io::Result<()> {
        let mut fds = [PollFd::new(self.file.as_fd(), PollFlags::POLLIN)];
        let timeout = PollTimeout::try_from(LOOK).unwrap_or(PollTimeout::ZERO);
        match poll(&mut fds, timeout) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }
}

/// The driver's level, changed for as long as this exists.
#[derive(Debug)]
struct Level {
    before: String,
}

impl Level {
    fn set(name: &str) -> Result<Self, String> {
        let cannot = |error| format!("cannot set {LEVEL}: {error}");
        let before = fs::read_to_string(LEVEL).map_err(cannot)?;
        fs::write(LEVEL, name).map_err(cannot)?;
        Ok(Self { before })
    }
}

impl Drop for Level {
    fn drop(&mut self) {
        if let Err(error) = fs::write(LEVEL, &self.before) {
            eprintln!("dmaframe: cannot restore {LEVEL}: {error}");
        }
    }
}

/// Where the records go.
enum Output<'a> {
    Raw(super::output::Output, &'a AtomicBool),
    Lines(Box<Lines>),
}

impl Output<'_> {
    /// Takes a piece of the trace. False when no more is wanted.
    fn take(&mut self, piece: &[u8]) -> Result<bool, Box<dyn Error>> {
        use super::output::Unwritten;
        match self {
            Self::Raw(file, interrupted) => match file.write(piece, interrupted) {
                Ok(()) => Ok(true),
                Err(Unwritten::Closed | Unwritten::Interrupted) => Ok(false),
                Err(Unwritten::Failed(message)) => Err(message.into()),
            },
            Self::Lines(lines) => lines.take(piece),
        }
    }

    fn end(&mut self) -> io::Result<()> {
        if let Self::Lines(lines) = self {
            lines.decoder.end();
            if let Some(words) = lines.decoder.skipped.words() {
                eprintln!("dmaframe: {words}");
            }
        }
        Ok(())
    }
}

/// Decoded records on standard output.
struct Lines {
    decoder: Decoder,
    json: bool,
    left: u64,
}

impl Lines {
    fn new(decoder: Decoder, arguments: &Arguments) -> Self {
        Self { decoder, json: arguments.json, left: arguments.count.unwrap_or(u64::MAX) }
    }

    fn take(&mut self, piece: &[u8]) -> Result<bool, Box<dyn Error>> {
        let mut lines = Vec::new();
        let result = self.decoder.take(piece, &mut lines);
        let mut out = BufWriter::new(io::stdout().lock());
        for line in lines {
            if self.left == 0 {
                break;
            }
            self.left -= 1;
            self.write(&mut out, &line)?;
        }
        out.flush()?;
        result.map(|()| self.left > 0)
    }

    fn write(&self, out: &mut impl Write, line: &Line) -> io::Result<()> {
        if self.json { writeln!(out, "{}", line.json()) } else { writeln!(out, "{line}") }
    }
}
