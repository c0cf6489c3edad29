// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0
//! The ring: its shared pages, and both sides of its protocol.
//!
//! Both indices count frames and wrap at 2^32. The slot of index `i` is `i % slots`. The reader
//! owns the slots of the indices from `consumer` up to, but not including, `producer`; the driver
//! owns all others. Only the driver writes `producer`, and only the reader writes `consumer`. Each
//! hand-over is a store with release and a load with acquire.
//!
//! Reference: `driver/Documentation/userspace-api/dmaframe.rst`, "Mapping" and "Ring protocol".

use crate::atomic::{AtomicU32, AtomicU64, Ordering, fence};
use crate::stream::{SLOTS_MAX, SLOTS_MIN};

/// mmap offset, in bytes, of the [`Meta`] page. It can only be mapped read-only.
pub const MAP_META: u64 = 0;
/// mmap offset, in bytes, of the [`ConsumerPage`], the only page that can be mapped writable.
pub const MAP_CONSUMER: u64 = 1 << 32;
/// mmap offset, in bytes, of the first slot. Slots can only be mapped read-only.
pub const MAP_SLOTS: u64 = 2 << 32;

/// The value of [`Meta::magic`]: "DMARING1" in memory order.
pub const MAGIC: u64 = u64::from_le_bytes(*b"DMARING1");

/// Flag: the driver waits for free slots and needs a kick when the consumer's index reaches
/// [`Meta::kick_at`].
pub const NEED_KICK: u32 = 1 << 0;
/// Flag: the stream is stopped. No frame follows those that are ready.
pub const STOPPED: u32 = 1 << 1;
/// Flag: the stream stopped because of the error in [`Meta::fault`].
pub const FAULTED: u32 = 1 << 2;
/// Flag: the ring has lost its device. The device was unbound or closed, or CONFIGURE made another
/// ring.
pub const DETACHED: u32 = 1 << 3;

/// The page that the driver writes and programs read.
///
/// It has three parts, each on its own cache line: geometry, producer, counters. Fields are in the
/// CPU's byte order, which is little-endian on all supported boards.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub struct Meta {
    /// Always [`MAGIC`].
    pub magic: AtomicU64,
    /// Length of this structure in bytes. New fields are only added at its end.
    pub struct_bytes: AtomicU32,
    /// Number of slots: a power of two.
    pub slots: AtomicU32,
    /// Distance in bytes from the start of one slot to the start of the next.
    pub slot_stride: AtomicU32,
    /// Length in bytes of the frame header at the start of each slot.
    pub header_bytes: AtomicU32,
    /// Length in bytes of a frame's payload.
    pub frame_bytes: AtomicU32,
    /// Index of the source on its device.
    pub source: AtomicU32,
    /// A [`crate::stream::Policy`].
    pub policy: AtomicU32,
    /// Microseconds from one frame to the next; 0 is unpaced.
    pub interval_us: AtomicU32,
    /// Ticks per second of the header's device stamps.
    pub stamp_hz: AtomicU32,
    /// Number of the stream. Each START adds one.
    pub stream: AtomicU32,
    _geometry_pad: [AtomicU32; 4],

    /// Frames published, modulo 2^32.
    pub producer: AtomicU32,
    /// A set of [`NEED_KICK`], [`STOPPED`], [`FAULTED`] and [`DETACHED`].
    pub flags: AtomicU32,
    /// A [`crate::stream::Fault`].
    pub fault: AtomicU32,
    /// With [`NEED_KICK`]: the consumer index at which the driver needs a kick.
    pub kick_at: AtomicU32,
    _producer_pad: [AtomicU32; 12],

    /// Frames published since START.
    pub frames: AtomicU64,
    /// Frames lost since START.
    pub lost: AtomicU64,
    /// Bytes of payload published since START.
    pub bytes: AtomicU64,
    /// Errors of the engine since START.
    pub errors: AtomicU64,
    _counter_pad: [AtomicU64; 4],
}

// loom's atomics are larger.
#[cfg(not(loom))]
const _: () = {
    use core::mem::offset_of;
    assert!(size_of::<Meta>() == 192);
    assert!(size_of::<ConsumerPage>() == 64);
    assert!(offset_of!(Meta, stream) == 44);
    assert!(offset_of!(Meta, producer) == 64);
    assert!(offset_of!(Meta, frames) == 128);
};

/// The page that the reader writes.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub struct ConsumerPage {
    /// Frames returned, modulo 2^32.
    pub consumer: AtomicU32,
    _pad: [AtomicU32; 15],
}

/// A consumer index outside of what the reader can have reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadConsumer {
    /// The index found.
    pub found: u32,
    /// The last valid consumer index.
    pub tail: u32,
    /// The producer's index.
    pub head: u32,
}

/// The driver's side of the protocol.
///
/// Its indices are private copies. It never reads its own index back from shared memory, and checks
/// the reader's index.
#[derive(Debug)]
pub struct Producer {
    head: u32,
    tail: u32,
    slots: u32,
}

impl Producer {
    /// The side of an empty ring of `slots` slots whose indices are 0. `None` if `slots` is not a
    /// power of two from [`SLOTS_MIN`] to [`SLOTS_MAX`].
    pub fn new(slots: u32) -> Option<Self> {
        Self::starting_at(slots, 0)
    }

