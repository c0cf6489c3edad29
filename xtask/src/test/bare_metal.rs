// SPDX-License-Identifier: MIT OR Apache-2.0
//! Checks that the crates in `board` compile for a target without an operating system, with defmt.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::guest::Guest;
use crate::host::cache::Key;
use crate::host::progress::Step;

const TARGET: &str = "aarch64-unknown-none";

const SYSROOT: &str = include_str!("../../test/build-sysroot");

/// Checks the crates with the builder's compiler. A warning is a failure.
pub(crate) fn check(guest: &Guest, checkout: &Path) -> Result<()> {
    let builder = guest.builder();
    let sysroot = builder.inside(&sysroot(guest)?)?;
    let flags = format!("-Dwarnings --sysroot={}", sysroot.display());
    let mut check = guest
        .crates()
        .cargo(builder, &[("CARGO_TARGET_AARCH64_UNKNOWN_NONE_RUSTFLAGS", &flags)])?;
    // The release build of the guest programs has already built the procedural macros.
    check.args(["check", "--locked", "--release", "--target", TARGET]);
    check.args(["--package", "dmaframe-abi", "--package", "dmaframe-engine", "--lib"]);
    check.args(["--features", "dmaframe-engine/defmt"]);
    let log = checkout.join("target/log/bare-metal.log");
    let step = Step::short("checking board for a bare-metal target");
    step.run(&mut check, &log)?;
    step.done();
    Ok(())
}

fn sysroot(guest: &Guest) -> Result<PathBuf> {
    let builder = guest.builder();
    let key = Key::of([SYSROOT, TARGET, &builder.key().to_string()]);
    guest.cache().directory(&format!("sysroot-{key}"), |part| {
        let substitute = guest.kernel().source().join("rust/compiler_builtins.rs");
        if !substitute.is_file() {
            bail!("the kernel source has no file {}", substitute.display());
        }
        let step = Step::short("compiling the core library for bare metal");
        let arguments =
            [builder.inside(part)?, PathBuf::from(TARGET), builder.inside(&substitute)?];
        step.run(&mut builder.script(SYSROOT, arguments), &guest.cache().log("sysroot"))
            .context("compiling the core library")?;
        step.done();
        Ok(())
    })
}
