// SPDX-License-Identifier: MIT OR Apache-2.0
//! The outcome of a check, and the comparisons that produce it.

use nix::errno::Errno;
use std::fmt::Debug;

/// Why a check did not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The rule does not hold; the text says what was seen.
    Failed(String),
    /// The rule cannot be tested here; the text says why.
    Skipped(String),
}

/// The result of a check and of each of its steps.
pub(crate) type Outcome<T = ()> = Result<T, Stop>;

/// An error of a step that must succeed fails the check.
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

/// Fails unless `got` equals `want`.
pub(crate) fn equal<T: PartialEq + Debug>(what: &str, got: T, want: T) -> Outcome {
    holds(got == want, || format!("got {what} {got:?}, not {want:?}"))
}

/// Fails with the text from `seen` unless `good`.
pub(crate) fn holds(good: bool, seen: impl FnOnce() -> String) -> Outcome {
    if good { Ok(()) } else { Err(failed(seen())) }
}

/// Fails unless the call failed with `want`.
pub(crate) fn refused<T>(result: Result<T, Errno>, want: Errno) -> Outcome {
    match result {
        Ok(_) => Err(failed(format!("got success, not {want:?}"))),
        Err(got) => holds(got == want, || format!("got {got:?}, not {want:?}")),
    }
}
