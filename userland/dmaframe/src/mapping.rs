// SPDX-License-Identifier: MIT OR Apache-2.0
//! The three mappings of a ring, and the only place that reads shared memory through pointers.

use dmaframe_abi::frame::HEADER_BYTES;
use dmaframe_abi::ring::{self, Consumer, ConsumerPage, Meta};
use dmaframe_abi::stream::Fault;
use dmaframe_abi::uapi::Config;
use memmap2::{MmapOptions, MmapRaw};
use std::collections::VecDeque;
use std::fs::File;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A ring's geometry, from its meta page. It does not change while the ring is mapped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Geometry {
    pub(crate) slots: u32,
    pub(crate) slot_stride: usize,
    pub(crate) frame_bytes: u32,
    pub(crate) stamp_hz: u32,
}

/// A mapped ring and the reader's side of its protocol.
#[derive(Debug)]
pub(crate) struct Ring {
    meta: MmapRaw,
    page: MmapRaw,
    slots: MmapRaw,
    geometry: Geometry,
    cursor: Mutex<Cursor>,
}

/// How far the reader has come.
#[derive(Debug)]
struct Cursor {
    consumer: Consumer,
    /// Number of frames known to be ready and not returned. The producer's index is loaded again
    /// only when these are used up.
    ready: u32,
    /// The frames taken since the oldest that was not returned: true for those returned out of
    /// order. The ring can return them only in order.
    taken: VecDeque<bool>,
    /// Changes when frames that are still held are no longer this reader's.
    generation: u32,
}

/// A frame that was taken and is to be returned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket {
    index: u32,
    generation: u32,
}

/// The flags of the ring.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flags {
    pub(crate) stopped: bool,
    pub(crate) fault: Option<Fault>,
    pub(crate) detached: bool,
}

