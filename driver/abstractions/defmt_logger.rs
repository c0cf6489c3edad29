// SPDX-License-Identifier: GPL-2.0

//! defmt's global logger: records of at most [`PAYLOAD_MAX`] bytes in a ring of [`RECORDS`], from
//! any context but NMI.
//!
//! A raw spinlock is held, with interrupts disabled, while a record is written. A new record
//! overwrites the oldest one. Readers copy, and find by its number that a record is gone.

use core::cell::UnsafeCell;
use dmaframe_abi::trace::PAYLOAD_MAX;
use kernel::{
    prelude::*,
    sync::{
        global_lock,
        Arc, //
    },
    time::{
        hrtimer::HrTimerExpires,
        Instant,
        Monotonic, //
    }, //
};

/// The number of records that are kept.
pub(crate) const RECORDS: u64 = 4096;

extern "C" {
    fn dmaframe_trace_lock() -> c_ulong;
    fn dmaframe_trace_unlock(flags: c_ulong);
    fn dmaframe_trace_wake();
    fn dmaframe_trace_flush();
    /// The start of the section, by defmt.lds.
    static _defmt_section: u8;
}

/// A record's memory.
#[derive(Clone, Copy)]
struct Record {
    /// Its length. More than [`PAYLOAD_MAX`] for a record that was too long.
    bytes: u8,
    data: [u8; PAYLOAD_MAX],
}

struct State {
    /// The interrupt flags of who holds the lock.
    flags: c_ulong,
    /// Number of the next record.
    next: u64,
    /// Bytes of it that were written.
    used: usize,
    /// Whether a reader waits for it.
    awaited: bool,
    /// Number of the first record that nobody has read.
    unread: u64,
    /// Number of records that nobody has read and that are gone.
    dropped: u64,
    records: [Record; RECORDS as usize],
}

struct Ring(UnsafeCell<State>);

// SAFETY: The state is only touched by the holder of the lock.
unsafe impl Sync for Ring {}

static RING: Ring = Ring(UnsafeCell::new(State {
    flags: 0,
    next: 0,
    used: 0,
    awaited: false,
    unread: 0,
    dropped: 0,
    records: [Record {
        bytes: 0,
        data: [0; PAYLOAD_MAX],
    }; RECORDS as usize],
}));

impl State {
    fn next_record(&mut self) -> Option<&mut Record> {
        self.records.get_mut((self.next % RECORDS) as usize)
    }

