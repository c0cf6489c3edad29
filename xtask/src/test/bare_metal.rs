// SPDX-License-Identifier: MIT OR Apache-2.0
//! That `board` needs no operating system: it is checked for a target that has none.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::guest::Guest;
use crate::host::cache::Key;
use crate::host::progress::Step;

const TARGET: &str = "aarch64-unknown-none";

const SYSROOT: &str = include_str!("../../test/build-sysroot");

/// Checks the crate with the builder's compiler, a warning being a failure.
pub(crate) fn check(guest: &Guest, checkout: &Path) -> Result<()> {
    let builder = guest.builder();
    let sysroot = builder.inside(&sysroot(guest)?)?;
    let flags = format!("-Dwarnings --sysroot={}", sysroot.display());
    let mut check = guest
        .crates()
        .cargo(builder, &[("CARGO_TARGET_AARCH64_UNKNOWN_NONE_RUSTFLAGS", &flags)])?;
    // The release build's macros are there already: the guest's programs are made with them.
    check.args(["check", "--locked", "--release", "--target", TARGET]);
    check.args(["--package", "dmaframe-abi", "--package", "dmaframe-engine", "--lib"]);
    let log = checkout.join("target/log/bare-metal.log");
    let step = Step::short("checking board for bare metal");
    step.run(&mut check, &log)?;
    step.done();
    Ok(())
}

fn sysroot(guest: &Guest) -> Result<PathBuf> {
    let builder = guest.builder();
    let key = Key::of([SYSROOT, TARGET, &builder.key().to_string()]);
    guest.cache().directory(&format!("sysroot-{key}"), |part| {
        let stand_in = guest.kernel().source().join("rust/compiler_builtins.rs");
        if !stand_in.is_file() {
            bail!("the kernel's source has no {}", stand_in.display());
        }
        let step = Step::short("making a library for bare metal");
        let arguments = [builder.inside(part)?, PathBuf::from(TARGET), builder.inside(&stand_in)?];
        step.run(&mut builder.script(SYSROOT, arguments), &guest.cache().log("sysroot"))
            .context("the compiler's own library")?;
        step.done();
        Ok(())
    })
}