    /// Like [`Producer::new`], with both indices at `index`. The shared pages must hold the same.
    pub fn starting_at(slots: u32, index: u32) -> Option<Self> {
        let good = slots.is_power_of_two() && (SLOTS_MIN..=SLOTS_MAX).contains(&slots);
        good.then_some(Self { head: index, tail: index, slots })
    }

    /// Number of slots that the driver owns.
    pub fn free(&self) -> u32 {
        self.slots - self.ready()
    }

    /// Number of frames published and not returned.
    pub fn ready(&self) -> u32 {
        self.head.wrapping_sub(self.tail)
    }

    /// The slot of the frame that is `ahead` frames after the next one to be published. `ahead`
    /// must be less than [`Producer::free`].
    pub fn slot(&self, ahead: u32) -> usize {
        (self.head.wrapping_add(ahead) & (self.slots - 1)) as usize
    }

    /// The slot of the oldest frame that was not returned, or `None` if there is none.
    pub fn oldest(&self) -> Option<usize> {
        (self.ready() > 0).then_some((self.tail & (self.slots - 1)) as usize)
    }

    /// The consumer index that returns the oldest frame.
    pub fn after_oldest(&self) -> u32 {
        self.tail.wrapping_add(1)
    }

    /// Takes back the slots that the reader returned. Returns their number.
    ///
    /// # Errors
    ///
    /// [`BadConsumer`] if the index is not between the last valid one and the producer's. The index
    /// is loaded once, and nothing changes.
    pub fn reclaim(&mut self, page: &ConsumerPage) -> Result<u32, BadConsumer> {
        let found = page.consumer.load(Ordering::Acquire);
        let returned = found.wrapping_sub(self.tail);
        if returned > self.ready() {
            return Err(BadConsumer { found, tail: self.tail, head: self.head });
        }
        self.tail = found;
        Ok(returned)
    }

    /// Hands the next `count` frames to the reader, but at most [`Producer::free`].
    pub fn publish(&mut self, meta: &Meta, count: u32) {
        self.head = self.head.wrapping_add(count.min(self.free()));
        meta.producer.store(self.head, Ordering::Release);
    }

    /// Asks the reader for a kick when half of the ring is free. Half, so that a slow reader does
    /// not need one kick for each frame.
    ///
    /// The caller must call [`Producer::reclaim`] once more afterwards, so that it does not miss
    /// slots that were returned meanwhile.
    pub fn ask_kick(&self, meta: &Meta) {
        meta.kick_at.store(self.head.wrapping_sub(self.slots / 2), Ordering::Relaxed);
        meta.flags.fetch_or(NEED_KICK, Ordering::Release);
        fence(Ordering::SeqCst);
    }

    /// Withdraws the request for a kick.
    pub fn clear_kick(&self, meta: &Meta) {
        meta.flags.fetch_and(!NEED_KICK, Ordering::Relaxed);
    }
}

/// A meta page that the driver cannot have written: its geometry or its producer index is
/// impossible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadRing;

/// The reader's side of the protocol.
#[derive(Debug)]
pub struct Consumer {
    tail: u32,
    slots: u32,
}

impl Consumer {
    /// The side of the ring of `meta` and `page`. It begins at the index in `page`, so that frames
    /// that an earlier reader left come first.
    ///
    /// # Errors
    ///
    /// [`BadRing`] if the magic or the number of slots is wrong.
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

    /// Number of frames that are ready to be read.
    ///
    /// # Errors
    ///
    /// [`BadRing`] if the producer's index is more than the ring ahead of the reader's.
    pub fn ready(&self, meta: &Meta) -> Result<u32, BadRing> {
        // A relaxed load and a fence: Rust permits only relaxed loads of read-only memory.
        let ready = meta.producer.load(Ordering::Relaxed).wrapping_sub(self.tail);
        fence(Ordering::Acquire);
        if ready > self.slots { Err(BadRing) } else { Ok(ready) }
    }

    /// The index of the oldest frame that was not returned.
    pub fn index(&self) -> u32 {
        self.tail
    }

    /// The slot of the oldest frame, if [`Consumer::ready`] is not 0.
    pub fn slot(&self) -> usize {
        (self.tail & (self.slots - 1)) as usize
    }

    /// Returns the oldest frame's slot to the driver. The caller has seen that a frame is ready.
    /// True if the driver now needs a kick.
    #[must_use]
    pub fn release(&mut self, meta: &Meta, page: &ConsumerPage) -> bool {
        self.tail = self.tail.wrapping_add(1);
        page.consumer.store(self.tail, Ordering::Release);
        // This fence is between the index's store and the flag's load. `Producer::ask_kick` has one
        // between the flag's store and the index's last load. So at least one side sees the other.
        fence(Ordering::SeqCst);
        if meta.flags.load(Ordering::Relaxed) & NEED_KICK == 0 {
            return false;
        }
        fence(Ordering::Acquire);
        // Before `kick_at` the distance to it is from 1 to `slots`; at or past it the distance is 0
        // or wraps to more.
        let short = meta.kick_at.load(Ordering::Relaxed).wrapping_sub(self.tail);
        short == 0 || short > self.slots
    }
}