impl Ring {
    /// Maps the ring that `config`, as the driver gave it back, describes.
    pub(crate) fn map(file: &File, config: &Config) -> Result<Self, String> {
        let refused = |region: &'static str| {
            move |error: std::io::Error| format!("the {region} cannot be mapped: {error}")
        };
        let slots_bytes = usize::try_from(config.slots_bytes)
            .map_err(|_| format!("{} bytes of slots are too many", config.slots_bytes))?;
        if slots_bytes == 0 {
            return Err("it has no slots".to_owned());
        }
        let meta = MmapOptions::new()
            .offset(ring::MAP_META)
            .len(size_of::<Meta>())
            .map_raw_read_only(file)
            .map_err(refused("meta page"))?;
        let page = MmapOptions::new()
            .offset(ring::MAP_CONSUMER)
            .len(size_of::<ConsumerPage>())
            .map_raw(file)
            .map_err(refused("consumer page"))?;
        let slots = MmapOptions::new()
            .offset(ring::MAP_SLOTS)
            .len(slots_bytes)
            .map_raw_read_only(file)
            .map_err(refused("slots"))?;
        let geometry = geometry(meta_of(&meta), slots_bytes)?;
        let consumer = Consumer::new(meta_of(&meta), page_of(&page))
            .map_err(|_| "its geometry is impossible".to_owned())?;
        let cursor = Cursor { consumer, ready: 0, taken: VecDeque::new(), generation: 0 };
        Ok(Self { meta, page, slots, geometry, cursor: Mutex::new(cursor) })
    }

    /// A panic while the lock was held leaves the state consistent: no step of a change panics.
    fn cursor(&self) -> MutexGuard<'_, Cursor> {
        self.cursor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Continues at the index in the consumer page, where read(2) may have left it.
    pub(crate) fn resume(&self) -> Result<(), String> {
        let consumer = Consumer::new(meta_of(&self.meta), page_of(&self.page))
            .map_err(|_| "its geometry is impossible".to_owned())?;
        let mut cursor = self.cursor();
        if consumer.index() != cursor.consumer.index() {
            cursor.taken.clear();
            cursor.generation = cursor.generation.wrapping_add(1);
        }
        cursor.consumer = consumer;
        cursor.ready = 0;
        Ok(())
    }

    pub(crate) fn geometry(&self) -> Geometry {
        self.geometry
    }

    pub(crate) fn meta(&self) -> &Meta {
        meta_of(&self.meta)
    }

    /// The flags as they were before any index that is loaded after this call.
    pub(crate) fn flags(&self) -> Flags {
        let meta = self.meta();
        let flags = meta.flags.load(Ordering::Relaxed);
        // With the driver's release this orders the flags before the index of the last frame: a
        // ring that is stopped and then found empty is drained.
        fence(Ordering::Acquire);
        let fault = || Fault::try_from(meta.fault.load(Ordering::Relaxed)).unwrap_or(Fault::Engine);
        Flags {
            stopped: flags & ring::STOPPED != 0,
            fault: (flags & ring::FAULTED != 0).then(fault),
            detached: flags & ring::DETACHED != 0,
        }
    }

    /// Whether a frame is ready that was not taken.
    pub(crate) fn look(&self) -> Result<bool, String> {
        let cursor = &mut *self.cursor();
        if cursor.ready as usize <= cursor.taken.len() {
            cursor.ready = cursor
                .consumer
                .ready(meta_of(&self.meta))
                .map_err(|_| "the producer's index is impossible".to_owned())?;
        }
        Ok(cursor.ready as usize > cursor.taken.len())
    }

    /// The number of frames that are published and not returned.
    pub(crate) fn fill(&self) -> Result<u32, String> {
        let cursor = &mut *self.cursor();
        let fill = cursor.consumer.ready(meta_of(&self.meta));
        fill.map_err(|_| "the producer's index is impossible".to_owned())
    }

    /// The next frame that was not taken, if [`Ring::look`] has found one.
    pub(crate) fn next(&self) -> Option<Ticket> {
        let cursor = self.cursor();
        let ahead = u32::try_from(cursor.taken.len()).ok()?;
        (cursor.ready > ahead).then(|| Ticket {
            index: cursor.consumer.index().wrapping_add(ahead),
            generation: cursor.generation,
        })
    }

    /// Takes the frame of `ticket`, which came from [`Ring::next`]: later calls give the frame
    /// after it.
    pub(crate) fn take(&self, ticket: Ticket) {
        let mut cursor = self.cursor();
        if cursor.offset(ticket) == Some(cursor.taken.len()) {
            cursor.taken.push_back(false);
        }
    }

    /// The slot of a frame, whole.
    pub(crate) fn slot(&self, ticket: Ticket) -> &[u8] {
        let stride = self.geometry.slot_stride;
        let slot = (ticket.index & (self.geometry.slots - 1)) as usize;
        // SAFETY:
        // - `slot` is less than the geometry's slots, which are a power of two, and slots times
        //   stride is the mapping's length: the range is in the mapping, which lives as long as
        //   `self`.
        // - The frame was published: an acquire load saw an index beyond it. Its owner calls
        //   `release` only when no reference to the slot is left. Until then neither the driver nor
        //   the engine writes the slot.
        unsafe { std::slice::from_raw_parts(self.slots.as_ptr().add(slot * stride), stride) }
    }

    /// Returns a frame. Its slot goes back to the driver once all frames before it did. True if the
    /// driver needs a kick.
    pub(crate) fn release(&self, ticket: Ticket) -> bool {
        let cursor = &mut *self.cursor();
        let Some(offset) = cursor.offset(ticket) else { return false };
        // A frame that was lent and not taken.
        if offset == cursor.taken.len() {
            cursor.taken.push_back(false);
        }
        match cursor.taken.get_mut(offset) {
            Some(returned) => *returned = true,
            None => return false,
        }
        let mut kick = false;
        while cursor.ready > 0 && cursor.taken.front() == Some(&true) {
            cursor.taken.pop_front();
            cursor.ready -= 1;
            kick |= cursor.consumer.release(meta_of(&self.meta), page_of(&self.page));
        }
        kick
    }
}

