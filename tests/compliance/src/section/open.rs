// SPDX-License-Identifier: MIT OR Apache-2.0
//! The device node and open(2).

use super::REFERENCE;
use crate::check::{Section, check};
use crate::outcome::{Outcome, equal, failed, holds, refused};
use crate::reader::{Reader, config, configure, state};
use dmaframe_abi::ring::{MAP_CONSUMER, MAP_META, MAP_SLOTS};
use dmaframe_abi::stream::State;
use dmaframe_compliance::mapping::Mapping;
use dmaframe_compliance::raw::Raw;
use libc::{MAP_SHARED, PROT_READ, PROT_WRITE};
use nix::errno::Errno;
use nix::sys::stat::{SFlag, major, minor, stat};
use std::fs::{self, File};
use std::io::{Seek, SeekFrom};
use std::os::unix::fs::FileExt;

const PLACE: &str = "Opening";

pub(super) const SECTION: Section = Section {
    number: 1,
    name: "Opening",
    document: REFERENCE,
    checks: &[
        check(1, "dmaframe", "the node is a character device", |target| {
            let kind = SFlag::from_bits_truncate(stat(target.path.as_str())?.st_mode);
            holds(kind.contains(SFlag::S_IFCHR), || format!("got {kind:?}"))
        }),
        check(2, "dmaframe", "the node's mode is 0660", |target| {
            equal("mode", stat(target.path.as_str())?.st_mode & 0o7777, 0o660)
        }),
        check(3, "dmaframe", "the node's device number is the one in sysfs", |target| {
            let number = stat(target.path.as_str())?.st_rdev;
            let told = fs::read_to_string(target.attribute("dev"))?;
            equal("dev", told.trim(), format!("{}:{}", major(number), minor(number)).as_str())
        }),
        check(4, PLACE, "open for reading and writing succeeds", |target| target.open().map(drop)),
        check(5, PLACE, "open for reading succeeds", |target| {
            Ok(File::open(&target.path).map(drop)?)
        }),
        check(6, PLACE, "a second open fails with EBUSY", |target| {
            let _first = target.open()?;
            refused(Raw::try_open(&target.path, 0), Errno::EBUSY)
        }),
        check(7, PLACE, "a second open, for reading, fails with EBUSY", |target| {
            let _first = target.open()?;
            let second = File::open(&target.path).map_err(|error| errno(&error));
            refused(second, Errno::EBUSY)
        }),
        check(8, PLACE, "a refused open does not change the stream of the first", |target| {
            let first = target.open()?;
            let made = configure(&first, target.shape())?;
            refused(Raw::try_open(&target.path, 0), Errno::EBUSY)?;
            equal("GET_CONFIG", config(&first)?, made)?;
            equal("state", state(&first)?, State::Configured as u32)
        }),
        check(9, PLACE, "close(2) frees the device", |target| {
            drop(target.open()?);
            target.open().map(drop)
        }),
        check(10, "Life cycle", "a duplicate of the file keeps the device busy", |target| {
            let first = target.open()?;
            let copy = first.file().try_clone()?;
            drop(first);
            refused(Raw::try_open(&target.path, 0), Errno::EBUSY)?;
            drop(copy);
            target.open().map(drop)
        }),
        check(11, "Life cycle", "a mapping keeps the device busy after close(2)", |target| {
            let Reader { raw, meta, consumer, slots, .. } =
                Reader::configured(target, target.shape())?;
            drop((raw, consumer, slots));
            refused(Raw::try_open(&target.path, 0), Errno::EBUSY)?;
            drop(meta);
            target.open().map(drop)
        }),
        check(12, PLACE, "open by a user outside the group fails with EACCES", |target| {
            target.need_root()?;
            target.drop_rights()?;
            refused(Raw::try_open(&target.path, 0), Errno::EACCES)
        }),
        check(13, "Life cycle", "a newly opened device is idle", |target| {
            equal("state", state(&target.open()?)?, State::Idle as u32)
        }),
        check(14, PLACE, "a file opened for reading can configure and start a stream", |target| {
            let raw = read_only(target.path.as_str())?;
            configure(&raw, target.quiet())?;
            raw.request(dmaframe_abi::uapi::START, 0)?;
            equal("state", state(&raw)?, State::Running as u32)
        }),
        check(15, PLACE, "a file opened for writing can neither be mapped nor read", |target| {
            let file = File::options().write(true).open(&target.path);
            let raw = Raw::from(file.map_err(|error| failed(format!("got {error}")))?);
            configure(&raw, target.shape())?;
            for offset in [MAP_META, MAP_CONSUMER, MAP_SLOTS] {
                for protection in [PROT_READ, PROT_WRITE] {
                    let mapped = Mapping::new(&raw, offset, target.page, protection, MAP_SHARED);
                    refused(mapped, Errno::EACCES)?;
                }
            }
            refused(nix::unistd::read(raw.file(), &mut [0; 64]), Errno::EBADF)
        }),
        check(
            16,
            PLACE,
            "lseek(2) and pread(2) fail with ESPIPE, write(2) with EINVAL",
            |target| {
                let raw = target.open()?;
                configure(&raw, target.shape())?;
                let position = raw.file().seek(SeekFrom::Start(0)).map_err(|error| errno(&error));
                refused(position, Errno::ESPIPE)?;
                let read = raw.file().read_at(&mut [0; 64], 0).map_err(|error| errno(&error));
                refused(read, Errno::ESPIPE)?;
                refused(nix::unistd::write(raw.file(), &[0; 64]), Errno::EINVAL)
            },
        ),
    ],
};

fn errno(error: &std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or_default())
}

fn read_only(path: &str) -> Outcome<Raw> {
    // Raw::open_read_only panics on an error, and this returns it.
    drop(File::open(path).map_err(|error| failed(format!("got {error}")))?);
    Ok(Raw::open_read_only(path))
}
