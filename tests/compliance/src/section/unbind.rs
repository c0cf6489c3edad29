// SPDX-License-Identifier: MIT OR Apache-2.0
//! Unbinding the driver, which removes all of its devices. Needs the option --unbind.

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
        check(1, PLACE, "an unbind sets STOPPED and DETACHED in the ring", |target| {
            let gone = unbind_during_stream(target)?;
            equal("flags", gone.reader.flags(), STOPPED | DETACHED)
        }),
        check(2, PLACE, "after an unbind received frames stay readable", |target| {
            let gone = unbind_during_stream(target)?;
            let frame = gone.reader.frame(0);
            equal("sequence", frame.header.sequence.get(), 0)?;
            holds(gone.reader.all() == gone.before, || "the slots have changed".to_owned())
        }),
        check(3, PLACE, "after an unbind later streams write nothing to the old ring", |target| {
            let mut gone = unbind_during_stream(target)?;
            gone.driver.bind()?;
            Reader::started(target, target.shape())?.take_all(100)?;
            holds(gone.reader.all() == gone.before, || "the slots have changed".to_owned())
        }),
        check(
            4,
            "poll and signals",
            "after an unbind poll(2) reports POLLHUP | POLLERR | POLLIN",
            |target| {
                let gone = unbind_during_stream(target)?;
                let events = wait::readable(&gone.reader.raw, Duration::ZERO)?;
                let readable = PollFlags::POLLIN | PollFlags::POLLRDNORM;
                equal("events", events, readable | PollFlags::POLLERR | PollFlags::POLLHUP)
            },
        ),
        check(5, "Requests", "after an unbind GET_INFO fails with ENODEV", |target| {
            let gone = unbind_during_stream(target)?;
            refused(gone.reader.raw.exchange(uapi::GET_INFO, Info::default()), Errno::ENODEV)
        }),
        check(6, "Requests", "after an unbind GET_SOURCE fails with ENODEV", |target| {
            let gone = unbind_during_stream(target)?;
            let told = gone.reader.raw.exchange(uapi::GET_SOURCE, SourceInfo::default());
            refused(told, Errno::ENODEV)
        }),
        check(7, "Requests", "after an unbind GET_CONFIG fails with ENODEV", |target| {
            let gone = unbind_during_stream(target)?;
            refused(gone.reader.raw.exchange(uapi::GET_CONFIG, Config::default()), Errno::ENODEV)
        }),
        check(8, "Requests", "after an unbind CONFIGURE fails with ENODEV", |target| {
            let gone = unbind_during_stream(target)?;
            refused(gone.reader.raw.configure(target.shape()), Errno::ENODEV)
        }),
        check(9, "Requests", "after an unbind GET_STATS fails with ENODEV", |target| {
            let gone = unbind_during_stream(target)?;
            refused(gone.reader.raw.exchange(uapi::GET_STATS, Stats::default()), Errno::ENODEV)
        }),
        check(10, "Requests", "after an unbind START fails with ENODEV", |target| {
            refused(unbind_during_stream(target)?.reader.raw.request(uapi::START, 0), Errno::ENODEV)
        }),
        check(11, "Requests", "after an unbind STOP fails with ENODEV", |target| {
            refused(unbind_during_stream(target)?.reader.raw.request(uapi::STOP, 0), Errno::ENODEV)
        }),
        check(12, "Requests", "after an unbind KICK fails with ENODEV", |target| {
            refused(unbind_during_stream(target)?.reader.raw.request(uapi::KICK, 0), Errno::ENODEV)
        }),
        check(
            13,
            "Mapping",
            "after an unbind mmap(2) of each region fails with ENODEV",
            |target| {
                let gone = unbind_during_stream(target)?;
                for offset in [MAP_META, MAP_CONSUMER, MAP_SLOTS] {
                    let mapped = Mapping::read_only(&gone.reader.raw, offset, target.page);
                    refused(mapped, Errno::ENODEV)?;
                }
                Ok(())
            },
        ),
        check(14, "read", "after an unbind read(2) fails with ENODEV", |target| {
            let gone = unbind_during_stream(target)?;
            let mut buffer = vec![0; 64 + gone.reader.made.frame_bytes as usize];
            refused(read(&gone.reader.raw, &mut buffer), Errno::ENODEV)
        }),
        check(15, PLACE, "an unbind wakes a thread in poll(2)", |target| {
            let (_driver, events) =
                unbind_during_sleep(target, |reader| wait::readable(&reader.raw, LIMIT))?;
            let gone = PollFlags::POLLERR | PollFlags::POLLHUP;
            holds(events?.contains(gone), || format!("got {events:?}"))
        }),
        check(
            16,
            PLACE,
            "an unbind wakes a thread in read(2), which fails with ENODEV",
            |target| {
                let (_driver, got) = unbind_during_sleep(target, |reader| {
                    read(&reader.raw, &mut vec![0; 64 + reader.made.frame_bytes as usize])
                })?;
                refused(got, Errno::ENODEV)
            },
        ),
        check(
            17,
            PLACE,
            "an unbind removes the node, and after a bind the device is idle",
            |target| {
                let mut gone = unbind_during_stream(target)?;
                holds(!Path::new(&target.path).exists(), || "got the node".to_owned())?;
                gone.driver.bind()?;
                equal("state", state(&target.open()?)?, State::Idle as u32)
            },
        ),
        check(
            18,
            PLACE,
            "after an unbind and a bind the old file does not keep the device busy",
            |target| {
                let mut gone = unbind_during_stream(target)?;
                gone.driver.bind()?;
                let reader = Reader::started(target, target.shape())?;
                reader.take_all(20)?;
                drop(gone.reader);
                reader.take_all(20).map(drop)
            },
        ),
    ],
};

/// The driver, which is bound again when this is dropped.
#[derive(Debug)]
struct Driver {
    directory: PathBuf,
    device: String,
    /// The nodes and their metadata.
    nodes: Vec<(PathBuf, fs::Metadata)>,
}

impl Driver {
    fn of(target: &Target) -> Outcome<Self> {
        if !target.unbind {
            return skipped("unbinds the driver from all devices; needs --unbind");
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

    /// Binds the driver, and restores the owners and modes of the nodes.
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
            eprintln!("dmaframe-compliance: the driver could not be bound again: {seen}");
        }
    }
}

/// A stream whose driver was unbound.
struct Gone {
    // Dropped, and so closed, before `driver` binds again.
    reader: Reader,
    driver: Driver,
    before: Vec<u8>,
}

fn unbind_during_stream(target: &Target) -> Outcome<Gone> {
    let driver = Driver::of(target)?;
    let reader = Reader::started(target, target.shape())?;
    reader.fill()?;
    let before = reader.all();
    driver.unbind()?;
    Ok(Gone { reader, driver, before })
}

/// Unbinds while a thread sleeps in `sleep`. Returns the result of `sleep`.
fn unbind_during_sleep<T: Send>(
    target: &Target,
    sleep: impl FnOnce(&Reader) -> T + Send,
) -> Outcome<(Driver, T)> {
    let driver = Driver::of(target)?;
    let reader = Reader::started(target, target.quiet())?;
    let woken = while_asleep(|| sleep(&reader), |_| driver.unbind())?;
    Ok((driver, woken))
}
