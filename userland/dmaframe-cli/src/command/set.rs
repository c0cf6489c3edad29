// SPDX-License-Identifier: MIT OR Apache-2.0
//! `dmaframe set`.

use super::{Outcome, device_number, policy};
use dmaframe::netlink::{Client, Settings};
use std::process::ExitCode;

/// Change a device's settings, by netlink: what a stream is like when its program says nothing else
///
/// All given settings change together, or none does. Needs CAP_NET_ADMIN.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: dmaframe set --device 1 source=gpio frame-bytes=65536")]
pub(crate) struct Arguments {
    /// The device: N, dmaframeN or /dev/dmaframeN
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

/// `ATTR=VALUE` as settings of which one is there.
fn setting(given: &str) -> Result<Settings, String> {
    let (name, value) =
        given.split_once('=').ok_or_else(|| "expected ATTR=VALUE, such as slots=16".to_owned())?;
    let number =
        || value.parse::<u32>().map_err(|_| format!("{name} is a number, which {value:?} is not"));
    let mut settings = Settings::default();
    match name.replace('_', "-").as_str() {
        "source" => settings.source = Some(value.to_owned()),
        "frame-bytes" => settings.frame_bytes = Some(number()?),
        "slots" => settings.slots = Some(number()?),
        "policy" => settings.policy = Some(policy(value)?),
        "interval-us" => settings.interval_us = Some(number()?),
        _ => {
            return Err(format!(
                "{name} cannot be set; source, frame-bytes, slots, policy and interval-us can"
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
        assert_eq!(setting("frame_bytes=4").unwrap(), setting("frame-bytes=4").unwrap());
        assert!(setting("slots").unwrap_err().contains("ATTR=VALUE"));
        assert!(setting("slots=many").unwrap_err().contains("\"many\""));
        assert!(setting("frames=1").unwrap_err().contains("cannot be set"));
        assert!(setting("policy=block").unwrap_err().contains("backpressure or drop"));
    }
}
