// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs other programs, with a limit on their time.

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

/// The user that runs a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User {
    /// Root.
    Root,
    /// `user`, a member of the group that owns the device nodes.
    Member,
    /// A user without supplementary groups.
    Outsider,
}

const USER: u32 = 1000;
const OUTSIDER: u32 = 1001;

/// A program that has not been started yet.
#[derive(Debug)]
pub struct Run {
    command: Command,
    words: String,
    limit: Duration,
}

/// A program that has ended.
#[derive(Debug)]
pub struct Done {
    /// The exit status.
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
        // Python must not buffer its output, which tests read line by line.
        command.env("PYTHONUNBUFFERED", "1");
        let words = format!("{program} {}", arguments.join(" "));
        Self { command, words, limit: LIMIT }
    }

    /// The command `dmaframe`.
    pub fn dmaframe(arguments: &[&str]) -> Self {
        Self::of("dmaframe", arguments)
    }

    /// Sets the time that the program has, instead of [`LIMIT`]. Programs that make thousands of
    /// calls need more, as each call is many times slower on the debug kernel.
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Runs the program as `user`.
    ///
    /// # Panics
    ///
    /// If the owner of the device nodes cannot be read.
    pub fn by(mut self, user: User) -> Self {
        let (id, groups) = match user {
            User::Root => return self,
            User::Member => {
                let node = std::fs::metadata(crate::DEVICES[0]).unwrap();
                (USER, vec![Gid::from_raw(node.gid())])
            }
            User::Outsider => (OUTSIDER, Vec::new()),
        };
        // SAFETY: between fork and exec the closure makes only system calls and allocates nothing.
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

    /// Starts the program.
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

    /// Starts the program with a pipe as its standard input, and returns the pipe.
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

    /// Runs the program to its end.
    ///
    /// # Panics
    ///
    /// If it cannot be started, or does not end in time.
    pub fn finish(self) -> Done {
        self.start().finish()
    }
}

/// A running program. Dropping this kills it and its process group, unless it has ended.
#[derive(Debug)]
pub struct Running {
    child: Child,
    words: String,
    limit: Duration,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
}

impl Running {
    /// Waits for the next line of its standard output. Returns it without the line end.
    ///
    /// # Panics
    ///
    /// If no line comes within [`LIMIT`], or the output ends.
    pub fn line(&self) -> String {
        self.next(&self.stdout, "standard output")
    }

    /// Waits for the next line of its standard error. Returns it without the line end.
    ///
    /// # Panics
    ///
    /// If no line comes within [`LIMIT`], or the output ends.
    pub fn error_line(&self) -> String {
        self.next(&self.stderr, "standard error")
    }

    /// The next line of its standard output, if there is one already.
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
    /// If waitpid(2) fails.
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
    /// If the signal cannot be sent.
    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    /// Waits for its end. The result lacks the lines that were taken before.
    ///
    /// # Panics
    ///
    /// If it does not end in time. The time begins now.
    pub fn finish(mut self) -> Done {
        let deadline = Instant::now() + self.limit;
        let gather = |from: &Receiver<String>| {
            let mut text = String::new();
            // The channel closes when the program closes its output.
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
        // A program left running would disturb the following tests.
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = killpg(self.pid(), Signal::SIGKILL);
            let _ = self.child.wait();
        }
    }
}

/// Reads lines in a thread of its own. The lines keep their ends.
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

/// Writes a line to the standard input of a program.
///
/// # Panics
///
/// If it cannot be written.
pub fn tell(input: &mut ChildStdin, line: &str) {
    writeln!(input, "{line}").and_then(|()| input.flush()).unwrap();
}
