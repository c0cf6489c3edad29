// SPDX-License-Identifier: MIT OR Apache-2.0
//! The tests that run in the guest.

use std::path::Path;

use anyhow::{Context, Result, bail};

use super::report::{Count, pass_through};
use crate::guest::addition::Addition;
use crate::guest::{Guest, Job, program};
use crate::kernel::Flavour;

/// The guest's tests stream for minutes on a slow machine.
const GUEST_SECONDS: u64 = 1500;
/// And many times longer under the kernel's checkers.
const DEBUG_SECONDS: u64 = 3 * 3600;
/// Tests that need what only the debug kernel and its module have.
const DEBUG_ONLY: &[&str] = &["allocation", "fault"];
/// Tests that a run on both kernels has on the default one alone: the kernel's checkers make many
/// minutes of them, or tell little more.
pub(super) const DEBUG_LONG: &[&str] = &[
    "command",
    "compliance",
    "descriptor_passing",
    "frames",
    "gpio",
    "hostile_reader",
    "ioctl",
    "lifecycle",
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
/// The test that comes last: the kernel's own check of DMA gives up where it has no memory either.
const LAST: &str = "allocation";
const RUNNER: &str = include_str!("../../test/run-tests");

/// Runs them, but for the programs `left_out`.
pub(super) fn run(
    guest: &Guest,
    checkout: &Path,
    left_out: &[&str],
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
        // cargo adds a hash to a harness's name.
        let name = name.rsplit_once('-').map_or(name.as_str(), |(name, _)| name);
        if (debug || !DEBUG_ONLY.contains(&name)) && !left_out.contains(&name) {
            put.push((test.clone(), format!("/tests/{name}")));
            names.push(name.to_owned());
        }
    }
    names.sort_by_cached_key(|name| (name == LAST, name.clone()));
    for program in built.programs {
        let name = name_of(&program)?;
        put.push((program, format!("/usr/bin/{name}")));
    }
    let extent = if left_out.is_empty() { "TESTS_EXTENT=full" } else { "TESTS_EXTENT=quick" };
    let mut command: Vec<String> =
        ["env", extent, "sh", "-c", RUNNER, "tests"].map(str::to_owned).into();
    command.push(filter.unwrap_or_default().to_owned());
    command.extend(names);
    let seconds = if debug { DEBUG_SECONDS } else { GUEST_SECONDS };
    // What they are for is left out with the tests that need them; unpacking them takes minutes
    // under the kernel's checkers.
    let with = match left_out {
        [] => vec![Addition::Python, Addition::StressNg],
        _ => Vec::new(),
    };
    let job = Job { command, put, timeout: Some(seconds), with, ..Job::default() };
    let status = guest.run(&job, |output| pass_through(output, count))?;
    if status != 0 {
        bail!("the guest's tests ended with status {status}");
    }
    Ok(())
}

fn name_of(path: &Path) -> Result<String> {
    let name = path.file_name().with_context(|| format!("{} has no name", path.display()))?;
    Ok(name.to_string_lossy().into_owned())
}
