// SPDX-License-Identifier: MIT OR Apache-2.0
//! The subcommands, and the parts that they share: device names, attribute names, Ctrl-C.

mod check;
mod clock;
mod convert;
mod format_arguments;
mod get;
mod info;
mod list;
mod live;
mod monitor;
mod notice;
mod number;
mod output;
mod payload_file;
mod pipe;
mod plot;
mod progress;
mod rates;
mod record;
mod replay;
mod report;
mod scope;
mod set;
mod stall;
mod stream;
mod stream_arguments;
mod top;
mod trace;
mod traces;
mod traffic;

use clap::{Parser, Subcommand};
use dmaframe::netlink::Attributes;
use dmaframe::{Fault, Policy};
use serde_json::{Map, Value};
use std::error::Error;
use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// The result of a subcommand.
type Outcome = Result<ExitCode, Box<dyn Error>>;

/// Stream, inspect and configure dmaframe devices
///
/// A dmaframe device is a channel of a DMA engine that fills a ring of frames, which programs read in
/// place.
#[derive(Debug, Parser)]
#[command(
    name = "dmaframe",
    version,
    after_help = "Exit status: 0 success, 1 failure, 2 wrong usage.\n\n\
        Examples:\n  \
        dmaframe list\n  \
        dmaframe info\n  \
        dmaframe stream --frames 1000 --frame-bytes 64K --verify\n  \
        dmaframe record --source gpio --duration 10s pins.npy\n  \
        dmaframe get --device 0 state\n  \
        dmaframe set source=systimer interval-us=1000 policy=drop\n  \
        dmaframe monitor"
)]
pub(crate) struct Cli {
    #[command(flatten)]
    verbosity: notice::Verbosity,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    List(list::Arguments),
    Info(info::Arguments),
    Stream(stream::Arguments),
    Record(record::Arguments),
    Convert(convert::Arguments),
    Replay(replay::Arguments),
    Get(get::Arguments),
    Set(set::Arguments),
    Monitor(monitor::Arguments),
    Top(top::Arguments),
    Scope(Box<scope::Arguments>),
    Plot(plot::Arguments),
    Report(report::Arguments),
    Trace(trace::Arguments),
}

pub(crate) fn run(cli: Cli) -> Outcome {
    cli.verbosity.apply();
    match cli.command {
        Command::List(arguments) => list::run(&arguments),
        Command::Info(arguments) => info::run(&arguments),
        Command::Stream(arguments) => stream::run(&arguments),
        Command::Record(arguments) => record::run(&arguments),
        Command::Convert(arguments) => convert::run(&arguments),
        Command::Replay(arguments) => replay::run(&arguments),
        Command::Get(arguments) => get::run(&arguments),
        Command::Set(arguments) => set::run(arguments),
        Command::Monitor(arguments) => monitor::run(&arguments),
        Command::Top(arguments) => top::run(&arguments),
        Command::Scope(arguments) => scope::run(&arguments),
        Command::Plot(arguments) => plot::run(&arguments),
        Command::Report(arguments) => report::run(&arguments),
        Command::Trace(arguments) => trace::run(&arguments),
    }
}

pub(crate) fn is_broken_pipe(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

/// Prints one line on standard output, whose reader may have gone.
fn print(line: impl std::fmt::Display) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// The path of a device node, from a path, a name or a number.
fn device_path(given: &str) -> Result<PathBuf, String> {
    if given.is_empty() {
        return Err(EXPECTED_DEVICE.to_owned());
    }
    Ok(match device_number(given) {
        Ok(number) => PathBuf::from(format!("/dev/dmaframe{number}")),
        Err(_) => PathBuf::from(given),
    })
}

/// The number of a device, from a number, a name or the path of its node.
fn device_number(given: &str) -> Result<u32, String> {
    let name = given.strip_prefix("/dev/").unwrap_or(given);
    let number = name.strip_prefix("dmaframe").unwrap_or(name);
    number.parse().map_err(|_| EXPECTED_DEVICE.to_owned())
}

const EXPECTED_DEVICE: &str = "expected a device, such as 0, dmaframe0 or /dev/dmaframe0";

fn policy(given: &str) -> Result<Policy, String> {
    [Policy::Backpressure, Policy::Drop]
        .into_iter()
        .find(|policy| policy.name() == given)
        .ok_or_else(|| "expected backpressure or drop".to_owned())
}

/// A flag that Ctrl-C or SIGTERM sets. A second signal ends the program at once.
fn interrupted() -> io::Result<Arc<AtomicBool>> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let flag = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 1, Arc::clone(&flag))?;
        signal_hook::flag::register(signal, Arc::clone(&flag))?;
    }
    Ok(flag)
}

