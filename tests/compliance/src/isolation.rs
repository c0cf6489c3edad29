// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs each check in a process of its own. So a check that crashes or hangs does not affect the
//! next one, and the kernel frees everything that it used.

use crate::check::Check;
use crate::outcome::{Outcome, Stop};
use crate::target::Target;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, kill, sigaction};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, pipe};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The longest time for a check, which may wait several times.
const CHECK_LIMIT: Duration = Duration::from_secs(150);
/// The longest time for a killed process to end.
const DEATH_LIMIT: Duration = Duration::from_secs(10);

static INTERRUPTED: AtomicBool = AtomicBool::new(false);
static PANIC: Mutex<String> = Mutex::new(String::new());

extern "C" fn interrupt(_: libc::c_int) {
    INTERRUPTED.store(true, SeqCst);
}

/// Makes SIGINT and SIGTERM end the run after the current check.
pub(crate) fn catch_signals() -> nix::Result<()> {
    on_signals(SigHandler::Handler(interrupt))
}

fn on_signals(handler: SigHandler) -> nix::Result<()> {
    let action = SigAction::new(handler, SaFlags::empty(), SigSet::empty());
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        // SAFETY: the handler only sets an atomic, or is the system's own.
        unsafe { sigaction(signal, &action)? };
    }
    Ok(())
}

/// Whether SIGINT or SIGTERM was received.
pub(crate) fn interrupted() -> bool {
    INTERRUPTED.load(SeqCst)
}

/// Runs a check in a process of its own.
pub(crate) fn run(target: &Target, check: &Check) -> Outcome {
    let (reader, writer) = pipe()?;
    // SAFETY: this program has one thread, so the child may call any function.
    match unsafe { fork()? } {
        ForkResult::Child => {
            drop(reader);
            // Errors cannot be reported: the pipe is the only way to the parent.
            let _ = on_signals(SigHandler::SigDfl);
            let _ = File::from(writer).write_all(&encoded(&judged(target, check)));
            // SAFETY: exits without running the exit handlers of the parent.
            unsafe { libc::_exit(0) }
        }
        ForkResult::Parent { child } => {
            drop(writer);
            let told = hear(File::from(reader));
            if told.is_none() {
                let _ = kill(child, Signal::SIGKILL);
            }
            let end = reap(child)?;
            match told {
                _ if interrupted() => Err(Stop::Skipped("interrupted".to_owned())),
                None => Err(Stop::Failed(format!("did not end within {CHECK_LIMIT:?}"))),
                Some(words) => decoded(&words)
                    .unwrap_or_else(|| Err(Stop::Failed(format!("the check died: {end:?}")))),
            }
        }
    }
}

fn judged(target: &Target, check: &Check) -> Outcome {
    set_hook(Box::new(|panic| {
        if let Ok(mut words) = PANIC.lock() {
            *words = panic.to_string();
        }
    }));
    catch_unwind(AssertUnwindSafe(|| (check.run)(target))).unwrap_or_else(|_| {
        let words = PANIC.lock().map(|words| words.clone()).unwrap_or_default();
        Err(Stop::Failed(words))
    })
}

fn encoded(outcome: &Outcome) -> Vec<u8> {
    match outcome {
        Ok(()) => b"O".to_vec(),
        Err(Stop::Failed(seen)) => [b"F", seen.as_bytes()].concat(),
        Err(Stop::Skipped(reason)) => [b"S", reason.as_bytes()].concat(),
    }
}

fn decoded(words: &[u8]) -> Option<Outcome> {
    let (kind, rest) = words.split_first()?;
    let rest = String::from_utf8_lossy(rest).replace('\n', " ");
    Some(match kind {
        b'O' => Ok(()),
        b'S' => Err(Stop::Skipped(rest)),
        _ => Err(Stop::Failed(rest)),
    })
}

/// Reads the outcome from the pipe; `None` if the check did not end in time.
fn hear(mut from: File) -> Option<Vec<u8>> {
    let deadline = Instant::now() + CHECK_LIMIT;
    let mut words = Vec::new();
    while !interrupted() {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        let mut fds = [PollFd::new(from.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, timeout) {
            Ok(0) => return None,
            Err(Errno::EINTR) => continue,
            Err(_) => return Some(words),
            Ok(_) => {}
        }
        let mut part = [0; 4096];
        match from.read(&mut part) {
            Ok(0) | Err(_) => return Some(words),
            Ok(bytes) => words.extend_from_slice(&part[..bytes]),
        }
    }
    None
}

/// Waits for the end of a process.
fn reap(child: Pid) -> Outcome<WaitStatus> {
    let deadline = Instant::now() + DEATH_LIMIT;
    loop {
        match waitpid(child, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) if Instant::now() < deadline => {
                sleep(Duration::from_millis(1));
            }
            Ok(WaitStatus::StillAlive) => {
                return Err(Stop::Failed(format!("process {child} hangs in the kernel")));
            }
            Err(Errno::EINTR) => {}
            ended => return Ok(ended?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_pass_the_pipe() {
        for outcome in [
            Ok(()),
            Err(Stop::Failed("got 1, not 2".to_owned())),
            Err(Stop::Skipped("needs root".to_owned())),
        ] {
            assert_eq!(decoded(&encoded(&outcome)), Some(outcome));
        }
        assert_eq!(decoded(b""), None);
        assert_eq!(decoded(b"Ftwo\nlines"), Some(Err(Stop::Failed("two lines".to_owned()))));
    }
}
