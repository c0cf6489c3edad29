// SPDX-License-Identifier: MIT OR Apache-2.0
//! The trace: every record, readers that wait or are late, other modules' files, damaged files.

use dmaframe::{Policy, Shape};
use dmaframe_abi::ring::MAP_CONSUMER;
use dmaframe_abi::trace::{ITEM_MAX, Items, LOST, RECORD, SECTION};
use dmaframe_abi::uapi;
use dmaframe_tests::fault::Injector;
use dmaframe_tests::frames::{Account, SHAPE, start};
use dmaframe_tests::mapping::{Mapping, PAGE};
use dmaframe_tests::process::{Done, Run, Running, User};
use dmaframe_tests::raw::{GOOD, Raw};
use dmaframe_tests::{BoardLock, DEVICES, driver, wait};
use nix::errno::Errno;
use nix::poll::PollFlags;
use nix::unistd::gettid;
use serde_json::Value;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::atomic::Ordering::Release;
use std::sync::mpsc::channel;
use std::thread;

const NODE: &str = "/dev/dmaframe-trace";
const SYSFS: &str = "/sys/class/misc/dmaframe-trace";
const MODULE: &str = "/lib/modules/dmaframe.ko";
/// The number of records that the driver keeps.
const KEPT: u64 = 4096;

/// Sources of the driver, by the names in records.
const SOURCES: &[(&str, &str)] = &[
    ("driver/bcm2835.rs", include_str!("../../driver/bcm2835.rs")),
    ("driver/channel.rs", include_str!("../../driver/channel.rs")),
    ("driver/stream.rs", include_str!("../../driver/stream.rs")),
    ("driver/stream/flight.rs", include_str!("../../driver/stream/flight.rs")),
    ("driver/stream/publication.rs", include_str!("../../driver/stream/publication.rs")),
    ("driver/stream/schedule.rs", include_str!("../../driver/stream/schedule.rs")),
];

/// Restores the level and the board.
struct Quiet {
    _board: BoardLock,
}

impl Quiet {
    fn acquire() -> Self {
        Self { _board: BoardLock::acquire() }
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        let _ = set_level("info");
    }
}

fn set_level(level: &str) -> io::Result<()> {
    fs::write(format!("{SYSFS}/level"), level)
}

fn attribute(name: &str) -> String {
    fs::read_to_string(format!("{SYSFS}/{name}")).unwrap().trim_end().to_owned()
}

