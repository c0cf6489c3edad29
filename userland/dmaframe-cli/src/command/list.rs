// SPDX-License-Identifier: MIT OR Apache-2.0
//! `dmaframe list`.

use super::{Outcome, object, owner, print};
use dmaframe::netlink::{Attributes, Client};
use serde_json::Value;
use std::process::ExitCode;

/// List all devices, one a line
///
/// The devices may be in use.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: dmaframe list --json")]
pub(crate) struct Arguments {
    /// Print a JSON array with an object for each device
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let devices = Client::connect()?.devices()?;
    if arguments.json {
        print(Value::Array(devices.iter().map(object).collect()))?;
    } else {
        for line in lines(&devices) {
            print(line)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

const HEAD: [&str; 9] = [
    "name",
    "channel",
    "state",
    "source",
    "frame-bytes",
    "slots",
    "policy",
    "interval-us",
    "owner",
];

fn lines(devices: &[Attributes]) -> Vec<String> {
    let mut rows = vec![HEAD.map(str::to_owned)];
    rows.extend(devices.iter().map(row));
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: [usize; HEAD.len()] = std::array::from_fn(width);
    let line = |row: &[String; HEAD.len()]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

fn row(device: &Attributes) -> [String; HEAD.len()] {
    let number = |value: Option<u32>| value.map_or_else(|| "?".to_owned(), |it| it.to_string());
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "?".to_owned());
    [
        text(&device.name),
        number(device.channel),
        device.state.map_or("?", |state| state.name()).to_owned(),
        text(&device.source),
        number(device.frame_bytes),
        number(device.slots),
        device.policy.map_or("?", |policy| policy.name()).to_owned(),
        number(device.interval_us),
        owner(device),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use dmaframe::{Policy, State};

    #[test]
    fn columns_are_aligned() {
        let device = |id: u32, source: &str| Attributes {
            name: Some(format!("dmaframe{id}")),
            channel: Some(4 + id),
            state: Some(State::Running),
            source: Some(source.to_owned()),
            policy: Some(Policy::Drop),
            ..Attributes::default()
        };
        let mut second = device(1, "a-longer-name");
        (second.owner_pid, second.owner_comm) = (Some(71), Some("reader".to_owned()));
        let shown = lines(&[device(0, "gpio"), second]);
        let at = |line: &str, word: &str| line.find(word).unwrap();
        assert_eq!(at(&shown[0], "frame-bytes"), at(&shown[1], "?"));
        assert_eq!(at(&shown[0], "policy"), at(&shown[2], "drop"));
        assert!(shown[1].ends_with("none") && shown[2].ends_with("reader (pid 71)"), "{shown:?}");
        assert_eq!(lines(&[]).len(), 1);
    }
}
