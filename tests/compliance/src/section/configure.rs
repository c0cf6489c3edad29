// SPDX-License-Identifier: MIT OR Apache-2.0
//! The configuration of a stream.

use super::REFERENCE;
use crate::check::{Section, check};
use crate::outcome::{Outcome, equal, failed, holds, refused, skipped};
use crate::reader::{Reader, config, configure, state};
use crate::target::Target;
use dmaframe::sysfs::Attribute;
use dmaframe_abi::frame::HEADER_BYTES;
use dmaframe_abi::stream::{Policy, State};
use dmaframe_abi::uapi::{self, Config, SourceInfo};
use nix::errno::Errno;

const PLACE: &str = "CONFIGURE";
const GET: &str = "GET_CONFIG";

pub(super) const SECTION: Section = Section {
    number: 3,
    name: "GET_CONFIG and CONFIGURE",
    document: REFERENCE,
    checks: &[
        check(1, GET, "GET_CONFIG without a stream returns zero in the ring's fields", |target| {
            let now = config(&target.open()?)?;
            equal("them", (now.slot_stride, now.header_bytes, now.slots_bytes), (0, 0, 0))
        }),
        check(2, GET, "GET_CONFIG without a stream returns the settings in sysfs", |target| {
            let now = config(&target.open()?)?;
            let sysfs = target.sysfs();
            equal("source", target.source_name(now.source), sysfs.read(Attribute::Source)?)?;
            for (attribute, value) in [
                (Attribute::FrameBytes, now.frame_bytes),
                (Attribute::Slots, now.slots),
                (Attribute::IntervalUs, now.interval_us),
            ] {
                equal(attribute.name(), u64::from(value), sysfs.number(attribute)?)?;
            }
            let policy =
                Policy::try_from(now.policy).map_err(|raw| failed(format!("got {raw}")))?;
            equal("policy", policy.name(), &sysfs.read(Attribute::Policy)?)
        }),
        check(3, GET, "GET_CONFIG sets flags and reserved to zero", |target| {
            let dirty = Config { flags: u32::MAX, reserved: [u64::MAX; 3], ..Config::default() };
            let now = target.open()?.exchange(uapi::GET_CONFIG, dirty)?;
            equal("them", (now.flags, now.reserved), (0, [0; 3]))
        }),
        check(4, GET, "CONFIGURE accepts what GET_CONFIG returns without a stream", |target| {
            let raw = target.open()?;
            let settings = config(&raw)?;
            configure(&raw, settings).map(drop)
        }),
        check(5, GET, "GET_CONFIG with a stream returns what CONFIGURE returned", |target| {
            let raw = target.open()?;
            let made = configure(&raw, target.shape())?;
            equal("GET_CONFIG", config(&raw)?, made)
        }),
        check(
            6,
            GET,
            "CONFIGURE accepts what GET_CONFIG returns, with the ring's fields zero",
            |target| {
                let raw = target.open()?;
                let made = configure(&raw, target.shape())?;
                let again = Config { slot_stride: 0, header_bytes: 0, slots_bytes: 0, ..made };
                equal("CONFIGURE", configure(&raw, again)?, made)
            },
        ),
        check(7, PLACE, "CONFIGURE returns the requested values unchanged", |target| {
            let given = target.dropping();
            let made = configure(&target.open()?, given)?;
            let shape = Config { slot_stride: 0, header_bytes: 0, slots_bytes: 0, ..made };
            equal("shape", shape, given)
        }),
        check(8, PLACE, "CONFIGURE returns a header_bytes of 64", |target| {
            let made = configure(&target.open()?, target.shape())?;
            equal("header_bytes", made.header_bytes as usize, HEADER_BYTES)
        }),
        check(9, PLACE, "slot_stride has room for header and payload", |target| {
            each_length(target, |made| {
                let room = u64::from(made.header_bytes) + u64::from(made.frame_bytes);
                let good = u64::from(made.slot_stride) >= room;
                holds(good, || format!("got {} for {room}", made.slot_stride))
            })
        }),
        check(10, PLACE, "slots_bytes is slots times slot_stride", |target| {
            each_length(target, |made| {
                let all = u64::from(made.slots) * u64::from(made.slot_stride);
                equal("slots_bytes", made.slots_bytes, all)
            })
        }),
        check(11, PLACE, "CONFIGURE changes the state from idle to configured", |target| {
            let raw = target.open()?;
            configure(&raw, target.shape())?;
            equal("state", state(&raw)?, State::Configured as u32)
        }),
        check(12, PLACE, "CONFIGURE accepts the shortest payload", |target| {
            accepts(target, |it| it.frame_bytes = target.unit(&target.source()))
        }),
        check(13, PLACE, "CONFIGURE accepts the longest payload", |target| {
            let unit = target.unit(&target.source());
            let longest = target.info.frame_bytes_max / unit * unit;
            let given = Config { frame_bytes: longest, slots: 2, ..target.shape() };
            match target.open()?.configure(given) {
                Err(Errno::ENOMEM) => skipped("no memory for it"),
                made => equal("frame_bytes", made?.frame_bytes, longest),
            }
        }),
        check(14, PLACE, "CONFIGURE accepts two slots", |target| {
            accepts(target, |it| it.slots = 2)
        }),
        check(15, PLACE, "CONFIGURE accepts slots_max slots", |target| {
            accepts(target, |it| {
                it.slots = target.info.slots_max;
                it.frame_bytes = target.unit(&target.source());
            })
        }),
        check(16, PLACE, "CONFIGURE accepts interval_us_min", |target| {
            accepts(target, |it| it.interval_us = target.info.interval_us_min)
        }),
        check(17, PLACE, "CONFIGURE accepts interval_us_max", |target| {
            accepts(target, |it| it.interval_us = target.info.interval_us_max)
        }),
        check(18, PLACE, "CONFIGURE accepts the policy drop with an interval", |target| {
            accepts(target, |it| {
                it.policy = Policy::Drop as u32;
                it.interval_us = target.info.interval_us_max;
            })
        }),
        check(
            19,
            PLACE,
            "CONFIGURE accepts every source with the values of GET_SOURCE",
            |target| {
                let raw = target.open()?;
                target.sources.iter().try_for_each(|source| {
                    let Config { source: index, slots, .. } = target.shape_of(source);
                    let (frame_bytes, interval_us) = (source.frame_bytes, source.interval_us);
                    let given = Config {
                        source: index,
                        slots,
                        frame_bytes,
                        interval_us,
                        ..Config::default()
                    };
                    equal("source", configure(&raw, given)?.source, source.index)
                })
            },
        ),
        check(20, PLACE, "CONFIGURE refuses the source Info.sources with EINVAL", |target| {
            refuses(target, |it| it.source = target.info.sources)
        }),
        check(21, PLACE, "CONFIGURE refuses the source 2^32-1 with EINVAL", |target| {
            refuses(target, |it| it.source = u32::MAX)
        }),
        check(22, PLACE, "CONFIGURE refuses a zero frame_bytes with EINVAL", |target| {
            refuses(target, |it| it.frame_bytes = 0)
        }),
        check(
            23,
            PLACE,
            "CONFIGURE refuses a frame_bytes that is no multiple of the granularity with EINVAL",
            |target| refuses(target, |it| it.frame_bytes += target.info.frame_granularity / 2),
        ),
        check(
            24,
            PLACE,
            "CONFIGURE refuses a frame_bytes that is no multiple of the source's width with EINVAL",
            |target| {
                let granularity = target.info.frame_granularity;
                let wide =
                    target.sources.iter().find(|source| granularity % source.width.max(1) != 0);
                let Some(wide) = wide else {
                    return skipped("no source is wider than the granularity");
                };
                let mut given = target.shape_of(wide);
                given.frame_bytes += granularity;
                refused(target.open()?.configure(given), Errno::EINVAL)
            },
        ),
        check(
            25,
            PLACE,
            "CONFIGURE refuses a frame_bytes above frame_bytes_max with EINVAL",
            |target| {
                refuses(target, |it| {
                    it.slots = 2;
                    it.frame_bytes = target.info.frame_bytes_max + target.unit(&target.source());
                })
            },
        ),
        check(26, PLACE, "CONFIGURE refuses a frame_bytes near 2^32 with EINVAL", |target| {
            let unit = target.unit(&target.source());
            refuses(target, |it| {
                it.slots = 2;
                it.frame_bytes = u32::MAX / unit * unit;
            })
        }),
        check(27, PLACE, "CONFIGURE refuses zero slots with EINVAL", |target| {
            refuses(target, |it| it.slots = 0)
        }),
        check(28, PLACE, "CONFIGURE refuses one slot with EINVAL", |target| {
            refuses(target, |it| it.slots = 1)
        }),
        check(
            29,
            PLACE,
            "CONFIGURE refuses slots that are not a power of two with EINVAL",
            |target| refuses(target, |it| it.slots = 3),
        ),
        check(30, PLACE, "CONFIGURE refuses more slots than slots_max with EINVAL", |target| {
            refuses(target, |it| {
                it.frame_bytes = target.unit(&target.source());
                it.slots = 2 * target.info.slots_max;
            })
        }),
        check(31, PLACE, "CONFIGURE refuses 2^31 slots with EINVAL", |target| {
            refuses(target, |it| it.slots = 1 << 31)
        }),
        check(32, PLACE, "CONFIGURE refuses a ring above ring_bytes_max with EINVAL", |target| {
            let unit = target.unit(&target.source());
            let longest = target.info.frame_bytes_max / unit * unit;
            let all = u64::from(longest) * u64::from(target.info.slots_max);
            if all <= target.info.ring_bytes_max {
                return skipped("the longest ring is within it");
            }
            refuses(target, |it| {
                it.frame_bytes = longest;
                it.slots = target.info.slots_max;
            })
        }),
        check(
            33,
            PLACE,
            "CONFIGURE refuses an interval_us below interval_us_min with EINVAL",
            |target| {
                if target.info.interval_us_min < 2 {
                    return skipped("none is shorter");
                }
                refuses(target, |it| it.interval_us = target.info.interval_us_min - 1)
            },
        ),
        check(
            34,
            PLACE,
            "CONFIGURE refuses an interval_us above interval_us_max with EINVAL",
            |target| match target.info.interval_us_max.checked_add(1) {
                Some(longer) => refuses(target, |it| it.interval_us = longer),
                None => skipped("none is longer"),
            },
        ),
        check(35, PLACE, "CONFIGURE refuses an unknown policy with EINVAL", |target| {
            refuses(target, |it| it.policy = 2)
        }),
        check(36, PLACE, "CONFIGURE refuses the policy 2^32-1 with EINVAL", |target| {
            refuses(target, |it| it.policy = u32::MAX)
        }),
        check(37, PLACE, "CONFIGURE refuses drop without an interval with EINVAL", |target| {
            refuses(target, |it| it.policy = Policy::Drop as u32)
        }),
        check(38, PLACE, "CONFIGURE refuses the lowest flag with EINVAL", |target| {
            refuses(target, |it| it.flags = 1)
        }),
        check(39, PLACE, "CONFIGURE refuses the highest flag with EINVAL", |target| {
            refuses(target, |it| it.flags = 1 << 31)
        }),
        check(40, PLACE, "CONFIGURE refuses a slot_stride other than zero with EINVAL", |target| {
            refuses(target, |it| it.slot_stride = target.page as u32)
        }),
        check(
            41,
            PLACE,
            "CONFIGURE refuses a header_bytes other than zero with EINVAL",
            |target| refuses(target, |it| it.header_bytes = HEADER_BYTES as u32),
        ),
        check(42, PLACE, "CONFIGURE refuses a slots_bytes other than zero with EINVAL", |target| {
            refuses(target, |it| it.slots_bytes = 1 << 40)
        }),
        check(43, PLACE, "CONFIGURE refuses a reserved[0] other than zero with EINVAL", |target| {
            refuses(target, |it| it.reserved[0] = 1)
        }),
        check(44, PLACE, "CONFIGURE refuses a reserved[1] other than zero with EINVAL", |target| {
            refuses(target, |it| it.reserved[1] = 1)
        }),
        check(45, PLACE, "CONFIGURE refuses a reserved[2] other than zero with EINVAL", |target| {
            refuses(target, |it| it.reserved[2] = 1 << 63)
        }),
        check(46, PLACE, "CONFIGURE refuses its own result with EINVAL", |target| {
            let raw = target.open()?;
            let made = configure(&raw, target.shape())?;
            refused(raw.configure(made), Errno::EINVAL)
        }),
        check(47, PLACE, "a refused CONFIGURE leaves an idle device idle", |target| {
            let raw = target.open()?;
            refused(raw.configure(Config { slots: 3, ..target.shape() }), Errno::EINVAL)?;
            equal("state", state(&raw)?, State::Idle as u32)
        }),
        check(48, PLACE, "a refused CONFIGURE leaves the previous ring", |target| {
            let reader = Reader::configured(target, target.shape())?;
            let flags = reader.flags();
            let given = Config { slots: 3, ..target.shape() };
            refused(reader.raw.configure(given), Errno::EINVAL)?;
            equal("GET_CONFIG", config(&reader.raw)?, reader.made)?;
            equal("flags", reader.flags(), flags)
        }),
        check(49, PLACE, "CONFIGURE fails with EBUSY while a stream runs", |target| {
            let reader = Reader::started(target, target.quiet())?;
            refused(reader.raw.configure(target.shape()), Errno::EBUSY)
        }),
        check(50, PLACE, "a refused CONFIGURE leaves a running stream running", |target| {
            let reader = Reader::started(target, target.shape())?;
            refused(reader.raw.configure(target.shape()), Errno::EBUSY)?;
            reader.take_all(2 * reader.made.slots).map(drop)
        }),
        check(51, PLACE, "a second CONFIGURE replaces the stream", |target| {
            let raw = target.open()?;
            configure(&raw, target.shape())?;
            let made = configure(&raw, Config { slots: 2, ..target.shape() })?;
            equal("slots", (made.slots, config(&raw)?.slots), (2, 2))
        }),
        check(52, PLACE, "CONFIGURE does not change the device's settings", |target| {
            let before = config(&target.open()?)?;
            configure(&target.open()?, target.dropping())?;
            equal("GET_CONFIG", config(&target.open()?)?, before)
        }),
        check(53, PLACE, "CONFIGURE accepts the frame_bytes_max of every source", |target| {
            let raw = target.open()?;
            target.sources.iter().try_for_each(|source| {
                match raw.configure(longest(target, source)) {
                    Err(Errno::ENOMEM) => skipped("no memory for it"),
                    made => equal("frame_bytes", made?.frame_bytes, source.frame_bytes_max),
                }
            })
        }),
        check(
            54,
            PLACE,
            "CONFIGURE refuses a frame_bytes above the source's frame_bytes_max with EINVAL",
            |target| {
                let raw = target.open()?;
                target.sources.iter().try_for_each(|source| {
                    let mut given = longest(target, source);
                    given.frame_bytes += target.unit(source);
                    refused(raw.configure(given), Errno::EINVAL)
                })
            },
        ),
    ],
};

/// Two slots of the longest payload of a source.
fn longest(target: &Target, source: &SourceInfo) -> Config {
    Config { frame_bytes: source.frame_bytes_max, slots: 2, ..target.shape_of(source) }
}

fn refuses(target: &Target, change: impl FnOnce(&mut Config)) -> Outcome {
    let mut given = target.shape();
    change(&mut given);
    refused(target.open()?.configure(given), Errno::EINVAL)
}

fn accepts(target: &Target, change: impl FnOnce(&mut Config)) -> Outcome {
    let mut given = target.shape();
    change(&mut given);
    configure(&target.open()?, given).map(drop)
}

/// Rings of payloads that end before a page, at its end, and after.
fn each_length(target: &Target, holds: impl Fn(&Config) -> Outcome) -> Outcome {
    let raw = target.open()?;
    let unit = target.unit(&target.source());
    let page = (target.page as u32 / unit).max(1) * unit;
    for frame_bytes in [unit, page - HEADER_BYTES as u32 / unit * unit, page, page + unit] {
        if frame_bytes > 0 {
            holds(&configure(&raw, Config { frame_bytes, ..target.shape() })?)?;
        }
    }
    Ok(())
}