fn object(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// Traces `command`, a line of sh, at `level`. Returns the records.
fn traced(level: &str, command: &str) -> Vec<Value> {
    let silent = format!("{command} >/dev/null");
    let done =
        Run::dmaframe(&["trace", "--json", "--level", level, "--", "sh", "-c", &silent]).finish();
    assert!(done.status.success(), "{done:?}");
    done.stdout.lines().map(object).collect()
}

/// Starts a trace, which has skipped the records so far when this returns.
fn live(arguments: &[&str]) -> Running {
    let trace = Run::dmaframe(&[&["trace"], arguments].concat()).start();
    assert_eq!(trace.error_line(), "dmaframe: tracing; Ctrl-C ends");
    trace
}

/// The next record of kind `kind`.
fn next(trace: &Running, kind: &str) -> Value {
    loop {
        let record = object(&trace.line());
        if record["record"] == kind {
            return record;
        }
    }
}

fn kinds(records: &[Value]) -> Vec<&str> {
    records.iter().map(|record| record["record"].as_str().unwrap()).collect()
}

/// Checks that the record names the line of the driver that writes records of its kind.
fn check_place(record: &Value) {
    let (file, kind) = (record["file"].as_str().unwrap(), record["record"].as_str().unwrap());
    let source = SOURCES.iter().find(|(name, _)| *name == file);
    let (_, source) = source.unwrap_or_else(|| panic!("no source {file}: {record}"));
    let line = record["line"].as_u64().unwrap() as usize;
    let statement: String = source.lines().skip(line - 1).take(2).map(str::trim).collect();
    let kind = if kind == "block" { "blocks" } else { kind };
    assert!(statement.starts_with(&format!("record!({kind},")), "{record}: {statement}");
}

#[test]
fn a_stream_is_traced_from_start_to_stop() {
    let _board = Quiet::acquire();
    let records = traced(
        "trace",
        "dmaframe stream --frames 20 --frame-bytes 4096 --slots 4 --source pattern",
    );
    records.iter().for_each(check_place);
    let fields = |n: usize| &records[n]["fields"];
    // The first chain, and what it makes: two of four slots. A frame takes three control blocks
    // or more.
    let kinds = kinds(&records);
    let blocks = kinds.iter().skip(1).take_while(|kind| **kind == "block").count();
    assert!(blocks >= 6, "{kinds:?}");
    let first = ["arm", "completion", "header", "header", "publish"];
    assert_eq!((kinds[0], &kinds[blocks + 1..blocks + 6]), ("start", &first[..]), "{kinds:?}");

    assert_eq!(
        (&records[0]["level"], &records[0]["device"]),
        (&"info".into(), &"dmaframe0".into())
    );
    for (name, value) in [("source", 0), ("frame_bytes", 4096), ("slots", 4), ("interval_us", 0)] {
        assert_eq!(fields(0)[name], value, "{name}: {}", records[0]);
    }
    assert_eq!(fields(0)["policy"], "Backpressure");
    for n in 1..=blocks {
        let (block, last) = (fields(n), n == blocks);
        assert_eq!(block["INTEN"], u64::from(last), "only the last one interrupts: {block}");
        assert_eq!(block["next"] == 0, last, "{block}");
        assert_eq!(block["channel"], 4, "{block}");
        // Stamps, of 4 bytes, are confirmed. The payload is not, and is written 128 bits at a time.
        let stamp = block["length"] == 4;
        assert_eq!(block["WAIT_RESP"], u64::from(stamp), "{block}");
        assert_eq!(block["DEST_WIDTH128"], u64::from(!stamp), "{block}");
        assert_eq!(block["destination"].as_u64().unwrap() >> 30, 3, "{block}");
    }
    let payload: u64 =
        (1..=blocks).map(|n| fields(n)["length"].as_u64().unwrap()).filter(|it| *it > 8).sum();
    assert_eq!(payload, 2 * 4096);
    let (arm, completion) = (blocks + 1, blocks + 2);
    assert_eq!((&fields(arm)["first"], &fields(arm)["frames"]), (&0.into(), &2.into()));
    assert_eq!(fields(completion)["error_bits"], 0);
    for n in 0..2 {
        let header = fields(completion + 1 + n as usize);
        assert_eq!((&header["sequence"], &header["lost"]), (&n.into(), &0.into()), "{header}");
        assert_eq!(header["payload_bytes"], 4096, "{header}");
        assert_eq!(header["stream"], fields(0)["stream"], "{header}");
        assert!(header["device_end"].as_u64() >= header["device_start"].as_u64(), "{header}");
    }
    let publish = fields(completion + 3);
    assert_eq!((&publish["first"], &publish["frames"]), (&0.into(), &2.into()));

    // Every frame that was armed was published, in order, and the last record is the end.
    let sum = |kind: &str| -> u64 {
        let mut next = 0;
        for record in records.iter().filter(|record| record["record"] == kind) {
            assert_eq!(record["fields"]["first"], next, "{record}");
            next += record["fields"]["frames"].as_u64().unwrap();
        }
        next
    };
    let stop = records.last().unwrap();
    assert_eq!((&stop["record"], &stop["level"]), (&"stop".into(), &"info".into()));
    assert_eq!(sum("publish"), stop["fields"]["frames"].as_u64().unwrap());
    assert!(sum("arm") >= sum("publish") && sum("publish") >= 20, "{stop}");
    let times: Vec<u64> = records.iter().map(|it| it["time_us"].as_u64().unwrap()).collect();
    assert!(times.is_sorted() && times[0] > 0, "{times:?}");
}

#[test]
fn a_kick_is_traced() {
    let _board = Quiet::acquire();
    let trace = live(&["--json", "--level", "debug"]);
    let (raw, _) = Raw::streaming(DEVICES[0], GOOD);
    for kicks in 1..=2 {
        raw.request(uapi::KICK, 0).unwrap();
        let kick = next(&trace, "kick");
        check_place(&kick);
        assert_eq!(
            (&kick["device"], &kick["fields"]["kicks"]),
            (&"dmaframe0".into(), &kicks.into())
        );
    }
}

#[test]
fn a_loss_is_traced() {
    let _board = Quiet::acquire();
    let trace = live(&["--json", "--level", "warn"]);
    let shape = Shape { slots: 4, policy: Policy::Drop, interval_us: 1000, ..SHAPE };
    let stream = start(DEVICES[1], shape);
    let (mut lost, mut end) = (0, 0);
    for _ in 0..3 {
        let loss = next(&trace, "loss");
        check_place(&loss);
        assert_eq!((&loss["device"], &loss["level"]), (&"dmaframe1".into(), &"warn".into()));
        let fields = &loss["fields"];
        let (first, frames) =
            (fields["first"].as_u64().unwrap(), fields["frames"].as_u64().unwrap());
        // Nobody reads: between two losses at most a ring of frames is taken.
        assert!(first >= end && first <= lost + u64::from(shape.slots), "{loss}");
        (lost, end) = (lost + frames, first + frames);
        assert_eq!(fields["lost"], lost, "{loss}");
    }
    assert!(stream.counters().lost >= lost);
}

#[test]
fn a_wrong_index_is_traced_as_an_error() {
    let _board = Quiet::acquire();
    let trace = live(&["--json", "--level", "error"]);
    let (raw, _) = Raw::streaming(DEVICES[0], GOOD);
    let both = libc::PROT_READ | libc::PROT_WRITE;
    let page = Mapping::new(&raw, MAP_CONSUMER, PAGE, both, libc::MAP_SHARED).unwrap();
    page.consumer().consumer.store(1 << 20, Release);
    let _ = raw.request(uapi::KICK, 0);
    let error = next(&trace, "error");
    check_place(&error);
    assert_eq!((&error["level"], &error["device"]), (&"error".into(), &"dmaframe0".into()));
    assert_eq!(error["fields"]["fault"], "Consumer", "{error}");
    assert_eq!(error["fields"]["stream"], raw.stats().stream, "{error}");
}

/// The debug kernel's module makes the engine fail.
#[test]
fn an_error_of_the_engine_is_traced() {
    let _board = Quiet::acquire();
    let Some(injector) = Injector::find(0) else {
        return;
    };
    let trace = live(&["--json", "--level", "debug"]);
    injector.arm("error 256").unwrap();
    let raw = Raw::open(DEVICES[0]);
    raw.configure(GOOD).unwrap();
    raw.request(uapi::START, 0).unwrap();
    assert_eq!(next(&trace, "completion")["fields"]["error_bits"], 256);
    let error = next(&trace, "error");
    let fields = &error["fields"];
    assert_eq!((&fields["fault"], &fields["error_bits"]), (&"Engine".into(), &256.into()));
}

#[test]
fn the_level_selects_the_records() {
    let _board = Quiet::acquire();
    let stream = "dmaframe stream --frames 4 --frame-bytes 4096 --slots 4";
    for (level, expected) in [("off", vec![]), ("warn", vec![]), ("info", vec!["start", "stop"])] {
        assert_eq!(kinds(&traced(level, stream)), expected, "{level}");
    }
    let debug = traced("debug", stream);
    assert_eq!(kinds(&debug)[..4], ["start", "arm", "completion", "publish"]);
    // The level is that of before.
    assert_eq!(attribute("level"), "info");
    for wrong in ["\n", "Info", "verbose", "6"] {
        let refused = set_level(wrong).err().and_then(|error| error.raw_os_error());
        assert_eq!(refused, Some(Errno::EINVAL as i32), "{wrong:?}");
    }
}

fn stream_once() {
    let mut stream = start(DEVICES[0], SHAPE);
    let mut account = Account::of(&stream, SHAPE);
    account.take_next(&mut stream);
}

fn nonblocking() -> File {
    OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(NODE).unwrap()
}

/// Reads what there is. Returns kind and sequence number of each item, and the count of each loss.
fn read_all(file: &mut File) -> Vec<(u8, u32, u64)> {
    let (mut items, mut piece) = (Vec::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut piece) {
            Ok(bytes) => {
                let mut found = Items::new(&piece[..bytes]);
                items.extend(found.by_ref().map(|item| {
                    let count = item.payload.try_into().map_or(0, u64::from_le_bytes);
                    (item.kind, item.sequence, if item.kind == LOST { count } else { 0 })
                }));
                // Only whole items are read.
                assert_eq!((found.used(), found.skipped()), (bytes, 0));
            }
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                return items;
            }
        }
    }
}

