// SPDX-License-Identifier: MIT OR Apache-2.0
//! The settings of the terminal that xtask runs in.

use std::io::IsTerminal;

use nix::sys::termios::{SetArg, Termios, tcgetattr, tcsetattr};

/// Saved terminal settings. Dropping them restores the terminal, which a killed QEMU leaves in raw
/// mode.
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
            // The terminal may have been closed.
            let _ = tcsetattr(std::io::stdin(), SetArg::TCSANOW, settings);
        }
    }
}