impl Cursor {
    /// How many frames lie between the oldest that was not returned and that of `ticket`.
    fn offset(&self, ticket: Ticket) -> Option<usize> {
        let offset = ticket.index.wrapping_sub(self.consumer.index());
        (ticket.generation == self.generation && offset < self.ready).then_some(offset as usize)
    }
}

fn meta_of(mapping: &MmapRaw) -> &Meta {
    // SAFETY: the mapping begins on a page, which is aligned for `Meta`, and was asked for with
    // the length of one. All fields are atomics, which may change under a shared reference, and
    // this side only loads them, so that a read-only page serves.
    unsafe { &*mapping.as_ptr().cast::<Meta>() }
}

fn page_of(mapping: &MmapRaw) -> &ConsumerPage {
    // SAFETY: as for `meta_of`; this mapping is writable.
    unsafe { &*mapping.as_ptr().cast::<ConsumerPage>() }
}

/// Reads the geometry once and checks it against the slots' mapping.
fn geometry(meta: &Meta, slots_bytes: usize) -> Result<Geometry, String> {
    let load = |field: &AtomicU32| field.load(Ordering::Relaxed);
    let magic = AtomicU64::load(&meta.magic, Ordering::Relaxed);
    if magic != ring::MAGIC {
        return Err(format!("its magic is {magic:#018x} instead of {:#018x}", ring::MAGIC));
    }
    let struct_bytes = load(&meta.struct_bytes);
    if (struct_bytes as usize) < size_of::<Meta>() {
        return Err(format!(
            "its meta page has {struct_bytes} bytes where {} are needed",
            size_of::<Meta>()
        ));
    }
    let header_bytes = load(&meta.header_bytes);
    if header_bytes as usize != HEADER_BYTES {
        return Err(format!("its headers have {header_bytes} bytes instead of {HEADER_BYTES}"));
    }
    let slots = load(&meta.slots);
    let slot_stride = load(&meta.slot_stride);
    let frame_bytes = load(&meta.frame_bytes);
    if !slots.is_power_of_two() {
        return Err(format!("{slots} slots are not a power of two"));
    }
    if u64::from(slots) * u64::from(slot_stride) != slots_bytes as u64 {
        return Err(format!("{slots} slots of {slot_stride} bytes are not {slots_bytes} bytes"));
    }
    if u64::from(header_bytes) + u64::from(frame_bytes) > u64::from(slot_stride) {
        return Err(format!("a slot of {slot_stride} bytes is short for {frame_bytes} of payload"));
    }
    Ok(Geometry {
        slots,
        slot_stride: slot_stride as usize,
        frame_bytes,
        stamp_hz: load(&meta.stamp_hz),
    })
}

/// A driver's half on an ordinary file, for tests of the reader's.
#[cfg(test)]
pub(crate) mod fake {
    use super::*;
    use dmaframe_abi::frame::{self, Header};
    use dmaframe_abi::ring::Producer;
    use nix::sys::memfd::{MFdFlags, memfd_create};
    use zerocopy::IntoBytes;

    pub(crate) const SLOTS: u32 = 4;
    pub(crate) const FRAME_BYTES: u32 = 64;
    const STRIDE: u32 = 4096;

    pub(crate) struct Driver {
        meta: MmapRaw,
        page: MmapRaw,
        slots: MmapRaw,
        producer: Producer,
        sequence: u64,
    }

