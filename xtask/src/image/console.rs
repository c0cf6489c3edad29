// SPDX-License-Identifier: MIT OR Apache-2.0
//! The serial console of a board that boots an SD card image.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{ChildStdin, ChildStdout};

use anyhow::{Context, Result, bail};

use crate::guest::GUEST_FAILED;
use crate::guest::output::{MARK, skip_mark};
use crate::host::progress::say;

/// The shell on the console prints the exit status of the command after this text.
const STATUS: &str = "status=";

/// The serial console of the board.
pub(super) struct Console {
    pub(super) input: ChildStdin,
    pub(super) output: BufReader<ChildStdout>,
}

impl Console {
    /// Logs in, runs the command, powers the board off and returns the exit status of the command.
    /// `output` reads what the command prints.
    pub(super) fn perform(
        mut self,
        command: &str,
        output: impl FnOnce(&mut dyn BufRead) -> Result<()>,
    ) -> Result<u8> {
        self.wait_for("login: ")?;
        self.say("root")?;
        self.wait_for("# ")?;
        // No echo of what is written, and no translation of line ends.
        self.say("stty -echo -opost; dmesg -n 1")?;
        self.wait_for("# ")?;
        // Octal escapes, so that an echo of this line does not contain the mark.
        let mark: String = MARK.iter().map(|byte| format!("\\{byte:03o}")).collect();
        self.say(&format!("printf '{mark}'; {command}; echo {STATUS}$?; poweroff"))?;
        skip_mark(&mut self.output)?;
        let mut until = UntilStatus { from: self.output, line: Vec::new(), at: 0, status: None };
        output(&mut until)?;
        let status = until.status.take();
        // QEMU exits when the board powers off, and blocks if nobody reads its output.
        std::io::copy(&mut until.from, &mut std::io::sink()).context("reading the console")?;
        match status {
            Some(status) => Ok(status),
            None => {
                say("the board stopped before the command finished");
                Ok(GUEST_FAILED)
            }
        }
    }

    fn say(&mut self, line: &str) -> Result<()> {
        writeln!(self.input, "{line}")
            .and_then(|()| self.input.flush())
            .context("writing to the console")
    }

    fn wait_for(&mut self, words: &str) -> Result<()> {
        let mut seen = Vec::new();
        let mut byte = [0];
        while !seen.ends_with(words.as_bytes()) {
            if self.output.read(&mut byte).context("reading the console")? == 0 {
                bail!(
                    "the console did not print {words:?}; its last output: {:?}",
                    last(&String::from_utf8_lossy(&seen))
                );
            }
            seen.push(byte[0]);
        }
        Ok(())
    }
}

fn last(words: &str) -> String {
    words.chars().skip(words.chars().count().saturating_sub(200)).collect()
}

/// Reads lines up to the one with the exit status.
struct UntilStatus<R> {
    from: R,
    line: Vec<u8>,
    at: usize,
    status: Option<u8>,
}

impl<R: BufRead> Read for UntilStatus<R> {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        let length = self.fill_buf()?.read(to)?;
        self.consume(length);
        Ok(length)
    }
}

impl<R: BufRead> BufRead for UntilStatus<R> {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        if self.at == self.line.len() && self.status.is_none() {
            self.line.clear();
            self.at = 0;
            self.from.read_until(b'\n', &mut self.line)?;
            let text = String::from_utf8_lossy(&self.line);
            let status = text.strip_prefix(STATUS).and_then(|text| text.trim_end().parse().ok());
            if status.is_some() {
                self.status = status;
                self.line.clear();
            }
        }
        Ok(&self.line[self.at..])
    }

    fn consume(&mut self, length: usize) {
        self.at += length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_ends_at_the_status() {
        let from: &[u8] = b"one\nstatus=x\nstatus=7\nafter\n";
        let mut until = UntilStatus { from, line: Vec::new(), at: 0, status: None };
        let mut text = String::new();
        until.read_to_string(&mut text).unwrap();
        assert_eq!(text, "one\nstatus=x\n");
        assert_eq!(until.status, Some(7));
        assert_eq!(until.from, b"after\n");
    }
}
