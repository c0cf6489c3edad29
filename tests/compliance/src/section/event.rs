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
/// Longer than the second after which statistics would be sent.
const QUIET: Duration = Duration::from_millis(1500);

pub(super) const SECTION: Section = Section {
    number: 16,
    name: "Events",
    document: SPECIFICATION,
    checks: &[
        check(1, "started", "START sends a started event", |target| {
            let mut events = listen()?;
            let _reader = Reader::started(target, target.quiet())?;
            let event = next(target, &mut events)?;
            equal(
                "event and state",
                (event.event, event.state),
                (Some(Event::Started), Some(State::Running)),
            )
        }),
        check(2, "stopped", "STOP sends a stopped event", |target| {
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
        check(3, "stopped", "close(2) of a running stream sends a stopped event", |target| {
            let reader = Reader::started(target, target.quiet())?;
            let mut events = listen()?;
            drop(reader);
            equal("event", next(target, &mut events)?.event, Some(Event::Stopped))
        }),
        check(4, "stopped", "STOP of a stream that does not run sends no event", |target| {
            let reader = Reader::configured(target, target.quiet())?;
            let mut events = listen()?;
            reader.stop()?;
            reader.start()?;
            equal("event", next(target, &mut events)?.event, Some(Event::Started))
        }),
        check(
            5,
            "event",
            "CONFIGURE and close(2) without a running stream send no event",
            |target| {
                let mut events = listen()?;
                let raw = target.open()?;
                configure(&raw, target.shape())?;
                drop(raw);
                let _reader = Reader::started(target, target.quiet())?;
                equal("event", next(target, &mut events)?.event, Some(Event::Started))
            },
        ),
        check(6, "error", "an impossible index sends an error event with its fault", |target| {
            let reader = Reader::started(target, target.quiet())?;
            let mut events = listen()?;
            reader.write_impossible(1)?;
            let event = next(target, &mut events)?;
            equal(
                "event",
                (event.event, event.fault),
                (Some(Event::Error), Some(Fault::Consumer)),
            )?;
            equal("state", event.state, Some(State::Faulted))
        }),
        check(7, "error", "STOP after a fault sends no event", |target| {
            let reader = Reader::started(target, target.quiet())?;
            reader.write_impossible(1)?;
            let mut events = listen()?;
            reader.stop()?;
            reader.set_index(0);
            reader.start()?;
            equal("event", next(target, &mut events)?.event, Some(Event::Started))
        }),
        check(8, "overrun", "the first loss sends an overrun event", |target| {
            let mut events = listen()?;
            let _reader = Reader::started(target, target.dropping())?;
            equal("first event", next(target, &mut events)?.event, Some(Event::Started))?;
            let event = next_of_kind(Event::Overrun, target, &mut events)?;
            equal("policy", event.policy, Some(Policy::Drop))?;
            holds(event.lost > Some(0), || format!("got {event:?}"))
        }),
        check(9, "overrun", "a continuing overrun sends one event", |target| {
            let mut events = listen()?;
            let reader = Reader::started(target, target.dropping())?;
            let lost = reader.lose_without_end()?.lost;
            next_of_kind(Event::Overrun, target, &mut events)?;
            while next_of_kind(Event::Statistics, target, &mut events)?.lost < Some(lost) {}
            reader.lose(lost + 50)?;
            reader.stop()?;
            loop {
                match next(target, &mut events)?.event {
                    Some(Event::Stopped) => return Ok(()),
                    other => holds(other != Some(Event::Overrun), || {
                        "got another overrun event".to_owned()
                    })?,
                }
            }
        }),
        check(10, "overrun", "many overruns send at most one event a second", |target| {
            let mut events = listen()?;
            let reader = Reader::started(target, target.dropping())?;
            // After the ring is emptied, the next loss starts another overrun.
            for overruns in 1..=5 {
                reader.overrun(overruns)?;
                reader.set_index(reader.producer());
            }
            reader.stop()?;
            let (mut overruns, mut seconds) = (0, 0);
            loop {
                match next_of_device(target, &mut events)?.event {
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
        check(11, "statistics", "a running stream sends statistics", |target| {
            let mut events = listen()?;
            let _reader = Reader::started(target, target.quiet())?;
            let event = next_of_kind(Event::Statistics, target, &mut events)?;
            equal("state", event.state, Some(State::Running))
        }),
        check(12, "statistics", "statistics are sent again, with higher counters", |target| {
            let mut events = listen()?;
            let _reader = Reader::started(target, target.dropping())?;
            let first = next_of_kind(Event::Statistics, target, &mut events)?;
            let second = next_of_kind(Event::Statistics, target, &mut events)?;
            holds(second.lost > first.lost, || format!("got {second:?} after {first:?}"))
        }),
        check(13, "statistics", "a stream that does not run sends no statistics", |target| {
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
        check(14, PLACE, "an event has all attributes of an answer, and event", |target| {
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
                overruns,
                chains,
                interrupts,
                kicks,
                bad_consumer,
                error_bits,
                owner_pid,
                owner_comm,
                engine,
                frame_bytes_max,
                frame_granularity,
                slots_max,
                ring_bytes_max,
                interval_us_min,
                interval_us_max,
                stamp_hz,
                too_fast,
            } = &event;
            let numbers = [
                id,
                channel,
                frame_bytes,
                slots,
                interval_us,
                error_bits,
                owner_pid,
                frame_bytes_max,
                frame_granularity,
                slots_max,
                interval_us_min,
                interval_us_max,
                stamp_hz,
            ];
            let counters = [
                frames,
                lost,
                bytes,
                errors,
                overruns,
                chains,
                interrupts,
                kicks,
                bad_consumer,
                ring_bytes_max,
                too_fast,
            ];
            let all = numbers.iter().all(|it| it.is_some())
                && counters.iter().all(|it| it.is_some())
                && (name.is_some() && source.is_some() && state.is_some())
                && (owner_comm.is_some() && engine.is_some())
                && (policy.is_some() && kind.is_some() && fault.is_some());
            holds(all, || format!("got {event:?}"))
        }),
        check(15, PLACE, "an event names its device and describes its stream", |target| {
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
        check(17, "events", "a user without rights receives events", |target| {
            let reader = Reader::configured(target, target.quiet())?;
            target.drop_rights()?;
            let mut events = listen()?;
            reader.start()?;
            equal("event", next(target, &mut events)?.event, Some(Event::Started))
        }),
        check(18, "overrun", "an overrun after a second sends another event", |target| {
            let mut events = listen()?;
            let reader = Reader::started(target, target.dropping())?;
            reader.overrun(1)?;
            next_of_kind(Event::Overrun, target, &mut events)?;
            // The limit is renewed when the statistics of a second are sent.
            next_of_kind(Event::Statistics, target, &mut events)?;
            next_of_kind(Event::Statistics, target, &mut events)?;
            let before = reader.stats()?.overruns;
            reader.set_index(reader.producer());
            reader.overrun(before + 1)?;
            for _ in 0..3 {
                loop {
                    match next_of_device(target, &mut events)?.event {
                        Some(Event::Overrun) => return Ok(()),
                        Some(Event::Statistics) => break,
                        _ => {}
                    }
                }
            }
            Err(failed("got the statistics of three seconds, and no overrun event"))
        }),
    ],
};

fn listen() -> Outcome<Events> {
    Ok(Client::connect()?.events()?)
}

/// Waits for the next event of the device.
fn next_of_device(target: &Target, events: &mut Events) -> Outcome<Attributes> {
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

/// Waits for the next event of the device other than statistics.
fn next(target: &Target, events: &mut Events) -> Outcome<Attributes> {
    loop {
        let event = next_of_device(target, events)?;
        if event.event != Some(Event::Statistics) {
            return Ok(event);
        }
    }
}

/// Waits for the next event `kind` of the device.
fn next_of_kind(kind: Event, target: &Target, events: &mut Events) -> Outcome<Attributes> {
    loop {
        let event = next_of_device(target, events)?;
        if event.event == Some(kind) {
            return Ok(event);
        }
    }
}
