// SPDX-License-Identifier: MIT OR Apache-2.0
//! A device that is taken from its driver. Only where that is allowed: all devices of the driver
//! go with it.

use super::REFERENCE;
use crate::check::{Section, check};
use crate::outcome::{Outcome, Stop, equal, holds, refused, skipped};
use crate::reader::{Reader, read, state};
use crate::sleeper::while_asleep;
use crate::target::{LIMIT, Target};
use dmaframe_abi::ring::{DETACHED, MAP_CONSUMER, MAP_META, MAP_SLOTS, STOPPED};
use dmaframe_abi::stream::State;
use dmaframe_abi::uapi::{self, Config, Info, SourceInfo, Stats};
use dmaframe_compliance::mapping::Mapping;
use dmaframe_compliance::wait;
use nix::errno::Errno;
use nix::poll::PollFlags;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

const PLACE: &str = "Life cycle";

pub(super) const SECTION: Section = Section {
    number: 18,
    name: "Unbind",
    document: REFERENCE,
    checks: &[
        check(1, PLACE, "unbound, the ring gets STOPPED and DETACHED", |target| {
            let gone = gone(target)?;
            equal("flags", gone.reader.flags(), STOPPED | DETACHED)
        }),
        check(2, PLACE, "unbound, what was received stays readable", |target| {
            let gone = gone(target)?;
            let frame = gone.reader.frame(0);
            equal("sequence", frame.header.sequence.get(), 0)?;
            holds(gone.reader.all() == gone.before, || "got other bytes in the slots".to_owned())
        }),
        check(
            3,
            PLACE,
            "unbound, nothing is written to the ring by who streams after it",
            |target| {
                let mut gone = gone(target)?;
                gone.driver.bind()?;
                Reader::started(target, target.shape())?.take_all(100)?;
                holds(gone.reader.all() == gone.before, || {
                    "got other bytes in the slots".to_owned()
                })
            },
        ),
        check(
            4,
            "poll and signals",
            "unbound, poll(2) reports POLLHUP | POLLERR | POLLIN",
            |target| {
                let gone = gone(target)?;
                let events = wait::readable(&gone.reader.raw, Duration::ZERO)?;
                let readable = PollFlags::POLLIN | PollFlags::POLLRDNORM;
                equal("events", events, readable | PollFlags::POLLERR | PollFlags::POLLHUP)
            },
        ),
        check(5, "Requests", "unbound, GET_INFO is ENODEV", |target| {
            let gone = gone(target)?;
            refused(gone.reader.raw.exchange(uapi::GET_INFO, Info::default()), Errno::ENODEV)
        }),
        check(6, "Requests", "unbound, GET_SOURCE is ENODEV", |target| {
            let gone = gone(target)?;
            let told = gone.reader.raw.exchange(uapi::GET_SOURCE, SourceInfo::default());
            refused(told, Errno::ENODEV)
        }),
        check(7, "Requests", "unbound, GET_CONFIG is ENODEV", |target| {
            let gone = gone(target)?;
            refused(gone.reader.raw.exchange(uapi::GET_CONFIG, Config::default()), Errno::ENODEV)
        }),
        check(8, "Requests", "unbound, CONFIGURE is ENODEV", |target| {
            let gone = gone(target)?;
            refused(gone.reader.raw.configure(target.shape()), Errno::ENODEV)
        }),
        check(9, "Requests", "unbound, GET_STATS is ENODEV", |target| {
            let gone = gone(target)?;
            refused(gone.reader.raw.exchange(uapi::GET_STATS, Stats::default()), Errno::ENODEV)
        }),
        check(10, "Requests", "unbound, START is ENODEV", |target| {
            refused(gone(target)?.reader.raw.request(uapi::START, 0), Errno::ENODEV)
        }),
        check(11, "Requests", "unbound, STOP is ENODEV", |target| {
            refused(gone(target)?.reader.raw.request(uapi::STOP, 0), Errno::ENODEV)
        }),
        check(12, "Requests", "unbound, KICK is ENODEV", |target| {
            refused(gone(target)?.reader.raw.request(uapi::KICK, 0), Errno::ENODEV)
        }),
        check(13, "Mapping", "unbound, mmap(2) of each region is ENODEV", |target| {
            let gone = gone(target)?;
            for offset in [MAP_META, MAP_CONSUMER, MAP_SLOTS] {
                let mapped = Mapping::read_only(&gone.reader.raw, offset, target.page);
                refused(mapped, Errno::ENODEV)?;
            }
            Ok(())
        }),
        check(14, "read", "unbound, read(2) is ENODEV", |target| {
            let gone = gone(target)?;
            let mut buffer = vec![0; 64 + gone.reader.made.frame_bytes as usize];
            refused(read(&gone.reader.raw, &mut buffer), Errno::ENODEV)
        }),
        check(15, PLACE, "unbound, who sleeps in poll(2) wakes up", |target| {
            let (_driver, events) = woken(target, |reader| wait::readable(&reader.raw, LIMIT))?;
            let gone = PollFlags::POLLERR | PollFlags::POLLHUP;
            holds(events?.contains(gone), || format!("got {events:?}"))
        }),
        check(16, PLACE, "unbound, who sleeps in read(2) wakes up with ENODEV", |target| {
            let (_driver, got) = woken(target, |reader| {
                read(&reader.raw, &mut vec![0; 64 + reader.made.frame_bytes as usize])
            })?;
            refused(got, Errno::ENODEV)
        }),
        check(17, PLACE, "unbound, the node is gone, and comes back idle", |target| {
            let mut gone = gone(target)?;
            holds(!Path::new(&target.path).exists(), || "got the node".to_owned())?;
            gone.driver.bind()?;
            equal("state", state(&target.open()?)?, State::Idle as u32)
        }),
        check(
            18,
            PLACE,
            "unbound, a file of the device that went does not take the new one",
            |target| {
                let mut gone = gone(target)?;
                gone.driver.bind()?;
                let reader = Reader::started(target, target.shape())?;
                reader.take_all(20)?;
                drop(gone.reader);
                reader.take_all(20).map(drop)
            },
        ),
    ],
};

