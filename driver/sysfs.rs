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
use dmaframe_abi::stream::Policy;
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
