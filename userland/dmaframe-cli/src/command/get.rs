// SPDX-License-Identifier: MIT OR Apache-2.0
//! `dmaframe get`.

use super::{Outcome, attribute, attribute_name, attributes, device_number, object, plain, print};
use dmaframe::netlink::Client;
use serde_json::Value;
use std::process::ExitCode;

/// Show the attributes of a device, which may be in use
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  dmaframe get\n  dmaframe get --device 1 frames\n  \
    dmaframe get --all --json")]
pub(crate) struct Arguments {
    /// Device: N, dmaframeN or /dev/dmaframeN
    #[arg(long, default_value = "0", value_name = "N", value_parser = device_number)]
    device: u32,
    /// Show all devices
    #[arg(long, conflicts_with = "device")]
    all: bool,
    /// Print JSON: an object, with --all an array, with ATTR the value
    #[arg(long)]
    json: bool,
    /// Show this attribute only, such as state, frames or owner-pid
    #[arg(value_name = "ATTR", value_parser = attribute_name)]
    attribute: Option<&'static str>,
}

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let mut client = Client::connect()?;
    let devices =
        if arguments.all { client.devices()? } else { vec![client.device(arguments.device)?] };

    if let Some(name) = arguments.attribute {
        let values: Vec<_> =
            devices.iter().map(|all| attribute(all, name).unwrap_or(Value::Null)).collect();
        if arguments.json {
            print(json_of(values, arguments.all))?;
        } else if !arguments.all && values[0].is_null() {
            return Err(format!("dmaframe{} has no {name} now", arguments.device).into());
        } else {
            for value in values {
                print(plain(&value))?;
            }
        }
    } else if arguments.json {
        print(json_of(devices.iter().map(object).collect(), arguments.all))?;
    } else {
        for (index, all) in devices.iter().enumerate() {
            if index > 0 {
                print("")?;
            }
            for (name, value) in attributes(all) {
                print(format_args!("{name}: {}", plain(&value)))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn json_of(mut values: Vec<Value>, all: bool) -> Value {
    if all { Value::Array(values) } else { values.pop().unwrap_or_default() }
}
