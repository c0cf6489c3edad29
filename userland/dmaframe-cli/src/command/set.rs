// SPDX-License-Identifier: MIT OR Apache-2.0
//! `dmaframe set`.

use super::number::{number, size};
use super::{Outcome, device_number, object, policy, print};
use dmaframe::netlink::{Client, Settings};
use std::process::ExitCode;

/// Change a device's settings, which streams use unless their program asks for something else
///
/// All given settings change together, or none does; the others keep their values. source changes
/// the source alone: frame-bytes and interval-us do not follow it. Needs CAP_NET_ADMIN.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: dmaframe set --device 1 source=gpio frame-bytes=64K")]
pub(crate) struct Arguments {
    /// Device: N, dmaframeN or /dev/dmaframeN
    #[arg(long, default_value = "0", value_name = "N", value_parser = device_number)]
    device: u32,
    /// Print the device's attributes after the change as a JSON object
    #[arg(long)]
    json: bool,
    /// source=NAME, frame-bytes=BYTES, slots=COUNT, policy=backpressure|drop, interval-us=MICROSECONDS
    #[arg(required = true, value_name = "ATTR=VALUE", value_parser = setting)]
    settings: Vec<Settings>,
}

pub(crate) fn run(arguments: Arguments) -> Outcome {
    let mut settings = Settings::default();
    for one in arguments.settings {
        settings = merge(settings, one)?;
    }
    let mut client = Client::connect()?;
    client.set(arguments.device, &settings)?;
    if arguments.json {
        print(object(&client.device(arguments.device)?))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Parses `ATTR=VALUE` into settings with this one alone.
fn setting(given: &str) -> Result<Settings, String> {
    let (name, value) =
        given.split_once('=').ok_or_else(|| "expected ATTR=VALUE, such as slots=16".to_owned())?;
    let number = || number(value).map_err(|error| format!("{name}={value}: {error}"));
    let mut settings = Settings::default();
    match name.replace('_', "-").as_str() {
        "" => return Err("expected ATTR=VALUE, such as slots=16".to_owned()),
        "source" => settings.source = Some(value.to_owned()),
        "frame-bytes" => {
            let bytes = size(value).map_err(|error| format!("{name}={value}: {error}"));
            settings.frame_bytes = Some(bytes?);
        }
        "slots" => settings.slots = Some(number()?),
        "policy" => settings.policy = Some(policy(value)?),
        "interval-us" => settings.interval_us = Some(number()?),
        _ => {
            return Err(format!(
                "{name} cannot be set; these can: source, frame-bytes, slots, policy, interval-us"
            ));
        }
    }
    Ok(settings)
}

/// Adds the settings of `one`, which may not be among `all` already.
fn merge(all: Settings, one: Settings) -> Result<Settings, String> {
    fn either<T>(name: &str, first: Option<T>, second: Option<T>) -> Result<Option<T>, String> {
        match (&first, &second) {
            (Some(_), Some(_)) => Err(format!("{name} is given twice")),
            _ => Ok(first.or(second)),
        }
    }
    Ok(Settings {
        source: either("source", all.source, one.source)?,
        frame_bytes: either("frame-bytes", all.frame_bytes, one.frame_bytes)?,
        slots: either("slots", all.slots, one.slots)?,
        policy: either("policy", all.policy, one.policy)?,
        interval_us: either("interval-us", all.interval_us, one.interval_us)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use dmaframe::Policy;

    #[test]
    fn settings_are_named_and_checked() {
        let both = merge(setting("slots=8").unwrap(), setting("policy=drop").unwrap()).unwrap();
        let expected =
            Settings { slots: Some(8), policy: Some(Policy::Drop), ..Settings::default() };
        assert_eq!(both, expected);
        assert_eq!(setting("frame_bytes=4K").unwrap(), setting("frame-bytes=4096").unwrap());
        assert!(setting("slots").unwrap_err().contains("ATTR=VALUE"));
        assert!(setting("slots=many").unwrap_err().contains("slots=many: expected a number"));
        assert!(setting("=5").unwrap_err().contains("ATTR=VALUE"));
        let twice = merge(setting("slots=8").unwrap(), setting("slots=16").unwrap());
        assert_eq!(twice, Err("slots is given twice".to_owned()));
        assert!(setting("frames=1").unwrap_err().contains("cannot be set"));
        assert!(setting("policy=block").unwrap_err().contains("backpressure or drop"));
    }
}
