// SPDX-License-Identifier: MIT OR Apache-2.0
//! Two devices of one driver, which do not affect each other.

use super::REFERENCE;
use crate::check::{Section, check};
use crate::outcome::{Outcome, equal, failed, holds};
use crate::reader::{Reader, config, is_pattern, state};
use crate::target::Target;
use dmaframe::sysfs::Attribute;
use dmaframe_abi::stream::State;
use std::thread;

const PLACE: &str = "dmaframe";

pub(super) const SECTION: Section = Section {
    number: 17,
    name: "Two devices",
    document: REFERENCE,
    checks: &[
        check(1, PLACE, "the devices have different numbers and channels", |target| {
            let (one, two) = (target.info, target.other()?.info);
            holds(one.device != two.device && one.channel != two.channel, || {
                format!(
                    "got {} and {}, channels {} and {}",
                    one.device, two.device, one.channel, two.channel
                )
            })
        }),
        check(2, "Opening", "both devices can be open at the same time", |target| {
            let other = target.other()?;
            let (_one, _two) = (target.open()?, other.open()?);
            Ok(())
        }),
        check(3, "Life cycle", "a stream of one device leaves the other idle", |target| {
            let other = target.other()?;
            let _one = Reader::started(target, target.quiet())?;
            equal("state", state(&other.open()?)?, State::Idle as u32)
        }),
        check(
            4,
            "GET_CONFIG",
            "a stream of one device does not change the other's settings",
            |target| {
                let other = target.other()?;
                let before = config(&other.open()?)?;
                let _one = Reader::configured(target, target.dropping())?;
                equal("GET_CONFIG", config(&other.open()?)?, before)
            },
        ),
        check(
            5,
            "GET_CONFIG",
            "writing settings of one device does not change the other's",
            |target| {
                target.need_root()?;
                let other = target.other()?;
                let before = config(&other.open()?)?;
                let now = target.sysfs().number(Attribute::Slots)?;
                target.sysfs().write(Attribute::Slots, if now == 2 { 4 } else { 2 })?;
                equal("GET_CONFIG", config(&other.open()?)?, before)
            },
        ),
        check(
            6,
            PLACE,
            "both devices stream at the same time, and all frames are correct",
            |target| {
                let other = target.other()?;
                target.pattern()?;
                thread::scope(|scope| {
                    let two = scope.spawn(|| whole(&other));
                    whole(target)?;
                    two.join().map_err(|_| failed("the other reader panicked"))?
                })
            },
        ),
        check(7, "STOP", "STOP of one device leaves the other running", |target| {
            let other = target.other()?;
            let one = Reader::started(target, target.shape())?;
            let two = Reader::started(&other, other.shape())?;
            one.stop()?;
            two.take_all(3 * two.made.slots)?;
            equal("state", two.state()?, State::Running as u32)
        }),
        check(8, "Life cycle", "close(2) of one device leaves the other running", |target| {
            let other = target.other()?;
            let one = Reader::started(target, target.shape())?;
            let two = Reader::started(&other, other.shape())?;
            drop(one);
            two.take_all(3 * two.made.slots)?;
            equal("state", two.state()?, State::Running as u32)
        }),
        check(9, "Ring protocol", "a fault of one device leaves the other running", |target| {
            let other = target.other()?;
            let one = Reader::started(target, target.quiet())?;
            let two = Reader::started(&other, other.shape())?;
            one.write_impossible(1)?;
            two.take_all(3 * two.made.slots)?;
            let now = two.stats()?;
            equal("them", (now.state, now.bad_consumer), (State::Running as u32, 0))
        }),
        check(10, "GET_STATS", "frames of one device are not counted for the other", |target| {
            let other = target.other()?;
            let two = Reader::started(&other, other.quiet())?;
            let one = Reader::started(target, target.shape())?;
            one.fill()?;
            equal("frames", two.stats()?.frames, 0)
        }),
        check(11, "Ring protocol", "a full ring of one device does not stop the other", |target| {
            let other = target.other()?;
            let one = Reader::started(target, target.shape())?;
            one.fill()?;
            let two = Reader::started(&other, other.shape())?;
            two.take_all(3 * two.made.slots).map(drop)
        }),
    ],
};

fn whole(target: &Target) -> Outcome {
    let reader = Reader::started(target, target.shape())?;
    for _ in 0..200 {
        is_pattern(&[reader.take()?])?;
    }
    equal("lost", reader.stats()?.lost, 0)
}
