// SPDX-License-Identifier: MIT OR Apache-2.0
//! Events.

use super::SPECIFICATION;
use crate::check::{Section, check};
use crate::outcome::{Outcome, equal, failed, holds};
use crate::reader::{Reader, configure};
use crate::target::{LIMIT, Target};
use dmaframe::netlink::{Attributes, Client, Events};
use dmaframe_abi::netlink::Event;
use dmaframe_abi::stream::{Fault, Policy, State};
use std::time::{Duration, Instant};

const PLACE: &str = "device-event";
/// Longer than a second, in which statistics would come.
const QUIET: Duration = Duration::from_millis(1500);

pub(super) const SECTION: Section = Section {
    number: 16,
    name: "Events",
    document: SPECIFICATION,
    checks: &[
        check(1, "started", "START is a started event", |target| {
            let mut events = listen()?;
            let _reader = Reader::started(target, target.quiet())?;
            let event = next(target, &mut events)?;
            equal(
                "event and state",
                (event.event, event.state),
                (Some(Event::Started), Some(State::Running)),
            )
        }),
        check(2, "stopped", "STOP is a stopped event", |target| {
            let reader = Reader::started(target, target.quiet())?;
            let mut events = listen()?;
            reader.stop()?;
            let event = next(target, &mut events)?;
            equal(
                "event and state",
                (event.event, event.state),
                (Some(Event::Stopped), Some(State::Configured)),
            )
        }),
        check(3, "stopped", "close(2) of a running stream is a stopped event", |target| {
            let reader = Reader::started(target, target.quiet())?;
            let mut events = listen()?;
            drop(reader);
            equal("event", next(target, &mut events)?.event, Some(Event::Stopped))
        }),
        check(4, "stopped", "STOP of what does not run is no event", |target| {
            let reader = Reader::configured(target, target.quiet())?;
            let mut events = listen()?;
            reader.stop()?;
            reader.start()?;
            equal("event", next(target, &mut events)?.event, Some(Event::Started))
        }),
        check(5, "event", "CONFIGURE and close(2) of what does not run are no events", |target| {
            let mut events = listen()?;
            let raw = target.open()?;
            configure(&raw, target.shape())?;
            drop(raw);
            let _reader = Reader::started(target, target.quiet())?;
            equal("event", next(target, &mut events)?.event, Some(Event::Started))
        }),
        check(6, "error", "an impossible index is an error event with its fault", |target| {
            let reader = Reader::started(target, target.quiet())?;
            let mut events = listen()?;
            reader.lie(1)?;
            let event = next(target, &mut events)?;
            equal(
                "event",
                (event.event, event.fault),
                (Some(Event::Error), Some(Fault::Consumer)),
            )?;
            equal("state", event.state, Some(State::Faulted))
        }),
        check(7, "error", "STOP after a fault is no event", |target| {
            let reader = Reader::started(target, target.quiet())?;
            reader.lie(1)?;
            let mut events = listen()?;
            reader.stop()?;
            reader.set_index(0);
            reader.start()?;
            equal("event", next(target, &mut events)?.event, Some(Event::Started))
        }),
        check(8, "overrun", "the first loss is an overrun event", |target| {
            let mut events = listen()?;
            let _reader = Reader::started(target, target.dropping())?;
            equal("first event", next(target, &mut events)?.event, Some(Event::Started))?;
            let event = the(Event::Overrun, target, &mut events)?;
            equal("policy", event.policy, Some(Policy::Drop))?;
            holds(event.lost > Some(0), || format!("got {event:?}"))
        }),
        check(9, "overrun", "an overrun that goes on is one event", |target| {
            let mut events = listen()?;
            let reader = Reader::started(target, target.dropping())?;
            let lost = reader.lose_without_end()?.lost;
            the(Event::Overrun, target, &mut events)?;
            while the(Event::Statistics, target, &mut events)?.lost < Some(lost) {}
            reader.lose(lost + 50)?;
            reader.stop()?;
            loop {
                match next(target, &mut events)?.event {
                    Some(Event::Stopped) => return Ok(()),
                    other => holds(other != Some(Event::Overrun), || "got another".to_owned())?,
                }
            }
        }),
        check(10, "overrun", "many overruns are one event a second", |target| {
            let mut events = listen()?;
            let reader = Reader::started(target, target.dropping())?;
            // Each time the ring is emptied, the next loss is another overrun.
            for overruns in 1..=5 {
                reader.overrun(overruns)?;
                reader.set_index(reader.producer());
            }
            reader.stop()?;
            let (mut overruns, mut seconds) = (0, 0);
            loop {
                match heard(target, &mut events)?.event {
                    Some(Event::Overrun) => overruns += 1,
                    Some(Event::Statistics) => seconds += 1,
                    Some(Event::Stopped) => break,
                    _ => {}
                }
            }
            holds((1..=seconds + 1).contains(&overruns), || {
                format!("got {overruns} events in {seconds} seconds")
            })
        }),
        check(11, "statistics", "statistics come while a stream runs", |target| {
            let mut events = listen()?;
            let _reader = Reader::started(target, target.quiet())?;
            let event = the(Event::Statistics, target, &mut events)?;
            equal("state", event.state, Some(State::Running))
        }),
        check(12, "statistics", "statistics come again, with higher counters", |target| {
            let mut events = listen()?;
            let _reader = Reader::started(target, target.dropping())?;
            let first = the(Event::Statistics, target, &mut events)?;
            let second = the(Event::Statistics, target, &mut events)?;
            holds(second.lost > first.lost, || format!("got {second:?} after {first:?}"))
        }),
        check(13, "statistics", "no statistics come of a stream that does not run", |target| {
            let reader = Reader::started(target, target.quiet())?;
            reader.stop()?;
            let mut events = listen()?;
            let deadline = Instant::now() + QUIET;
            loop {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Ok(());
                }
                let event = events.next_timeout(left)?;
                let ours = event.filter(|event| event.id == Some(target.info.device));
                equal("event", ours, None)?;
            }
        }),
        check(14, PLACE, "an event has all that an answer has, and event", |target| {
            let mut events = listen()?;
            let _reader = Reader::started(target, target.quiet())?;
            let event = next(target, &mut events)?;
            let Attributes {
                id,
                name,
                channel,
                state,
                source,
                frame_bytes,
                slots,
                policy,
                interval_us,
                frames,
                lost,
                bytes,
                errors,
                event: kind,
                fault,
            } = &event;
            let numbers = [id, channel, frame_bytes, slots, interval_us];
            let counters = [frames, lost, bytes, errors];
            let all = numbers.iter().all(|it| it.is_some())
                && counters.iter().all(|it| it.is_some())
                && (name.is_some() && source.is_some() && state.is_some())
                && (policy.is_some() && kind.is_some() && fault.is_some());
            holds(all, || format!("got {event:?}"))
        }),
        check(15, PLACE, "an event tells the device and the stream that it is of", |target| {
            let mut events = listen()?;
            let reader = Reader::started(target, target.quiet())?;
            let event = next(target, &mut events)?;
            let name = format!("dmaframe{}", target.info.device);
            equal("name", event.name, Some(name))?;
            equal("channel", event.channel, Some(target.info.channel))?;
            equal("source", event.source, Some(target.source_name(reader.made.source)))?;
            equal("slots", event.slots, Some(reader.made.slots))
        }),
        check(16, PLACE, "a stopped event has the stream's last counters", |target| {
            let reader = Reader::started(target, target.shape())?;
            reader.fill()?;
            let mut events = listen()?;
            reader.stop()?;
            let event = next(target, &mut events)?;
            let now = reader.stats()?;
            equal("counters", (event.frames, event.bytes), (Some(now.frames), Some(now.bytes)))
        }),
        check(17, "events", "a user without rights hears them", |target| {
            let reader = Reader::configured(target, target.quiet())?;
            target.become_nobody()?;
            let mut events = listen()?;
            reader.start()?;
            equal("event", next(target, &mut events)?.event, Some(Event::Started))
        }),
    ],
};

fn listen() -> Outcome<Events> {
    Ok(Client::connect()?.events()?)
}

/// The next event of the device.
fn heard(target: &Target, events: &mut Events) -> Outcome<Attributes> {
    let deadline = Instant::now() + LIMIT;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match events.next_timeout(left)? {
            Some(event) if event.id == Some(target.info.device) => return Ok(event),
            Some(_) => {}
            None => return Err(failed(format!("no event came within {LIMIT:?}"))),
        }
    }
}

/// The next that is not the second's statistics.
fn next(target: &Target, events: &mut Events) -> Outcome<Attributes> {
    loop {
        let event = heard(target, events)?;
        if event.event != Some(Event::Statistics) {
            return Ok(event);
        }
    }
}

/// The next of that kind.
fn the(kind: Event, target: &Target, events: &mut Events) -> Outcome<Attributes> {
    loop {
        let event = heard(target, events)?;
        if event.event == Some(kind) {
            return Ok(event);
        }
    }
}
