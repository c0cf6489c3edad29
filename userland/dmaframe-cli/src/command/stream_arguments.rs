// SPDX-License-Identifier: MIT OR Apache-2.0
//! The options that choose a device and the shape of a stream.

use super::number::{number, size};
use super::{device_path, policy};
use dmaframe::{Device, Policy, Shape};
use std::path::PathBuf;

/// A device and a stream.
#[derive(Debug, clap::Args)]
pub(super) struct StreamArguments {
    /// Device: N, dmaframeN, or the path of its node
    #[arg(long, default_value = "/dev/dmaframe0", value_parser = device_path)]
    device: PathBuf,
    /// Name of the source; `dmaframe info` lists them
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Payload of a frame in bytes: a multiple of 4; K and M are units
    #[arg(
        long,
        alias = "frame_bytes",
        value_name = "B",
        value_parser = size,
        allow_negative_numbers = true
    )]
    frame_bytes: Option<u32>,
    /// Slots of the ring: a power of two
    #[arg(long, value_name = "S", value_parser = number, allow_negative_numbers = true)]
    slots: Option<u32>,
    /// When no slot is free: backpressure (the engine waits) or drop (frames are lost and counted)
    #[arg(long, value_parser = policy)]
    policy: Option<Policy>,
    /// Microseconds from one frame to the next; 0 is as fast as the engine runs
    #[arg(
        long,
        alias = "interval_us",
        value_name = "U",
        value_parser = number,
        allow_negative_numbers = true
    )]
    interval_us: Option<u32>,
}

impl StreamArguments {
    /// Opens the device.
    pub(super) fn open(&self) -> dmaframe::Result<Device> {
        Device::open(&self.device)
    }

    /// The device's settings with the changes of the command line.
    pub(super) fn shape(&self, device: &Device) -> dmaframe::Result<Shape> {
        let settings = device.config()?;
        let source = match &self.source {
            Some(name) => device.source(name)?.index,
            None => settings.source,
        };
        Ok(Shape {
            source,
            frame_bytes: self.frame_bytes.unwrap_or(settings.frame_bytes),
            slots: self.slots.unwrap_or(settings.slots),
            policy: self.policy.unwrap_or(settings.policy),
            interval_us: self.interval_us.unwrap_or(settings.interval_us),
        })
    }
}
