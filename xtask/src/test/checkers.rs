// SPDX-License-Identifier: MIT OR Apache-2.0
//! The self-test of the debug kernel's checkers. A module commits one deliberate fault for each
//! checker, to verify that the checker reports it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::guest::console::complaints;
use crate::guest::{Guest, Job, output};
use crate::kernel::module;

/// The faults, and what their checkers print. The order matters: lockdep turns itself off after its
/// first report and after any report of KASAN, and the failed assertion kills a process.
const FAULTS: &[(&str, &str)] = &[
    ("unprotected", "WARNING: suspicious RCU usage"),
    ("inverted-order", "WARNING: possible circular locking dependency detected"),
    ("sleep", "BUG: sleeping function called from invalid context"),
    ("active-timer", "ODEBUG: init active"),
    ("list", "list_add double add"),
    ("unmap-twice", "device driver tries to free DMA memory it has not allocated"),
    ("warn", "checkers: a warning"),
    ("out-of-bounds", "BUG: KASAN: slab-out-of-bounds in checker_out_of_bounds"),
    ("use-after-free", "BUG: KASAN: slab-use-after-free in checker_use_after_free"),
    ("rust-out-of-bounds", "BUG: KASAN: slab-out-of-bounds in checker_rust_out_of_bounds"),
    ("rust-use-after-free", "BUG: KASAN: slab-use-after-free in checker_rust_use_after_free"),
    ("rust-assertion", "rust_kernel: panicked at"),
];
/// The leak. The guest scans for leaks before it powers off.
const LEAK: (&str, &str) = ("rust-leak", "checker_rust_leak");
/// The console log contains this and the name of a fault before the report of the fault.
const MARK: &str = "checkers: now ";

/// Booting the debug kernel takes minutes on a busy host.
const SECONDS: u64 = 1800;

const SCRIPT: &str = include_str!("../../test/commit-faults");

/// Commits all faults in one guest and checks the reports in the console log.
pub(crate) fn check(guest: &Guest, checkout: &Path) -> Result<()> {
    let built = module::build_others(guest.builder(), checkout, guest.kernel(), "tests/checkers")?;
    let module = built.join("checkers.ko");
    let mut command: Vec<String> =
        ["sh", "-c", SCRIPT, "checkers", MARK, LEAK.0].map(str::to_owned).into();
    command.extend(FAULTS.iter().map(|(fault, _)| (*fault).to_owned()));
    let put = vec![(module, "/root/checkers.ko".to_owned())];
    let job = Job { command, put, may_complain: true, timeout: Some(SECONDS), ..Job::default() };
    let status = guest.run(&job, output::print)?;
    if status != 0 {
        bail!("committing the faults failed with status {status}");
    }
    let console = checkout.join("target/log/console.log");
    let log = fs::read(&console).with_context(|| format!("reading {}", console.display()))?;
    let unreported = unreported(&String::from_utf8_lossy(&log));
    if !unreported.is_empty() {
        bail!(
            "no checker reported these deliberate faults: {}; the console log: {}",
            unreported.join(", "),
            console.display()
        );
    }
    Ok(())
}

/// The faults that were not reported. A report has to be between the mark of the fault and the next
/// mark, and has to be one that fails an ordinary run.
fn unreported(log: &str) -> Vec<&'static str> {
    let mut sections = log.split(MARK);
    // Skip the lines before the first mark.
    sections.next();
    let sections: Vec<(&str, &str)> =
        sections.filter_map(|section| section.split_once('\n')).collect();
    let caught = |fault: &str, words: &str| {
        sections.iter().any(|(name, said)| {
            name.trim_end() == fault && said.contains(words) && !complaints(said).is_empty()
        })
    };
    let all = FAULTS.iter().chain(std::iter::once(&LEAK));
    all.filter(|(fault, words)| !caught(fault, words)).map(|(fault, _)| *fault).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_has_to_follow_the_mark_of_its_fault() {
        let mut log = String::from("[1] Booting\nWARNING: suspicious RCU usage\n");
        for (fault, words) in FAULTS.iter().chain([&LEAK]) {
            log += &format!("[2] {MARK}{fault}\n[3] {words}\n[3] WARNING: as in an ordinary run\n");
        }
        assert!(unreported(&log).is_empty());
        let moved = log.replace("WARNING: suspicious RCU usage\n[3]", "[3]");
        assert_eq!(unreported(&moved), ["unprotected"]);
        assert_eq!(unreported(&log.replace(LEAK.1, "")), [LEAK.0]);
        assert_eq!(unreported("").len(), FAULTS.len() + 1);
    }

    #[test]
    fn report_has_to_fail_an_ordinary_run() {
        let log = format!("{MARK}warn\n[1] checkers: a warning\n");
        assert!(unreported(&log).contains(&"warn"));
    }
}
