// SPDX-License-Identifier: MIT OR Apache-2.0
//! From the items of a trace to lines.

use super::line::Line;
use super::module::{BuildId, ModuleFile};
use defmt_decoder::Table;
use dmaframe_abi::trace::{BUILD, Item, Items, LOST, RECORD, SECTION};
use std::error::Error;

/// Input that had no meaning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Skipped {
    /// Bytes that belong to no item.
    pub(super) bytes: u64,
    /// Items of unknown kinds, and records that do not match their strings.
    pub(super) items: u64,
}

impl Skipped {
    /// Says what was skipped, if anything was.
    pub(super) fn words(self) -> Option<String> {
        (self != Self::default()).then(|| {
            format!(
                "skipped {} bytes that belong to no item, and {} items that cannot be decoded",
                self.bytes, self.items
            )
        })
    }
}

/// Decodes a trace that comes in pieces.
#[derive(Debug)]
pub(super) struct Decoder {
    module: ModuleFile,
    table: Option<Table>,
    /// Whether the trace is of `module`.
    checked: bool,
    /// The number of the next record.
    next: Option<u32>,
    rest: Vec<u8>,
    pub(super) skipped: Skipped,
}

impl Decoder {
    /// For a trace that names its module before its first record.
    pub(super) fn new(module: ModuleFile) -> Self {
        Self {
            module,
            table: None,
            checked: false,
            next: None,
            rest: Vec::new(),
            skipped: Skipped::default(),
        }
    }

    /// For the trace of the loaded module.
    pub(super) fn of_loaded(module: ModuleFile) -> Result<Self, String> {
        module.check(&BuildId::of_loaded()?)?;
        Ok(Self { checked: true, ..Self::new(module) })
    }

    /// Decodes the next piece. What may be the beginning of an item is kept for the one after it.
    pub(super) fn take(
        &mut self,
        piece: &[u8],
        lines: &mut Vec<Line>,
    ) -> Result<(), Box<dyn Error>> {
        let mut input = std::mem::take(&mut self.rest);
        input.extend_from_slice(piece);
        let mut items = Items::new(&input);
        for item in items.by_ref() {
            self.item(item, lines)?;
        }
        self.skipped.bytes += items.skipped() as u64;
        let used = items.used();
        input.drain(..used);
        self.rest = input;
        Ok(())
    }

    /// The trace ends here.
    pub(super) fn end(&mut self) {
        self.skipped.bytes += self.rest.len() as u64;
        self.rest.clear();
    }

    fn item(&mut self, item: Item<'_>, lines: &mut Vec<Line>) -> Result<(), Box<dyn Error>> {
        match (item.kind, item.payload) {
            (BUILD, id) => {
                self.module.check(&BuildId(id.to_owned()))?;
                self.checked = true;
            }
            (SECTION, &[low, high]) => {
                self.table = Some(self.module.table(u16::from_le_bytes([low, high]))?);
                // The records of a module that was loaded again are numbered from 0.
                self.next = None;
            }
            (LOST, count) => match count.try_into().map(u64::from_le_bytes) {
                Ok(count) => {
                    lines.push(Line::Lost(count));
                    self.next = Some(item.sequence.wrapping_add(count as u32));
                }
                Err(_) => self.skipped.items += 1,
            },
            (RECORD, record) => self.record(item.sequence, record, lines)?,
            _ => self.skipped.items += 1,
        }
        Ok(())
    }

    fn record(
        &mut self,
        sequence: u32,
        record: &[u8],
        lines: &mut Vec<Line>,
    ) -> Result<(), Box<dyn Error>> {
        let table = match (&self.table, self.checked) {
            (Some(table), true) => table,
            _ => {
                return Err("this trace does not say which module wrote it: \
                            save it with dmaframe trace --raw"
                    .into());
            }
        };
        let missing = self.next.map_or(0, |next| sequence.wrapping_sub(next));
        if missing > 0 {
            lines.push(Line::Lost(missing.into()));
        }
        self.next = Some(sequence.wrapping_add(1));
        match table.decode(record) {
            Ok((frame, bytes)) if bytes == record.len() => lines.push(Line::of(&frame)),
            _ => self.skipped.items += 1,
        }
        Ok(())
    }
}
