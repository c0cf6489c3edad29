// SPDX-License-Identifier: MIT OR Apache-2.0
//! The sections of checks, in the order in which they run.

mod configure;
mod event;
mod frame;
mod life;
mod map;
mod meta;
mod netlink;
mod netlink_device;
mod open;
mod pair;
mod policy;
mod poll;
mod query;
mod read;
mod request;
mod ring;
mod statistics;
mod sysfs;
mod sysfs_device;
mod unbind;

use crate::check::Section;

const REFERENCE: &str = "userspace-api/dmaframe.rst";
const ATTRIBUTES: &str = "ABI/testing/sysfs-class-misc-dmaframe";
const SPECIFICATION: &str = "netlink/specs/dmaframe.yaml";

/// All sections.
pub(crate) const ALL: &[Section] = &[
    open::SECTION,
    query::SECTION,
    configure::SECTION,
    life::SECTION,
    statistics::SECTION,
    request::SECTION,
    map::SECTION,
    meta::SECTION,
    ring::SECTION,
    frame::SECTION,
    policy::SECTION,
    poll::SECTION,
    read::SECTION,
    sysfs::SECTION,
    netlink::SECTION,
    event::SECTION,
    pair::SECTION,
    unbind::SECTION,
    sysfs_device::SECTION,
    netlink_device::SECTION,
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::path::Path;

    #[test]
    fn numbers_rise_and_names_are_unique() {
        assert!(ALL.is_sorted_by_key(|section| section.number));
        let mut names = HashSet::new();
        for section in ALL {
            let numbers = section.checks.iter().map(|check| check.number);
            assert!(numbers.is_sorted_by(|a, b| a < b), "section {}", section.number);
            for check in section.checks {
                assert!(names.insert(check.name), "{} exists twice", check.name);
                // Readers of the report split a line at its first colon.
                assert!(!check.name.contains(':'), "{}", check.name);
            }
        }
        assert!(names.len() >= 150, "{} checks", names.len());
    }

    #[test]
    fn every_place_is_in_its_document() {
        let documents = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../driver/Documentation");
        for section in ALL {
            let text = std::fs::read_to_string(documents.join(section.document)).unwrap();
            let lines: HashSet<_> = text
                .lines()
                .map(|line| line.trim().trim_start_matches("name: ").trim_start_matches("What:"))
                .map(|line| line.trim().trim_start_matches("/sys/class/misc/dmaframeN/"))
                .collect();
            for check in section.checks {
                assert!(lines.contains(check.place), "{}: {}", section.document, check.place);
            }
        }
    }
}
