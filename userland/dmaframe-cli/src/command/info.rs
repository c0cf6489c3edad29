// SPDX-License-Identifier: MIT OR Apache-2.0
//! `dmaframe info`.

use super::{Outcome, device_path, print};
use dmaframe::{Device, Info, Shape, Source};
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// Show a device: its engine, limits, sources and settings
///
/// The device must be free; `dmaframe get` shows one that is in use.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: dmaframe info --device /dev/dmaframe1 --json")]
pub(crate) struct Arguments {
    /// The device: a path, or N for /dev/dmaframeN
    #[arg(long, default_value = "/dev/dmaframe0", value_parser = device_path)]
    device: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let device = Device::open(&arguments.device)?;
    let (info, sources, settings) = (device.info()?, device.sources()?, device.config()?);
    if arguments.json {
        print(as_json(&info, &sources, &settings))?;
    } else {
        print(as_text(device.path().display(), &info, &sources, &settings))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn source_name<'a>(sources: &'a [Source], settings: &Shape) -> &'a str {
    sources
        .iter()
        .find(|source| source.index == settings.source)
        .map_or("?", |source| source.name.as_str())
}

fn as_json(info: &Info, sources: &[Source], settings: &Shape) -> serde_json::Value {
    let source = |source: &Source| {
        json!({
            "index": source.index,
            "name": source.name,
            "bus": source.bus,
            "bytes": source.bytes,
            "width": source.width,
            "dreq": source.dreq,
            "frame_bytes": source.frame_bytes,
            "interval_us": source.interval_us,
            "increments": source.increments,
            "pattern": source.pattern,
        })
    };
    json!({
        "device": info.device,
        "engine": info.engine,
        "channel": info.channel,
        "state": info.state.name(),
        "limits": {
            "frame_bytes_max": info.frame_bytes_max,
            "frame_granularity": info.frame_granularity,
            "slots_max": info.slots_max,
            "ring_bytes_max": info.ring_bytes_max,
            "interval_us_min": info.interval_us_min,
            "interval_us_max": info.interval_us_max,
        },
        "stamp_hz": info.stamp_hz,
        "settings": {
            "source": source_name(sources, settings),
            "frame_bytes": settings.frame_bytes,
            "slots": settings.slots,
            "policy": settings.policy.name(),
            "interval_us": settings.interval_us,
        },
        "sources": sources.iter().map(source).collect::<Vec<_>>(),
    })
}

pub(super) fn as_text(
    path: impl std::fmt::Display,
    info: &Info,
    sources: &[Source],
    settings: &Shape,
) -> String {
    let mut text = format!(
        "device:      {path}\n\
         engine:      {}, channel {}\n\
         state:       {}\n\
         frame bytes: up to {}, multiples of {}\n\
         slots:       up to {}, together up to {} bytes\n\
         interval:    {} to {} us, or 0: unpaced\n\
         stamps:      {} Hz\n\
         settings:    source={} frame-bytes={} slots={} policy={} interval-us={}\n\
         sources:\n",
        info.engine,
        info.channel,
        info.state.name(),
        info.frame_bytes_max,
        info.frame_granularity,
        info.slots_max,
        info.ring_bytes_max,
        info.interval_us_min,
        info.interval_us_max,
        info.stamp_hz,
        source_name(sources, settings),
        settings.frame_bytes,
        settings.slots,
        settings.policy.name(),
        settings.interval_us,
    );
    let head = ["name", "address", "bytes", "width", "dreq", "frame-bytes", "interval-us", "reads"];
    let rows = sources.iter().map(|source| {
        let address =
            if source.bus == 0 { "memory".to_owned() } else { format!("{:#x}", source.bus) };
        [
            source.name.clone(),
            address,
            source.bytes.to_string(),
            source.width.to_string(),
            source.dreq.to_string(),
            source.frame_bytes.to_string(),
            source.interval_us.to_string(),
            if source.increments { "a range" } else { "one address" }.to_owned(),
        ]
    });
    for row in std::iter::once(head.map(str::to_owned)).chain(rows) {
        let [name, address, bytes, width, dreq, frame_bytes, interval, reads] = row;
        text += &format!(
            "  {name:<16} {address:>10} {bytes:>7} {width:>5} {dreq:>4} {frame_bytes:>11} \
             {interval:>11}  {reads}\n"
        );
    }
    text.truncate(text.trim_end().len());
    text
}
