// SPDX-License-Identifier: MIT OR Apache-2.0
//! The tests in the package `dmaframe-tests`, which run in the guest.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::report::{Count, pass_through};
use crate::guest::addition::Addition;
use crate::guest::engine::Engine;
use crate::guest::{Guest, Job, program};
use crate::kernel::Flavour;

/// Time limit on the default kernel.
const GUEST_SECONDS: u64 = 1500;
/// Time limit on the debug kernel.
const DEBUG_SECONDS: u64 = 3 * 3600;
/// Tests that need the debug kernel.
const DEBUG_ONLY: &[&str] = &["allocation", "fault", "hand_over"];
/// Tests that a run on both kernels skips on the debug kernel, because they take minutes there, or
/// because the checkers of the kernel find little in them.
const DEBUG_LONG: &[&str] = &[
    "command",
    "compliance",
    "descriptor_passing",
    "forced_write",
    "frames",
    "gpio",
    "hostile_reader",
    "ioctl",
    "lifecycle",
    "look",
    "low_memory",
    "mapping_range",
    "netlink",
    "permission",
    "record",
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

/// Tests of paced streams, which end only if the threaded interrupt handler of the driver runs. The
/// kernel parameter `threadirqs` turns all interrupt handlers into threads, as PREEMPT_RT does.
const PACED: &[&str] = &["drop", "gpio", "poll", "read", "systimer", "unbind"];

/// The test that needs [`OVERLAYS`].
const DEVICE_TREE: &str = "device_tree";
/// Overlays for the test of another device tree: more sources, and nodes that the driver refuses.
pub(super) const OVERLAYS: [&str; 2] = ["tests/overlay/sources.dtso", "tests/overlay/refused.dtso"];
/// Tests that also run on QEMU's own model of the engine, which `cargo xtask run` uses.
const STOCK: &[&str] = &["drop", "frames", "gpio", "poll", "read", "systimer"];

/// Which tests run, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// All tests that the kernel supports.
    Full,
    /// The tests that are fast on the debug kernel.
    Quick,
    /// The tests of paced streams on a kernel with forced threaded interrupts.
    ThreadedInterrupts,
    /// The tests of another device tree.
    DeviceTree,
    /// Some tests on QEMU's own model of the engine.
    StockEngine,
}

impl Extent {
    /// The description of the run.
    pub(super) fn name(self, flavour: Flavour) -> String {
        let name = format!("guest tests, {} kernel", flavour.name());
        match self {
            Self::Full | Self::Quick => name,
            Self::ThreadedInterrupts => format!("{name}, threadirqs"),
            Self::DeviceTree => format!("{name}, other device tree"),
            Self::StockEngine => format!("{name}, stock engine"),
        }
    }

    fn includes(self, name: &str, flavour: Flavour) -> bool {
        let supported = flavour == Flavour::Debug || !DEBUG_ONLY.contains(&name);
        supported
            && match self {
                Self::Full => name != DEVICE_TREE,
                Self::Quick => name != DEVICE_TREE && !DEBUG_LONG.contains(&name),
                Self::ThreadedInterrupts => PACED.contains(&name),
                Self::DeviceTree => name == DEVICE_TREE,
                Self::StockEngine => STOCK.contains(&name),
            }
    }

    /// The value of the environment variable `TESTS_EXTENT`.
    fn variable(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Quick | Self::ThreadedInterrupts | Self::DeviceTree | Self::StockEngine => {
                "quick"
            }
        }
    }

    /// Debian programs that the tests start. Unpacking them takes minutes on the debug kernel.
    fn additions(self) -> Vec<Addition> {
        match self {
            Self::Full => vec![Addition::Python, Addition::StressNg],
            Self::Quick | Self::ThreadedInterrupts | Self::DeviceTree | Self::StockEngine => {
                Vec::new()
            }
        }
    }

    fn engine(self) -> Engine {
        match self {
            Self::Full | Self::Quick | Self::ThreadedInterrupts => Engine::TESTED,
            // Stock QEMU ignores DREQ, which makes a source faster than its rate.
            Self::DeviceTree | Self::StockEngine => Engine::Stock,
        }
    }

    fn kernel_parameters(self) -> Vec<String> {
        match self {
            Self::Full | Self::Quick | Self::DeviceTree | Self::StockEngine => Vec::new(),
            Self::ThreadedInterrupts => vec!["threadirqs".to_owned()],
        }
    }

    fn overlays(self, checkout: &Path) -> Vec<PathBuf> {
        match self {
            Self::Full | Self::Quick | Self::ThreadedInterrupts | Self::StockEngine => Vec::new(),
            Self::DeviceTree => OVERLAYS.map(|overlay| checkout.join(overlay)).into(),
        }
    }
}

