// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every hand-over between the CPU and the engine, as the kernel's DMA tracepoints tell of it. QEMU
//! has no caches, so that a hand-over that is missing changes no byte there.
//!
//! The debug kernel's module adds to the trace what no tracepoint tells: the CPU's own writes, the
//! moment at which a chain may run, and the moment at which its frames are published.

use dmaframe::{Policy, Shape};
use dmaframe_tests::frames::{Account, SHAPE, next, source, start};
use dmaframe_tests::mapping::PAGE;
use dmaframe_tests::trace::Trace;
use dmaframe_tests::{BoardLock, DEVICES, driver};
use std::ops::Range;

/// Bytes of a cache line of the Cortex-A53.
const LINE: u64 = 64;
/// Bytes of a header, all that the CPU writes of a slot.
const HEADER: u64 = 64;

/// What the trace tells.
#[derive(Debug)]
enum Event {
    Map {
        bus: u64,
        phys: u64,
        bytes: u64,
        from_device: bool,
    },
    Unmap {
        bus: u64,
        bytes: u64,
        attributes: String,
    },
    ToDevice {
        bus: u64,
        bytes: u64,
    },
    ToCpu {
        bus: u64,
        bytes: u64,
    },
    /// The CPU writes to memory.
    Write {
        phys: u64,
        bytes: u64,
    },
    /// The channel is told to run.
    Start,
    /// Frames are published: how many.
    Publish {
        count: u64,
    },
}

/// The value after ` name=` in `line`.
fn field<'a>(line: &'a str, name: &str) -> &'a str {
    let (_, rest) = line.split_once(&format!(" {name}=")).unwrap_or_else(|| panic!("{line}"));
    rest.split(' ').next().unwrap()
}

fn hexadecimal(text: &str) -> u64 {
    u64::from_str_radix(text, 16).unwrap()
}

