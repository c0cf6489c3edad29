// SPDX-License-Identifier: MIT OR Apache-2.0
//! The flavours of the kernel: its configurations for different purposes.

use clap::ValueEnum;
use clap::builder::{PossibleValuesParser, TypedValueParser};

/// Arguments of every make, for the kernel and its modules. `-@` keeps the symbols of the device
/// tree, which overlays refer to.
const MAKE: &[&str] = &["ARCH=arm64", "DTC_FLAGS=-@"];

/// A configuration of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Flavour {
    /// The kernel of the SD card image
    Default,
    /// Default plus KASAN, lockdep, kmemleak and other checkers; many times slower
    Debug,
    /// Default plus the modules that the benchmark compares dmaframe with
    Bench,
    /// Default plus `PREEMPT_RT`
    Realtime,
}

impl Flavour {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Debug => "debug",
            Self::Bench => "bench",
            Self::Realtime => "realtime",
        }
    }

    /// A parser for the flavours that tests can run on.
    pub(crate) fn tested() -> impl TypedValueParser<Value = Self> {
        let tested = [Self::Default, Self::Debug, Self::Realtime];
        PossibleValuesParser::new(tested.iter().filter_map(Self::to_possible_value))
            .try_map(|name| Self::from_str(&name, false))
    }

    /// Paths of the configuration fragments in the checkout.
    pub(super) fn fragments(self) -> &'static [&'static str] {
        match self {
            Self::Default => &["buildroot/linux/kernel.config"],
            Self::Debug => &["buildroot/linux/kernel.config", "buildroot/linux/debug.config"],
            Self::Bench => &["buildroot/linux/kernel.config", "tests/bench/bench.config"],
            Self::Realtime => &["buildroot/linux/kernel.config", "buildroot/linux/realtime.config"],
        }
    }

    /// Arguments of make that select the C compiler.
    ///
    /// GCC is faster than clang, and Buildroot uses it for the image. KASAN with Rust needs clang.
    /// Not tracking macro expansions, which only improves messages, saves 5 % of GCC's time.
    fn compiler(self) -> &'static [&'static str] {
        match self {
            Self::Default | Self::Bench | Self::Realtime => &[
                "CROSS_COMPILE=aarch64-linux-gnu-",
                // Not in KCFLAGS, which bindgen passes to clang.
                "CC=aarch64-linux-gnu-gcc -ftrack-macro-expansion=0",
            ],
            Self::Debug => &["LLVM=1"],
        }
    }

    /// The flavour whose objects a build starts with, if the cache has them.
    pub(super) fn base(self) -> Option<Self> {
        match self {
            // PREEMPT_RT changes types that all objects contain.
            Self::Default | Self::Debug | Self::Realtime => None,
            Self::Bench => Some(Self::Default),
        }
    }

    /// Arguments of every make for this flavour.
    pub(crate) fn make(self) -> impl Iterator<Item = &'static str> {
        self.compiler().iter().chain(MAKE).copied()
    }

    pub(super) fn duration(self) -> &'static str {
        match self {
            Self::Default | Self::Bench | Self::Realtime => "8 to 15 minutes on 2 cores, once",
            Self::Debug => "about 20 minutes on 2 cores, once",
        }
    }
}
