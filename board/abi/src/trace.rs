// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0
//! The items of a trace: how `/dev/dmaframe-trace` and a saved trace delimit defmt's records.
//!
//! Each item has a head of [`HEAD_BYTES`] and up to [`PAYLOAD_MAX`] bytes of payload. [`Items`]
//! finds the next whole item in any input, so that a reader goes on after a torn one.
//!
//! Reference: `driver/Documentation/trace.rst`, "Items".

use zerocopy::{FromBytes as _, IntoBytes as _, little_endian as le};
use zerocopy_derive as zd;

/// The bytes of [`Head::magic`] in memory order.
pub const MAGIC: [u8; 2] = [0xdf, 0x7c];
/// Length of a head in bytes.
pub const HEAD_BYTES: usize = 10;
/// Longest payload in bytes.
pub const PAYLOAD_MAX: usize = 94;
/// Longest item in bytes. A buffer for read(2) must have at least this length.
pub const ITEM_MAX: usize = HEAD_BYTES + PAYLOAD_MAX;

/// The names of the levels. The driver logs the records of its level and of those before it.
pub const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// A record of defmt.
pub const RECORD: u8 = 1;
/// Records are missing here: their number, a little-endian `u64`.
pub const LOST: u8 = 2;
/// The first item of each open file: the low 16 bits of the address of the module's section
/// `.defmt`, little-endian. defmt's numbers of strings are the low 16 bits of their addresses.
pub const SECTION: u8 = 3;
/// The GNU build id of the module. Only `dmaframe trace --raw` writes it.
pub const BUILD: u8 = 4;

/// The head of an item. All fields are little-endian.
#[derive(Clone, Copy, Debug, zd::FromBytes, zd::IntoBytes, zd::Immutable, zd::KnownLayout)]
#[repr(C)]
pub struct Head {
    /// Always [`MAGIC`].
    pub magic: [u8; 2],
    /// [`RECORD`], [`LOST`], [`SECTION`] or [`BUILD`].
    pub kind: u8,
    /// Length of the payload in bytes.
    pub bytes: u8,
    /// For [`RECORD`] the record's number since the module was loaded. For [`LOST`] the number of
    /// the first missing record. Otherwise 0.
    pub sequence: [u8; 4],
    /// Fletcher-16 of `kind`, `bytes`, `sequence` and the payload, in this order.
    pub check: le::U16,
}

const _: () = assert!(size_of::<Head>() == HEAD_BYTES);

/// Fletcher-16 (RFC 1146, with sums modulo 255) of several parts.
fn fletcher<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> u16 {
    let (mut low, mut high) = (0u32, 0u32);
    for part in parts {
        // An item has about 100 bytes, so neither sum overflows before the division.
        for byte in part {
            low += u32::from(*byte);
            high += low;
        }
    }
    (((high % 255) << 8) | (low % 255)) as u16
}

fn check(kind: u8, sequence: [u8; 4], payload: &[u8]) -> u16 {
    fletcher([&[kind, payload.len() as u8][..], &sequence, payload])
}

/// Writes an item to `out` and returns it. `None` if the payload is longer than [`PAYLOAD_MAX`].
pub fn write<'a>(
    kind: u8,
    sequence: u32,
    payload: &[u8],
    out: &'a mut [u8; ITEM_MAX],
) -> Option<&'a [u8]> {
    if payload.len() > PAYLOAD_MAX {
        return None;
    }
    let sequence = sequence.to_le_bytes();
    let head = Head {
        magic: MAGIC,
        kind,
        bytes: payload.len() as u8,
        sequence,
        check: check(kind, sequence, payload).into(),
    };
    let end = HEAD_BYTES + payload.len();
    out.get_mut(..HEAD_BYTES)?.copy_from_slice(head.as_bytes());
    out.get_mut(HEAD_BYTES..end)?.copy_from_slice(payload);
    out.get(..end)
}

/// An item, as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item<'a> {
    /// Its kind. It may be unknown.
    pub kind: u8,
    /// Its sequence number.
    pub sequence: u32,
    /// Its payload.
    pub payload: &'a [u8],
}

/// The items in a piece of input, in order.
#[derive(Clone, Debug)]
pub struct Items<'a> {
    input: &'a [u8],
    used: usize,
    skipped: usize,
}

impl<'a> Items<'a> {
    /// The items of `input`.
    pub fn new(input: &'a [u8]) -> Self {
        Self { input, used: 0, skipped: 0 }
    }

    /// Number of bytes that are done with. The rest may be the beginning of an item: put it in
    /// front of the next piece of input.
    pub fn used(&self) -> usize {
        self.used
    }

    /// Number of bytes that belong to no item.
    pub fn skipped(&self) -> usize {
        self.skipped
    }
}

/// What the first bytes of some input are.
enum Found<'a> {
    Item(Item<'a>),
    /// Possibly an item that is not complete.
    Short,
    Nothing,
}

fn first(input: &[u8]) -> Found<'_> {
    if !input.starts_with(&MAGIC) {
        return if MAGIC.starts_with(input) { Found::Short } else { Found::Nothing };
    }
    let Ok((head, rest)) = Head::read_from_prefix(input) else {
        return Found::Short;
    };
    if usize::from(head.bytes) > PAYLOAD_MAX {
        return Found::Nothing;
    }
    let Some(payload) = rest.get(..head.bytes.into()) else {
        return Found::Short;
    };
    if head.check.get() != check(head.kind, head.sequence, payload) {
        return Found::Nothing;
    }
    Found::Item(Item { kind: head.kind, sequence: u32::from_le_bytes(head.sequence), payload })
}

impl<'a> Iterator for Items<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        // A short item at the start of the loop ends the search, because more input may complete it.
        while let Some(rest) = self.input.get(self.used..).filter(|rest| !rest.is_empty()) {
            match first(rest) {
                Found::Item(item) => {
                    self.used += HEAD_BYTES + item.payload.len();
                    return Some(item);
                }
                Found::Short => return None,
                Found::Nothing => {
                    self.used += 1;
                    self.skipped += 1;
                }
            }
        }
        None
    }
}
