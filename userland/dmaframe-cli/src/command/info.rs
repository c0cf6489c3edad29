// SPDX-License-Identifier: MIT OR Apache-2.0
//! `dmaframe info`.

use super::{Outcome, device_number, device_path, owner, print};
use dmaframe::netlink::{Attributes, Client};
use dmaframe::{Error, Source};
use nix::errno::Errno;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Show a device: its engine, limits, sources, settings and owner
///
/// The device may be in use. A source's frame-bytes and interval-us are suggestions: `dmaframe set`
/// and `dmaframe stream` keep the device's settings when the source changes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: dmaframe info --device /dev/dmaframe1 --json")]
pub(crate) struct Arguments {
    /// Device: N, dmaframeN, or the path of its node
    #[arg(long, default_value = "/dev/dmaframe0", value_parser = device_path)]
    device: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let description = Description::of(&arguments.device)?;
    print(if arguments.json { description.as_json().to_string() } else { description.as_text() })?;
    Ok(ExitCode::SUCCESS)
}

/// A device and its sources, without opening it.
pub(super) struct Description {
    path: PathBuf,
    device: Attributes,
    sources: Vec<Source>,
}

impl Description {
    /// The device whose node is at `path`.
    pub(super) fn of(path: &Path) -> dmaframe::Result<Self> {
        // A link to the node has the number in its target.
        let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let id = device_number(&target.to_string_lossy())
            .map_err(|_| Error::NoDmaframe { path: path.to_owned() })?;
        let mut client = Client::connect()?;
        let device = client.device(id).map_err(|error| match error {
            Error::Refused { errno: Errno::ENODEV, .. } => {
                Error::NoDevice { path: path.to_owned() }
            }
            error => error,
        })?;
        let sources = client.sources()?.into_iter().filter(|(device, _)| *device == id);
        Ok(Self { path: path.to_owned(), device, sources: sources.map(|(_, it)| it).collect() })
    }

    fn as_json(&self) -> serde_json::Value {
        let device = &self.device;
        let source = |source: &Source| {
            json!({
                "index": source.index,
                "name": source.name,
                "bus": source.bus,
                "bytes": source.bytes,
                "width": source.width,
                "dreq": source.dreq,
                "frame_bytes": source.frame_bytes,
                "frame_bytes_max": source.frame_bytes_max,
                "interval_us": source.interval_us,
                "rate_hz": source.rate_hz,
                "increments": source.increments,
                "pattern": source.pattern,
            })
        };
        json!({
            "device": device.id,
            "engine": device.engine,
            "channel": device.channel,
            "state": device.state.map(|state| state.name()),
            "owner": device.owner_pid.map(|pid| json!({ "pid": pid, "comm": device.owner_comm })),
            "limits": {
                "frame_bytes_max": device.frame_bytes_max,
                "frame_granularity": device.frame_granularity,
                "slots_max": device.slots_max,
                "ring_bytes_max": device.ring_bytes_max,
                "interval_us_min": device.interval_us_min,
                "interval_us_max": device.interval_us_max,
            },
            "stamp_hz": device.stamp_hz,
            "settings": {
                "source": device.source,
                "frame_bytes": device.frame_bytes,
                "slots": device.slots,
                "policy": device.policy.map(|policy| policy.name()),
                "interval_us": device.interval_us,
            },
            "sources": self.sources.iter().map(source).collect::<Vec<_>>(),
        })
    }

    pub(super) fn as_text(&self) -> String {
        let device = &self.device;
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "?".to_owned());
        let number = |value: Option<u32>| value.map_or_else(|| "?".to_owned(), |it| it.to_string());
        let owner = owner(device);
        let mut all = format!(
            "device:      {}\n\
             engine:      {}, channel {}\n\
             state:       {}\n\
             owner:       {owner}\n\
             frame bytes: up to {}, multiples of {}\n\
             slots:       up to {}, together up to {} bytes\n\
             interval:    {} to {} us, or 0: unpaced\n\
             stamps:      {} Hz\n\
             settings:    source={} frame-bytes={} slots={} policy={} interval-us={}\n\
             sources:\n",
            self.path.display(),
            text(&device.engine),
            number(device.channel),
            device.state.map_or("?", |state| state.name()),
            number(device.frame_bytes_max),
            number(device.frame_granularity),
            number(device.slots_max),
            device.ring_bytes_max.unwrap_or_default(),
            number(device.interval_us_min),
            number(device.interval_us_max),
            number(device.stamp_hz),
            text(&device.source),
            number(device.frame_bytes),
            number(device.slots),
            device.policy.map_or("?", |policy| policy.name()),
            number(device.interval_us),
        );
        let head = [
            "name",
            "address",
            "bytes",
            "width",
            "dreq",
            "rate-hz",
            "frame-bytes",
            "interval-us",
            "reads",
        ];
        let rows = self.sources.iter().map(|source| {
            let address =
                if source.bus == 0 { "memory".to_owned() } else { format!("{:#x}", source.bus) };
            [
                source.name.clone(),
                address,
                source.bytes.to_string(),
                source.width.to_string(),
                source.dreq.to_string(),
                if source.rate_hz == 0 { "-".to_owned() } else { source.rate_hz.to_string() },
                source.frame_bytes.to_string(),
                source.interval_us.to_string(),
                if source.increments { "a range" } else { "one address" }.to_owned(),
            ]
        });
        for row in std::iter::once(head.map(str::to_owned)).chain(rows) {
            let [name, address, bytes, width, dreq, rate, frame_bytes, interval, reads] = row;
            all += &format!(
                "  {name:<16} {address:>10} {bytes:>7} {width:>5} {dreq:>4} {rate:>9} {frame_bytes:>11} \
                 {interval:>11}  {reads}\n"
            );
        }
        all.truncate(all.trim_end().len());
        all
    }
}
