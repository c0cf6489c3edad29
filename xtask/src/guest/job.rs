// SPDX-License-Identifier: MIT OR Apache-2.0
//! One run of a guest: a command, and what it is given.

use std::path::PathBuf;

use super::addition::Addition;

/// One run of a guest.
#[derive(Debug, Default)]
pub(crate) struct Job {
    /// Program and arguments; empty for an interactive console.
    pub(crate) command: Vec<String>,
    /// Files of the host and their paths in the guest.
    pub(crate) put: Vec<(PathBuf, String)>,
    /// Paths in the guest and files of the host to write them to.
    pub(crate) get: Vec<(String, PathBuf)>,
    /// Seconds until the guest is ended by force.
    pub(crate) timeout: Option<u64>,
    /// Programs of Debian's in the guest.
    pub(crate) with: Vec<Addition>,
    /// Whether the guest's time is that of its instructions, [`INSTRUCTION_NS`] each, however long
    /// the host takes over them.
    pub(crate) counted: bool,
    /// Whether the kernel's complaints are expected: it runs on, and they fail nothing.
    pub(crate) may_complain: bool,
}

impl Job {
    /// A shell script that runs the command, its arguments word for word.
    pub(super) fn script(&self) -> String {
        let words: Vec<String> =
            self.command.iter().map(|word| format!("'{}'", word.replace('\'', r"'\''"))).collect();
        format!("#!/bin/sh\nexec {}\n", words.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn words_reach_the_guest_as_they_are() {
        let command = ["echo", "a b", "it's", "$HOME"].map(str::to_owned).into();
        let script = Job { command, ..Job::default() }.script();
        let output = Command::new("sh").args(["-c", &script]).output().unwrap();
        assert_eq!(output.stdout, b"a b it's $HOME\n");
    }
}
