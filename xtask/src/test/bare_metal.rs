// SPDX-License-Identifier: MIT OR Apache-2.0
//! That `board` needs no operating system: it is checked for a target that has none.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::guest::Guest;
use crate::host::cache::Key;
use crate::host::progress::Step;

const TARGET: &str = "aarch64-unknown-none";

/// Arguments: where the sysroot goes, the target, the kernel's stand-in for `compiler_builtins`.
///
/// The builder's distribution has no such target, but has the compiler's sources; metadata alone
/// is enough to check other crates against.
const SYSROOT: &str = r#"
library=$1/lib/rustlib/$2/lib
mkdir -p "$library"
export RUSTC_BOOTSTRAP=1
source=$(rustc --print sysroot)/lib/rustlib/src/rust/library
rustc --crate-name core --crate-type rlib --edition 2021 --target "$2" --emit metadata \
	--cap-lints allow -o "$library/libcore.rmeta" "$source/core/src/lib.rs"
rustc --crate-name compiler_builtins --crate-type rlib --edition 2021 --target "$2" \
	--emit metadata --cap-lints allow --sysroot "$1" -o "$library/libcompiler_builtins.rmeta" "$3"
"#;

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
