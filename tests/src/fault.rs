// SPDX-License-Identifier: MIT OR Apache-2.0
//! Injects faults of the engine through debugfs. Only the debug kernel's module can do this.

use std::fs;
use std::io;
use std::path::PathBuf;

/// The fault injection files of a device in debugfs.
#[derive(Debug)]
pub struct Injector {
    directory: PathBuf,
}

impl Injector {
    /// Opens the files of device `id` and disarms any fault.
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

    /// Like [`Injector::of`], but `None` if the module was built without the option.
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

    /// Arms a fault, as Documentation/ABI/testing/debugfs-dmaframe describes.
    ///
    /// # Errors
    ///
    /// `EINVAL` for an unknown fault.
    pub fn arm(&self, fault: &str) -> io::Result<()> {
        fs::write(self.directory.join("fault"), fault)
    }

    /// The armed fault.
    pub fn armed(&self) -> String {
        fs::read_to_string(self.directory.join("fault")).unwrap().trim_end().to_owned()
    }

    /// The number of faults injected so far.
    pub fn injected(&self) -> u64 {
        fs::read_to_string(self.directory.join("injected")).unwrap().trim_end().parse().unwrap()
    }

    /// Raises the channel's interrupt.
    pub fn interrupt(&self) {
        fs::write(self.directory.join("interrupt"), "1").unwrap();
    }
}
