// SPDX-License-Identifier: GPL-2.0

//! `/dev/dmaframeN`: the file operations of a channel.
//!
//! Reference: Documentation/userspace-api/dmaframe.rst.

use crate::{
    abstractions::char_device::{
        CharDevice,
        Readable,
        Readiness, //
    },
    channel::Channel, //
};
use dmaframe_abi::uapi;
use kernel::{
    iov::IovIterDest,
    mm::virt::VmaNew,
    prelude::*,
    uaccess::{
        UserPtr,
        UserSlice, //
    }, //
};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// Reads a `T` at a program's address.
fn get<T: FromBytes + IntoBytes>(argument: usize) -> Result<T> {
    let mut value = T::new_zeroed();
    UserSlice::new(UserPtr::from_addr(argument), size_of::<T>())
        .reader()
        .read_slice(value.as_mut_bytes())?;
    Ok(value)
}

/// Writes a `T` to a program's address.
fn put<T: IntoBytes + Immutable>(argument: usize, value: &T) -> Result<isize> {
    UserSlice::new(UserPtr::from_addr(argument), size_of::<T>())
        .writer()
        .write_slice(value.as_bytes())?;
    Ok(0)
}

/// A request without argument: another value is refused, so that it can get a meaning.
fn none(argument: usize) -> Result {
    if argument == 0 {
        Ok(())
    } else {
        Err(EINVAL)
    }
}

impl CharDevice for Channel {
    type File = ();

    fn name(&self) -> &CStr {
        &self.name
    }

    fn open(&self) -> Result {
        Channel::open(self)
    }

    fn release(&self) {
        Channel::release(self)
    }

    fn mmap(&self, vma: &VmaNew, offset: u64, shared: bool) -> Result {
        Channel::mmap(self, vma, offset, shared)
    }

    fn ioctl(&self, request: u32, argument: usize) -> Result<isize> {
        match request {
            uapi::GET_INFO => put(argument, &self.info()?),
            uapi::GET_SOURCE => {
                let given: uapi::SourceInfo = get(argument)?;
                let asked = uapi::SourceInfo {
                    index: given.index,
                    ..Default::default()
                };
                if given != asked {
                    return Err(EINVAL);
                }
                put(argument, &self.source_info(given.index)?)
            }
            uapi::GET_CONFIG => put(argument, &self.config()?),
            uapi::CONFIGURE => put(argument, &self.configure(&get(argument)?)?),
            uapi::START => none(argument).and_then(|()| self.start()).map(|()| 0),
            uapi::STOP => none(argument).and_then(|()| self.stop()).map(|()| 0),
            uapi::KICK => none(argument).and_then(|()| self.kick()).map(|()| 0),
            uapi::GET_STATS => put(argument, &self.stats()?),
            _ => Err(ENOTTY),
        }
    }

    fn poll(&self, _file: &()) -> Readable {
        Channel::poll(self)
    }

    fn read(&self, _file: &(), nonblock: bool, iov: &mut IovIterDest<'_>) -> Result<usize> {
        Channel::read(self, nonblock, iov)
    }

    fn readiness(&self) -> &Readiness {
        Channel::readiness(self)
    }
}
