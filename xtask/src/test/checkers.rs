// SPDX-License-Identifier: MIT OR Apache-2.0
//! The self-test of the debug kernel's checkers: each is given one deliberate fault, so that a
//! checker that has fallen silent is noticed.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::guest::console::complaints;
use crate::guest::{Guest, Job, output};
use crate::kernel::module;

/// Faults and what their checkers say, in an order that lets each speak: lockdep is silent after
/// its first report and after any of KASAN's, the failed assertion costs a process.
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
/// What is leaked shows only when the guest looks for leaks, at its end.
const LEAK: (&str, &str) = ("rust-leak", "checker_rust_leak");
/// Begins what the console says of a fault.
const MARK: &str = "checkers: now ";

/// A busy machine takes many minutes to boot the debug kernel.
const SECONDS: u64 = 1800;

const SCRIPT: &str = include_str!("../../test/commit-faults");

/// Commits every fault in one guest and looks for what the checkers say.
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
        bail!("the faults were not committed: status {status}");
    }
    let console = checkout.join("target/log/console.log");
    let log = fs::read(&console).with_context(|| format!("reading {}", console.display()))?;
    let silent = silent(&String::from_utf8_lossy(&log));
    if !silent.is_empty() {
        bail!(
            "nobody noticed a deliberate fault: {}; the guest's console: {}",
            silent.join(", "),
            console.display()
        );
    }
    Ok(())
}

/// The faults after whose mark the console has not what their checkers say, or nothing that would
/// have failed an ordinary run.
fn silent(log: &str) -> Vec<&'static str> {
    let mut sections = log.split(MARK);
    // What was said before the first fault.
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
    fn each_fault_is_looked_for_after_its_own_mark() {
        let mut log = String::from("[1] Booting\nWARNING: suspicious RCU usage\n");
        for (fault, words) in FAULTS.iter().chain([&LEAK]) {
            log += &format!("[2] {MARK}{fault}\n[3] {words}\n[3] WARNING: as in an ordinary run\n");
        }
        assert!(silent(&log).is_empty());
        let moved = log.replace("WARNING: suspicious RCU usage\n[3]", "[3]");
        assert_eq!(silent(&moved), ["unprotected"]);
        assert_eq!(silent(&log.replace(LEAK.1, "")), [LEAK.0]);
        assert_eq!(silent("").len(), FAULTS.len() + 1);
    }

    #[test]
    fn what_would_fail_no_run_is_no_catch() {
        let log = format!("{MARK}warn\n[1] checkers: a warning\n");
        assert!(silent(&log).contains(&"warn"));
    }
}
