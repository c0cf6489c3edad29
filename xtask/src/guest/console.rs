// SPDX-License-Identifier: MIT OR Apache-2.0
//! The console log of the kernel, and the problems that it reports there.

use std::path::Path;

const CONSOLE_LINES: usize = 20;

/// Text that the kernel prints when it detects a problem.
const COMPLAINTS: &[&str] = &[
    "BUG:",
    "Internal error:",
    "KASAN",
    "Kernel panic",
    "ODEBUG: Out of memory",
    "Oops",
    "Unable to handle kernel",
    "WARNING:",
    "kmemleak:",
    "rcu: INFO:",
    "suspicious RCU usage",
    "INFO: task ",
    "rust_kernel: panicked at",
];

/// Text that contains one of [`COMPLAINTS`] but is harmless.
const HARMLESS: &[&str] = &[
    "KernelAddressSanitizer initialized",
    "kmemleak: Kernel memory leak detector initialized",
    "kmemleak: Automatic memory scanning thread",
    // Fault injection made an allocation of kmemleak fail.
    "kmemleak: Cannot allocate a scan area",
];

/// The lines of a console log that report a problem.
pub(crate) fn complaints(console: &str) -> Vec<&str> {
    let has = |line: &&str, words: &[&str]| words.iter().any(|word| line.contains(word));
    console.lines().filter(|line| has(line, COMPLAINTS) && !has(line, HARMLESS)).collect()
}

/// The last lines of a console log, and its path.
pub(crate) fn tail(console: &str, path: &Path) -> String {
    let lines: Vec<&str> = console.lines().collect();
    let last = &lines[lines.len().saturating_sub(CONSOLE_LINES)..];
    format!(
        "the end of the console log:\n{}\nthe complete console log: {}",
        last.join("\n"),
        path.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_are_distinguished_from_other_lines() {
        let console = "[1] Booting Linux\n[2] kasan: KernelAddressSanitizer initialized (generic)\n\
            [3] WARNING: CPU: 0 PID: 1 at mm/page.c\n[4] BUG: KASAN: slab-out-of-bounds in x\n";
        assert_eq!(complaints(console).len(), 2);
    }
}
