// SPDX-License-Identifier: MIT OR Apache-2.0
//! A record as a line of text or a JSON object.

use defmt_decoder::Frame;
use serde_json::{Map, Value, json};
use std::fmt;

/// What one line shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    Record(Record),
    /// This many records are missing.
    Lost(u64),
}

/// A decoded record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// CLOCK_MONOTONIC in seconds, with six decimals.
    time: String,
    level: &'static str,
    /// The source file and line.
    place: String,
    /// The kind of the record, the device, and the fields.
    message: String,
}

impl Line {
    pub(super) fn of(frame: &Frame<'_>) -> Self {
        let message = frame.display_message().to_string();
        let (place, message) = message.split_once(' ').unwrap_or(("", &message));
        Self::Record(Record {
            time: frame.display_timestamp().map(|time| time.to_string()).unwrap_or_default(),
            level: frame.level().map_or("", |level| level.as_str()),
            place: place.to_owned(),
            message: message.to_owned(),
        })
    }

    pub(super) fn json(&self) -> Value {
        let record = match self {
            Self::Lost(count) => return json!({ "record": "lost", "count": count }),
            Self::Record(record) => record,
        };
        let mut object = Map::new();
        let mut put = |name: &str, value: Value| object.insert(name.to_owned(), value);
        put("time_us", record.time.replace('.', "").parse::<u64>().ok().into());
        put("level", record.level.into());
        let mut words = record.message.split(' ').peekable();
        put("record", words.next().into());
        if let Some(device) = words.next_if(|word| !word.contains('=')) {
            put("device", device.into());
        }
        let fields = words.filter_map(|word| word.split_once('='));
        put("fields", fields.map(|(name, text)| (name.to_owned(), value(text))).collect());
        let (file, line) = record.place.rsplit_once(':').unwrap_or((&record.place, ""));
        put("file", file.into());
        put("line", line.parse::<u32>().ok().into());
        Value::Object(object)
    }
}

/// A number, decimal or hexadecimal, or else text.
fn value(text: &str) -> Value {
    let number = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    };
    number.map_or_else(|| text.into(), Value::from)
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record(Record { time, level, place, message }) => {
                write!(f, "{time:>14} {level:5} {message} ({place})")
            }
            Self::Lost(count) => write!(f, "{count} records are missing here"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(message: &str) -> Line {
        Line::Record(Record {
            time: "12.000345".to_owned(),
            level: "debug",
            place: "driver/stream.rs:381".to_owned(),
            message: message.to_owned(),
        })
    }

    #[test]
    fn a_record_is_one_line() {
        assert_eq!(
            record("arm dmaframe0 first=16 frames=8").to_string(),
            "     12.000345 debug arm dmaframe0 first=16 frames=8 (driver/stream.rs:381)"
        );
    }

    #[test]
    fn a_record_is_an_object() {
        let line = record("completion dmaframe1 error_bits=0x100 policy=Drop");
        let expected = json!({
            "time_us": 12_000_345, "level": "debug", "record": "completion", "device": "dmaframe1",
            "fields": { "error_bits": 256, "policy": "Drop" },
            "file": "driver/stream.rs", "line": 381,
        });
        assert_eq!(line.json(), expected);
        let line = record("block channel=4 INTEN=1").json();
        assert_eq!((&line["device"], &line["fields"]["channel"]), (&Value::Null, &4.into()));
        assert_eq!(Line::Lost(3).json(), json!({ "record": "lost", "count": 3 }));
    }
}
