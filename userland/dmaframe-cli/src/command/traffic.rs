// SPDX-License-Identifier: MIT OR Apache-2.0
//! What goes through each device: the differences between two looks at its counters.

use super::{members, owner};
use dmaframe::netlink::Attributes;
use serde_json::{Map, Value, json};

/// All devices at the last look, and their rates since the look before.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    devices: Vec<Device>,
    /// When that was, on CLOCK_MONOTONIC.
    at_ns: Option<u64>,
}

/// A device at the last look.
#[derive(Debug)]
pub(super) struct Device {
    now: Attributes,
    rates: Option<Rates>,
}

/// Rates per second.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Rates {
    frames: f64,
    bytes: f64,
    lost: f64,
    interrupts: f64,
}

impl Traffic {
    /// Whether there was a look.
    pub(super) fn has_begun(&self) -> bool {
        self.at_ns.is_some()
    }

    /// Takes the counters of all devices, read at `at_ns`.
    pub(super) fn take(&mut self, devices: Vec<Attributes>, at_ns: u64) {
        let before = std::mem::take(&mut self.devices);
        let seconds = self.at_ns.map(|last| at_ns.saturating_sub(last) as f64 / 1e9);
        let device = |now: Attributes| {
            let last = before.iter().find(|device| device.now.id == now.id);
            let rates = last.zip(seconds).and_then(|(last, time)| rates(&last.now, &now, time));
            Device { now, rates }
        };
        self.devices = devices.into_iter().map(device).collect();
        self.at_ns = Some(at_ns);
    }

    pub(super) fn devices(&self) -> &[Device] {
        &self.devices
    }
}

/// What was counted in `seconds`. Counters that went down began again at zero with a new stream.
fn rates(last: &Attributes, now: &Attributes, seconds: f64) -> Option<Rates> {
    let counted =
        |attribute: fn(&Attributes) -> Option<u64>| Some((attribute(last)?, attribute(now)?));
    let pairs = [
        counted(|it| it.frames)?,
        counted(|it| it.bytes)?,
        counted(|it| it.lost)?,
        counted(|it| it.interrupts)?,
    ];
    let restarted = pairs.iter().any(|(last, now)| now < last);
    let [frames, bytes, lost, interrupts] =
        pairs.map(|(last, now)| (if restarted { now } else { now - last }) as f64 / seconds);
    (seconds > 0.0).then_some(Rates { frames, bytes, lost, interrupts })
}

impl Device {
    /// All attributes and the rates.
    pub(super) fn members(&self) -> Map<String, Value> {
        let mut members = members(&self.now);
        for (name, rate) in [
            ("frames-per-second", self.rates.map(|rates| rates.frames)),
            ("bytes-per-second", self.rates.map(|rates| rates.bytes)),
            ("lost-per-second", self.rates.map(|rates| rates.lost)),
            ("interrupts-per-second", self.rates.map(|rates| rates.interrupts)),
        ] {
            members.insert(name.to_owned(), json!(rate));
        }
        members
    }

    fn cells(&self) -> [String; HEAD.len()] {
        let now = &self.now;
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "?".to_owned());
        let number = |value: Option<u64>| value.map_or_else(|| "?".to_owned(), |it| it.to_string());
        let rate = |rate: fn(&Rates) -> f64, digits: usize| match &self.rates {
            Some(rates) => format!("{:.digits$}", rate(rates)),
            None => "-".to_owned(),
        };
        let per_interrupt = match &self.rates {
            Some(rates) if rates.interrupts > 0.0 => {
                format!("{:.1}", rates.frames / rates.interrupts)
            }
            _ => "-".to_owned(),
        };
        [
            text(&now.name),
            now.state.map_or("?", |state| state.name()).to_owned(),
            text(&now.source),
            rate(|it| it.frames, 0),
            rate(|it| it.bytes / 1e6, 1),
            per_interrupt,
            rate(|it| it.lost, 0),
            number(now.lost),
            number(now.errors),
            owner(now),
        ]
    }
}

const HEAD: [&str; 10] =
    ["name", "state", "source", "frames/s", "MB/s", "fr/irq", "lost/s", "lost", "errors", "owner"];
/// Widths that hold usual values, so that columns do not move from one look to the next.
const WIDTHS: [usize; HEAD.len()] = [10, 10, 10, 9, 7, 6, 7, 9, 6, 0];
/// Columns of words, which begin at the left.
const WORDS: [usize; 4] = [0, 1, 2, 9];

/// The names of the columns, and a line for each device.
pub(super) fn rows(traffic: &Traffic) -> Vec<String> {
    let head = HEAD.map(str::to_owned);
    let cells = std::iter::once(head).chain(traffic.devices().iter().map(Device::cells));
    let line = |cells: [String; HEAD.len()]| {
        let cells = cells.iter().zip(WIDTHS).enumerate().map(|(column, (cell, width))| {
            if WORDS.contains(&column) {
                format!("{cell:<width$}")
            } else {
                format!("{cell:>width$}")
            }
        });
        cells.collect::<Vec<_>>().join(" ").trim_end().to_owned()
    };
    cells.map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use dmaframe::State;

    fn device(frames: u64, lost: u64) -> Attributes {
        Attributes {
            id: Some(0),
            name: Some("dmaframe0".to_owned()),
            state: Some(State::Running),
            source: Some("gpio".to_owned()),
            frames: Some(frames),
            bytes: Some(frames * 4096),
            lost: Some(lost),
            errors: Some(0),
            interrupts: Some(frames / 2),
            owner_pid: Some(71),
            owner_comm: Some("reader".to_owned()),
            ..Attributes::default()
        }
    }

    #[test]
    fn rates_are_differences_over_the_time() {
        let mut traffic = Traffic::default();
        assert!(!traffic.has_begun());
        traffic.take(vec![device(1000, 5)], 1_000_000_000);
        let first = rows(&traffic);
        assert!(first[1].contains("running    gpio               -       -      -"), "{first:?}");
        traffic.take(vec![device(3000, 9)], 3_000_000_000);
        let second = rows(&traffic);
        let expected = "dmaframe0  running    gpio            1000     4.1    2.0       2         9      0 \
                        reader (pid 71)";
        assert_eq!(second[1], expected);
        assert_eq!(second[0].find("owner"), second[1].find("reader"));
        let members = traffic.devices()[0].members();
        assert_eq!(members["frames-per-second"], 1000.0);
        assert_eq!((&members["lost"], &members["name"]), (&json!(9), &json!("dmaframe0")));
    }

    #[test]
    fn a_new_stream_counts_from_zero_and_a_new_device_has_no_rate() {
        let mut traffic = Traffic::default();
        traffic.take(vec![device(1000, 5)], 0);
        traffic.take(vec![device(300, 0)], 1_000_000_000);
        assert_eq!(traffic.devices()[0].rates.map(|rates| rates.frames), Some(300.0));
        let other = Attributes { id: Some(1), ..device(5, 0) };
        traffic.take(vec![other], 2_000_000_000);
        assert_eq!(traffic.devices()[0].rates, None);
        assert_eq!(traffic.devices()[0].members()["frames-per-second"], Value::Null);
    }
}
