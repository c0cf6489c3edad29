// SPDX-License-Identifier: MIT OR Apache-2.0
//! Faults of the engine, injected through debugfs. Only the debug kernel's module has them.

use std::fs;
use std::io;
use std::path::PathBuf;

/// A device's files in debugfs.
#[derive(Debug)]
pub struct Injector {
    directory: PathBuf,
}

impl Injector {
    /// Of device `id`, with nothing armed.
    ///
    /// # Panics
    ///
    /// If the module was built without CONFIG_DMAFRAME_FAULT_INJECTION.
    pub fn of(id: u32) -> Self {
        let injector = Self::quiet(id);
        assert!(
            injector.exists(),
            "{}/fault is absent: these tests need the debug kernel's module",
            injector.directory.display()
        );
        injector.arm("none").unwrap();
        injector
    }

    /// As [`Injector::of`]; `None` without the module's option.
    pub fn find(id: u32) -> Option<Self> {
        let injector = Self::quiet(id);
        injector.exists().then_some(injector)
    }

    fn quiet(id: u32) -> Self {
        Self { directory: format!("/sys/kernel/debug/dmaframe{id}").into() }
    }

    fn exists(&self) -> bool {
        self.directory.join("fault").exists()
    }

    /// Arms a fault, in the words of Documentation/ABI/testing/debugfs-dmaframe.
    ///
    /// # Errors
    ///
    /// `EINVAL` for words that mean nothing.
    pub fn arm(&self, fault: &str) -> io::Result<()> {
        fs::write(self.directory.join("fault"), fault)
    }

    /// What is armed.
    pub fn armed(&self) -> String {
        fs::read_to_string(self.directory.join("fault")).unwrap().trim_end().to_owned()
    }

    /// Faults that have happened.
    pub fn injected(&self) -> u64 {
        fs::read_to_string(self.directory.join("injected")).unwrap().trim_end().parse().unwrap()
    }

    /// Raises the channel's interrupt.
    pub fn interrupt(&self) {
        fs::write(self.directory.join("interrupt"), "1").unwrap();
    }
}
