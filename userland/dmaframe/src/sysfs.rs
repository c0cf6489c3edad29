// SPDX-License-Identifier: MIT OR Apache-2.0
//! A device's attributes: `/sys/class/misc/dmaframeN`, one value a file.

use crate::{Error, Result};
use std::fmt::Display;
use std::fs;
use std::path::PathBuf;

/// An attribute of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// What the device is doing.
    State,
    /// Setting: the source's name.
    Source,
    /// Setting: bytes of payload.
    FrameBytes,
    /// Setting: slots of the ring.
    Slots,
    /// Setting: `backpressure` or `drop`.
    Policy,
    /// Setting: microseconds from one frame to the next.
    IntervalUs,
    /// Counter: frames published.
    Frames,
    /// Counter: frames lost.
    Lost,
    /// Counter: bytes of payload published.
    Bytes,
    /// Counter: errors of the engine.
    Errors,
}

impl Attribute {
    /// All attributes.
    pub const ALL: [Self; 10] = [
        Self::State,
        Self::Source,
        Self::FrameBytes,
        Self::Slots,
        Self::Policy,
        Self::IntervalUs,
        Self::Frames,
        Self::Lost,
        Self::Bytes,
        Self::Errors,
    ];

    /// The name of its file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Source => "source",
            Self::FrameBytes => "frame_bytes",
            Self::Slots => "slots",
            Self::Policy => "policy",
            Self::IntervalUs => "interval_us",
            Self::Frames => "frames",
            Self::Lost => "lost",
            Self::Bytes => "bytes",
            Self::Errors => "errors",
        }
    }
}

/// The attributes of one device, which may be in use.
#[derive(Clone, Debug)]
pub struct Attributes {
    directory: PathBuf,
}

impl Attributes {
    /// The attributes of `/dev/dmaframeN`. Whether it exists shows with the first read.
    pub fn of(device: u32) -> Self {
        Self { directory: PathBuf::from(format!("/sys/class/misc/dmaframe{device}")) }
    }

    /// The attributes in another directory.
    pub fn at(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into() }
    }

    /// An attribute's value, without its line end.
    ///
    /// # Errors
    ///
    /// [`Error::Attribute`].
    pub fn read(&self, attribute: Attribute) -> Result<String> {
        let path = self.directory.join(attribute.name());
        match fs::read_to_string(&path) {
            Ok(text) => Ok(text.trim_end().to_owned()),
            Err(source) => Err(Error::Attribute { action: "read", path, source }),
        }
    }

    /// A counter, or a setting that is a number.
    ///
    /// # Errors
    ///
    /// [`Error::Attribute`], [`Error::NotANumber`].
    pub fn number(&self, attribute: Attribute) -> Result<u64> {
        let found = self.read(attribute)?;
        found
            .parse()
            .map_err(|_| Error::NotANumber { path: self.directory.join(attribute.name()), found })
    }

    /// Changes a setting. Needs root. Settings are the defaults of streams, and cannot change while
    /// a stream is configured.
    ///
    /// # Errors
    ///
    /// [`Error::Attribute`].
    pub fn write(&self, attribute: Attribute, value: impl Display) -> Result<()> {
        let path = self.directory.join(attribute.name());
        // One write of the whole value, into an existing file: sysfs cannot create one.
        fs::OpenOptions::new()
            .write(true)
            .open(&path)
            .and_then(|mut file| std::io::Write::write_all(&mut file, value.to_string().as_bytes()))
            .map_err(|source| Error::Attribute { action: "write", path, source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_and_written_and_errors_name_the_file() {
        let directory = std::env::temp_dir().join(format!("dmaframe-sysfs-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("frames"), "12345678901\n").unwrap();
        fs::write(directory.join("policy"), "drop\n").unwrap();
        let attributes = Attributes::at(&directory);
        assert_eq!(attributes.number(Attribute::Frames).unwrap(), 12_345_678_901);
        attributes.write(Attribute::Policy, "back").unwrap();
        assert!(attributes.read(Attribute::Policy).unwrap().starts_with("back"));
        let wrong = attributes.number(Attribute::Policy).unwrap_err();
        assert!(matches!(wrong, Error::NotANumber { .. }), "{wrong}");
        let absent = attributes.write(Attribute::Slots, 4).unwrap_err().to_string();
        assert!(absent.contains("/slots") && absent.contains("modprobe dmaframe"), "{absent}");
        fs::remove_dir_all(&directory).unwrap();
    }
}
