// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every check and test of the project, host and guest. A failure of one keeps none from running.

mod bare_metal;
mod cargo;
mod checkers;
mod checkpatch;
mod cross;
mod external_tree;
mod model;
mod report;
mod schema;
mod shell;
pub(crate) mod soak;
mod suite;

use std::path::Path;

use anyhow::anyhow;
use clap::Args;

use self::report::Report;
use crate::guest::Guest;
use crate::host::progress::say;
use crate::kernel::Flavour;
use crate::kernel::module::{self, Lint};

/// Which tests.
#[derive(Debug, Args)]
pub(crate) struct Selection {
    /// Only what needs no guest: no builder, no kernel
    #[arg(long)]
    quick: bool,
    /// Only this kernel's guest; without, both, the debug one with those tests that are quick there
    #[arg(long, value_parser = Flavour::tested())]
    kernel: Option<Flavour>,
    /// Only checks and tests whose names, or whose program's, contain this
    filter: Option<String>,
}

/// Runs them; true when all passed.
pub(crate) fn run(checkout: &Path, selection: &Selection) -> bool {
    let mut report = Report { filter: selection.filter.clone(), ..Report::default() };

    let wanted =
        |flavour| !selection.quick && selection.kernel.is_none_or(|kernel| kernel == flavour);
    let first = if wanted(Flavour::Default) { Flavour::Default } else { Flavour::Debug };
    let guest = if selection.quick {
        None
    } else {
        report.needed("everything a guest needs", || Guest::ready(checkout, first))
    };

    std::thread::scope(|scope| {
        // Its kernel takes longest of all to build, and other checks leave processors idle.
        let both = first == Flavour::Default && wanted(Flavour::Debug) && guest.is_some();
        let debug = both.then(|| scope.spawn(|| Guest::ready(checkout, Flavour::Debug)));

        report.check("rustfmt", || cargo::format(checkout, guest.as_ref()));
        report.check("clippy", || cargo::clippy(checkout, guest.as_ref()));
        report.tests("host tests", |filter, count| cargo::host_tests(checkout, filter, count));
        if report.chosen("ring, loom") {
            report.tests("ring, loom", |_, count| cargo::cargo_tests(model::loom(checkout), count));
        }
        if report.chosen("ring, miri") {
            match model::miri(checkout) {
                Some(miri) => {
                    report.tests("ring, miri", |_, count| cargo::cargo_tests(miri, count))
                }
                None => say(format_args!(
                    "test ring, miri: left out, for this host has none: \
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
            report.check("shellcheck", || shell::check(guest, checkout));
            if report.chosen("cross") {
                match cross::engine() {
                    Some(engine) => {
                        report.check("cross", || cross::check(guest, checkout, &engine));
                    }
                    None => say(format_args!(
                        "test cross: left out, for this host has no cross (cargo install cross), or no \
                         docker or podman that runs"
                    )),
                }
            }
            on_guest(&mut report, guest, checkout, &[]);
        }
        if let Some(debug) = debug {
            let guest = report.needed("everything a debug guest needs", || {
                debug.join().map_err(|_| anyhow!("making it panicked"))?
            });
            if let Some(guest) = &guest {
                on_guest(&mut report, guest, checkout, suite::DEBUG_LONG);
            }
        }
    });
    println!("{} passed, {} failed", report.count.passed, report.count.failed);
    report.count.failed == 0
}

/// What is checked with each kernel; the test programs `left_out` are not.
fn on_guest(report: &mut Report, guest: &Guest, checkout: &Path, left_out: &[&str]) {
    let name = guest.kernel().flavour().name();
    if guest.kernel().flavour() == Flavour::Default {
        report.check("the image's kernel is the guest's", || {
            external_tree::same_kernel(guest.kernel(), checkout)
        });
        report.check("the benchmark's modules", || {
            let (builder, kernel) = (guest.builder(), guest.kernel());
            module::build_others(builder, checkout, kernel, "tests/bench/peers").map(drop)
        });
    }
    report.check(&format!("module, clippy, {name} kernel"), || {
        let (builder, kernel) = (guest.builder(), guest.kernel());
        module::build(builder, checkout, kernel, guest.crates(), Lint::Clippy).map(drop)
    });
    if guest.kernel().flavour() == Flavour::Debug {
        report.check("deliberate faults", || checkers::check(guest, checkout));
    }
    report.tests(&format!("guest tests, {name} kernel"), |filter, count| {
        suite::run(guest, checkout, left_out, filter, count)
    });
}
