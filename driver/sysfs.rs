// SPDX-License-Identifier: GPL-2.0

//! `/sys/class/misc/dmaframeN`: one value a file.
//!
//! Reference: Documentation/ABI/testing/sysfs-class-misc-dmaframe.

use crate::{
    abstractions::{
        attribute::{
            Attribute,
            Attributes, //
        },
        attribute_group::{
            Entry,
            Group,
            Groups, //
        }, //
    },
    channel::{
        settings::Settings,
        Channel, //
    }, //
};
use dmaframe_abi::stream::{self as rules, Policy};
use kernel::{
    prelude::*,
    str::CString, //
};

/// Declares the attributes: each a number, a name, and whether it may be written.
macro_rules! attributes {
    ($($number:literal $constant:ident $name:literal $writable:literal;)*) => {
        $(
            const $constant: usize = $number;
        )*

        static TABLE: [Entry<Channel>; [$($number),*].len() + 1] = [
            $(
                {
                    static ATTRIBUTE: Attribute<Channel> = Attribute::new::<$number>($name, $writable);
                    ATTRIBUTE.entry()
                },
            )*
            Entry::END,
        ];
    };
}

attributes! {
    0 STATE c"state" false;
    1 SOURCE c"source" true;
    2 FRAME_BYTES c"frame_bytes" true;
    3 SLOTS c"slots" true;
    4 POLICY c"policy" true;
    5 INTERVAL_US c"interval_us" true;
    6 FRAMES c"frames" false;
    7 LOST c"lost" false;
    8 BYTES c"bytes" false;
    9 ERRORS c"errors" false;
    10 OVERRUNS c"overruns" false;
    11 CHAINS c"chains" false;
    12 INTERRUPTS c"interrupts" false;
    13 KICKS c"kicks" false;
    14 BAD_CONSUMER c"bad_consumer" false;
    15 ERROR_BITS c"error_bits" false;
    16 OWNER_PID c"owner_pid" false;
    17 OWNER_COMM c"owner_comm" false;
    18 ENGINE c"engine" false;
    19 CHANNEL c"channel" false;
    20 SOURCES c"sources" false;
    21 FRAME_BYTES_MAX c"frame_bytes_max" false;
    22 SLOTS_MAX c"slots_max" false;
    23 RING_BYTES_MAX c"ring_bytes_max" false;
    24 INTERVAL_US_MIN c"interval_us_min" false;
    25 INTERVAL_US_MAX c"interval_us_max" false;
    26 STAMP_HZ c"stamp_hz" false;
    27 TOO_FAST c"too_fast" false;
}

static GROUP: Group<Channel> = Group::new(&TABLE);

/// The attributes of a channel.
pub(crate) static GROUPS: Groups<Channel> = Groups::new(&GROUP);

fn number(text: &str) -> Result<Option<u32>> {
    text.parse().map(Some).map_err(|_| EINVAL)
}

impl Attributes for Channel {
    fn show(&self, attribute: usize) -> Result<CString> {
        let now = self.snapshot();
        let (shape, stats) = (now.shape, now.stats);
        let show = |value: u64| CString::try_from_fmt(fmt!("{value}"));
        let text = match attribute {
            STATE => CString::try_from_fmt(fmt!("{}", now.state.name())),
            SOURCE => {
                let name = now.source.to_str()?;
                CString::try_from_fmt(fmt!("{name}"))
            }
            FRAME_BYTES => show(shape.frame_bytes.into()),
            SLOTS => show(shape.slots.into()),
            POLICY => CString::try_from_fmt(fmt!("{}", shape.policy.name())),
            INTERVAL_US => show(shape.interval_us.into()),
            FRAMES => show(stats.frames),
            LOST => show(stats.lost),
            BYTES => show(stats.bytes),
            ERRORS => show(stats.errors),
            OVERRUNS => show(stats.overruns),
            CHAINS => show(stats.chains),
            INTERRUPTS => show(stats.interrupts),
            KICKS => show(stats.kicks),
            BAD_CONSUMER => show(stats.bad_consumer),
            ERROR_BITS => CString::try_from_fmt(fmt!("{:#x}", stats.error_bits)),
            OWNER_PID => show(now.owner.map_or(0, |owner| owner.pid.into())),
            OWNER_COMM => {
                let owner = now.owner.as_ref();
                let comm = owner.map_or(c"", |owner| owner.comm()).to_bytes();
                // The name is the process's own choice.
                CString::try_from_fmt(fmt!("{}", core::str::from_utf8(comm).unwrap_or("?")))
            }
            ENGINE => CString::try_from_fmt(fmt!("{}", now.engine.to_str()?)),
            CHANNEL => show(now.channel.into()),
            SOURCES => self.source_names(),
            FRAME_BYTES_MAX => show(rules::FRAME_BYTES_MAX.into()),
            SLOTS_MAX => show(rules::SLOTS_MAX.into()),
            RING_BYTES_MAX => show(rules::RING_BYTES_MAX),
            INTERVAL_US_MIN => show(rules::INTERVAL_US_MIN.into()),
            INTERVAL_US_MAX => show(rules::INTERVAL_US_MAX.into()),
            STAMP_HZ => show(now.stamp_hz.into()),
            TOO_FAST => show(stats.too_fast),
            _ => return Err(EINVAL),
        };
        text
    }

    fn store(&self, attribute: usize, text: &str) -> Result {
        let mut settings = Settings::default();
        match attribute {
            SOURCE => settings.source = Some(text.as_bytes()),
            FRAME_BYTES => settings.frame_bytes = number(text)?,
            SLOTS => settings.slots = number(text)?,
            INTERVAL_US => settings.interval_us = number(text)?,
            POLICY => {
                let policy = [Policy::Backpressure, Policy::Drop]
                    .into_iter()
                    .find(|policy| policy.name() == text)
                    .ok_or(EINVAL)?;
                settings.policy = Some(policy as u32);
            }
            _ => return Err(EINVAL),
        }
        Ok(self.set(&settings)?)
    }
}