#[test]
fn a_reader_that_waits_is_woken() {
    let _board = Quiet::acquire();
    let mut polled = nonblocking();
    assert_eq!(read_all(&mut polled)[0].0, SECTION);
    assert_eq!(wait::events(&polled), PollFlags::empty());
    let (sender, tids) = channel();
    let reader = thread::spawn(move || {
        let (mut file, mut bytes) = (File::open(NODE).unwrap(), [0; ITEM_MAX]);
        // The thread that opens a file later than the last record reads to its end.
        let before: u64 = attribute("records").parse().unwrap();
        sender.send(gettid()).unwrap();
        loop {
            let read = file.read(&mut bytes).unwrap();
            let item = Items::new(&bytes[..read]).last().unwrap();
            if item.kind == RECORD && u64::from(item.sequence) >= before {
                return item.sequence;
            }
        }
    });
    wait::asleep(tids.recv().unwrap());
    stream_once();
    let first = reader.join().unwrap();
    assert!(wait::wake(&polled).contains(PollFlags::POLLIN));
    assert_eq!(read_all(&mut polled)[0], (RECORD, first, 0));
}

#[test]
fn two_readers_see_the_same_records() {
    let _board = Quiet::acquire();
    let traces = [live(&["--count", "2"]), live(&["--count", "2", "--json"])];
    stream_once();
    let [text, json] = traces.map(Running::finish);
    let lines: Vec<&str> = text.stdout.lines().collect();
    let records: Vec<Value> = json.stdout.lines().map(object).collect();
    assert_eq!((lines.len(), kinds(&records)), (2, vec!["start", "stop"]), "{text:?}");
    for (line, record) in lines.iter().zip(&records) {
        let time = record["time_us"].as_u64().unwrap();
        assert!(line.contains(&format!("{}.{:06} ", time / 1_000_000, time % 1_000_000)), "{line}");
        let place = format!("({}:{})", record["file"].as_str().unwrap(), record["line"]);
        assert!(line.ends_with(&place), "{line}");
    }
}

