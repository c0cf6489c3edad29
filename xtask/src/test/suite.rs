// SPDX-License-Identifier: MIT OR Apache-2.0
//! The tests in the package `dmaframe-tests`, which run in the guest.

use std::path::Path;

use anyhow::{Context, Result, bail};

use super::report::{Count, pass_through};
use crate::guest::addition::Addition;
use crate::guest::{Guest, Job, program};
use crate::kernel::Flavour;

/// Time limit on the default kernel.
const GUEST_SECONDS: u64 = 1500;
/// Time limit on the debug kernel.
const DEBUG_SECONDS: u64 = 3 * 3600;
/// Tests that need the debug kernel.
const DEBUG_ONLY: &[&str] = &["allocation", "fault"];
/// Tests that a run on both kernels skips on the debug kernel, because they take minutes there, or
/// because the checkers of the kernel find little in them.
pub(super) const DEBUG_LONG: &[&str] = &[
    "command",
    "compliance",
    "descriptor_passing",
    "forced_write",
    "frames",
    "gpio",
    "hostile_reader",
    "ioctl",
    "lifecycle",
    "low_memory",
    "mapping_range",
    "netlink",
    "permission",
    "registers",
    "remapping",
    "report",
    "storm",
    "sysfs",
    "systimer",
    "unbind",
];
/// The test that runs last. It makes allocations fail, after which the DMA debugging of the kernel
/// turns itself off.
const LAST: &str = "allocation";
const RUNNER: &str = include_str!("../../test/run-tests");

/// Runs the tests, except the programs in `skipped`.
pub(super) fn run(
    guest: &Guest,
    checkout: &Path,
    skipped: &[&str],
    filter: Option<&str>,
    count: &mut Count,
) -> Result<()> {
    let built = program::tests(guest.cache(), guest.builder(), checkout, guest.crates())?;
    if built.tests.is_empty() {
        bail!("the package dmaframe-tests has no tests");
    }
    let debug = guest.kernel().flavour() == Flavour::Debug;
    let mut put = Vec::new();
    let mut names = Vec::new();
    for test in built.tests {
        let name = name_of(&test)?;
        // cargo adds a hash to the name of a test program.
        let name = name.rsplit_once('-').map_or(name.as_str(), |(name, _)| name);
        if (debug || !DEBUG_ONLY.contains(&name)) && !skipped.contains(&name) {
            put.push((test.clone(), format!("/tests/{name}")));
            names.push(name.to_owned());
        }
    }
    names.sort_by_cached_key(|name| (name == LAST, name.clone()));
    for program in built.programs {
        let name = name_of(&program)?;
        put.push((program, format!("/usr/bin/{name}")));
    }
    let extent = if skipped.is_empty() { "TESTS_EXTENT=full" } else { "TESTS_EXTENT=quick" };
    let mut command: Vec<String> =
        ["env", extent, "sh", "-c", RUNNER, "tests"].map(str::to_owned).into();
    command.push(filter.unwrap_or_default().to_owned());
    command.extend(names);
    let seconds = if debug { DEBUG_SECONDS } else { GUEST_SECONDS };
    // The tests that need these programs are among the skipped ones. Unpacking them takes minutes
    // on the debug kernel.
    let with = match skipped {
        [] => vec![Addition::Python, Addition::StressNg],
        _ => Vec::new(),
    };
    let job = Job { command, put, timeout: Some(seconds), with, ..Job::default() };
    let status = guest.run(&job, |output| pass_through(output, count))?;
    if status != 0 {
        bail!("the guest tests failed with status {status}");
    }
    Ok(())
}

fn name_of(path: &Path) -> Result<String> {
    let name = path.file_name().with_context(|| format!("{} has no name", path.display()))?;
    Ok(name.to_string_lossy().into_owned())
}
