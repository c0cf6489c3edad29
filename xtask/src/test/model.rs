// SPDX-License-Identifier: MIT OR Apache-2.0
//! The ring's protocol under tools that see what no run on a machine shows: loom tries every
//! interleaving, miri every rule of memory.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::host::program::cargo;

const PACKAGE: &str = "dmaframe-abi";

/// The tests of `board/tests/loom.rs`. They have a directory of their own, for all their crates are
/// built for the model, and a profile.
pub(crate) fn loom(checkout: &Path) -> Command {
    let mut cargo = Command::new(cargo());
    cargo.args(["test", "--locked", "--profile", "loom", "--package", PACKAGE]);
    cargo.args(["--test", "loom", "--target-dir"]).arg(checkout.join("target/loom"));
    cargo.current_dir(checkout).env("RUSTFLAGS", "--cfg loom");
    cargo
}

/// The tests of the ring and the frame, interpreted; `None` where there is no miri.
pub(crate) fn miri(checkout: &Path) -> Option<Command> {
    let miri = |arguments: &[&str]| {
        // Miri comes with nightly toolchains alone, which rustup finds, but not the cargo that
        // runs us.
        let mut cargo = Command::new("rustup");
        cargo.args(["run", "nightly", "cargo", "miri"]).args(arguments).current_dir(checkout);
        cargo
    };
    let mut probe = miri(&["--version"]);
    let has = probe.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    has.is_ok_and(|status| status.success()).then(|| {
        let mut cargo = miri(&["test", "--locked", "--package", PACKAGE]);
        cargo.args(["--test", "ring", "--test", "frame", "--target-dir"]);
        cargo.arg(checkout.join("target/miri"));
        cargo
    })
}