/// Runs the tests.
pub(super) fn run(
    guest: &Guest,
    checkout: &Path,
    extent: Extent,
    filter: Option<&str>,
    count: &mut Count,
) -> Result<()> {
    let built = program::tests(guest.cache(), guest.builder(), checkout, guest.crates())?;
    let flavour = guest.kernel().flavour();
    let mut put = Vec::new();
    let mut names = Vec::new();
    for test in built.tests {
        let name = name_of(&test)?;
        // cargo adds a hash to the name of a test program.
        let name = name.rsplit_once('-').map_or(name.as_str(), |(name, _)| name).to_owned();
        put.push((test, format!("/tests/{name}")));
        names.push(name);
    }
    refuse_unknown(&names)?;
    names.retain(|name| extent.includes(name, flavour));
    names.sort_by_cached_key(|name| (name == LAST, name.clone()));
    put.retain(|(_, path)| names.iter().any(|name| path.ends_with(&format!("/{name}"))));
    for program in built.programs {
        let name = name_of(&program)?;
        put.push((program, format!("/usr/bin/{name}")));
    }
    let variable = format!("TESTS_EXTENT={}", extent.variable());
    let mut command: Vec<String> =
        ["env", &variable, "sh", "-c", RUNNER, "tests"].map(str::to_owned).into();
    command.push(filter.unwrap_or_default().to_owned());
    command.extend(names);
    let seconds = if flavour == Flavour::Debug { DEBUG_SECONDS } else { GUEST_SECONDS };
    let job = Job {
        command,
        put,
        timeout: Some(seconds),
        with: extent.additions(),
        append: extent.kernel_parameters(),
        overlays: extent.overlays(checkout),
        engine: extent.engine(),
        ..Job::default()
    };
    let status = guest.run(&job, |output| pass_through(output, count))?;
    if status != 0 {
        bail!("the guest tests failed with status {status}");
    }
    Ok(())
}

/// Fails if this file refers to a test program that does not exist, because it was renamed.
fn refuse_unknown(names: &[String]) -> Result<()> {
    let lists = [DEBUG_ONLY, DEBUG_LONG, PACED, STOCK, &[LAST, DEVICE_TREE]];
    let mentioned = lists.into_iter().flatten();
    let unknown: Vec<&str> =
        mentioned.copied().filter(|name| !names.iter().any(|known| known == name)).collect();
    if !unknown.is_empty() {
        bail!(
            "the package dmaframe-tests has no tests {}: correct their names in {}",
            unknown.join(", "),
            file!()
        );
    }
    Ok(())
}

fn name_of(path: &Path) -> Result<String> {
    let name = path.file_name().with_context(|| format!("{} has no name", path.display()))?;
    Ok(name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extents_select_tests() {
        let includes = |extent: Extent, name| extent.includes(name, Flavour::Default);
        assert!(includes(Extent::Full, "frames"));
        assert!(!includes(Extent::Full, "fault"));
        assert!(Extent::Full.includes("fault", Flavour::Debug));
        assert!(!includes(Extent::Quick, "frames"));
        assert!(includes(Extent::Quick, "drop"));
        assert!(includes(Extent::ThreadedInterrupts, "systimer"));
        assert!(!includes(Extent::ThreadedInterrupts, "frames"));
        assert!(includes(Extent::DeviceTree, "device_tree"));
        assert!(!includes(Extent::DeviceTree, "frames"));
        assert!(!includes(Extent::Full, "device_tree") && !includes(Extent::Quick, "device_tree"));
        assert!(includes(Extent::StockEngine, "frames"));
        assert!(!includes(Extent::StockEngine, "storm"));
    }

    #[test]
    fn stock_engine_is_tested_and_not_alone() {
        assert_eq!(Extent::StockEngine.engine(), Engine::Stock);
        assert_eq!(Extent::Full.engine(), Engine::TESTED);
    }

    #[test]
    fn renamed_test_is_reported() {
        let all = [DEBUG_ONLY, DEBUG_LONG, PACED, STOCK, &[DEVICE_TREE]];
        let all = all.into_iter().flatten().map(|name| (*name).to_owned());
        let mut names: Vec<String> = all.collect();
        refuse_unknown(&names).unwrap();
        names.retain(|name| name != "gpio");
        let error = refuse_unknown(&names).unwrap_err().to_string();
        assert!(error.contains("no tests gpio"), "{error}");
    }
}