#[test]
fn a_full_ring_drops_whole_records_and_counts_them() {
    let _board = Quiet::acquire();
    let mut late = nonblocking();
    let before = read_all(&mut late).last().map(|item| item.1);
    let dropped: u64 = attribute("dropped").parse().unwrap();
    set_level("trace").unwrap();
    let mut stream = start(DEVICES[0], SHAPE);
    let mut account = Account::of(&stream, SHAPE);
    // Each frame is at least one record.
    for _ in 0..KEPT + 100 {
        account.take_next(&mut stream);
    }
    drop(stream);
    set_level("off").unwrap();
    let written: u64 = attribute("records").parse().unwrap();
    let items = read_all(&mut late);
    let (kind, sequence, lost) = items[0];
    assert_eq!((kind, Some(sequence)), (LOST, before.map(|last| last + 1)));
    // All others are there.
    assert_eq!(u64::from(sequence) + lost, written - KEPT);
    let rest: Vec<u32> = items[1..].iter().map(|item| item.1).collect();
    let kept: Vec<u32> = (written - KEPT..written).map(|number| number as u32).collect();
    assert_eq!(rest, kept);
    assert!(items[1..].iter().all(|item| item.0 == RECORD));
    let after: u64 = attribute("dropped").parse().unwrap();
    assert_eq!(after - dropped, lost);

    let done = Run::dmaframe(&["trace", "--since-boot"]).finish();
    let missing = format!("{} records are missing here", written - KEPT);
    assert_eq!(done.stdout.lines().next(), Some(&*missing));
    assert_eq!(done.stdout.lines().count() as u64, KEPT + 1);
}

/// Saves the records that the driver has.
fn save(path: &str) {
    let done = Run::dmaframe(&["trace", "--since-boot", "--raw", path]).finish();
    assert!(done.status.success(), "{done:?}");
}

fn decode(path: &str, elf: &str) -> Done {
    Run::dmaframe(&["trace", "--from", path, "--elf", elf, "--json"]).finish()
}

#[test]
fn a_module_that_is_loaded_again_is_traced() {
    let _board = Quiet::acquire();
    stream_once();
    save("/tmp/first.trace");
    let reader = File::open(NODE).unwrap();
    assert_eq!(driver::unload(), Err(Errno::EWOULDBLOCK), "a reader keeps the module");
    drop(reader);
    driver::unload().unwrap();
    driver::load().unwrap();
    assert_eq!((attribute("records"), attribute("level")), ("0".to_owned(), "info".to_owned()));
    stream_once();
    let done = Run::dmaframe(&["trace", "--since-boot", "--json"]).finish();
    let records: Vec<Value> = done.stdout.lines().map(object).collect();
    assert_eq!(kinds(&records), ["start", "stop"], "{done:?}");
    // One file with the traces of both loads, each with its own section address.
    save("/tmp/second.trace");
    let mut both = fs::read("/tmp/first.trace").unwrap();
    both.extend(fs::read("/tmp/second.trace").unwrap());
    fs::write("/tmp/both.trace", both).unwrap();
    let [first, both] = ["/tmp/first.trace", "/tmp/both.trace"].map(|path| decode(path, MODULE));
    assert_eq!((&*both.stderr, both.status.success()), ("", true));
    assert_eq!(both.stdout, first.stdout + &done.stdout);
    for file in ["first", "second", "both"] {
        fs::remove_file(format!("/tmp/{file}.trace")).unwrap();
    }
}

