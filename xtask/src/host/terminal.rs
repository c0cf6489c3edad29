// SPDX-License-Identifier: MIT OR Apache-2.0
//! The terminal that xtask runs in.

use std::io::IsTerminal;

use nix::sys::termios::{SetArg, Termios, tcgetattr, tcsetattr};

/// The terminal's settings, put back when dropped: a QEMU that is killed leaves it raw.
pub(crate) struct Terminal(Option<Termios>);

impl Terminal {
    pub(crate) fn saved() -> Self {
        let stdin = std::io::stdin();
        Self(stdin.is_terminal().then(|| tcgetattr(&stdin).ok()).flatten())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Some(settings) = &self.0 {
            // A terminal that is gone needs no settings.
            let _ = tcsetattr(std::io::stdin(), SetArg::TCSANOW, settings);
        }
    }
}
