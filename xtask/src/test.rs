// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask test`: every check and test of the project, on the host and in the guest. A failure
//! does not stop the others.

mod bare_metal;
mod cargo;
mod checkers;
mod checkpatch;
mod cross;
mod documentation;
mod emulator;
mod external_tree;
mod formats;
mod hardening;
mod length;
mod model;
mod own_program;
mod package;
mod report;
mod schema;
mod shell;
pub(crate) mod soak;
mod suite;
mod trace;

use std::path::Path;

use anyhow::anyhow;
use clap::Args;

use self::report::Report;
use self::suite::Extent;
use crate::emulator::Emulator;
use crate::guest::Guest;
use crate::host::progress::say;
use crate::kernel::Flavour;
use crate::kernel::module::{self, Variant};

/// Arguments of `cargo xtask test`.
#[derive(Debug, Args)]
pub(crate) struct Selection {
    /// Run only what needs neither the guest nor the builder
    #[arg(long)]
    quick: bool,
    /// Run all tests on this kernel. By default, run all of them on the default kernel and the fast
    /// ones on the debug kernel
    #[arg(long, value_parser = Flavour::tested())]
    kernel: Option<Flavour>,
    /// Run only checks and tests whose name, or whose program's name, contains this
    filter: Option<String>,
}

/// Runs the selected checks and tests. Returns whether all passed.
pub(crate) fn run(checkout: &Path, selection: &Selection) -> bool {
    let mut report = Report { filter: selection.filter.clone(), ..Report::default() };

    let wanted =
        |flavour| !selection.quick && selection.kernel.is_none_or(|kernel| kernel == flavour);
    let first = selection.kernel.unwrap_or(Flavour::Default);
    let guest = if selection.quick {
        None
    } else {
        report.needed("building the guest", || Guest::ready(checkout, first))
    };

    std::thread::scope(|scope| {
        // The debug kernel takes longest to build, and the checks leave processors idle.
        let both = first == Flavour::Default && wanted(Flavour::Debug) && guest.is_some();
        let debug = both.then(|| scope.spawn(|| Guest::ready(checkout, Flavour::Debug)));

        // QEMU takes minutes to build, too. Who needs it later waits for it, and reports errors.
        if let Some(guest) = &guest {
            let cache = guest.cache();
            scope.spawn(|| Emulator::ready(cache, checkout).map(drop));
        }

        report.check("rustfmt", || cargo::format(checkout, guest.as_ref()));
        report.check("clippy", || cargo::clippy(checkout, guest.as_ref()));
        report.check("documentation", || documentation::check(checkout));
        report.check("packages", || package::check(checkout));
        report.check("length of files", || length::check(checkout));
        report.tests("host tests", |filter, count| cargo::host_tests(checkout, filter, count));
        if report.selected("ring, loom") {
            report.tests("ring, loom", |_, count| cargo::tests(model::loom(checkout), count));
        }
        if report.selected("ring, miri") {
            match model::miri(checkout) {
                Some(miri) => report.tests("ring, miri", |_, count| cargo::tests(miri, count)),
                None => say(format_args!(
                    "test ring, miri: skipped, because miri is not installed: \
                     rustup toolchain install nightly --component miri,rust-src"
                )),
            }
        }
        if let Some(guest) = &guest {
            report.check("module, rustfmt", || {
                cargo::succeed(
                    guest.builder().command("rustfmt").args(["--check", "driver/main.rs"]),
                )
            });
            report.check("board on bare metal", || bare_metal::check(guest, checkout));
            report.check("checkpatch", || checkpatch::check(guest, checkout));
            report.check("device-tree schema", || schema::check(guest, checkout));
            report.check("Buildroot's external tree", || external_tree::check(guest, checkout));
            report.tests(emulator::NAME, |filter, count| {
                emulator::run(guest, checkout, filter, count)
            });
            report.check("formats of recordings", || formats::check(guest.cache(), checkout));
            report.check("own programs", || own_program::check(guest, checkout));
            report.check("shellcheck", || shell::check(guest, checkout));
            if report.selected("cross") {
                match cross::engine() {
                    Some(engine) => {
                        report.check("cross", || cross::check(guest, checkout, &engine));
                    }
                    None => say(format_args!(
                        "test cross: skipped, because cross (cargo install cross) or a running docker \
                         or podman is missing"
                    )),
                }
            }
            on_guest(&mut report, guest, checkout, Extent::Full);
        }
        if let Some(debug) = debug {
            let guest = report.needed("building the debug guest", || {
                debug.join().map_err(|_| anyhow!("the thread that builds it panicked"))?
            });
            if let Some(guest) = &guest {
                on_guest(&mut report, guest, checkout, Extent::Quick);
            }
        }
    });
    println!("{} passed, {} failed", report.count.passed, report.count.failed);
    report.count.failed == 0
}

/// Runs the checks that depend on the kernel, and the guest tests.
fn on_guest(report: &mut Report, guest: &Guest, checkout: &Path, extent: Extent) {
    let name = guest.kernel().flavour().name();
    if guest.kernel().flavour() == Flavour::Default {
        report.check("kernel configuration of the image", || {
            external_tree::same_kernel(guest.kernel(), checkout)
        });
        report.check("hardening of the kernel", || hardening::check(guest, checkout));
        report.check("modules of the benchmark", || {
            let (builder, kernel) = (guest.builder(), guest.kernel());
            module::build_others(builder, checkout, kernel, "tests/bench/peers").map(drop)
        });
    }
    report.check(&format!("module, clippy, {name} kernel"), || {
        let (builder, kernel) = (guest.builder(), guest.kernel());
        let (cache, crates) = (guest.cache(), guest.crates());
        module::build(cache, builder, checkout, kernel, crates, Variant::Clippy).map(drop)
    });
    report.check(&format!("module without trace, {name} kernel"), || trace::check(guest, checkout));
    if guest.kernel().flavour() == Flavour::Default {
        report.check("trace of the guest, decoded here", || trace::decode_here(guest, checkout));
    }
    if guest.kernel().flavour() == Flavour::Debug {
        report.check("checkers of the debug kernel", || checkers::check(guest, checkout));
    }
    let mut extents = vec![extent];
    if guest.kernel().flavour() == Flavour::Default {
        extents.extend([Extent::ThreadedInterrupts, Extent::DeviceTree, Extent::StockEngine]);
    }
    for extent in extents {
        report.tests(&extent.name(guest.kernel().flavour()), |filter, count| {
            suite::run(guest, checkout, extent, filter, count)
        });
    }
}
