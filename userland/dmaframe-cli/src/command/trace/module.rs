// SPDX-License-Identifier: MIT OR Apache-2.0
//! The module's file, which has the strings of the records.

use defmt_decoder::Table;
use object::elf::{FileHeader64, SHT_SYMTAB, Sym64};
use object::read::elf::{FileHeader, SectionHeader};
use object::{Endianness, Object, ObjectSection, SectionIndex};
use std::fs;
use std::mem::offset_of;
use std::path::{Path, PathBuf};

/// The section of the strings.
const SECTION: &str = ".defmt";
const BUILD_ID: &str = ".note.gnu.build-id";
/// The type of the note with the build id: NT_GNU_BUILD_ID.
const NOTE_TYPE: u32 = 3;
const INSTALLED: &str = "/lib/modules";
const FILE: &str = "dmaframe.ko";

/// A GNU build id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BuildId(pub(super) Vec<u8>);

impl BuildId {
    /// The id in the notes of an ELF file.
    fn of_notes(mut notes: &[u8]) -> Option<Self> {
        let word = |bytes: &[u8]| bytes.try_into().ok().map(u32::from_le_bytes);
        loop {
            let (head, rest) = notes.split_at_checked(12)?;
            let [name, id, kind] = [&head[..4], &head[4..8], &head[8..]].map(word);
            let (name_bytes, id_bytes) = (name? as usize, id? as usize);
            let (name, rest) = rest.split_at_checked(name_bytes.checked_next_multiple_of(4)?)?;
            if kind? == NOTE_TYPE && name.starts_with(b"GNU\0") && id_bytes > 0 {
                return rest.get(..id_bytes).map(|id| Self(id.to_owned()));
            }
            notes = rest.get(id_bytes.checked_next_multiple_of(4)?..)?;
        }
    }

    /// The id of the module that is loaded.
    pub(super) fn of_loaded() -> Result<Self, String> {
        let path = Path::new("/sys/module/dmaframe/notes").join(BUILD_ID);
        let notes =
            fs::read(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        Self::of_notes(&notes).ok_or_else(|| format!("{} has no build id", path.display()))
    }
}

impl std::fmt::Display for BuildId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The file of a module that was built with the trace.
#[derive(Debug)]
pub(super) struct ModuleFile {
    path: PathBuf,
    elf: Vec<u8>,
    build: BuildId,
}

impl ModuleFile {
    /// Reads the file at `path`, or the installed one.
    pub(super) fn open(path: Option<&Path>) -> Result<Self, String> {
        let path = match path {
            Some(path) => path.to_owned(),
            None => installed()?,
        };
        let elf =
            fs::read(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        Self::of(path, elf)
    }

    /// The file at `path`, whose contents are `elf`.
    pub(super) fn of(path: PathBuf, elf: Vec<u8>) -> Result<Self, String> {
        let name = path.display();
        let file = object::File::parse(&*elf)
            .map_err(|error| format!("{name} is no ELF file: {error}"))?;
        let notes = file.section_by_name(BUILD_ID).and_then(|section| section.data().ok());
        let build = notes
            .and_then(BuildId::of_notes)
            .ok_or_else(|| format!("{name} has no build id: is it a kernel module?"))?;
        Ok(Self { path, elf, build })
    }

    /// Fails if `build` is another module's id: its records would be decoded with wrong strings.
    pub(super) fn check(&self, build: &BuildId) -> Result<(), String> {
        if self.build == *build {
            return Ok(());
        }
        Err(format!(
            "{} is not the module that wrote this trace: its build id is {}, and the trace's {build}; \
             name the right file with --elf",
            self.path.display(),
            self.build
        ))
    }

    /// The strings, by the numbers that they have in records if the low 16 bits of the section's
    /// address are `section`.
    pub(super) fn table(&self, section: u16) -> Result<Table, String> {
        let error = |error: &dyn std::fmt::Display| {
            format!("cannot read the strings in {}: {error}", self.path.display())
        };
        let moved = moved(&self.elf, section).map_err(|it| error(&it))?;
        match Table::parse(&moved) {
            Ok(Some(table)) => Ok(table),
            Ok(None) => Err(error(&"it was built without the trace")),
            Err(it) => Err(error(&it)),
        }
    }
}

/// `elf` with the symbols of its section [`SECTION`] moved to `base`. A module is a relocatable
/// file: its symbols have offsets in their sections, but records have addresses.
fn moved(elf: &[u8], base: u16) -> object::Result<Vec<u8>> {
    let header = FileHeader64::<Endianness>::parse(elf)?;
    let endian = header.endian()?;
    let sections = header.sections(endian, elf)?;
    let symbols = sections.symbols(endian, elf, SHT_SYMTAB)?;
    let mut moved = elf.to_owned();
    let (Some((strings, _)), SectionIndex(at)) =
        (sections.section_by_name(endian, SECTION.as_bytes()), symbols.section())
    else {
        return Ok(moved);
    };
    let table = sections.section(SectionIndex(at))?.sh_offset(endian) as usize;
    for (index, symbol) in symbols.enumerate() {
        if symbols.symbol_section(endian, symbol, index)? != Some(strings) {
            continue;
        }
        let place = table
            + index.0 * size_of::<Sym64<Endianness>>()
            + offset_of!(Sym64<Endianness>, st_value);
        let address = symbol.st_value.get(endian).wrapping_add(base.into());
        if let Some(value) = moved.get_mut(place..place + 8) {
            value.copy_from_slice(&address.to_le_bytes());
        }
    }
    Ok(moved)
}

/// The installed module of the running kernel.
fn installed() -> Result<PathBuf, String> {
    let root = Path::new(INSTALLED);
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    find(&root.join(release.trim()))
        .or_else(|| Some(root.join(FILE)).filter(|path| path.exists()))
        .ok_or_else(|| {
            format!(
                "there is no {FILE} in {}: name the file with --elf",
                root.join(release.trim()).display()
            )
        })
}

fn find(directory: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(directory).ok()?;
    let mut directories = Vec::new();
    for entry in entries.flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => directories.push(entry.path()),
            _ if entry.file_name() == FILE => return Some(entry.path()),
            _ => {}
        }
    }
    directories.iter().find_map(|directory| find(directory))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(name: &[u8], kind: u32, id: &[u8]) -> Vec<u8> {
        let mut note = Vec::new();
        for word in [name.len() as u32, id.len() as u32, kind] {
            note.extend_from_slice(&word.to_le_bytes());
        }
        for part in [name, id] {
            note.extend_from_slice(part);
            note.resize(note.len().next_multiple_of(4), 0);
        }
        note
    }

    #[test]
    fn a_build_id_is_found_among_notes() {
        let id = BuildId(vec![0xab, 1, 2]);
        let notes = [note(b"Linux\0", 3, &[9; 5]), note(b"GNU\0", NOTE_TYPE, &id.0)].concat();
        assert_eq!(BuildId::of_notes(&notes), Some(id.clone()));
        assert_eq!(id.to_string(), "ab0102");
        for length in 0..notes.len() - 1 {
            assert_eq!(BuildId::of_notes(&notes[..length]), None, "{length}");
        }
        assert_eq!(BuildId::of_notes(&[0xff; 40]), None);
    }
}
