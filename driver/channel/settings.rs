// SPDX-License-Identifier: GPL-2.0

//! A channel's settings: the shape that the next stream gets by default.

use super::Channel;
use dmaframe_abi::stream::{Policy, ShapeError};
use kernel::prelude::*;

/// Settings to change; a field that is `None` keeps its value.
#[derive(Default)]
pub(crate) struct Settings<'a> {
    pub(crate) source: Option<&'a [u8]>,
    pub(crate) frame_bytes: Option<u32>,
    pub(crate) slots: Option<u32>,
    pub(crate) policy: Option<u32>,
    pub(crate) interval_us: Option<u32>,
}

/// Why settings were not changed.
pub(crate) enum SettingsError {
    /// A stream exists, which uses them.
    Busy,
    /// The device has no source of that name.
    NoSource,
    /// There is no policy of that number.
    Policy(u32),
    /// No stream can have this shape.
    Shape(ShapeError),
    /// The device is gone.
    Gone,
}

impl From<SettingsError> for Error {
    fn from(error: SettingsError) -> Self {
        match error {
            SettingsError::Busy => EBUSY,
            SettingsError::Gone => ENODEV,
            _ => EINVAL,
        }
    }
}

impl Channel {
    /// Changes the settings for the next stream.
    pub(crate) fn set(&self, settings: &Settings<'_>) -> Result<(), SettingsError> {
        let mut inner = self.inner.lock();
        if inner.hardware.is_none() {
            return Err(SettingsError::Gone);
        }
        if inner.stream.is_some() {
            return Err(SettingsError::Busy);
        }
        let mut shape = inner.settings;
        if let Some(name) = settings.source {
            let index = self
                .sources
                .iter()
                .position(|source| source.name.to_bytes() == name)
                .ok_or(SettingsError::NoSource)?;
            shape.source = index as u32;
        }
        shape.frame_bytes = settings.frame_bytes.unwrap_or(shape.frame_bytes);
        shape.slots = settings.slots.unwrap_or(shape.slots);
        shape.interval_us = settings.interval_us.unwrap_or(shape.interval_us);
        if let Some(policy) = settings.policy {
            shape.policy = Policy::try_from(policy).map_err(SettingsError::Policy)?;
        }
        self.check(&shape).map_err(SettingsError::Shape)?;
        inner.settings = shape;
        Ok(())
    }
}
