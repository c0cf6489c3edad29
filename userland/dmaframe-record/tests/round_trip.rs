// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is recorded is read again: headers, losses, the description and the ending.

mod synthetic;

use dmaframe_record::{Description, Ending, Format, Options, Reason};
use synthetic::{Frame, LOST_AFTER, Memory, description, frame, gappy, read, record};

/// Formats that keep every header.
const WHOLE: [Format; 3] = [Format::Npy, Format::Pcapng, Format::Raw];

fn ending() -> Ending {
    Ending { reason: Reason::Interrupted, message: Some("signal".to_owned()), lost: LOST_AFTER }
}

#[test]
fn frames_with_gaps_at_both_ends_survive() {
    for format in WHOLE {
        for frames in [Vec::new(), vec![frame(0, 0, 4)], gappy(4), gappy(20_000)] {
            let words = frames.first().map_or(4, |frame| frame.payload.len() as u32 / 4);
            let memory = Memory::new();
            let summary = record(format, Options::default(), &frames, ending(), &memory).unwrap();
            assert!(summary.error.is_none() && summary.frames == frames.len() as u64);
            let (found, described, ended) = read(memory.contents("part1")).unwrap();
            assert!(found == frames, "{format}");
            // A raw file holds frames and nothing else.
            if format == Format::Raw {
                assert_eq!((described, ended), (Description::default(), Some(Ending::complete())));
                assert!(memory.notes()[0].contains("7 frames were lost after the last one"));
            } else {
                assert_eq!((described, ended), (description(words), Some(ending())), "{format}");
            }
        }
    }
}

#[test]
fn a_full_disk_leaves_whole_frames_and_says_so() {
    let frames: Vec<Frame> = (0..300).map(|sequence| frame(sequence, 0, 500)).collect();
    for format in WHOLE {
        // The write that fails is that of a batch, and its part that fits is kept.
        for room in [8000, 300_000, 300_001, 302_065, 400_000] {
            let memory = Memory::with_room(room);
            let ending = Ending::complete();
            let summary = record(format, Options::default(), &frames, ending, &memory).unwrap();
            assert!(summary.error.is_some_and(|error| error.is_full()), "{format} {room}");
            let contents = memory.contents("part1");
            assert!(
                contents.len() <= room && contents.len() + 2100 + 600 > room,
                "{format} {room}"
            );
            let (found, _, ended) = read(contents).unwrap();
            assert_eq!(found.len() as u64, summary.frames, "{format} {room}");
            assert!(found == frames[..found.len()], "{format} {room}");
            let ended = ended.unwrap();
            if format != Format::Raw {
                assert_eq!(ended.reason, Reason::Full, "{format} {room}");
                assert!(ended.message.unwrap().contains("no storage space"), "{format} {room}");
            }
        }
    }
}

#[test]
fn a_file_that_was_cut_has_its_whole_frames() {
    for format in WHOLE {
        let memory = Memory::new();
        record(format, Options::default(), &gappy(4), ending(), &memory).unwrap();
        let contents = memory.contents("part1");
        let mut last = 0;
        // An empty file is a raw recording without frames.
        for cut in (1..contents.len()).filter(|cut| *cut + 700 > contents.len() || cut % 97 == 1) {
            let Ok((found, _, ended)) = read(contents[..cut].to_vec()) else {
                // A cut in the head leaves no recording.
                assert_eq!(last, 0, "{format} {cut}");
                continue;
            };
            assert!(found.len() >= last && found == gappy(4)[..found.len()], "{format} {cut}");
            last = found.len();
            // Only a raw file that ends after a frame cannot know that it was longer.
            let complete = format == Format::Raw && cut % 80 == 0;
            let reason = if complete { Reason::Complete } else { Reason::Cut };
            assert_eq!(ended.unwrap().reason, reason, "{format} {cut}");
        }
        assert!(last >= 4, "{format}");
    }
}

#[test]
fn an_unfinished_file_opens_up_to_its_last_checkpoint() {
    use dmaframe_record::{FrameRef, Recorder};
    for format in [Format::Npy] {
        let memory = Memory::new();
        let options = Options::default();
        let mut recorder =
            Recorder::begin(format, options, description(4), memory.clone()).unwrap();
        for (at, Frame { header, payload }) in gappy(4).iter().enumerate() {
            recorder.write(FrameRef { header, payload }).unwrap();
            if at == 2 {
                recorder.checkpoint().unwrap();
            }
        }
        drop(recorder);
        let (found, described, ended) = read(memory.contents("part1")).unwrap();
        assert!(found == gappy(4)[..3] && described == description(4), "{format}");
        assert_eq!(ended.unwrap().reason, Reason::Cut, "{format}");
    }
}

#[test]
fn frames_of_another_length_begin_another_file() {
    let frames = [frame(0, 0, 4), frame(1, 0, 4), frame(2, 0, 8)];
    let memory = Memory::new();
    record(Format::Npy, Options::default(), &frames, ending(), &memory).unwrap();
    let (first, _, ended) = read(memory.contents("part1")).unwrap();
    assert_eq!((first.len(), ended.unwrap().reason), (2, Reason::Continued));
    assert_eq!(read(memory.contents("part2")).unwrap().0, frames[2..]);
    let notes = memory.notes();
    assert_eq!(notes, ["a payload of 32 bytes is no row of 16: the recording goes on in part2"]);
}

#[test]
fn rotation_begins_another_file() {
    use dmaframe_record::{FrameRef, Recorder};
    let memory = Memory::new();
    let mut recorder =
        Recorder::begin(Format::Raw, Options::default(), description(4), memory.clone()).unwrap();
    for Frame { header, payload } in &gappy(4) {
        recorder.write(FrameRef { header, payload }).unwrap();
        recorder.rotate();
    }
    let summary = recorder.finish(Ending::complete()).unwrap();
    // A rotation with no frame after it makes no file.
    assert_eq!((summary.frames, summary.files.len()), (5, 5));
    let all: Vec<_> =
        summary.files.iter().flat_map(|name| read(memory.contents(name)).unwrap().0).collect();
    assert!(all == gappy(4));
}

#[test]
fn other_files_are_refused_with_words() {
    for (contents, words) in [
        (&b"PK\x03\x04............"[..], "no recording of frames"),
        (b"\x93NUMPY\x01\x00\x10\x00{'descr': '<f8'}", "its rows are no frames"),
        (b"\x93NUMPY\x09\x00\x10\x00", "version 9.0 of npy is unknown"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\xff", "header of 4294967295 bytes is too long"),
        (
            b"DMAF\x09\x00\x40\x00aaaaaaaabbbbbbbbccccddeeffffffffgggggggghhhhhhhhiiiijjjj",
            "version 9",
        ),
    ] {
        let error = read(contents.to_vec()).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}
