// SPDX-License-Identifier: MIT OR Apache-2.0
//! The kernel's flavours: one for each purpose.

use clap::ValueEnum;
use clap::builder::{PossibleValuesParser, TypedValueParser};

/// What every make of the kernel or of a module for it is given. `-@` keeps the device tree's
/// symbols, which overlays refer to.
const MAKE: &[&str] = &["ARCH=arm64", "DTC_FLAGS=-@"];

/// Which configuration of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Flavour {
    /// What the image ships.
    Default,
    /// With the kernel's own checkers, many times slower: memory, locking, sleeping, leaks.
    Debug,
    /// What the image ships, and modules that dmaframe is measured beside.
    Bench,
}

impl Flavour {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Debug => "debug",
            Self::Bench => "bench",
        }
    }

    /// Reads the name of one that tests run on.
    pub(crate) fn tested() -> impl TypedValueParser<Value = Self> {
        let tested = [Self::Default, Self::Debug];
        PossibleValuesParser::new(tested.iter().filter_map(Self::to_possible_value))
            .try_map(|name| Self::from_str(&name, false))
    }

    /// The configuration fragments, in the checkout.
    pub(super) fn fragments(self) -> &'static [&'static str] {
        match self {
            Self::Default => &["buildroot/linux/kernel.config"],
            Self::Debug => &["buildroot/linux/kernel.config", "buildroot/linux/debug.config"],
            Self::Bench => &["buildroot/linux/kernel.config", "tests/bench/bench.config"],
        }
    }

    /// The compiler of its C files, as make is told it: GCC is the faster one and the image's, but
    /// KASAN and Rust together need clang. GCC is spared to keep how each macro came about, for its
    /// messages alone: a twentieth of its time.
    fn compiler(self) -> &'static [&'static str] {
        match self {
            Self::Default | Self::Bench => &[
                "CROSS_COMPILE=aarch64-linux-gnu-",
                // Not among the kernel's own flags, which bindgen hands to clang.
                "CC=aarch64-linux-gnu-gcc -ftrack-macro-expansion=0",
            ],
            Self::Debug => &["LLVM=1"],
        }
    }

    /// The one whose objects it begins with, where they are there.
    pub(super) fn like(self) -> Option<Self> {
        match self {
            Self::Default | Self::Debug => None,
            Self::Bench => Some(Self::Default),
        }
    }

    pub(super) fn make(self) -> impl Iterator<Item = &'static str> {
        self.compiler().iter().chain(MAKE).copied()
    }

    pub(super) fn duration(self) -> &'static str {
        match self {
            Self::Default | Self::Bench => "8 to 15 minutes on 2 cores, once",
            Self::Debug => "about 20 minutes on 2 cores, once",
        }
    }
}
