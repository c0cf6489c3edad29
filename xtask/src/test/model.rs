// SPDX-License-Identifier: MIT OR Apache-2.0
//! The ring protocol under loom, which explores all interleavings, and under miri, which detects
//! undefined behaviour.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::host::program::cargo;

const PACKAGE: &str = "dmaframe-abi";

/// The tests in `board/abi/tests/loom.rs`. They have their own profile, and their own target
/// directory because `--cfg loom` changes how all crates are built.
pub(crate) fn loom(checkout: &Path) -> Command {
    let mut cargo = Command::new(cargo());
    cargo.args(["test", "--locked", "--profile", "loom", "--package", PACKAGE]);
    cargo.args(["--test", "loom", "--target-dir"]).arg(checkout.join("target/loom"));
    cargo.current_dir(checkout).env("RUSTFLAGS", "--cfg loom");
    cargo
}

/// The tests of the ring and the frame under miri. `None` if miri is not installed.
pub(crate) fn miri(checkout: &Path) -> Option<Command> {
    let miri = |arguments: &[&str]| {
        // Only nightly toolchains have miri. The cargo that started xtask cannot select another
        // toolchain.
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
