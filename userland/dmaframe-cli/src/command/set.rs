// SPDX-License-Identifier: MIT OR Apache-2.0
//! `dmaframe set`.

use super::number::{number, size};
use super::{Outcome, device_number, policy};
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
    /// source=NAME, frame-bytes=BYTES, slots=COUNT, policy=backpressure|drop, interval-us=MICROSECONDS
    #[arg(required = true, value_name = "ATTR=VALUE", value_parser = setting)]
    settings: Vec<Settings>,
}

pub(crate) fn run(arguments: Arguments) -> Outcome {
    let mut settings = Settings::default();
    for one in arguments.settings {
        settings = merge(settings, one);
    }
    Client::connect()?.set(arguments.device, &settings)?;
    Ok(ExitCode::SUCCESS)
}

/// Parses `ATTR=VALUE` into settings of which one is present.
fn setting(given: &str) -> Result<Settings, String> {
    let (name, value) =
        given.split_once('=').ok_or_else(|| "expected ATTR=VALUE, such as slots=16".to_owned())?;
    let number = || number(value).map_err(|error| format!("{name}: {error}, not {value:?}"));
    let mut settings = Settings::default();
    match name.replace('_', "-").as_str() {
        "source" => settings.source = Some(value.to_owned()),
        "frame-bytes" => {
            let bytes = size(value).map_err(|error| format!("{name}: {error}, not {value:?}"));
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

fn merge(first: Settings, later: Settings) -> Settings {
    Settings {
        source: later.source.or(first.source),
        frame_bytes: later.frame_bytes.or(first.frame_bytes),
        slots: later.slots.or(first.slots),
        policy: later.policy.or(first.policy),
        interval_us: later.interval_us.or(first.interval_us),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dmaframe::Policy;

    #[test]
    fn settings_are_named_and_checked() {
        let both = merge(setting("slots=8").unwrap(), setting("policy=drop").unwrap());
        let expected =
            Settings { slots: Some(8), policy: Some(Policy::Drop), ..Settings::default() };
        assert_eq!(both, expected);
        assert_eq!(setting("frame_bytes=4K").unwrap(), setting("frame-bytes=4096").unwrap());
        assert!(setting("slots").unwrap_err().contains("ATTR=VALUE"));
        assert!(setting("slots=many").unwrap_err().contains("\"many\""));
        assert!(setting("frames=1").unwrap_err().contains("cannot be set"));
        assert!(setting("policy=block").unwrap_err().contains("backpressure or drop"));
    }
}
