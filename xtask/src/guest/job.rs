// SPDX-License-Identifier: MIT OR Apache-2.0
//! Jobs: a command for the guest, and the options of its run.

use std::path::PathBuf;

use super::addition::Addition;
use super::engine::Engine;

/// One run of the guest.
#[derive(Debug, Default)]
pub(crate) struct Job {
    /// The program and its arguments. If empty, the guest runs an interactive console.
    pub(crate) command: Vec<String>,
    /// Files of the host to copy into the guest, and their paths there.
    pub(crate) put: Vec<(PathBuf, String)>,
    /// Paths in the guest to copy to the host, and their paths there.
    pub(crate) get: Vec<(String, PathBuf)>,
    /// Seconds after which the guest is killed.
    pub(crate) timeout: Option<u64>,
    /// Debian programs to add to the guest.
    pub(crate) with: Vec<Addition>,
    /// Source files of overlays to merge into the device tree, after those of the checkout.
    pub(crate) overlays: Vec<PathBuf>,
    /// Additional parameters for the kernel command line.
    pub(crate) append: Vec<String>,
    /// Whether the clock of the guest counts instructions instead of following the clock of the
    /// host. See [`INSTRUCTION_NS`](super::INSTRUCTION_NS).
    pub(crate) counted: bool,
    /// The model of the DMA engine.
    pub(crate) engine: Engine,
    /// Properties of [`Engine::Concurrent`] and its peripherals: `DEVICE.NAME=VALUE`.
    pub(crate) settings: Vec<String>,
    /// Where the report of [`Engine::Concurrent`] goes.
    pub(crate) report: Option<PathBuf>,
    /// Whether problems that the kernel reports are expected. If so, they are not a failure, and
    /// the kernel continues after them.
    pub(crate) may_complain: bool,
}

impl Job {
    /// A shell script that runs the command with exactly these arguments.
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
    fn script_preserves_arguments() {
        let command = ["echo", "a b", "it's", "$HOME"].map(str::to_owned).into();
        let script = Job { command, ..Job::default() }.script();
        let output = Command::new("sh").args(["-c", &script]).output().unwrap();
        assert_eq!(output.stdout, b"a b it's $HOME\n");
    }
}