    fn begin(&mut self) {
        self.used = 0;
        if let Some(gone) = self.next.checked_sub(RECORDS) {
            if gone >= self.unread {
                self.unread = gone + 1;
                self.dropped += 1;
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        let (from, to) = (self.used, self.used.saturating_add(bytes.len()));
        self.used = to;
        if let Some(room) = self
            .next_record()
            .and_then(|record| record.data.get_mut(from..to))
        {
            room.copy_from_slice(bytes);
        }
    }

    /// Ends a record. Returns whether a reader waits.
    fn end(&mut self) -> bool {
        let bytes = u8::try_from(self.used).unwrap_or(u8::MAX);
        if usize::from(bytes) > PAYLOAD_MAX {
            self.dropped += 1;
        }
        if let Some(record) = self.next_record() {
            record.bytes = bytes;
        }
        self.next += 1;
        core::mem::take(&mut self.awaited)
    }
}

/// Runs `work` with the lock held.
fn locked<R>(work: impl FnOnce(&mut State) -> R) -> R {
    // SAFETY: Released below, on the same CPU.
    let flags = unsafe { dmaframe_trace_lock() };
    // SAFETY: The lock is held, and `work` does not log.
    let result = work(unsafe { &mut *RING.0.get() });
    // SAFETY: Taken above.
    unsafe { dmaframe_trace_unlock(flags) };
    result
}

/// The global logger.
#[defmt::global_logger]
struct Logger;

// SAFETY: From `acquire` to `release` interrupts are disabled and a lock is held, so that no other
// record is written in between. Code that formats a value does not log.
unsafe impl defmt::Logger for Logger {
    fn acquire() {
        // SAFETY: `release` releases it, on the same CPU: interrupts are disabled until then.
        let flags = unsafe { dmaframe_trace_lock() };
        // SAFETY: The lock is held.
        let state = unsafe { &mut *RING.0.get() };
        state.flags = flags;
        state.begin();
    }

    unsafe fn flush() {}

    unsafe fn release() {
        // SAFETY: The lock is held since `acquire`.
        let state = unsafe { &mut *RING.0.get() };
        let (awaited, flags) = (state.end(), state.flags);
        // SAFETY: Taken by `acquire`.
        unsafe { dmaframe_trace_unlock(flags) };
        if awaited {
            // SAFETY: From any context. The work waits for nothing that logs.
            unsafe { dmaframe_trace_wake() };
        }
    }

    unsafe fn write(bytes: &[u8]) {
        // SAFETY: The lock is held since `acquire`.
        unsafe { &mut *RING.0.get() }.write(bytes);
    }
}

defmt::timestamp!(
    "{=u64:us}",
    Instant::<Monotonic>::now().as_nanos().unsigned_abs() / 1000
);

#[defmt::panic_handler]
fn panic() -> ! {
    core::panic!()
}

/// What a reader finds.
pub(crate) enum Entry {
    /// Nothing yet. The readers are woken when there is a record.
    Nothing,
    /// A record of this many bytes.
    Record(usize),
    /// This many records are missing.
    Lost(u64),
}

/// Copies record `number`.
pub(crate) fn read(number: u64, data: &mut [u8; PAYLOAD_MAX]) -> Entry {
    locked(|state| {
        let oldest = state.next.saturating_sub(RECORDS);
        if number < oldest {
            return Entry::Lost(oldest - number);
        }
        if number >= state.next {
            state.awaited = true;
            return Entry::Nothing;
        }
        state.unread = state.unread.max(number + 1);
        let Some(record) = state.records.get((number % RECORDS) as usize) else {
            return Entry::Nothing;
        };
        if usize::from(record.bytes) > PAYLOAD_MAX {
            return Entry::Lost(1);
        }
        *data = record.data;
        Entry::Record(record.bytes.into())
    })
}

/// Whether there is something to be read at `number`. If not, the readers are woken when there is.
pub(crate) fn is_ready(number: u64) -> bool {
    locked(|state| {
        let ready = number < state.next;
        state.awaited |= !ready;
        ready
    })
}

/// The number of records that were written, and of those that nobody has read and that are gone.
pub(crate) fn counts() -> (u64, u64) {
    locked(|state| (state.next, state.dropped))
}

/// The low 16 bits of the address of `.defmt`.
pub(crate) fn section() -> u16 {
    (&raw const _defmt_section) as u16
}

/// Wakes those who wait for records.
pub(crate) trait Waker: Send + Sync {
    /// In process context, soon after a record was written that somebody waits for.
    fn wake(&self);
}

global_lock! {
    // SAFETY: Initialized once, in `init`, before there is a reader.
    unsafe(uninit) static WAKER: Mutex<Option<Arc<dyn Waker>>> = None;
}

/// Makes [`Readers`] usable.
///
/// # Safety
///
/// Called once, when the module is loaded.
pub(crate) unsafe fn init() {
    // SAFETY: By the contract.
    unsafe { WAKER.init() };
}

/// The registration of a [`Waker`]. The last reader is gone before it is dropped.
pub(crate) struct Readers(());

impl Readers {
    /// Makes `waker` that of all readers.
    pub(crate) fn new(waker: Arc<dyn Waker>) -> Self {
        *WAKER.lock() = Some(waker);
        Self(())
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        // No reader is left that could ask again.
        locked(|state| state.awaited = false);
        // SAFETY: In process context.
        unsafe { dmaframe_trace_flush() };
        let waker = WAKER.lock().take();
        drop(waker);
    }
}

/// Called by the work item.
#[no_mangle]
extern "C" fn dmaframe_trace_woken() {
    if let Some(waker) = &*WAKER.lock() {
        waker.wake();
    }
}

/// The place in the source that this expands to, as a string of defmt.
#[macro_export]
macro_rules! here {
    () => {{
        #[link_section = concat!(".defmt.str.", file!(), ":", line!(), ":", column!())]
        #[export_name = concat!(
            "{\"package\":\"dmaframe\",\"tag\":\"defmt_str\",\"data\":\"", file!(), ":", line!(),
            "\",\"disambiguator\":\"", column!(), "\",\"crate_name\":\"dmaframe\"}"
        )]
        static PLACE: u8 = 0;
        ::defmt::export::make_istr((&raw const PLACE) as u16)
    }};
}
