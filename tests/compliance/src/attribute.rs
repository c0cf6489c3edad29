// SPDX-License-Identifier: MIT OR Apache-2.0
//! Writes to attributes in sysfs, and their results.

use crate::outcome::{Outcome, Stop, equal, failed, refused};
use crate::reader::{Reader, config};
use crate::target::Target;
use dmaframe::sysfs::Attribute;
use dmaframe_abi::stream::Policy;
use nix::errno::Errno;
use std::fs;
use std::io::Write;

/// Writes `value` to an attribute.
pub(crate) fn write(target: &Target, attribute: Attribute, value: &str) -> Result<(), Errno> {
    fs::OpenOptions::new()
        .write(true)
        .open(target.attribute(attribute.name()))
        .and_then(|mut file| file.write_all(value.as_bytes()))
        .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or_default()))
}

/// Writes a value, which must succeed.
pub(crate) fn set(target: &Target, attribute: Attribute, value: impl ToString) -> Outcome {
    target.need_root()?;
    let value = value.to_string();
    write(target, attribute, &value)
        .map_err(|errno| failed(format!("{} {value:?}: got {errno:?}", attribute.name())))
}

/// Writes settings from which any other valid setting can be reached.
pub(crate) fn plain(target: &Target) -> Outcome {
    target.need_root()?;
    let shape = target.shape();
    // A write may be refused because of another setting, but after two rounds all must be set.
    for _ in 0..2 {
        for (attribute, value) in [
            (Attribute::Policy, Policy::Backpressure.name().to_owned()),
            (Attribute::IntervalUs, "0".to_owned()),
            (Attribute::Slots, "2".to_owned()),
            (Attribute::FrameBytes, shape.frame_bytes.to_string()),
            (Attribute::Source, target.source_name(shape.source)),
            (Attribute::Slots, shape.slots.to_string()),
        ] {
            let _ = write(target, attribute, &value);
        }
    }
    let now = config(&target.open()?)?;
    if now == shape { Ok(()) } else { Err(Stop::Failed(format!("got settings {now:?}"))) }
}

/// Fails unless each value is refused and the attribute stays the same.
pub(crate) fn bad(target: &Target, attribute: Attribute, values: &[&str]) -> Outcome {
    target.need_root()?;
    let before = target.sysfs().read(attribute)?;
    for value in values {
        match write(target, attribute, value) {
            Err(Errno::EINVAL) => {}
            other => return Err(failed(format!("{value:?}: got {other:?}, not EINVAL"))),
        }
        equal(attribute.name(), target.sysfs().read(attribute)?, before.clone())?;
    }
    Ok(())
}

/// Fails unless writing the current value is refused.
pub(crate) fn busy(target: &Target, attribute: Attribute) -> Outcome {
    target.need_root()?;
    let _reader = Reader::configured(target, target.shape())?;
    let value = target.sysfs().read(attribute)?;
    refused(write(target, attribute, &value), Errno::EBUSY)
}
