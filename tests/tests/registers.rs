// SPDX-License-Identifier: MIT OR Apache-2.0
//! The file `registers` in debugfs.

use dmaframe_tests::frames::{Account, SHAPE, start};
use dmaframe_tests::{BoardLock, DEVICES, driver, wait};
use nix::errno::Errno;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

const NAMES: [&str; 9] =
    ["CS", "CONBLK_AD", "TI", "SOURCE_AD", "DEST_AD", "TXFR_LEN", "STRIDE", "NEXTCONBK", "DEBUG"];
const ACTIVE: u32 = 1;

fn file(id: usize) -> PathBuf {
    format!("/sys/kernel/debug/dmaframe{id}/registers").into()
}

/// Reads the registers of device `id`, and checks the format of each line.
fn registers(id: usize) -> BTreeMap<&'static str, u32> {
    let text = fs::read_to_string(file(id)).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), NAMES.len(), "{text}");
    let value = |(name, line): (&'static str, &&str)| {
        let digits = line.strip_prefix(name).and_then(|rest| rest.strip_prefix(" 0x"));
        let digits = digits.unwrap_or_else(|| panic!("{line} instead of {name}"));
        assert_eq!(digits.len(), 8, "{line}");
        (name, u32::from_str_radix(digits, 16).unwrap())
    };
    NAMES.into_iter().zip(&lines).map(value).collect()
}

#[test]
fn the_file_shows_the_registers_of_the_devices_channel() {
    let _board = BoardLock::acquire();
    let idle = registers(1);
    let mut stream = start(DEVICES[0], SHAPE);
    let mut account = Account::of(&stream, SHAPE);
    // Different chains end in different slots.
    let mut ends = BTreeSet::new();
    for _ in 0..3 * SHAPE.slots {
        account.take_next(&mut stream);
        ends.insert(registers(0)["DEST_AD"]);
    }
    assert!(ends.len() > 1, "{ends:x?}");
    assert_eq!(registers(1), idle);
    stream.stop().unwrap();
    assert_eq!(registers(0)["CS"] & ACTIVE, 0);
}

#[test]
fn the_file_goes_with_the_device() {
    let _board = BoardLock::acquire();
    let mut open = File::open(file(0)).unwrap();
    driver::unbind().unwrap();
    let read = open.read(&mut [0; 512]).unwrap_err();
    assert_eq!(read.raw_os_error(), Some(Errno::EIO as i32), "{read}");
    for id in [0, 1] {
        assert!(!Path::new(&file(id)).exists(), "{id}");
    }
    driver::bind().unwrap();
    assert_eq!(registers(0)["CS"] & ACTIVE, 0);
    // The open file belongs to the old device.
    assert!(open.read(&mut [0; 512]).is_err());
}

#[test]
fn the_file_can_be_read_during_an_unbind() {
    let _board = BoardLock::acquire();
    let (done, whole) = (AtomicBool::new(false), AtomicU32::new(0));
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            while !done.load(Relaxed) {
                if let Ok(text) = fs::read_to_string(file(1)) {
                    assert_eq!(text.lines().count(), NAMES.len(), "{text}");
                    whole.fetch_add(1, Relaxed);
                }
                // The debug kernel keeps memory for every file that was opened.
                thread::sleep(Duration::from_millis(1));
            }
        });
        for _ in 0..5 {
            let before = whole.load(Relaxed);
            wait::until("the file to be read", || {
                (reader.is_finished() || whole.load(Relaxed) > before).then_some(())
            });
            driver::unbind().unwrap();
            driver::bind().unwrap();
        }
        done.store(true, Relaxed);
    });
}
