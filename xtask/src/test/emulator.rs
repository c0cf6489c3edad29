// SPDX-License-Identifier: MIT OR Apache-2.0
//! The tests of the emulated engine itself, which drive the emulated board without a kernel.

use std::path::Path;

use anyhow::Result;

use super::cargo::tests;
use super::report::Count;
use crate::emulator::Emulator;
use crate::guest::Guest;

/// Runs the package `dmaframe-emulator` in the builder, which has the libraries of QEMU.
pub(super) fn run(
    guest: &Guest,
    checkout: &Path,
    filter: Option<&str>,
    count: &mut Count,
) -> Result<()> {
    let emulator = Emulator::ready(guest.cache(), checkout)?;
    let program = guest.builder().inside(emulator.program())?.display().to_string();
    let mut cargo = guest.crates().cargo(guest.builder(), &[("EMULATOR", &program)])?;
    cargo.args(["test", "--quiet", "--locked", "--package", "dmaframe-emulator"]);
    cargo.args(["--no-fail-fast", "--"]);
    // The name of the whole selects all.
    cargo.args(filter.filter(|filter| !NAME.contains(filter)));
    tests(cargo, count)
}

/// The name of these tests in reports and filters.
pub(super) const NAME: &str = "emulator";
