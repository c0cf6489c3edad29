// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0
//! The ring: its pages in shared memory, and both halves of its protocol.
//!
//! Indices run freely and wrap at 2^32; the slot of index `i` is `i % slots`. The driver owns the
//! slots from the producer's index up to `slots` past the consumer's, the reader those between.
//! Each index has one writer, and one release/acquire pair carries each hand-over.

use crate::atomic::{AtomicU32, AtomicU64, Ordering, fence};
use crate::stream::{SLOTS_MAX, SLOTS_MIN};

/// mmap offset of the [`Meta`] page: read-only.
pub const MAP_META: u64 = 0;
/// mmap offset of the [`ConsumerPage`]: the only writable one.
pub const MAP_CONSUMER: u64 = 1 << 32;
/// mmap offset of the slots: read-only.
pub const MAP_SLOTS: u64 = 2 << 32;

/// "DMARING1" in memory order.
pub const MAGIC: u64 = u64::from_le_bytes(*b"DMARING1");

/// The producer waits for free slots: kick it once the consumer's index is at `kick_at`.
pub const NEED_KICK: u32 = 1 << 0;
/// The stream is stopped; no frame follows those that are ready.
pub const STOPPED: u32 = 1 << 1;
/// The stream stopped at the error that `fault` tells.
pub const FAULTED: u32 = 1 << 2;
/// The ring has no device any more: it was unbound, or the stream configured anew.
pub const DETACHED: u32 = 1 << 3;

/// The driver's page: geometry, then the producer's index, then counters, each on cache lines of
/// its own. Little-endian, as all the boards are.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub struct Meta {
    /// [`MAGIC`].
    pub magic: AtomicU64,
    /// Bytes of this structure; fields are only ever added at its end.
    pub struct_bytes: AtomicU32,
    /// Slots: a power of two.
    pub slots: AtomicU32,
    /// Bytes from one slot to the next.
    pub slot_stride: AtomicU32,
    /// Bytes of a frame's header at the start of its slot.
    pub header_bytes: AtomicU32,
    /// Bytes of a frame's payload.
    pub frame_bytes: AtomicU32,
    /// The source's number on its device.
    pub source: AtomicU32,
    /// [`crate::stream::Policy`].
    pub policy: AtomicU32,
    /// Microseconds from one frame to the next; 0 is unpaced.
    pub interval_us: AtomicU32,
    /// Ticks per second of the header's device stamps.
    pub stamp_hz: AtomicU32,
    /// Which stream of the device this is; one more at every start.
    pub stream: AtomicU32,
    _geometry_pad: [AtomicU32; 4],

    /// Frames published, modulo 2^32.
    pub producer: AtomicU32,
    /// [`NEED_KICK`], [`STOPPED`], [`FAULTED`], [`DETACHED`].
    pub flags: AtomicU32,
    /// [`crate::stream::Fault`].
    pub fault: AtomicU32,
    /// With [`NEED_KICK`]: the consumer index from which on a kick is owed.
    pub kick_at: AtomicU32,
    _producer_pad: [AtomicU32; 12],

    /// Frames published since the start.
    pub frames: AtomicU64,
    /// Frames lost since the start.
    pub lost: AtomicU64,
    /// Bytes of payload published since the start.
    pub bytes: AtomicU64,
    /// Errors of the engine since the start.
    pub errors: AtomicU64,
    _counter_pad: [AtomicU64; 4],
}

// A model's atomics are larger.
#[cfg(not(loom))]
const _: () = {
    use core::mem::offset_of;
    assert!(size_of::<Meta>() == 192);
    assert!(size_of::<ConsumerPage>() == 64);
    assert!(offset_of!(Meta, stream) == 44);
    assert!(offset_of!(Meta, producer) == 64);
    assert!(offset_of!(Meta, frames) == 128);
};

/// The reader's page.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub struct ConsumerPage {
    /// Frames returned, modulo 2^32.
    pub consumer: AtomicU32,
    _pad: [AtomicU32; 15],
}

/// A consumer index that no honest reader writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadConsumer {
    /// The index found.
    pub found: u32,
    /// The last good one.
    pub tail: u32,
    /// The producer's.
    pub head: u32,
}

/// The driver's half. Its own indices are private; what it reads from the reader is checked.
#[derive(Debug)]
pub struct Producer {
    head: u32,
    tail: u32,
    slots: u32,
}

impl Producer {
    /// The half for an empty ring of `slots`, or `None` if that is no ring.
    pub fn new(slots: u32) -> Option<Self> {
        Self::starting_at(slots, 0)
    }