/// The driver, from which the device is taken; it has it again when this is dropped.
#[derive(Debug)]
struct Driver {
    directory: PathBuf,
    device: String,
    /// The nodes, and whose they were.
    nodes: Vec<(PathBuf, fs::Metadata)>,
}

impl Driver {
    fn of(target: &Target) -> Outcome<Self> {
        if !target.unbind {
            return skipped("takes all devices from the driver: --unbind allows it");
        }
        target.need_root()?;
        let device = fs::canonicalize(target.attribute("device"))?;
        let directory = fs::canonicalize(device.join("driver"))?;
        let nodes = dmaframe::device::paths()
            .into_iter()
            .filter_map(|path| fs::metadata(&path).ok().map(|metadata| (path, metadata)))
            .collect();
        let name = device.file_name().map(|name| name.to_string_lossy().into_owned());
        Ok(Self { directory, device: name.unwrap_or_default(), nodes })
    }

    fn unbind(&self) -> Outcome {
        Ok(fs::write(self.directory.join("unbind"), &self.device)?)
    }

    /// Gives the device back, and the nodes their owners.
    fn bind(&mut self) -> Outcome {
        if !self.directory.join(&self.device).exists() {
            fs::write(self.directory.join("bind"), &self.device)?;
        }
        for (path, metadata) in &self.nodes {
            wait::until(LIMIT, "the node", || path.exists().then_some(()))?;
            chown(path, Some(metadata.uid()), Some(metadata.gid()))?;
            fs::set_permissions(path, fs::Permissions::from_mode(metadata.mode() & 0o7777))?;
        }
        Ok(())
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if let Err(Stop::Failed(seen)) = self.bind() {
            eprintln!("dmaframe-compliance: the driver has not got the device back: {seen}");
        }
    }
}

/// A stream whose device is gone.
struct Gone {
    // Closed before the driver gets the device back.
    reader: Reader,
    driver: Driver,
    before: Vec<u8>,
}

fn gone(target: &Target) -> Outcome<Gone> {
    let driver = Driver::of(target)?;
    let reader = Reader::started(target, target.shape())?;
    reader.fill()?;
    let before = reader.all();
    driver.unbind()?;
    Ok(Gone { reader, driver, before })
}

/// Unbinds while a thread sleeps, and returns what woke it.
fn woken<T: Send>(
    target: &Target,
    sleep: impl FnOnce(&Reader) -> T + Send,
) -> Outcome<(Driver, T)> {
    let driver = Driver::of(target)?;
    let reader = Reader::started(target, target.quiet())?;
    let woken = while_asleep(|| sleep(&reader), |_| driver.unbind())?;
    Ok((driver, woken))
}
