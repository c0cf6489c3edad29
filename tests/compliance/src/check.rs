// SPDX-License-Identifier: MIT OR Apache-2.0
//! The check: one rule of the documents, and how it ends.

use crate::target::Target;
use nix::errno::Errno;
use std::fmt::Debug;

/// A rule, and what holds a device against it.
#[derive(Debug)]
pub(crate) struct Check {
    /// Its number in the section. It is this rule's for ever: new checks get new numbers.
    pub(crate) number: u32,
    /// The rule.
    pub(crate) name: &'static str,
    /// Where in the section's document it is written.
    pub(crate) place: &'static str,
    /// Holds when this returns `Ok`.
    pub(crate) run: fn(&Target) -> Outcome,
}

/// For tables of checks.
pub(crate) const fn check(
    number: u32,
    place: &'static str,
    name: &'static str,
    run: fn(&Target) -> Outcome,
) -> Check {
    Check { number, name, place, run }
}

/// Checks of one document's part.
#[derive(Debug)]
pub(crate) struct Section {
    /// Its number, for ever.
    pub(crate) number: u32,
    /// What they are about.
    pub(crate) name: &'static str,
    /// The document, in the kernel's Documentation directory.
    pub(crate) document: &'static str,
    /// In the order of their numbers.
    pub(crate) checks: &'static [Check],
}

/// Why a check did not end well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The rule does not hold: what was seen.
    Failed(String),
    /// Whether it holds cannot be seen here: why.
    Skipped(String),
}

/// What a check, and each of its steps, returns.
pub(crate) type Outcome<T = ()> = Result<T, Stop>;

/// A step that must succeed, and did not.
impl<E: std::error::Error> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(format!("got {error}"))
    }
}

pub(crate) fn failed(seen: impl Into<String>) -> Stop {
    Stop::Failed(seen.into())
}

pub(crate) fn skipped<T>(reason: impl Into<String>) -> Outcome<T> {
    Err(Stop::Skipped(reason.into()))
}

/// `got` must be `want`.
pub(crate) fn equal<T: PartialEq + Debug>(what: &str, got: T, want: T) -> Outcome {
    holds(got == want, || format!("got {what} {got:?}, not {want:?}"))
}

/// `good` must be true; `seen` is what was seen.
pub(crate) fn holds(good: bool, seen: impl FnOnce() -> String) -> Outcome {
    if good { Ok(()) } else { Err(failed(seen())) }
}

/// A call must have failed with `want`.
pub(crate) fn refused<T>(result: Result<T, Errno>, want: Errno) -> Outcome {
    match result {
        Ok(_) => Err(failed(format!("got success, not {want:?}"))),
        Err(got) => holds(got == want, || format!("got {got:?}, not {want:?}")),
    }
}
