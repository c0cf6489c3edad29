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
        // A number that is lower is that of another trace in the same file.
        if (1..1 << 31).contains(&missing) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use dmaframe_abi::trace::{ITEM_MAX, write};
    use std::path::PathBuf;

    const ID: [u8; 4] = [1, 2, 3, 4];
    /// Places of the strings in the section.
    const PLACE: u16 = 7;
    const ARM: u16 = 8;

    fn name(tag: &str, data: &str) -> String {
        format!(
            r#"{{"package":"p","tag":"defmt_{tag}","data":"{data}","disambiguator":"1","crate_name":"c"}}"#
        )
    }

    /// A relocatable ELF file with these sections: name, type (SHT_*), contents.
    fn elf(sections: &[(&str, u32, &[u8])]) -> Vec<u8> {
        let names = sections.iter().flat_map(|(name, ..)| [b"\0", name.as_bytes()].concat());
        let names: Vec<u8> = names.chain([0]).collect();
        // After the header: the section headers, and then the contents.
        let (count, mut name) = (sections.len() + 1, 1);
        let mut heads = vec![0; 64];
        let mut contents = Vec::new();
        let at = |contents: &Vec<u8>| (64 + count * 64 + contents.len()) as u64;
        for (title, kind, data) in sections {
            let data = if *title == ".shstrtab" { &names } else { &data.to_vec() };
            let mut head = Vec::new();
            let words = [(name as u64, 4), ((*kind).into(), 4), (0, 8), (0, 8), (at(&contents), 8)];
            // A table of symbols is followed by its strings, and its symbols have 24 bytes.
            let next = sections.iter().position(|it| it.0 == *title).unwrap_or(0) as u64 + 2;
            let rest = [(data.len() as u64, 8), (next, 4), (1, 4), (1, 8), (24, 8)];
            for (value, bytes) in words.into_iter().chain(rest) {
                head.extend_from_slice(&value.to_le_bytes()[..bytes]);
            }
            heads.extend(head);
            contents.extend_from_slice(data);
            contents.resize(contents.len().next_multiple_of(8), 0);
            name += title.len() + 1;
        }
        let mut file = Vec::from(*b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
        // ET_REL, EM_AARCH64, and the section headers at 64.
        let fields = [(1, 2), (183, 2), (1, 4), (0, 8), (0, 8), (64, 8), (0, 4), (64, 2)];
        let rest = [(0, 2), (0, 2), (64, 2), (count as u64, 2), (count as u64 - 1, 2)];
        for (value, bytes) in fields.into_iter().chain(rest) {
            file.extend_from_slice(&u64::to_le_bytes(value)[..bytes]);
        }
        [file, heads, contents].concat()
    }

    /// A file as the linker makes it of the module.
    fn module() -> ModuleFile {
        let note = [&b"\x04\0\0\0\x04\0\0\0\x03\0\0\0GNU\0"[..], &ID].concat();
        let (mut symbols, mut strings) = (vec![0; 24], vec![0]);
        for (value, name) in [
            (0, "_defmt_section".to_owned()),
            (1, "_defmt_version_ = 4".to_owned()),
            (2, "_defmt_encoding_ = raw".to_owned()),
            (3, name("timestamp", "{=u64:us}")),
            (PLACE, name("str", "driver/stream.rs:9")),
            (ARM, name("debug", "{=istr} arm dmaframe{=u32} first={=u64}")),
        ] {
            // STB_GLOBAL and STT_OBJECT, in section 1, of one byte.
            symbols.extend_from_slice(&(strings.len() as u32).to_le_bytes());
            symbols.extend_from_slice(&[0x11, 0, 1, 0]);
            symbols.extend_from_slice(&u64::from(value).to_le_bytes());
            symbols.extend_from_slice(&1_u64.to_le_bytes());
            strings.extend_from_slice(name.as_bytes());
            strings.push(0);
        }
        let file = elf(&[
            (".defmt", 1, &[0; 64]),
            (".note.gnu.build-id", 7, &note),
            (".symtab", 2, &symbols),
            (".strtab", 3, &strings),
            (".shstrtab", 3, &[]),
        ]);
        ModuleFile::of(PathBuf::from("test.ko"), file).unwrap()
    }

    fn item(kind: u8, sequence: u32, payload: &[u8]) -> Vec<u8> {
        write(kind, sequence, payload, &mut [0; ITEM_MAX]).unwrap().to_vec()
    }

    /// A record of a module whose section is at `base`.
    fn arm(base: u16, sequence: u32, first: u64) -> Vec<u8> {
        let mut record = Vec::new();
        record.extend_from_slice(&(base + ARM).to_le_bytes());
        record.extend_from_slice(&1_500_000_u64.to_le_bytes());
        record.extend_from_slice(&(base + PLACE).to_le_bytes());
        record.extend_from_slice(&0_u32.to_le_bytes());
        record.extend_from_slice(&first.to_le_bytes());
        item(RECORD, sequence, &record)
    }

    fn start(base: u16) -> Vec<u8> {
        item(SECTION, 0, &base.to_le_bytes())
    }

    fn text(first: u64) -> String {
        format!("      1.500000 debug arm dmaframe0 first={first} (driver/stream.rs:9)")
    }

    /// Decodes pieces. Returns the lines and what was skipped, or the error.
    fn decode(pieces: &[&[u8]]) -> Result<(Vec<String>, Skipped), String> {
        let (mut decoder, mut lines) = (Decoder::new(module()), Vec::new());
        for piece in pieces {
            decoder.take(piece, &mut lines).map_err(|error| error.to_string())?;
        }
        decoder.end();
        Ok((lines.iter().map(Line::to_string).collect(), decoder.skipped))
    }

    #[test]
    fn numbers_are_relative_to_the_section() {
        // 0xf000 is the last place of a section of 4096 bytes.
        for base in [0, 0x9000, 0xf000] {
            let trace = [item(BUILD, 0, &ID), start(base), arm(base, 0, 1 << 40)].concat();
            let expected = (vec![text(1 << 40)], Skipped::default());
            assert_eq!(decode(&[&trace]), Ok(expected.clone()), "{base:#x}");
            let bytes: Vec<&[u8]> = trace.chunks(1).collect();
            assert_eq!(decode(&bytes), Ok(expected), "{base:#x}, byte by byte");
        }
    }

    #[test]
    fn a_module_that_was_loaded_again_has_another_section() {
        let id = item(BUILD, 0, &ID);
        let trace =
            [&id[..], &start(0x1000), &arm(0x1000, 70, 5), &id, &start(0x2000), &arm(0x2000, 0, 6)];
        assert_eq!(decode(&trace), Ok((vec![text(5), text(6)], Skipped::default())));
    }

    #[test]
    fn another_module_is_refused() {
        let other = [item(BUILD, 0, &[9, 9]), start(0), arm(0, 0, 1)].concat();
        let refused = decode(&[&other]).unwrap_err();
        assert!(refused.contains("its build id is 01020304, and the trace's 0909"), "{refused}");
        let nameless = [start(0), arm(0, 0, 1)].concat();
        assert!(decode(&[&nameless]).unwrap_err().contains("does not say which module"));
    }

    #[test]
    fn missing_records_are_shown_where_they_are_missing() {
        let lost = item(LOST, 0, &100_u64.to_le_bytes());
        let trace = [&item(BUILD, 0, &ID)[..], &start(0), &lost, &arm(0, 100, 1), &arm(0, 103, 2)];
        let expected = ["100 records are missing here", &text(1), "2 records are missing here"];
        let (lines, skipped) = decode(&trace).unwrap();
        assert_eq!((&lines[..3], skipped), (&expected.map(str::to_owned)[..], Skipped::default()));
        assert_eq!(lines[3], text(2));
    }

    #[test]
    fn torn_input_costs_what_is_torn() {
        let (head, records) = ([item(BUILD, 0, &ID), start(0)].concat(), [1, 2, 3]);
        let whole = records.map(|n| arm(0, n as u32, n));
        for cut in 1..whole[1].len() {
            // The end of the second record is missing, and the end of the trace.
            let last = &whole[2][..cut];
            let trace = [&head[..], &whole[0], &whole[1][..cut], &whole[2], &whole[0], last];
            let (lines, skipped) = decode(&trace).unwrap();
            let expected = [text(1), "1 records are missing here".into(), text(3), text(1)];
            assert_eq!(lines, expected);
            assert_eq!(skipped, Skipped { bytes: 2 * cut as u64, items: 0 }, "{cut}");
        }
    }

    #[test]
    fn what_matches_no_string_is_counted() {
        let trace = [
            &item(BUILD, 0, &ID)[..],
            &start(0),
            &arm(0x30, 0, 1),
            &item(RECORD, 1, &[8]),
            &item(99, 0, b"from the future"),
            &arm(0, 2, 2),
        ];
        assert_eq!(decode(&trace), Ok((vec![text(2)], Skipped { bytes: 0, items: 3 })));
        let skipped = Skipped { bytes: 2, items: 1 }.words().unwrap();
        assert!(skipped.starts_with("skipped 2 bytes") && skipped.contains("1 items"), "{skipped}");
    }
}