    /// The same with both indices at `index`, which must be what the shared pages hold.
    pub fn starting_at(slots: u32, index: u32) -> Option<Self> {
        let good = slots.is_power_of_two() && (SLOTS_MIN..=SLOTS_MAX).contains(&slots);
        good.then_some(Self { head: index, tail: index, slots })
    }

    /// Slots that the driver owns.
    pub fn free(&self) -> u32 {
        self.slots - self.ready()
    }

    /// Frames published and not yet returned.
    pub fn ready(&self) -> u32 {
        self.head.wrapping_sub(self.tail)
    }

    /// The slot of the `ahead`-th frame to come; `ahead` is less than [`Producer::free`].
    pub fn slot(&self, ahead: u32) -> usize {
        (self.head.wrapping_add(ahead) & (self.slots - 1)) as usize
    }

    /// The slot of the oldest frame that was not returned, if any.
    pub fn oldest(&self) -> Option<usize> {
        (self.ready() > 0).then_some((self.tail & (self.slots - 1)) as usize)
    }

    /// The index that says that the oldest frame was returned.
    pub fn after_oldest(&self) -> u32 {
        self.tail.wrapping_add(1)
    }

    /// Takes back what the reader returned: how many slots.
    ///
    /// The index is read once. One that is not between the last good one and the producer's own is
    /// refused, and nothing changes.
    pub fn reclaim(&mut self, page: &ConsumerPage) -> Result<u32, BadConsumer> {
        let found = page.consumer.load(Ordering::Acquire);
        let returned = found.wrapping_sub(self.tail);
        if returned > self.ready() {
            return Err(BadConsumer { found, tail: self.tail, head: self.head });
        }
        self.tail = found;
        Ok(returned)
    }

    /// Hands `count` more frames to the reader; no more than [`Producer::free`] are.
    pub fn publish(&mut self, meta: &Meta, count: u32) {
        self.head = self.head.wrapping_add(count.min(self.free()));
        meta.producer.store(self.head, Ordering::Release);
    }

    /// Asks the reader for a kick once half of the ring is free, so that a slow reader costs no
    /// kick a frame. The caller reclaims once more after this, so that slots returned meanwhile
    /// are not missed.
    pub fn ask_kick(&self, meta: &Meta) {
        meta.kick_at.store(self.head.wrapping_sub(self.slots / 2), Ordering::Relaxed);
        meta.flags.fetch_or(NEED_KICK, Ordering::Release);
        fence(Ordering::SeqCst);
    }

    /// Takes the request for a kick back.
    pub fn clear_kick(&self, meta: &Meta) {
        meta.flags.fetch_and(!NEED_KICK, Ordering::Relaxed);
    }
}

/// A producer index, or geometry, that no driver writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadRing;

/// The reader's half.
#[derive(Debug)]
pub struct Consumer {
    tail: u32,
    slots: u32,
}

impl Consumer {
    /// The half for the ring that `meta` and `page` describe, from where it was left.
    pub fn new(meta: &Meta, page: &ConsumerPage) -> Result<Self, BadRing> {
        let slots = meta.slots.load(Ordering::Relaxed);
        if meta.magic.load(Ordering::Relaxed) != MAGIC
            || !slots.is_power_of_two()
            || !(SLOTS_MIN..=SLOTS_MAX).contains(&slots)
        {
            return Err(BadRing);
        }
        Ok(Self { tail: page.consumer.load(Ordering::Relaxed), slots })
    }

    /// Frames ready to be read.
    pub fn ready(&self, meta: &Meta) -> Result<u32, BadRing> {
        // A plain load and a fence: the page is read-only, where no other kind is promised.
        let ready = meta.producer.load(Ordering::Relaxed).wrapping_sub(self.tail);
        fence(Ordering::Acquire);
        if ready > self.slots { Err(BadRing) } else { Ok(ready) }
    }

    /// The slot of the oldest frame.
    pub fn slot(&self) -> usize {
        (self.tail & (self.slots - 1)) as usize
    }

    /// Returns the oldest frame's slot; the caller has seen that one is ready. True when the
    /// producer is owed a kick for it.
    #[must_use]
    pub fn release(&mut self, meta: &Meta, page: &ConsumerPage) -> bool {
        self.tail = self.tail.wrapping_add(1);
        page.consumer.store(self.tail, Ordering::Release);
        // Between this store and the flag's load stands a full fence, as there does between the
        // producer's flag and its last look at the index: one of the two sees the other.
        fence(Ordering::SeqCst);
        if meta.flags.load(Ordering::Relaxed) & NEED_KICK == 0 {
            return false;
        }
        fence(Ordering::Acquire);
        // Not past the mark while the distance to it is short of the ring's.
        let short = meta.kick_at.load(Ordering::Relaxed).wrapping_sub(self.tail);
        short == 0 || short > self.slots
    }
}
