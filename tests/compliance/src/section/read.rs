// SPDX-License-Identifier: MIT OR Apache-2.0
//! read(2).

use super::REFERENCE;
use super::request::guard;
use crate::check::{Section, check};
use crate::outcome::{Outcome, Stop, equal, holds, refused};
use crate::reader::{Frame, Reader, config, is_pattern, read, read_to, state, stats};
use crate::sleeper::while_asleep;
use crate::target::Target;
use dmaframe_abi::frame::{HEADER_BYTES, parse};
use dmaframe_abi::stream::State;
use dmaframe_abi::uapi::Config;
use dmaframe_compliance::mapping::Mapping;
use dmaframe_compliance::raw::Raw;
use nix::errno::Errno;
use nix::sys::pthread::pthread_kill;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

const PLACE: &str = "read";

pub(super) const SECTION: Section = Section {
    number: 13,
    name: "read",
    document: REFERENCE,
    checks: &[
        check(1, PLACE, "read(2) on an idle device starts a stream", |target| {
            let (raw, mut buffer) = idle(target)?;
            read(&raw, &mut buffer)?;
            equal("state", state(&raw)?, State::Running as u32)
        }),
        check(2, PLACE, "the stream that read(2) starts has the device's settings", |target| {
            let (raw, mut buffer) = idle(target)?;
            let settings = config(&raw)?;
            read(&raw, &mut buffer)?;
            let made = config(&raw)?;
            let shape = Config { slot_stride: 0, header_bytes: 0, slots_bytes: 0, ..made };
            equal("GET_CONFIG", shape, settings)
        }),
        check(3, PLACE, "read(2) returns header and payload of a frame", |target| {
            let reader = Reader::waiting(target)?;
            let mut buffer = vec![0; bytes(&reader)];
            equal("bytes", read(&reader.raw, &mut buffer)?, buffer.len())?;
            let (header, payload) = parse(&buffer)?;
            equal("sequence", header.sequence.get(), 0)?;
            equal("payload", payload.len(), reader.made.frame_bytes as usize)
        }),
        check(4, PLACE, "read(2) returns the bytes of the slot", |target| {
            let reader = Reader::waiting(target)?;
            let slot = reader.slots.copy(0, bytes(&reader));
            let mut buffer = vec![0; bytes(&reader)];
            read(&reader.raw, &mut buffer)?;
            holds(buffer == slot, || "the bytes differ".to_owned())
        }),
        check(5, PLACE, "read(2) returns as many whole frames as fit", |target| {
            let reader = Reader::waiting(target)?;
            let one = bytes(&reader);
            let mut buffer = vec![0; 4 * one - 1];
            equal("bytes", read(&reader.raw, &mut buffer)?, 3 * one)
        }),
        check(6, PLACE, "read(2) returns at most the ready frames", |target| {
            let reader = Reader::waiting(target)?;
            reader.stop()?;
            let (one, slots) = (bytes(&reader), reader.made.slots as usize);
            let mut buffer = vec![0; (slots + 4) * one];
            equal("bytes", read(&reader.raw, &mut buffer)?, slots * one)
        }),
        check(7, PLACE, "read(2) returns frames in order and without a gap", |target| {
            let reader = Reader::started(target, target.shape())?;
            let mut buffer = vec![0; 3 * bytes(&reader)];
            let mut next = 0;
            while next < 100 {
                let count = read(&reader.raw, &mut buffer)?;
                for frame in buffer[..count].chunks(bytes(&reader)) {
                    equal("sequence", parse(frame)?.0.sequence.get(), next)?;
                    next += 1;
                }
            }
            Ok(())
        }),
        check(8, PLACE, "read(2) returns correct payloads", |target| {
            target.pattern()?;
            let reader = Reader::started(target, target.shape())?;
            let mut buffer = vec![0; bytes(&reader)];
            for _ in 0..100 {
                read(&reader.raw, &mut buffer)?;
                let (header, payload) = parse(&buffer)?;
                is_pattern(&[Frame { header: *header, payload: payload.to_vec() }])?;
            }
            Ok(())
        }),
        check(9, PLACE, "read(2) advances consumer for each frame", |target| {
            let reader = Reader::waiting(target)?;
            let mut buffer = vec![0; 3 * bytes(&reader)];
            read(&reader.raw, &mut buffer)?;
            equal("consumer", reader.index(), 3)
        }),
        check(10, PLACE, "read(2) returns the slots of the frames that it copied", |target| {
            let reader = Reader::waiting(target)?;
            let slots = reader.made.slots;
            let mut buffer = vec![0; slots as usize * bytes(&reader)];
            let mut given = 0;
            while given < 3 * slots {
                given += (read(&reader.raw, &mut buffer)? / bytes(&reader)) as u32;
            }
            equal("kicks", reader.stats()?.kicks, 0)
        }),
        check(
            11,
            PLACE,
            "a buffer one byte shorter than a frame gets all but the last byte",
            |target| {
                let reader = Reader::waiting(target)?;
                let mut buffer = vec![0; bytes(&reader) - 1];
                equal("bytes", read(&reader.raw, &mut buffer)?, buffer.len())?;
                equal("consumer", reader.index(), 0)
            },
        ),
        check(12, PLACE, "a buffer of one byte gets one byte", |target| {
            equal("bytes", read(&Reader::waiting(target)?.raw, &mut [0])?, 1)
        }),
        check(13, PLACE, "the rest of a frame comes with the next read(2)", |target| {
            let reader = Reader::waiting(target)?;
            let slot = reader.slots.copy(0, bytes(&reader));
            let mut header = [0; HEADER_BYTES];
            equal("bytes", read(&reader.raw, &mut header)?, HEADER_BYTES)?;
            let mut payload = vec![0; bytes(&reader) - HEADER_BYTES];
            equal("bytes", read(&reader.raw, &mut payload)?, payload.len())?;
            holds([&header, &payload[..]].concat() == slot, || "the bytes differ".to_owned())?;
            equal("consumer", reader.index(), 1)
        }),
        check(14, PLACE, "read(2) into an invalid address fails with EFAULT", |target| {
            let reader = Reader::waiting(target)?;
            refused(reader.read_to(0, bytes(&reader)), Errno::EFAULT)
        }),
        check(15, PLACE, "read(2) into read-only memory fails with EFAULT", |target| {
            let reader = Reader::waiting(target)?;
            let pages = bytes(&reader).next_multiple_of(target.page);
            let memory = Mapping::anonymous(pages, libc::PROT_READ);
            refused(reader.read_to(memory.address(), bytes(&reader)), Errno::EFAULT)
        }),
        check(16, PLACE, "read(2) into an invalid address loses no frame", |target| {
            let reader = Reader::waiting(target)?;
            refused(reader.read_to(0, bytes(&reader)), Errno::EFAULT)?;
            first(&reader)
        }),
        check(
            17,
            PLACE,
            "a buffer that is inaccessible in the second frame gets the first",
            |target| {
                let reader = short_frames(target)?;
                let one = bytes(&reader);
                let memory =
                    Mapping::anonymous(2 * target.page, libc::PROT_READ | libc::PROT_WRITE);
                guard(&memory, target.page)?;
                let place = memory.address() + target.page - one - one / 2;
                equal("bytes", reader.read_to(place, 2 * one)?, one)
            },
        ),
        check(18, PLACE, "the frame that did not fit into such a buffer is not lost", |target| {
            let reader = short_frames(target)?;
            let one = bytes(&reader);
            let memory = Mapping::anonymous(2 * target.page, libc::PROT_READ | libc::PROT_WRITE);
            guard(&memory, target.page)?;
            reader.read_to(memory.address() + target.page - one - one / 2, 2 * one)?;
            let mut buffer = vec![0; one];
            read(&reader.raw, &mut buffer)?;
            equal("sequence", parse(&buffer)?.0.sequence.get(), 1)
        }),
        check(19, PLACE, "with O_NONBLOCK and no frame read(2) fails with EAGAIN", |target| {
            let raw = target.open_with(libc::O_NONBLOCK)?;
            let reader = Reader::with(target, raw, target.quiet())?;
            reader.start()?;
            let mut buffer = vec![0; bytes(&reader)];
            refused(read(&reader.raw, &mut buffer), Errno::EAGAIN)
        }),
        check(20, PLACE, "with O_NONBLOCK read(2) returns ready frames", |target| {
            let raw = target.open_with(libc::O_NONBLOCK)?;
            let reader = Reader::with(target, raw, target.shape())?;
            reader.start()?;
            reader.fill()?;
            first(&reader)
        }),
        check(
            21,
            PLACE,
            "with O_NONBLOCK and no frame a short read(2) fails with EAGAIN",
            |target| {
                let raw = target.open_with(libc::O_NONBLOCK)?;
                let reader = Reader::with(target, raw, target.quiet())?;
                reader.start()?;
                refused(read(&reader.raw, &mut [0; 8]), Errno::EAGAIN)
            },
        ),
        check(22, PLACE, "read(2) sleeps until a frame is ready", |target| {
            let reader = Reader::started(target, target.paced(50_000))?;
            first(&reader)
        }),
        check(23, PLACE, "STOP wakes a thread in read(2), which returns 0", |target| {
            let reader = Reader::started(target, target.quiet())?;
            equal("read", while_asleep(|| asleep(&reader), |_| reader.stop())?, Ok(0))
        }),
        check(24, PLACE, "a fault wakes a thread in read(2), which fails with EIO", |target| {
            let reader = Reader::started(target, target.quiet())?;
            equal(
                "read",
                while_asleep(|| asleep(&reader), |_| reader.write_impossible(1))?,
                Err(Errno::EIO),
            )
        }),
        check(25, PLACE, "a signal wakes a thread in read(2), which fails with EINTR", |target| {
            let nothing = SigHandler::Handler(ignore);
            let action = SigAction::new(nothing, SaFlags::empty(), SigSet::empty());
            // SAFETY: the handler does nothing.
            unsafe { sigaction(Signal::SIGUSR1, &action)? };
            let reader = Reader::started(target, target.quiet())?;
            let woken = while_asleep(
                || asleep(&reader),
                |thread| Ok(pthread_kill(thread, Signal::SIGUSR1)?),
            )?;
            equal("read", woken, Err(Errno::EINTR))
        }),
        check(26, PLACE, "a second read(2) meanwhile fails with EBUSY", |target| {
            let reader = Reader::started(target, target.quiet())?;
            let mut second = Ok(0);
            let first = while_asleep(
                || asleep(&reader),
                |_| {
                    second = read(&reader.raw, &mut vec![0; bytes(&reader)]);
                    reader.stop()
                },
            )?;
            refused(second, Errno::EBUSY)?;
            equal("the first one's read", first, Ok(0))
        }),
        check(27, PLACE, "read(2) from a stream that was not started returns 0", |target| {
            let reader = Reader::configured(target, target.shape())?;
            equal("bytes", read(&reader.raw, &mut vec![0; bytes(&reader)])?, 0)
        }),
        check(
            28,
            PLACE,
            "read(2) from a stopped stream returns the remaining frames, then 0",
            |target| {
                let reader = Reader::waiting(target)?;
                reader.stop()?;
                let mut buffer = vec![0; bytes(&reader)];
                for _ in 0..reader.made.slots {
                    equal("bytes", read(&reader.raw, &mut buffer)?, buffer.len())?;
                }
                equal("bytes", read(&reader.raw, &mut buffer)?, 0)?;
                equal("bytes", read(&reader.raw, &mut buffer)?, 0)
            },
        ),
        check(29, PLACE, "after 0 and START read(2) returns frames again", |target| {
            let reader = Reader::configured(target, target.shape())?;
            let mut buffer = vec![0; bytes(&reader)];
            equal("bytes", read(&reader.raw, &mut buffer)?, 0)?;
            reader.start()?;
            first(&reader)
        }),
        check(30, PLACE, "read(2) from a file opened for reading returns frames", |target| {
            drop(idle(target)?);
            let raw = Raw::open_read_only(&target.path);
            let room = HEADER_BYTES + config(&raw)?.frame_bytes as usize;
            equal("bytes", read(&raw, &mut vec![0; room])?, room)?;
            equal("lost", stats(&raw)?.lost, 0)
        }),
        check(
            31,
            PLACE,
            "after the rest of a frame read(2) returns whole frames that fit",
            |target| {
                let reader = Reader::waiting(target)?;
                let one = bytes(&reader);
                equal("bytes", read(&reader.raw, &mut [0; 1])?, 1)?;
                let mut buffer = vec![0; 3 * one - 2];
                equal("bytes", read(&reader.raw, &mut buffer)?, 2 * one - 1)?;
                equal("sequence", parse(&buffer[one - 1..])?.0.sequence.get(), 1)?;
                equal("consumer", reader.index(), 2)
            },
        ),
        check(32, PLACE, "a partly read frame that consumer returns is skipped", |target| {
            let reader = Reader::waiting(target)?;
            equal("bytes", read(&reader.raw, &mut [0; 1])?, 1)?;
            reader.give_back(1)?;
            let mut buffer = vec![0; bytes(&reader)];
            equal("bytes", read(&reader.raw, &mut buffer)?, buffer.len())?;
            equal("sequence", parse(&buffer)?.0.sequence.get(), 1)
        }),
        check(33, PLACE, "a buffer of no bytes gets 0 and starts no stream", |target| {
            let (raw, _) = idle(target)?;
            equal("bytes", read(&raw, &mut [])?, 0)?;
            equal("state", state(&raw)?, State::Idle as u32)
        }),
        check(
            34,
            PLACE,
            "with O_NONBLOCK read(2) of an idle device fails with ENODATA",
            |target| {
                let raw = target.open_with(libc::O_NONBLOCK)?;
                refused(read(&raw, &mut [0; HEADER_BYTES]), Errno::ENODATA)?;
                equal("state", state(&raw)?, State::Idle as u32)
            },
        ),
        check(
            35,
            PLACE,
            "read(2) of an idle device into an invalid address starts no stream",
            |target| {
                let (raw, _) = idle(target)?;
                refused(read_to(&raw, 0, HEADER_BYTES), Errno::EFAULT)?;
                equal("state", state(&raw)?, State::Idle as u32)
            },
        ),
    ],
};