/// The event in a line of the trace, if it is one of the device's.
fn parse(line: &str) -> Option<Event> {
    if let Some((_, words)) = line.split_once(" dmaframe: ") {
        let words: Vec<&str> = words.split_ascii_whitespace().collect();
        return match words[..] {
            ["write", phys, bytes] => {
                Some(Event::Write { phys: hexadecimal(phys), bytes: bytes.parse().unwrap() })
            }
            ["start"] => Some(Event::Start),
            ["publish", count] => Some(Event::Publish { count: count.parse().unwrap() }),
            _ => panic!("{line}"),
        };
    }
    if !line.contains(".dmaframe dir=") {
        return None;
    }
    let is = |name: &str| line.contains(&format!(": {name}: "));
    let (bus, bytes) = (hexadecimal(field(line, "dma_addr")), field(line, "size").parse().unwrap());
    Some(if is("dma_map_phys") {
        let from_device = field(line, "dir") == "FROM_DEVICE";
        Event::Map { bus, phys: hexadecimal(field(line, "phys_addr")), bytes, from_device }
    } else if is("dma_unmap_phys") {
        Event::Unmap { bus, bytes, attributes: field(line, "attrs").to_owned() }
    } else if is("dma_sync_single_for_device") {
        Event::ToDevice { bus, bytes }
    } else if is("dma_sync_single_for_cpu") {
        Event::ToCpu { bus, bytes }
    } else {
        panic!("an event that the test does not know: {line}")
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    /// Not given to a chain.
    Cpu,
    /// Given to the device, but no chain runs.
    Given,
    /// A chain runs that may use it.
    Running,
    /// Given back to the CPU, not published yet.
    Returned,
}

/// Memory that is mapped for the device.
#[derive(Debug)]
struct Area {
    bus: u64,
    phys: Range<u64>,
    from_device: bool,
    owner: Owner,
    /// What the CPU has written since it gave the memory to the device, in bytes from its start.
    written: Vec<Range<u64>>,
}

/// Follows who owns each byte.
#[derive(Debug, Default)]
struct Ledger {
    areas: Vec<Area>,
    /// The bus addresses of the blocks of each slot, in the order of the ring.
    slots: Vec<Vec<u64>>,
    /// Bytes of a slot.
    stride: u64,
    /// Bytes that the last slot lacks.
    missing: u64,
    starts: u64,
    published: u64,
    unmapped: u64,
}

impl Ledger {
    fn area(&mut self, bus: u64) -> &mut Area {
        let known = |area: &&mut Area| {
            (area.bus..area.bus + area.phys.end - area.phys.start).contains(&bus)
        };
        self.areas.iter_mut().find(known).unwrap_or_else(|| panic!("{bus:#x} is not mapped"))
    }

    fn take(&mut self, event: &Event) {
        match *event {
            Event::Map { bus, phys, bytes, from_device } => self.map(bus, phys, bytes, from_device),
            Event::Unmap { bus, bytes, ref attributes } => self.unmap(bus, bytes, attributes),
            Event::ToDevice { bus, bytes } => {
                let area = self.area(bus);
                assert!(
                    matches!(area.owner, Owner::Cpu | Owner::Given),
                    "{bus:#x} was given to the device again: {area:x?}"
                );
                // A hand-over of a part is enough if the CPU has written to no other.
                assert_eq!(bus, area.bus, "given to the device from its middle: {area:x?}");
                let given = 0..bytes;
                area.written.retain(|it| !(given.start <= it.start && it.end <= given.end));
                assert_eq!(area.written, [], "written by the CPU, and not given to the device");
                area.owner = Owner::Given;
            }
            Event::ToCpu { bus, bytes } => {
                let area = self.area(bus);
                let whole = area.phys.end - area.phys.start;
                assert_eq!((bus, bytes), (area.bus, whole), "a part was given to the CPU");
                area.owner = match area.owner {
                    // The chain of descriptors is read by the device only.
                    Owner::Running if area.from_device => Owner::Returned,
                    owner @ Owner::Returned => owner,
                    _ => Owner::Cpu,
                };
            }
            Event::Write { phys, bytes } => self.write(phys, bytes),
            Event::Start => self.start(),
            Event::Publish { count } => self.publish(count),
        }
    }

    fn map(&mut self, bus: u64, phys: u64, bytes: u64, from_device: bool) {
        let range = phys..phys + bytes;
        // No cache line is shared: each area has whole lines, and none has another's.
        assert_eq!((range.start % LINE, range.end % LINE, bus % LINE), (0, 0, 0), "{range:x?}");
        for other in &self.areas {
            let apart = range.end <= other.phys.start || other.phys.end <= range.start;
            assert!(apart, "{range:x?} and {:x?} are mapped", other.phys);
        }
        if from_device {
            if self.missing == 0 {
                self.slots.push(Vec::new());
                self.missing = self.stride;
            }
            self.slots.last_mut().unwrap().push(bus);
            self.missing = self.missing.checked_sub(bytes).expect("a block longer than its slot");
        }
        let written = Vec::new();
        self.areas.push(Area { bus, phys: range, from_device, owner: Owner::Given, written });
    }

    fn unmap(&mut self, bus: u64, bytes: u64, attributes: &str) {
        let at = self.areas.iter().position(|area| area.bus == bus).expect("not mapped");
        let area = self.areas.swap_remove(at);
        assert_eq!(area.phys.end - area.phys.start, bytes);
        // With a hand-over at the end, what the CPU wrote into the headers could be lost.
        assert_eq!(attributes, "SKIP_CPU_SYNC");
        if area.from_device {
            assert_eq!(area.owner, Owner::Cpu, "unmapped before it was given back: {area:x?}");
            self.slots.clear();
        }
        self.unmapped += 1;
    }

    fn write(&mut self, phys: u64, bytes: u64) {
        // Memory that is not mapped is of no interest.
        let Some(area) = self.areas.iter_mut().find(|area| area.phys.contains(&phys)) else {
            return;
        };
        let at = phys - area.phys.start;
        assert!(
            matches!(area.owner, Owner::Cpu | Owner::Returned),
            "the CPU writes to what belongs to the device, at {at}: {area:x?}"
        );
        if area.from_device {
            assert!(at + bytes <= HEADER, "the CPU writes {bytes} bytes at {at} of a slot");
        }
        area.written.push(at..at + bytes);
    }

    /// Everything that the chain may touch was given to the device, whole.
    fn start(&mut self) {
        let mut slots = 0;
        let mut chains = 0;
        for area in &mut self.areas {
            if area.owner == Owner::Given {
                assert_eq!(area.written, [], "{area:x?}");
                area.owner = Owner::Running;
                slots += u64::from(area.from_device);
                chains += u64::from(!area.from_device);
            }
        }
        // The chain itself, and its slots.
        assert!(chains > 0 && slots > 0, "a chain starts with {chains} chains and {slots} slots");
        self.starts += 1;
    }

    /// Every block of the frames' slots was given to the CPU after their chain ran.
    fn publish(&mut self, count: u64) {
        for frame in self.published..self.published + count {
            // Each published frame takes the next slot of the ring.
            let slots = self.slots.len() as u64;
            for bus in self.slots[(frame % slots) as usize].clone() {
                let area = self.area(bus);
                assert_eq!(area.owner, Owner::Returned, "frame {frame} is published: {area:x?}");
            }
        }
        for area in &mut self.areas {
            if area.owner == Owner::Returned {
                area.owner = Owner::Cpu;
            }
        }
        self.published += count;
    }
}

/// Streams `frames` frames of `shape` from a device that is bound for it, and checks every
/// hand-over from bind to unbind.
fn check(shape: Shape, frames: u64) {
    driver::unbind().unwrap();
    let trace = Trace::of("dma");
    driver::bind().unwrap();
    let mut stream = start(DEVICES[0], shape);
    let mut produced = 0;
    // The second start finds slots that the first one left.
    for part in [frames / 3, frames] {
        let mut account = Account::of(&stream, shape);
        while account.frames < part {
            let frame = next(&mut stream);
            if shape.source == 0 {
                account.take(frame.header(), &frame);
            } else {
                account.take_header(frame.header());
            }
        }
        stream.stop().unwrap();
        produced += stream.stats().unwrap().frames;
        while let Some(frame) = stream.next().unwrap() {
            account.take_header(frame.header());
        }
        if part < frames {
            stream.start().unwrap();
        }
    }
    drop(stream);
    driver::unbind().unwrap();
    let lines = trace.finish();
    driver::bind().unwrap();

    let stride = shape.slot_stride(PAGE as u32).into();
    let mut ledger = Ledger { stride, ..Ledger::default() };
    for line in &lines {
        if let Some(event) = parse(line) {
            ledger.take(&event);
        }
    }
    assert_eq!(ledger.published, produced, "frames in the trace");
    assert!(ledger.starts > 1 && ledger.unmapped > u64::from(shape.slots), "{ledger:x?}");
    assert!(ledger.areas.is_empty(), "still mapped: {:x?}", ledger.areas);
}

#[test]
fn frames_in_one_block() {
    let _board = BoardLock::acquire();
    check(SHAPE, 100);
    check(Shape { frame_bytes: 65_536, slots: 4, ..SHAPE }, 20);
}

#[test]
fn frames_in_several_blocks() {
    let _board = BoardLock::acquire();
    check(Shape { frame_bytes: 614_400, slots: 4, ..SHAPE }, 12);
}

#[test]
fn frames_of_a_paced_register() {
    let _board = BoardLock::acquire();
    let systimer = source(DEVICES[0], "systimer");
    let shape = Shape { source: systimer, interval_us: 5000, policy: Policy::Drop, ..SHAPE };
    check(shape, 40);
}