    impl Driver {
        /// A driver and the file that its reader maps.
        pub(crate) fn new() -> (Self, File) {
            let file = File::from(memfd_create(c"ring", MFdFlags::MFD_CLOEXEC).unwrap());
            let slots_bytes = u64::from(SLOTS * STRIDE);
            file.set_len(ring::MAP_SLOTS + slots_bytes).unwrap();
            let map = |offset, bytes| {
                MmapOptions::new().offset(offset).len(bytes).map_raw(&file).unwrap()
            };
            let driver = Self {
                meta: map(ring::MAP_META, size_of::<Meta>()),
                page: map(ring::MAP_CONSUMER, size_of::<ConsumerPage>()),
                slots: map(ring::MAP_SLOTS, slots_bytes as usize),
                // Close to where indices wrap.
                producer: Producer::starting_at(SLOTS, u32::MAX - 1).unwrap(),
                sequence: 0,
            };
            let meta = driver.meta();
            meta.magic.store(ring::MAGIC, Ordering::Relaxed);
            for (field, value) in [
                (&meta.struct_bytes, size_of::<Meta>() as u32),
                (&meta.slots, SLOTS),
                (&meta.slot_stride, STRIDE),
                (&meta.header_bytes, HEADER_BYTES as u32),
                (&meta.frame_bytes, FRAME_BYTES),
                (&meta.producer, u32::MAX - 1),
                (&page_of(&driver.page).consumer, u32::MAX - 1),
            ] {
                field.store(value, Ordering::Relaxed);
            }
            (driver, file)
        }

        pub(crate) fn config() -> Config {
            Config { slots_bytes: u64::from(SLOTS * STRIDE), ..Config::default() }
        }

        pub(crate) fn meta(&self) -> &Meta {
            meta_of(&self.meta)
        }

        /// Slots that the reader gave back and that are not used again.
        pub(crate) fn free(&mut self) -> u32 {
            self.producer.reclaim(page_of(&self.page)).unwrap();
            self.producer.free()
        }

        /// Publishes the next frame, whose payload is its number in every byte.
        pub(crate) fn publish(&mut self) {
            assert!(self.free() > 0);
            let header = Header {
                magic: frame::MAGIC.into(),
                version: frame::VERSION.into(),
                header_bytes: (HEADER_BYTES as u16).into(),
                sequence: self.sequence.into(),
                payload_bytes: FRAME_BYTES.into(),
                device_start: 3.into(),
                device_end: 5.into(),
                ..Header::default()
            };
            let at = self.producer.slot(0) * STRIDE as usize;
            let payload = [self.sequence as u8; FRAME_BYTES as usize];
            let bytes = [header.as_bytes(), &payload].concat();
            // SAFETY: the slot lies in the mapping, and is this half's until it is published.
            unsafe {
                self.slots
                    .as_mut_ptr()
                    .add(at)
                    .copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
            }
            self.sequence += 1;
            self.producer.publish(meta_of(&self.meta), 1);
        }

        /// Returns all frames in place of the reader, as read(2) does.
        pub(crate) fn return_all(&self) {
            let producer = self.meta().producer.load(Ordering::Relaxed);
            page_of(&self.page).consumer.store(producer, Ordering::Release);
        }

        pub(crate) fn raise(&self, flags: u32) {
            self.meta().flags.fetch_or(flags, Ordering::Release);
        }
    }

    #[test]
    fn a_geometry_that_does_not_fit_is_refused() {
        let (driver, file) = Driver::new();
        let refused = |words: &str| {
            let what = Ring::map(&file, &Driver::config()).unwrap_err();
            assert!(what.contains(words), "{what}");
        };
        for (field, value, words) in [
            (&driver.meta().slots, SLOTS * 2, "are not 16384 bytes"),
            (&driver.meta().slot_stride, STRIDE / 2, "are not 16384 bytes"),
            (&driver.meta().frame_bytes, STRIDE, "is short for 4096"),
            (&driver.meta().header_bytes, 128, "headers have 128"),
            (&driver.meta().struct_bytes, 64, "meta page has 64"),
        ] {
            let good = field.swap(value, Ordering::Relaxed);
            refused(words);
            field.store(good, Ordering::Relaxed);
        }
        assert!(Ring::map(&file, &Driver::config()).is_ok());
        driver.meta().magic.store(7, Ordering::Relaxed);
        refused("magic");
    }

    #[test]
    fn an_impossible_producer_index_is_no_frame() {
        let (driver, file) = Driver::new();
        let ring = Ring::map(&file, &Driver::config()).unwrap();
        assert_eq!(ring.look(), Ok(false));
        assert!(ring.next().is_none());
        driver.meta().producer.store(SLOTS + 7, Ordering::Release);
        assert!(ring.look().unwrap_err().contains("producer"));
    }
}
