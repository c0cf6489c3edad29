// SPDX-License-Identifier: MIT OR Apache-2.0
//! The kernel's console: what it complains of.

use std::path::Path;

const CONSOLE_LINES: usize = 20;

/// What the kernel says on its console when something is wrong with it.
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

/// What looks like a complaint and is none.
const HARMLESS: &[&str] = &[
    "KernelAddressSanitizer initialized",
    "kmemleak: Kernel memory leak detector initialized",
    "kmemleak: Automatic memory scanning thread",
    // An allocation of its own that was made to fail.
    "kmemleak: Cannot allocate a scan area",
];

pub(crate) fn complaints(console: &str) -> Vec<&str> {
    let has = |line: &&str, words: &[&str]| words.iter().any(|word| line.contains(word));
    console.lines().filter(|line| has(line, COMPLAINTS) && !has(line, HARMLESS)).collect()
}

pub(crate) fn tail(console: &str, path: &Path) -> String {
    let lines: Vec<&str> = console.lines().collect();
    let last = &lines[lines.len().saturating_sub(CONSOLE_LINES)..];
    format!(
        "the last of its kernel's console:\n{}\nthe whole console: {}",
        last.join("\n"),
        path.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_are_told_from_talk() {
        let console = "[1] Booting Linux\n[2] kasan: KernelAddressSanitizer initialized (generic)\n\
            [3] WARNING: CPU: 0 PID: 1 at mm/page.c\n[4] BUG: KASAN: slab-out-of-bounds in x\n";
        assert_eq!(complaints(console).len(), 2);
    }
}
