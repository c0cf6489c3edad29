// SPDX-License-Identifier: MIT OR Apache-2.0
//! Other programs: started, watched, and ended in time.

use crate::LIMIT;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::{Gid, Pid, Uid, setgid, setgroups, setuid};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Who runs a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User {
    /// Root.
    Root,
    /// `user`, a member of the group that owns the device nodes.
    Member,
    /// Somebody who is in no group but the own.
    Outsider,
}

const USER: u32 = 1000;
const OUTSIDER: u32 = 1001;

/// A program about to run.
#[derive(Debug)]
pub struct Run {
    command: Command,
    words: String,
    limit: Duration,
}

/// A program that has ended.
#[derive(Debug)]
pub struct Done {
    /// How it ended.
    pub status: ExitStatus,
    /// All of its standard output.
    pub stdout: String,
    /// All of its standard error.
    pub stderr: String,
}

impl Run {
    /// `program` with `arguments`, as root.
    pub fn of(program: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null());
        // What Python prints is to be seen at once.
        command.env("PYTHONUNBUFFERED", "1");
        let words = format!("{program} {}", arguments.join(" "));
        Self { command, words, limit: LIMIT }
    }

    /// The command `dmaframe`.
    pub fn dmaframe(arguments: &[&str]) -> Self {
        Self::of("dmaframe", arguments)
    }

    /// With this long to end in, instead of [`LIMIT`]: for one that makes thousands of calls, each
    /// of which a kernel full of checkers makes many times longer.
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// As another user.
    ///
    /// # Panics
    ///
    /// If the device nodes have no owner to be looked up.
    pub fn by(mut self, user: User) -> Self {
        let (id, groups) = match user {
            User::Root => return self,
            User::Member => {
                let node = std::fs::metadata(crate::DEVICES[0]).unwrap();
                (USER, vec![Gid::from_raw(node.gid())])
            }
            User::Outsider => (OUTSIDER, Vec::new()),
        };
        // SAFETY: between fork and exec only system calls are made; `groups` is there already.
        unsafe {
            self.command.pre_exec(move || {
                setgroups(&groups)?;
                setgid(Gid::from_raw(id))?;
                setuid(Uid::from_raw(id))?;
                Ok(())
            });
        }
        self
    }

    /// Starts it.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    pub fn start(mut self) -> Running {
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = match self.command.spawn() {
            Ok(child) => child,
            Err(error) => panic!("cannot start {}: {error}", self.words),
        };
        let stdout = lines(child.stdout.take().unwrap());
        let stderr = lines(child.stderr.take().unwrap());
        Running { child, words: self.words, limit: self.limit, stdout, stderr }
    }

    /// Starts it with a pipe for its input, and hands that out.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    pub fn start_with_input(mut self) -> (Running, ChildStdin) {
        self.command.stdin(Stdio::piped());
        let mut running = self.start();
        let input = running.child.stdin.take().unwrap();
        (running, input)
    }

    /// Runs it to its end.
    ///
    /// # Panics
    ///
    /// If it cannot be started, or does not end in its time.
    pub fn finish(self) -> Done {
        self.start().finish()
    }
}

/// A program that runs. If it still does when this is dropped, it is killed with all that it has
/// started; one that ended by itself has left behind what it meant to.
#[derive(Debug)]
pub struct Running {
    child: Child,
    words: String,
    limit: Duration,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
}

impl Running {
    /// The next line of its standard output, without its end.
    ///
    /// # Panics
    ///
    /// If none comes within [`LIMIT`], or its output ends.
    pub fn line(&self) -> String {
        self.next(&self.stdout, "standard output")
    }

    /// The next line of its standard error, without its end.
    ///
    /// # Panics
    ///
    /// If none comes within [`LIMIT`], or its output ends.
    pub fn error_line(&self) -> String {
        self.next(&self.stderr, "standard error")
    }

    /// A line of standard output that is there already.
    pub fn try_line(&self) -> Option<String> {
        self.stdout.try_recv().ok().map(|line| line.trim_end().to_owned())
    }

    fn next(&self, from: &Receiver<String>, name: &str) -> String {
        match from.recv_timeout(LIMIT) {
            Ok(line) => line.trim_end().to_owned(),
            Err(_) => panic!(
                "no line came on {name} of {}; its errors: {:?}",
                self.words,
                self.stderr.try_iter().collect::<String>()
            ),
        }
    }

    /// Whether it has ended.
    ///
    /// # Panics
    ///
    /// If that cannot be known.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Its process id.
    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id() as i32)
    }

    /// Sends it a signal.
    ///
    /// # Panics
    ///
    /// If it has been waited for.
    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    /// Waits for its end. What was taken as lines is not in the result.
    ///
    /// # Panics
    ///
    /// If it does not end in its time, which begins now.
    pub fn finish(mut self) -> Done {
        let deadline = Instant::now() + self.limit;
        let gather = |from: &Receiver<String>| {
            let mut text = String::new();
            // The channel is closed when the program's output is.
            loop {
                let left = deadline.saturating_duration_since(Instant::now());
                match from.recv_timeout(left) {
                    Ok(line) => text += &line,
                    Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return text,
                    Err(_) => panic!("{} did not end within {:?}: {text}", self.words, self.limit),
                }
            }
        };
        let stdout = gather(&self.stdout);
        let stderr = gather(&self.stderr);
        let status = self.child.wait().unwrap();
        Done { status, stdout, stderr }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Left running, they would spoil the tests that follow.
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = killpg(self.pid(), Signal::SIGKILL);
            let _ = self.child.wait();
        }
    }
}

/// Reads lines as they come, with their ends, in a thread of their own.
fn lines(from: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut from = BufReader::new(from);
        let mut line = Vec::new();
        while from.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
            if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                break;
            }
            line.clear();
        }
    });
    receiver
}

/// Writes a line.
///
/// # Panics
///
/// If it cannot be written.
pub fn tell(input: &mut ChildStdin, line: &str) {
    writeln!(input, "{line}").and_then(|()| input.flush()).unwrap();
}
