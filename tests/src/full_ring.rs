// SPDX-License-Identifier: MIT OR Apache-2.0
//! A full ring whose contents no other mapping may change.

use crate::mapping::{Mapping, PAGE};
use crate::range::Range;
use crate::raw::{GOOD, Raw};
use crate::{DEVICES, wait};
use dmaframe_abi::ring::{MAP_CONSUMER, MAP_META, MAP_SLOTS};
use dmaframe_abi::uapi::{self, Config};
use libc::{PROT_READ, PROT_WRITE};
use std::sync::atomic::Ordering::{Acquire, Relaxed};

/// A region of the ring: its name, its offset and its bytes.
pub type Region = (&'static str, u64, usize);

/// A full ring of a stopped stream, with mappings of its own. What a test does to other mappings
/// must not change what these show.
#[derive(Debug)]
pub struct FullRing {
    /// The device.
    pub raw: Raw,
    /// Bytes of all slots.
    pub slots_bytes: usize,
    meta: Mapping,
    consumer: Mapping,
    slots: Mapping,
    /// The contents of meta page, consumer page and slots after the stop.
    pub before: [Vec<u8>; 3],
}

impl FullRing {
    /// Fills a ring of [`GOOD`] on the first device.
    ///
    /// # Panics
    ///
    /// If the driver refuses a request, or the ring does not fill.
    pub fn on_first_device() -> Self {
        Self::of(Raw::open(DEVICES[0]), GOOD)
    }

    /// Fills a ring of `config` on an open device.
    ///
    /// # Panics
    ///
    /// If the driver refuses a request, or the ring does not fill.
    pub fn of(raw: Raw, config: Config) -> Self {
        let slots_bytes = raw.configure(config).unwrap().slots_bytes as usize;
        raw.request(uapi::START, 0).unwrap();
        let meta = Mapping::read_only(&raw, MAP_META, PAGE).unwrap();
        let consumer = Mapping::read_only(&raw, MAP_CONSUMER, PAGE).unwrap();
        let slots = Mapping::read_only(&raw, MAP_SLOTS, slots_bytes).unwrap();
        wait::until("a full ring", || {
            (meta.meta().producer.load(Acquire) == config.slots).then_some(())
        });
        raw.request(uapi::STOP, 0).unwrap();
        let before = [meta.copy(0, PAGE), consumer.copy(0, PAGE), slots.copy(0, slots_bytes)];
        Self { raw, slots_bytes, meta, consumer, slots, before }
    }

    /// All regions.
    pub fn regions(&self) -> [Region; 3] {
        [
            ("meta", MAP_META, PAGE),
            ("consumer", MAP_CONSUMER, PAGE),
            ("slots", MAP_SLOTS, self.slots_bytes),
        ]
    }

    /// The regions that only the driver writes.
    pub fn read_only_regions(&self) -> [Region; 2] {
        let [meta, _, slots] = self.regions();
        [meta, slots]
    }

    /// Maps a region with the accesses that the driver permits.
    ///
    /// # Panics
    ///
    /// If the driver refuses.
    pub fn map(&self, (name, offset, bytes): Region) -> Range {
        let writable = if name == "consumer" { PROT_WRITE } else { 0 };
        Range::of(&self.raw, offset, bytes, PROT_READ | writable).unwrap()
    }

    /// The consumer index in the ring's own mapping.
    pub fn consumer_index(&self) -> u32 {
        self.consumer.consumer().consumer.load(Relaxed)
    }

    /// Compares the ring with its contents after the stop.
    ///
    /// # Panics
    ///
    /// If a byte differs; the message names what was done.
    #[track_caller]
    pub fn assert_unchanged(&self, after: &str) {
        assert!(self.meta.copy(0, PAGE) == self.before[0], "meta, after {after}");
        assert!(self.consumer.copy(0, PAGE) == self.before[1], "consumer, after {after}");
        assert!(self.slots.copy(0, self.slots_bytes) == self.before[2], "slots, after {after}");
    }
}
