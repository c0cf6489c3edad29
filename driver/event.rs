// SPDX-License-Identifier: GPL-2.0

//! Events of a channel, and what they report.

use crate::abstractions::process::{
    Process,
    COMM_BYTES, //
};
use dmaframe_abi::{
    netlink::Event,
    stream::{Fault, Shape, State},
    uapi::Stats,
};
use kernel::prelude::*;

/// The order in which events of one moment are sent.
const ORDER: [Event; 5] = [
    Event::Started,
    Event::Overrun,
    Event::Statistics,
    Event::Error,
    Event::Stopped,
];

/// Events to send after the channel's mutex is released: one bit each.
#[derive(Default)]
pub(crate) struct Events(u32);

impl Events {
    pub(crate) fn add(&mut self, event: Event) {
        self.0 |= 1 << event as u32;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0 == 0
    }

    /// The events in the order in which they are sent.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Event> + '_ {
        ORDER
            .into_iter()
            .filter(|event| self.0 & 1 << *event as u32 != 0)
    }
}

/// A channel at one moment, as sysfs and netlink show it.
pub(crate) struct Snapshot<'a> {
    /// The `N` of `/dev/dmaframeN`.
    pub(crate) id: u32,
    /// `dmaframeN`.
    pub(crate) name: &'a CStr,
    /// The engine's name, its channel number, and the ticks per second of its stamps.
    pub(crate) engine: &'static CStr,
    pub(crate) channel: u32,
    pub(crate) stamp_hz: u32,
    /// The name of the source in `shape`.
    pub(crate) source: &'a CStr,
    pub(crate) state: State,
    pub(crate) shape: Shape,
    pub(crate) stats: Stats,
    /// The process that has the device open.
    pub(crate) owner: Option<Owner>,
}

/// A process that had a device open.
#[derive(Clone, Copy)]
pub(crate) struct Owner {
    /// Its ID in the caller's PID namespace; 0 if it has none there.
    pub(crate) pid: u32,
    /// Its command name, padded with NUL.
    comm: [u8; COMM_BYTES],
}

impl Owner {
    /// `process`, as the caller sees it.
    pub(crate) fn new(process: &Process) -> Self {
        Self {
            pid: process.pid(),
            comm: process.comm(),
        }
    }

    /// Its command name.
    pub(crate) fn comm(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.comm).unwrap_or(c"")
    }
}

impl Snapshot<'_> {
    /// Why the last stream stopped by itself.
    pub(crate) fn fault(&self) -> Fault {
        Fault::try_from(self.stats.fault).unwrap_or(Fault::None)
    }
}

/// Receives the events of channels. Called in process context, in the order of the events.
pub(crate) trait Listener: Sync {
    fn send(&self, now: &Snapshot<'_>, event: Event);
}
