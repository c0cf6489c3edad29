// SPDX-License-Identifier: MIT OR Apache-2.0
//! A check tests one rule of the documents; a section holds the checks of one part of them.

use crate::outcome::Outcome;
use crate::target::Target;

/// One rule, and the function that tests a device against it.
#[derive(Debug)]
pub(crate) struct Check {
    /// The number in the section. It never changes and is never reused.
    pub(crate) number: u32,
    /// The rule, as it is printed.
    pub(crate) name: &'static str,
    /// The heading or name in the section's document under which the rule is written.
    pub(crate) place: &'static str,
    /// Returns `Ok` if the rule holds.
    pub(crate) run: fn(&Target) -> Outcome,
}

/// Makes a [`Check`]; short, for the tables of the sections.
pub(crate) const fn check(
    number: u32,
    place: &'static str,
    name: &'static str,
    run: fn(&Target) -> Outcome,
) -> Check {
    Check { number, name, place, run }
}

/// The checks of one part of a document.
#[derive(Debug)]
pub(crate) struct Section {
    /// The number; it never changes.
    pub(crate) number: u32,
    /// The title.
    pub(crate) name: &'static str,
    /// The document, as a path below `driver/Documentation`.
    pub(crate) document: &'static str,
    /// The checks, by ascending number.
    pub(crate) checks: &'static [Check],
}
