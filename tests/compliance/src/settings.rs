// SPDX-License-Identifier: MIT OR Apache-2.0
//! A device's settings, remembered and put back.

use dmaframe::sysfs::{Attribute, Attributes};

/// In this order each is possible more often than not.
const ORDER: [Attribute; 5] = [
    Attribute::Source,
    Attribute::FrameBytes,
    Attribute::Slots,
    Attribute::IntervalUs,
    Attribute::Policy,
];
/// One may be possible only once a later one is there.
const ROUNDS: usize = 3;

/// What a device's settings were.
#[derive(Debug)]
pub(crate) struct Settings {
    attributes: Attributes,
    found: Vec<(Attribute, String)>,
}

impl Settings {
    /// Those that the device has now.
    pub(crate) fn of(attributes: Attributes) -> Self {
        // What cannot be read has a check of its own.
        let found = ORDER
            .into_iter()
            .filter_map(|attribute| Some((attribute, attributes.read(attribute).ok()?)))
            .collect();
        Self { attributes, found }
    }

    fn changed(&self) -> Vec<&'static str> {
        let as_found = |attribute, value: &String| {
            self.attributes.read(attribute).ok().as_ref() == Some(value)
        };
        let changed = self.found.iter().filter(|(attribute, value)| !as_found(*attribute, value));
        changed.map(|(attribute, _)| attribute.name()).collect()
    }

    /// Puts back what has changed. The error names what cannot be put back.
    pub(crate) fn restore(&self) -> Result<(), String> {
        for _ in 0..ROUNDS {
            if self.changed().is_empty() {
                return Ok(());
            }
            // The easiest first: with these, any of the others is possible.
            let _ = self.attributes.write(Attribute::Policy, "backpressure");
            let _ = self.attributes.write(Attribute::Slots, 2);
            for (attribute, value) in &self.found {
                let _ = self.attributes.write(*attribute, value);
            }
        }
        match self.changed().as_slice() {
            [] => Ok(()),
            changed => Err(format!("settings not restored: {}", changed.join(", "))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn what_was_changed_is_put_back() {
        let directory = std::env::temp_dir().join(format!("compliance-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        for (attribute, value) in ORDER.iter().zip(["gpio", "64", "8", "100", "drop"]) {
            fs::write(directory.join(attribute.name()), format!("{value}\n")).unwrap();
        }
        let settings = Settings::of(Attributes::at(&directory));
        fs::write(directory.join("slots"), "512\n").unwrap();
        fs::write(directory.join("policy"), "back\n").unwrap();
        assert_eq!(settings.changed(), ["slots", "policy"]);
        // A plain file is not cut off where a value ends, as an attribute is.
        for name in ["slots", "policy"] {
            fs::write(directory.join(name), "").unwrap();
        }
        fs::remove_dir_all(&directory).unwrap();
        assert_eq!(
            settings.restore().unwrap_err().split(':').next(),
            Some("settings not restored")
        );
    }
}
