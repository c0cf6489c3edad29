// SPDX-License-Identifier: MIT OR Apache-2.0
//! Formats that keep the words and not the headers: what they show of losses, and what a full disk
//! leaves of them. `cargo xtask test formats` opens them with other tools.

mod synthetic;

use dmaframe_record::{Channel, Ending, Error, Format, Options, Reason};
use std::io::{Cursor, Read};
use synthetic::{Frame, LOST_AFTER, Memory, frame, gappy, record};
use vcd::{Command, Value};
use zip::ZipArchive;

fn ending() -> Ending {
    Ending { reason: Reason::Interrupted, message: None, lost: LOST_AFTER }
}

fn recorded(format: Format, options: Options, frames: &[Frame]) -> Memory {
    let memory = Memory::new();
    record(format, options, frames, ending(), &memory).unwrap();
    memory
}

/// The files of a session, by name.
fn session(contents: Vec<u8>) -> Vec<(String, Vec<u8>)> {
    let mut archive = ZipArchive::new(Cursor::new(contents)).unwrap();
    let count = archive.len();
    let read = |at| {
        let mut file = archive.by_index(at).unwrap();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        (file.name().to_owned(), bytes)
    };
    (0..count).map(read).collect()
}

#[test]
fn a_session_holds_one_run() {
    let options = Options { channels: Channel::parse("0=A,2,3").unwrap(), ..Options::default() };
    let memory = recorded(Format::Sr, options, &gappy(4));
    assert_eq!(memory.names(), ["part1", "part2"]);
    assert!(memory.notes()[0].contains("3 frames are lost before frame 9"));
    let files = session(memory.contents("part2"));
    // Words 36 to 43: bits 0, 2 and 3.
    assert_eq!(files[1], ("logic-1-1".to_owned(), vec![2, 3, 2, 3, 4, 5, 4, 5]));
    let metadata = String::from_utf8(files[2].1.clone()).unwrap();
    for words in ["lost_before\":3", "lost_after\":7", "total probes=3", "probe1=A", "unitsize=1"] {
        assert!(metadata.contains(words), "{metadata}");
    }
}

#[test]
fn a_full_disk_leaves_files_that_open() {
    // More than the parts that an archive is written in.
    let frames: Vec<Frame> = (0..700).map(|sequence| frame(sequence, 0, 5000)).collect();
    // The second ends just behind the first part of an archive.
    for room in [1_000_000, 4_200_200, 4_300_000, 9_000_000, 13_900_000] {
        for format in [Format::Sr, Format::Vcd, Format::Wav, Format::Sigmf] {
            let memory = Memory::with_room(room);
            let options = Options { channels: Channel::parse("0").unwrap(), ..Options::default() };
            // All bits of a session, because its part has to be longer than the room.
            let options = if format == Format::Sr { Options::default() } else { options };
            let summary = record(format, options, &frames, Ending::complete(), &memory).unwrap();
            if summary.error.is_none() {
                // One bit of each word needs less room.
                assert!(format == Format::Vcd, "{format} {room}");
                continue;
            }
            let part = if format == Format::Sigmf { "part1.sigmf-data" } else { "part1" };
            let contents = memory.contents(part);
            assert!(contents.len() <= room, "{format} {room}");
            match format {
                Format::Sr => {
                    let files = session(contents);
                    let logic = files.iter().filter(|(name, _)| name.starts_with("logic"));
                    let bytes: usize = logic.map(|(_, bytes)| bytes.len()).sum();
                    assert_eq!(bytes as u64, summary.frames * 20_000, "{room}");
                    let metadata = String::from_utf8(files.last().unwrap().1.clone()).unwrap();
                    assert!(metadata.contains("\"reason\":\"full\""), "{metadata}");
                }
                Format::Vcd => {
                    let text = String::from_utf8(contents).unwrap();
                    assert!(text.contains("\"reason\":\"full\""), "{room}");
                    let mut parser = vcd::Parser::new(text.as_bytes());
                    assert!(parser.all(|command| command.is_ok()), "{room}");
                }
                Format::Wav => {
                    let length = u32::from_le_bytes(contents[4..8].try_into().unwrap());
                    assert_eq!(length as usize + 8, contents.len(), "{room}");
                }
                _ => {
                    assert_eq!(contents.len() as u64, summary.frames * 20_000, "{room}");
                    let meta = memory.contents("part1.sigmf-meta");
                    let meta: serde_json::Value = serde_json::from_slice(&meta).unwrap();
                    assert_eq!(meta["global"]["dmaframe:end"]["reason"], "full", "{room}");
                }
            }
            assert!(summary.frames > 0 || room < 4_400_000, "{format} {room}");
        }
    }
}

#[test]
fn a_change_dump_shows_gaps() {
    let options = Options { channels: Channel::parse("0").unwrap(), ..Options::default() };
    let memory = recorded(Format::Vcd, options, &gappy(4));
    let text = memory.contents("part1");
    let mut parser = vcd::Parser::new(&text[..]);
    let header = parser.parse_header().unwrap();
    let id = |name: &str| header.find_var(&["dmaframe", name]).unwrap().code;
    let (mut time, mut lost, mut unknown) = (0, Vec::new(), Vec::new());
    for command in parser {
        match command.unwrap() {
            Command::Timestamp(now) => {
                assert!(now > time || now == 0, "{now} after {time}");
                time = now;
            }
            Command::ChangeReal(code, value) if code == id("lost") && value > 0.0 => {
                lost.push((time, value as u64));
            }
            Command::ChangeScalar(code, Value::X) if code == id("D0") => unknown.push(time),
            _ => {}
        }
    }
    // A frame takes a millisecond, and the first one is frame 3.
    assert_eq!(lost, [(1, 3), (3_000_000, 3), (8_000_000, 7)]);
    assert_eq!(unknown, [0, 1, 3_000_000, 8_000_000]);
}

#[test]
fn what_a_format_cannot_express_is_refused_before_a_file_is_opened() {
    let short = [frame(0, 0, 5)];
    let long = [frame(0, 0, 100_000)];
    let two = Options { interleaved: 2, ..Options::default() };
    let far = Options { channels: Channel::parse("32").unwrap(), ..Options::default() };
    for (format, options, frames, words) in [
        (Format::Wav, two.clone(), &short, "no whole number of samples of 2 channels"),
        (Format::Sigmf, two, &short, "no whole number of samples of 2 channels"),
        (Format::Sr, far.clone(), &short, "bit 32 is not in a word of gpio, which has 32 bits"),
        (Format::Vcd, far, &short, "bit 32 is not in a word"),
        (Format::Pcapng, Options::default(), &long, "at most 262080 bytes, and these have 400000"),
    ] {
        let memory = Memory::new();
        let refused = record(format, options, frames, ending(), &memory);
        assert!(matches!(&refused, Err(Error::Refused(found)) if found.contains(words)));
        assert!(memory.names().is_empty(), "{format}");
    }
}