extern "C" fn ignore(_: libc::c_int) {}

/// An idle device and a buffer for a frame of its settings. Skips the check if the interval is
/// long.
fn idle(target: &Target) -> Outcome<(Raw, Vec<u8>)> {
    let raw = target.open()?;
    let settings = config(&raw)?;
    if settings.interval_us > 10_000_000 {
        return Err(Stop::Skipped(
            "the interval of the settings is longer than ten seconds".to_owned(),
        ));
    }
    Ok((raw, vec![0; HEADER_BYTES + settings.frame_bytes as usize]))
}

/// A full ring of frames that are shorter than half a page.
fn short_frames(target: &Target) -> Outcome<Reader> {
    let unit = target.unit(&target.source());
    let frame_bytes = (target.page as u32 / 4 / unit).max(1) * unit;
    let reader = Reader::started(target, Config { frame_bytes, ..target.shape() })?;
    reader.fill()?;
    Ok(reader)
}

/// The bytes that read(2) returns for a frame.
fn bytes(reader: &Reader) -> usize {
    HEADER_BYTES + reader.made.frame_bytes as usize
}

/// Fails unless read(2) returns the first frame of the stream.
fn first(reader: &Reader) -> Outcome {
    let mut buffer = vec![0; bytes(reader)];
    equal("bytes", read(&reader.raw, &mut buffer)?, buffer.len())?;
    equal("sequence", parse(&buffer)?.0.sequence.get(), 0)
}

/// Sleeps in read(2) until a frame is ready.
fn asleep(reader: &Reader) -> Result<usize, Errno> {
    read(&reader.raw, &mut vec![0; bytes(reader)])
}