/// The names of the attributes, in the order in which they are shown.
const ATTRIBUTES: [&str; 32] = [
    "id",
    "name",
    "channel",
    "state",
    "source",
    "frame-bytes",
    "slots",
    "policy",
    "interval-us",
    "frames",
    "lost",
    "bytes",
    "errors",
    "event",
    "fault",
    "overruns",
    "chains",
    "interrupts",
    "kicks",
    "bad-consumer",
    "error-bits",
    "owner-pid",
    "owner-comm",
    "engine",
    "frame-bytes-max",
    "frame-granularity",
    "slots-max",
    "ring-bytes-max",
    "interval-us-min",
    "interval-us-max",
    "stamp-hz",
    "too-fast",
];

/// The name of an attribute. The spelling of sysfs, with underscores, is accepted too.
fn attribute_name(given: &str) -> Result<&'static str, String> {
    let given = given.replace('_', "-");
    ATTRIBUTES
        .into_iter()
        .find(|name| **name == given)
        .ok_or_else(|| format!("expected one of: {}", ATTRIBUTES.join(", ")))
}

/// The attribute `name`, if the kernel sent it.
fn attribute(all: &Attributes, name: &str) -> Option<Value> {
    match name {
        "id" => all.id.map(Value::from),
        "name" => all.name.clone().map(Value::from),
        "channel" => all.channel.map(Value::from),
        "state" => all.state.map(|state| state.name().into()),
        "source" => all.source.clone().map(Value::from),
        "frame-bytes" => all.frame_bytes.map(Value::from),
        "slots" => all.slots.map(Value::from),
        "policy" => all.policy.map(|policy| policy.name().into()),
        "interval-us" => all.interval_us.map(Value::from),
        "frames" => all.frames.map(Value::from),
        "lost" => all.lost.map(Value::from),
        "bytes" => all.bytes.map(Value::from),
        "errors" => all.errors.map(Value::from),
        "event" => all.event.map(|event| event.name().into()),
        "fault" => all.fault.map(|fault| fault_name(fault).into()),
        "overruns" => all.overruns.map(Value::from),
        "chains" => all.chains.map(Value::from),
        "interrupts" => all.interrupts.map(Value::from),
        "kicks" => all.kicks.map(Value::from),
        "bad-consumer" => all.bad_consumer.map(Value::from),
        "error-bits" => all.error_bits.map(Value::from),
        "owner-pid" => all.owner_pid.map(Value::from),
        "owner-comm" => all.owner_comm.clone().map(Value::from),
        "engine" => all.engine.clone().map(Value::from),
        "frame-bytes-max" => all.frame_bytes_max.map(Value::from),
        "frame-granularity" => all.frame_granularity.map(Value::from),
        "slots-max" => all.slots_max.map(Value::from),
        "ring-bytes-max" => all.ring_bytes_max.map(Value::from),
        "interval-us-min" => all.interval_us_min.map(Value::from),
        "interval-us-max" => all.interval_us_max.map(Value::from),
        "stamp-hz" => all.stamp_hz.map(Value::from),
        "too-fast" => all.too_fast.map(Value::from),
        _ => None,
    }
}

/// The name of a fault in the netlink specification.
fn fault_name(fault: Fault) -> &'static str {
    match fault {
        Fault::None => "none",
        Fault::Consumer => "consumer",
        Fault::Engine => "engine",
        Fault::Timeout => "timeout",
        Fault::Incomplete => "incomplete",
    }
}

/// All attributes that the kernel sent, in order.
fn attributes(all: &Attributes) -> impl Iterator<Item = (&'static str, Value)> {
    ATTRIBUTES.into_iter().filter_map(|name| attribute(all, name).map(|value| (name, value)))
}

fn members(all: &Attributes) -> Map<String, Value> {
    attributes(all).map(|(name, value)| (name.to_owned(), value)).collect()
}

fn object(all: &Attributes) -> Value {
    Value::Object(members(all))
}

/// The process that has the device open.
fn owner(device: &Attributes) -> String {
    let comm = device.owner_comm.as_deref().unwrap_or("?");
    match device.owner_pid {
        None => "none".to_owned(),
        Some(0) => format!("{comm}, in another PID namespace"),
        Some(pid) => format!("{comm} (pid {pid})"),
    }
}

/// A value as text, without quotes.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn devices_have_a_number_a_name_and_a_path() {
        for given in ["1", "dmaframe1", "/dev/dmaframe1"] {
            assert_eq!(device_number(given), Ok(1));
            assert_eq!(device_path(given), Ok(PathBuf::from("/dev/dmaframe1")));
        }
        assert_eq!(device_path("/dev/null"), Ok(PathBuf::from("/dev/null")));
        assert!(device_number("/dev/null").is_err() && device_path("").is_err());
    }

    #[test]
    fn attributes_are_shown_in_order_and_by_either_spelling() {
        let all = Attributes {
            id: Some(0),
            policy: Some(Policy::Drop),
            frame_bytes: Some(64),
            ..Attributes::default()
        };
        let shown: Vec<_> =
            attributes(&all).map(|(name, value)| format!("{name}: {}", plain(&value))).collect();
        assert_eq!(shown, ["id: 0", "frame-bytes: 64", "policy: drop"]);
        assert_eq!(attribute_name("frame_bytes"), Ok("frame-bytes"));
        assert!(attribute_name("colour").is_err());
    }
}
