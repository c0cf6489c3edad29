// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0
//! The netlink numbers, compared with the YAML specification.

use dmaframe_abi::netlink::{
    ATTRIBUTE_MAX, Attribute, Command, EVENTS, Event, FAMILY, SourceAttribute, VERSION,
};
use dmaframe_abi::stream::{Fault, Policy, State};
use dmaframe_abi::uapi::NAME_BYTES;
use std::fmt::Debug;
use yaml_rust2::{Yaml, YamlLoader};

fn spec() -> Yaml {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../driver/Documentation/netlink/specs/dmaframe.yaml"
    );
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    YamlLoader::load_from_str(&text).unwrap().remove(0)
}

/// The entry of `list` whose name is `name`.
fn named<'a>(list: &'a Yaml, name: &str) -> &'a Yaml {
    let found = list.as_vec().unwrap().iter().find(|it| it["name"].as_str() == Some(name));
    found.unwrap_or_else(|| panic!("the specification has no {name}"))
}

/// Names and numbers of `list`. An entry without a number has the number after its predecessor's.
fn numbered(list: &Yaml, mut next: i64) -> Vec<(String, i64)> {
    let number = |entry: &Yaml| {
        let value = entry["value"].as_i64().unwrap_or(next);
        next = value + 1;
        (entry["name"].as_str().unwrap().to_string(), value)
    };
    list.as_vec().unwrap().iter().map(number).collect()
}

/// `FrameBytes` as the specification writes it: `frame-bytes`.
fn kebab(name: impl Debug) -> String {
    let mut kebab = String::new();
    for letter in format!("{name:?}").chars() {
        if letter.is_uppercase() && !kebab.is_empty() {
            kebab.push('-');
        }
        kebab.extend(letter.to_lowercase());
    }
    kebab
}

/// All values of `T` below 100.
fn values<T: TryFrom<u32>>() -> Vec<(T, i64)> {
    (0..100).filter_map(|raw| Some((T::try_from(raw).ok()?, raw.into()))).collect()
}

fn definition(name: &str) -> Vec<(String, i64)> {
    numbered(&named(&spec()["definitions"], name)["entries"], 0)
}

#[test]
fn the_family() {
    let spec = spec();
    assert_eq!(spec["name"].as_str(), FAMILY.to_str().ok());
    // The specification's defaults.
    assert_eq!(spec["version"].as_i64().unwrap_or(1), VERSION.into());
    let groups = spec["mcast-groups"]["list"].as_vec().unwrap();
    assert_eq!(groups.len(), 1);
    assert_eq!(groups[0]["name"].as_str(), EVENTS.to_str().ok());
}

#[test]
fn commands() {
    let spec = spec();
    let operations = &spec["operations"];
    assert_eq!(operations["enum-model"].as_str().unwrap_or("unified"), "unified");
    let ours = [Command::DeviceGet, Command::DeviceSet, Command::DeviceEvent, Command::SourceGet]
        .map(|command| (kebab(command), command as i64));
    assert_eq!(numbered(&operations["list"], 1), ours);
    let set = named(&operations["list"], "device-set");
    assert_eq!(set["flags"][0].as_str(), Some("admin-perm"));
    let event = named(&operations["list"], "device-event");
    assert_eq!(event["mcgrp"].as_str(), EVENTS.to_str().ok());
}

#[test]
fn attributes() {
    use Attribute::*;
    let ours = [
        (Id, "u32"),
        (Name, "string"),
        (Channel, "u32"),
        (Attribute::State, "u32"),
        (Source, "string"),
        (FrameBytes, "u32"),
        (Slots, "u32"),
        (Attribute::Policy, "u32"),
        (IntervalUs, "u32"),
        (Frames, "uint"),
        (Lost, "uint"),
        (Bytes, "uint"),
        (Errors, "uint"),
        (Attribute::Event, "u32"),
        (Attribute::Fault, "u32"),
        (Overruns, "uint"),
        (Chains, "uint"),
        (Interrupts, "uint"),
        (Kicks, "uint"),
        (BadConsumer, "uint"),
        (ErrorBits, "u32"),
        (OwnerPid, "u32"),
        (OwnerComm, "string"),
        (Engine, "string"),
        (FrameBytesMax, "u32"),
        (FrameGranularity, "u32"),
        (SlotsMax, "u32"),
        (RingBytesMax, "uint"),
        (IntervalUsMin, "u32"),
        (IntervalUsMax, "u32"),
        (StampHz, "u32"),
        (TooFast, "uint"),
    ];
    let spec = spec();
    let list = &named(&spec["attribute-sets"], "device")["attributes"];
    let expected = ours.map(|(attribute, _)| (kebab(attribute), attribute as i64));
    assert_eq!(numbered(list, 1), expected);
    assert_eq!(usize::from(ATTRIBUTE_MAX), ours.len());
    for (attribute, kind) in ours {
        let name = kebab(attribute);
        assert_eq!(named(list, &name)["type"].as_str(), Some(kind), "{name}");
    }
    for name in ["state", "policy", "event", "fault"] {
        assert_eq!(named(list, name)["enum"].as_str(), Some(name));
    }
    let longest = named(list, "source")["checks"]["max-len"].as_i64();
    assert_eq!(longest, Some(NAME_BYTES as i64 - 1));
}

#[test]
fn source_attributes() {
    use SourceAttribute::*;
    let ours = [
        (Device, "u32"),
        (Index, "u32"),
        (Name, "string"),
        (Bus, "uint"),
        (Bytes, "u32"),
        (Width, "u32"),
        (Dreq, "u32"),
        (Flags, "u32"),
        (FrameBytes, "u32"),
        (FrameBytesMax, "u32"),
        (IntervalUs, "u32"),
        (RateHz, "u32"),
    ];
    let spec = spec();
    let list = &named(&spec["attribute-sets"], "source")["attributes"];
    let expected = ours.map(|(attribute, _)| (kebab(attribute), attribute as i64));
    assert_eq!(numbered(list, 1), expected);
    for (attribute, kind) in ours {
        let name = kebab(attribute);
        assert_eq!(named(list, &name)["type"].as_str(), Some(kind), "{name}");
    }
}

#[test]
fn enumerations() {
    let names = |name: &'static str, value: i64| (name.to_string(), value);
    let states: Vec<_> = values().into_iter().map(|(it, n)| names(State::name(it), n)).collect();
    assert_eq!(definition("state"), states);
    let policies: Vec<_> = values().into_iter().map(|(it, n)| names(Policy::name(it), n)).collect();
    assert_eq!(definition("policy"), policies);
    let events: Vec<_> = values().into_iter().map(|(it, n)| names(Event::name(it), n)).collect();
    assert_eq!(definition("event"), events);
    let faults: Vec<_> = values::<Fault>().into_iter().map(|(it, n)| (kebab(it), n)).collect();
    assert_eq!(definition("fault"), faults);
}

#[test]
fn numbers_have_one_meaning() {
    assert!(values::<Event>().iter().all(|(event, raw)| *event as i64 == *raw));
    assert_eq!([Event::try_from(0), Event::try_from(u32::MAX)], [Err(0), Err(u32::MAX)]);
}