#[test]
fn another_modules_file_is_refused() {
    let _board = Quiet::acquire();
    stream_once();
    save("/tmp/saved.trace");
    // The same strings, but another build.
    let mut other = fs::read(MODULE).unwrap();
    let note = b"\x04\0\0\0\x14\0\0\0\x03\0\0\0GNU\0";
    let at = other.windows(note.len()).position(|window| window == note).unwrap() + note.len();
    other[at] ^= 1;
    fs::write("/tmp/other.ko", other).unwrap();
    fs::write("/tmp/text.ko", "no module").unwrap();
    let live = Run::dmaframe(&["trace", "--since-boot", "--elf", "/tmp/other.ko"]).finish();
    for done in [live, decode("/tmp/saved.trace", "/tmp/other.ko")] {
        assert_eq!((done.status.code(), &*done.stdout), (Some(1), ""), "{done:?}");
        let reason = "/tmp/other.ko is not the module that wrote this trace: its build id is ";
        assert!(done.stderr.contains(reason), "{done:?}");
    }
    let done = decode("/tmp/saved.trace", "/tmp/text.ko");
    assert!(!done.status.success() && done.stderr.contains("is no ELF file"), "{done:?}");
    // Without the item that names the module, as cat(1) saves it.
    let saved = fs::read("/tmp/saved.trace").unwrap();
    let build = 10 + usize::from(saved[3]);
    fs::write("/tmp/saved.trace", &saved[build..]).unwrap();
    let done = decode("/tmp/saved.trace", MODULE);
    assert_eq!((done.status.code(), &*done.stdout), (Some(1), ""), "{done:?}");
    assert!(done.stderr.contains("does not say which module wrote it"), "{done:?}");
    for file in ["/tmp/saved.trace", "/tmp/other.ko", "/tmp/text.ko"] {
        fs::remove_file(file).unwrap();
    }
}

#[test]
fn a_damaged_file_is_decoded_around_the_damage() {
    let _board = Quiet::acquire();
    for _ in 0..4 {
        stream_once();
    }
    save("/tmp/damaged.trace");
    let whole = decode("/tmp/damaged.trace", MODULE);
    let lines: Vec<&str> = whole.stdout.lines().collect();
    let mut bytes = fs::read("/tmp/damaged.trace").unwrap();
    // The last record is cut, and one before it has lost a byte.
    let mut ends = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        at += 10 + usize::from(bytes[at + 3]);
        ends.push(at);
    }
    let (third, last) = (ends[ends.len() - 4], bytes.len() - ends[ends.len() - 2]);
    let torn = ends[ends.len() - 3] - third - 1;
    bytes.truncate(bytes.len() - 1);
    bytes.remove(third + 12);
    fs::write("/tmp/damaged.trace", &bytes).unwrap();
    let done = decode("/tmp/damaged.trace", MODULE);
    fs::remove_file("/tmp/damaged.trace").unwrap();
    let found: Vec<&str> = done.stdout.lines().collect();
    let missing = r#"{"count":1,"record":"lost"}"#;
    let kept = lines.len() - 3;
    assert_eq!(found, [&lines[..kept], &[missing], &lines[kept + 1..kept + 2]].concat());
    let skipped = format!("skipped {} bytes", torn + last - 1);
    assert!(done.status.success() && done.stderr.contains(&skipped), "{done:?}");
}

#[test]
fn only_root_reads_and_only_whole_items() {
    let _board = Quiet::acquire();
    for user in [User::Member, User::Outsider] {
        let done = Run::dmaframe(&["trace", "--since-boot"]).by(user).finish();
        assert_eq!(done.status.code(), Some(1));
        assert!(done.stderr.contains("it needs root"), "{done:?}");
        let level = format!("{SYSFS}/level");
        let done = Run::of("sh", &["-c", &format!("echo off >{level}")]).by(user).finish();
        assert!(!done.status.success(), "{done:?}");
    }
    let mut file = nonblocking();
    let refused = file.read(&mut [0; ITEM_MAX - 1]).err().and_then(|error| error.raw_os_error());
    assert_eq!(refused, Some(Errno::EINVAL as i32));
    // A buffer that is not writable loses nothing.
    // SAFETY: the kernel refuses the address.
    let result = unsafe { libc::read(std::os::fd::AsRawFd::as_raw_fd(&file), 8 as _, 4096) };
    assert_eq!((result, Errno::last()), (-1, Errno::EFAULT));
    assert_eq!(read_all(&mut file)[0].0, SECTION);
}
