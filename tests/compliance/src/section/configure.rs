// SPDX-License-Identifier: MIT OR Apache-2.0
//! What shapes a stream may have, and what comes of them.

use super::REFERENCE;
use crate::bench::Bench;
use crate::check::{Outcome, Section, check, equal, failed, holds, refused, skipped};
use crate::reader::{Reader, config, configure, state};
use dmaframe::sysfs::Attribute;
use dmaframe_abi::frame::HEADER_BYTES;
use dmaframe_abi::stream::{Policy, State};
use dmaframe_abi::uapi::{self, Config};
use nix::errno::Errno;

const PLACE: &str = "CONFIGURE";
const GET: &str = "GET_CONFIG";

pub(super) const SECTION: Section = Section {
    number: 3,
    name: "GET_CONFIG and CONFIGURE",
    document: REFERENCE,
    checks: &[
        check(1, GET, "GET_CONFIG without a stream has the ring's fields zero", |bench| {
            let now = config(&bench.open()?)?;
            equal("them", (now.slot_stride, now.header_bytes, now.slots_bytes), (0, 0, 0))
        }),
        check(2, GET, "GET_CONFIG without a stream is what sysfs shows", |bench| {
            let now = config(&bench.open()?)?;
            let sysfs = bench.sysfs();
            equal("source", bench.source_name(now.source), sysfs.read(Attribute::Source)?)?;
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
        check(3, GET, "GET_CONFIG writes flags and reserved with zero", |bench| {
            let dirty = Config { flags: u32::MAX, reserved: [u64::MAX; 3], ..Config::default() };
            let now = bench.open()?.exchange(uapi::GET_CONFIG, dirty)?;
            equal("them", (now.flags, now.reserved), (0, [0; 3]))
        }),
        check(4, GET, "what GET_CONFIG gives without a stream can be configured", |bench| {
            let raw = bench.open()?;
            let settings = config(&raw)?;
            configure(&raw, settings).map(drop)
        }),
        check(5, GET, "GET_CONFIG with a stream is what CONFIGURE gave back", |bench| {
            let raw = bench.open()?;
            let made = configure(&raw, bench.shape())?;
            equal("GET_CONFIG", config(&raw)?, made)
        }),
        check(
            6,
            GET,
            "what GET_CONFIG gives, its ring's fields set to zero, can be configured",
            |bench| {
                let raw = bench.open()?;
                let made = configure(&raw, bench.shape())?;
                let again = Config { slot_stride: 0, header_bytes: 0, slots_bytes: 0, ..made };
                equal("CONFIGURE", configure(&raw, again)?, made)
            },
        ),
        check(7, PLACE, "CONFIGURE gives the shape back as it was given", |bench| {
            let given = bench.dropping();
            let made = configure(&bench.open()?, given)?;
            let shape = Config { slot_stride: 0, header_bytes: 0, slots_bytes: 0, ..made };
            equal("shape", shape, given)
        }),
        check(8, PLACE, "CONFIGURE gives back a header_bytes of 64", |bench| {
            let made = configure(&bench.open()?, bench.shape())?;
            equal("header_bytes", made.header_bytes as usize, HEADER_BYTES)
        }),
        check(9, PLACE, "slot_stride has room for header and payload", |bench| {
            each_length(bench, |made| {
                let room = u64::from(made.header_bytes) + u64::from(made.frame_bytes);
                let good = u64::from(made.slot_stride) >= room;
                holds(good, || format!("got {} for {room}", made.slot_stride))
            })
        }),
        check(10, PLACE, "slots_bytes is slots times slot_stride", |bench| {
            each_length(bench, |made| {
                let all = u64::from(made.slots) * u64::from(made.slot_stride);
                equal("slots_bytes", made.slots_bytes, all)
            })
        }),
        check(11, PLACE, "CONFIGURE leads from idle to configured", |bench| {
            let raw = bench.open()?;
            configure(&raw, bench.shape())?;
            equal("state", state(&raw)?, State::Configured as u32)
        }),
        check(12, PLACE, "the shortest payload can be configured", |bench| {
            accepts(bench, |it| it.frame_bytes = bench.unit(&bench.source()))
        }),
        check(13, PLACE, "the longest payload can be configured", |bench| {
            let unit = bench.unit(&bench.source());
            let longest = bench.info.frame_bytes_max / unit * unit;
            let given = Config { frame_bytes: longest, slots: 2, ..bench.shape() };
            match bench.open()?.configure(given) {
                Err(Errno::ENOMEM) => skipped("no memory for it"),
                made => equal("frame_bytes", made?.frame_bytes, longest),
            }
        }),
        check(14, PLACE, "two slots can be configured", |bench| accepts(bench, |it| it.slots = 2)),
        check(15, PLACE, "slots_max slots can be configured", |bench| {
            accepts(bench, |it| {
                it.slots = bench.info.slots_max;
                it.frame_bytes = bench.unit(&bench.source());
            })
        }),
        check(16, PLACE, "interval_us_min can be configured", |bench| {
            accepts(bench, |it| it.interval_us = bench.info.interval_us_min)
        }),
        check(17, PLACE, "interval_us_max can be configured", |bench| {
            accepts(bench, |it| it.interval_us = bench.info.interval_us_max)
        }),
        check(18, PLACE, "drop with an interval can be configured", |bench| {
            accepts(bench, |it| {
                it.policy = Policy::Drop as u32;
                it.interval_us = bench.info.interval_us_max;
            })
        }),
        check(
            19,
            PLACE,
            "every source can be configured with what GET_SOURCE says of it",
            |bench| {
                let raw = bench.open()?;
                bench.sources.iter().try_for_each(|source| {
                    let Config { source: index, slots, .. } = bench.shape_of(source);
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
        check(20, PLACE, "CONFIGURE refuses the source one too high with EINVAL", |bench| {
            refuses(bench, |it| it.source = bench.info.sources)
        }),
        check(21, PLACE, "CONFIGURE refuses the source 2^32-1 with EINVAL", |bench| {
            refuses(bench, |it| it.source = u32::MAX)
        }),
        check(22, PLACE, "CONFIGURE refuses a zero frame_bytes with EINVAL", |bench| {
            refuses(bench, |it| it.frame_bytes = 0)
        }),
        check(
            23,
            PLACE,
            "CONFIGURE refuses a frame_bytes off the granularity with EINVAL",
            |bench| refuses(bench, |it| it.frame_bytes += bench.info.frame_granularity / 2),
        ),
        check(
            24,
            PLACE,
            "CONFIGURE refuses a frame_bytes off the source's width with EINVAL",
            |bench| {
                let granularity = bench.info.frame_granularity;
                let wide =
                    bench.sources.iter().find(|source| granularity % source.width.max(1) != 0);
                let Some(wide) = wide else {
                    return skipped("no source is wider than the granularity");
                };
                let mut given = bench.shape_of(wide);
                given.frame_bytes += granularity;
                refused(bench.open()?.configure(given), Errno::EINVAL)
            },
        ),
        check(
            25,
            PLACE,
            "CONFIGURE refuses a frame_bytes over frame_bytes_max with EINVAL",
            |bench| {
                refuses(bench, |it| {
                    it.slots = 2;
                    it.frame_bytes = bench.info.frame_bytes_max + bench.unit(&bench.source());
                })
            },
        ),
        check(26, PLACE, "CONFIGURE refuses a frame_bytes near 2^32 with EINVAL", |bench| {
            let unit = bench.unit(&bench.source());
            refuses(bench, |it| {
                it.slots = 2;
                it.frame_bytes = u32::MAX / unit * unit;
            })
        }),
        check(27, PLACE, "CONFIGURE refuses no slots with EINVAL", |bench| {
            refuses(bench, |it| it.slots = 0)
        }),
        check(28, PLACE, "CONFIGURE refuses one slot with EINVAL", |bench| {
            refuses(bench, |it| it.slots = 1)
        }),
        check(29, PLACE, "CONFIGURE refuses slots that are no power of two with EINVAL", |bench| {
            refuses(bench, |it| it.slots = 3)
        }),
        check(30, PLACE, "CONFIGURE refuses more slots than slots_max with EINVAL", |bench| {
            refuses(bench, |it| {
                it.frame_bytes = bench.unit(&bench.source());
                it.slots = 2 * bench.info.slots_max;
            })
        }),
        check(31, PLACE, "CONFIGURE refuses 2^31 slots with EINVAL", |bench| {
            refuses(bench, |it| it.slots = 1 << 31)
        }),
        check(32, PLACE, "CONFIGURE refuses a ring over ring_bytes_max with EINVAL", |bench| {
            let unit = bench.unit(&bench.source());
            let longest = bench.info.frame_bytes_max / unit * unit;
            let all = u64::from(longest) * u64::from(bench.info.slots_max);
            if all <= bench.info.ring_bytes_max {
                return skipped("the longest ring is within it");
            }
            refuses(bench, |it| {
                it.frame_bytes = longest;
                it.slots = bench.info.slots_max;
            })
        }),
        check(
            33,
            PLACE,
            "CONFIGURE refuses an interval_us below interval_us_min with EINVAL",
            |bench| {
                if bench.info.interval_us_min < 2 {
                    return skipped("none is shorter");
                }
                refuses(bench, |it| it.interval_us = bench.info.interval_us_min - 1)
            },
        ),
        check(
            34,
            PLACE,
            "CONFIGURE refuses an interval_us over interval_us_max with EINVAL",
            |bench| match bench.info.interval_us_max.checked_add(1) {
                Some(longer) => refuses(bench, |it| it.interval_us = longer),
                None => skipped("none is longer"),
            },
        ),
        check(35, PLACE, "CONFIGURE refuses an unknown policy with EINVAL", |bench| {
            refuses(bench, |it| it.policy = 2)
        }),
        check(36, PLACE, "CONFIGURE refuses the policy 2^32-1 with EINVAL", |bench| {
            refuses(bench, |it| it.policy = u32::MAX)
        }),
        check(37, PLACE, "CONFIGURE refuses drop without an interval with EINVAL", |bench| {
            refuses(bench, |it| it.policy = Policy::Drop as u32)
        }),
        check(38, PLACE, "CONFIGURE refuses the lowest flag with EINVAL", |bench| {
            refuses(bench, |it| it.flags = 1)
        }),
        check(39, PLACE, "CONFIGURE refuses the highest flag with EINVAL", |bench| {
            refuses(bench, |it| it.flags = 1 << 31)
        }),
        check(40, PLACE, "CONFIGURE refuses a slot_stride that is given with EINVAL", |bench| {
            refuses(bench, |it| it.slot_stride = bench.page as u32)
        }),
        check(41, PLACE, "CONFIGURE refuses a header_bytes that is given with EINVAL", |bench| {
            refuses(bench, |it| it.header_bytes = HEADER_BYTES as u32)
        }),
        check(42, PLACE, "CONFIGURE refuses a slots_bytes that is given with EINVAL", |bench| {
            refuses(bench, |it| it.slots_bytes = 1 << 40)
        }),
        check(43, PLACE, "CONFIGURE refuses a reserved[0] that is not zero with EINVAL", |bench| {
            refuses(bench, |it| it.reserved[0] = 1)
        }),
        check(44, PLACE, "CONFIGURE refuses a reserved[1] that is not zero with EINVAL", |bench| {
            refuses(bench, |it| it.reserved[1] = 1)
        }),
        check(45, PLACE, "CONFIGURE refuses a reserved[2] that is not zero with EINVAL", |bench| {
            refuses(bench, |it| it.reserved[2] = 1 << 63)
        }),
        check(46, PLACE, "CONFIGURE refuses what it gave back with EINVAL", |bench| {
            let raw = bench.open()?;
            let made = configure(&raw, bench.shape())?;
            refused(raw.configure(made), Errno::EINVAL)
        }),
        check(47, PLACE, "CONFIGURE that was refused leaves an idle device idle", |bench| {
            let raw = bench.open()?;
            refused(raw.configure(Config { slots: 3, ..bench.shape() }), Errno::EINVAL)?;
            equal("state", state(&raw)?, State::Idle as u32)
        }),
        check(48, PLACE, "CONFIGURE that was refused leaves the ring before it", |bench| {
            let reader = Reader::configured(bench, bench.shape())?;
            let flags = reader.flags();
            let given = Config { slots: 3, ..bench.shape() };
            refused(reader.raw.configure(given), Errno::EINVAL)?;
            equal("GET_CONFIG", config(&reader.raw)?, reader.made)?;
            equal("flags", reader.flags(), flags)
        }),
        check(49, PLACE, "CONFIGURE fails with EBUSY while a stream runs", |bench| {
            let reader = Reader::started(bench, bench.quiet())?;
            refused(reader.raw.configure(bench.shape()), Errno::EBUSY)
        }),
        check(50, PLACE, "CONFIGURE that was refused leaves a running stream running", |bench| {
            let reader = Reader::started(bench, bench.shape())?;
            refused(reader.raw.configure(bench.shape()), Errno::EBUSY)?;
            reader.take_all(2 * reader.made.slots).map(drop)
        }),
        check(51, PLACE, "CONFIGURE makes a stream anew in another shape", |bench| {
            let raw = bench.open()?;
            configure(&raw, bench.shape())?;
            let made = configure(&raw, Config { slots: 2, ..bench.shape() })?;
            equal("slots", (made.slots, config(&raw)?.slots), (2, 2))
        }),
        check(52, PLACE, "CONFIGURE does not change the device's settings", |bench| {
            let before = config(&bench.open()?)?;
            configure(&bench.open()?, bench.dropping())?;
            equal("GET_CONFIG", config(&bench.open()?)?, before)
        }),
    ],
};

fn refuses(bench: &Bench, change: impl FnOnce(&mut Config)) -> Outcome {
    let mut given = bench.shape();
    change(&mut given);
    refused(bench.open()?.configure(given), Errno::EINVAL)
}

fn accepts(bench: &Bench, change: impl FnOnce(&mut Config)) -> Outcome {
    let mut given = bench.shape();
    change(&mut given);
    configure(&bench.open()?, given).map(drop)
}

/// Rings of payloads that end before a page, at its end, and after.
fn each_length(bench: &Bench, holds: impl Fn(&Config) -> Outcome) -> Outcome {
    let raw = bench.open()?;
    let unit = bench.unit(&bench.source());
    let page = (bench.page as u32 / unit).max(1) * unit;
    for frame_bytes in [unit, page - HEADER_BYTES as u32 / unit * unit, page, page + unit] {
        if frame_bytes > 0 {
            holds(&configure(&raw, Config { frame_bytes, ..bench.shape() })?)?;
        }
    }
    Ok(())
}
