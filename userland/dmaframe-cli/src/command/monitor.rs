// SPDX-License-Identifier: MIT OR Apache-2.0
//! `dmaframe monitor`.

use super::clock::Moment;
use super::notice::notice;
use super::{Outcome, attributes, interrupted, members, plain, print};
use dmaframe::Error;
use dmaframe::netlink::{Attributes, Client};
use serde_json::Value;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Print the events of all devices, one a line, until Ctrl-C
///
/// A line begins with the time at which the event was received. In JSON it is time, and monotonic-ns
/// is the same moment on CLOCK_MONOTONIC, the clock of the frames' published_ns.
///
/// Continues when the module is unloaded; events resume when it is loaded again.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: dmaframe monitor --count 10 --json")]
pub(crate) struct Arguments {
    /// End after this many events
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let interrupted = interrupted()?;
    let mut events = Client::connect()?.events()?;
    notice("listening for events; Ctrl-C ends");
    let mut left = arguments.count.unwrap_or(u64::MAX);
    while left > 0 && !interrupted.load(Ordering::Relaxed) {
        match events.next_timeout(Duration::from_millis(200)) {
            Ok(Some(event)) => {
                let moment = Moment::now();
                if arguments.json {
                    let mut members = members(&event);
                    moment.add_to(&mut members);
                    print(Value::Object(members))?;
                } else {
                    print(format_args!("{} {}", moment.text(), line(&event)))?;
                }
            }
            Ok(None) => continue,
            Err(error @ (Error::EventsLost | Error::Unloaded)) => {
                eprintln!("dmaframe: {error}");
                continue;
            }
            Err(error) => return Err(error.into()),
        }
        left -= 1;
    }
    Ok(ExitCode::SUCCESS)
}

fn line(event: &Attributes) -> String {
    let name = match (&event.name, event.id) {
        (Some(name), _) => name.clone(),
        (None, Some(id)) => format!("dmaframe{id}"),
        (None, None) => "dmaframe?".to_owned(),
    };
    let mut line = format!("{name} {}", event.event.map_or("event", |event| event.name()));
    for (name, value) in attributes(event) {
        let known = ["id", "name", "event", "engine", "frame-granularity", "stamp-hz"];
        let limit = name.ends_with("-max") || name.ends_with("-min");
        let no_fault = name == "fault" && value == "none";
        if !(known.contains(&name) || limit || no_fault) {
            line += &format!(" {name}={}", plain(&value));
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line() {
        let event = Attributes {
            id: Some(1),
            frames: Some(5),
            source: Some("gpio".to_owned()),
            ..Attributes::default()
        };
        assert_eq!(line(&event), "dmaframe1 event source=gpio frames=5");
    }
}
