// SPDX-License-Identifier: MIT OR Apache-2.0
//! Saves the settings of a device and restores them.

use dmaframe::sysfs::{Attribute, Attributes};

/// The order in which most writes are valid.
const ORDER: [Attribute; 5] = [
    Attribute::Source,
    Attribute::FrameBytes,
    Attribute::Slots,
    Attribute::IntervalUs,
    Attribute::Policy,
];
/// A value may be valid only after a later one is written.
const ROUNDS: usize = 3;

/// The saved settings of a device.
#[derive(Debug)]
pub(crate) struct Settings {
    attributes: Attributes,
    found: Vec<(Attribute, String)>,
}

impl Settings {
    /// Saves the current settings.
    pub(crate) fn of(attributes: Attributes) -> Self {
        // Another check reports attributes that cannot be read.
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

    /// Restores settings that have changed. The error names those that cannot be restored.
    pub(crate) fn restore(&self) -> Result<(), String> {
        for _ in 0..ROUNDS {
            if self.changed().is_empty() {
                return Ok(());
            }
            // With these two values, any value of the other settings is valid.
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
    fn changed_settings_are_restored() {
        let directory = std::env::temp_dir().join(format!("compliance-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        for (attribute, value) in ORDER.iter().zip(["gpio", "64", "8", "100", "drop"]) {
            fs::write(directory.join(attribute.name()), format!("{value}\n")).unwrap();
        }
        let settings = Settings::of(Attributes::at(&directory));
        fs::write(directory.join("slots"), "512\n").unwrap();
        fs::write(directory.join("policy"), "back\n").unwrap();
        assert_eq!(settings.changed(), ["slots", "policy"]);
        // Writing a shorter value does not truncate a plain file, unlike an attribute.
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
