// SPDX-License-Identifier: MIT OR Apache-2.0
//! The latency from the engine's end stamp of a frame to the reader's first instruction, compared
//! with the latency from a bare interrupt to a reader that it wakes.
//!
//! In both cases the reader and the interrupts have a processor each.

use crate::processor::{self, Load};
use crate::samples::{Sample, Samples, say};
use crate::system_timer::Difference;
use crate::waiting::Waiting;
use crate::{Extent, Result, clock, stream};
use dmaframe::{Header, Stream};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{SigSet, Signal};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd};
use std::task::Poll;

const BYTES: u32 = 256;
const SLOTS: u32 = 64;
const INTERVAL_US: u32 = 4000;
const WARM_UP: usize = 8;

/// The keys of the samples.
const IDLE: u64 = 0;
const LOADED: u64 = 1;

pub(crate) fn measure(extent: Extent, samples: &mut Samples) -> Result<()> {
    processor::bind(processor::READER)?;
    let count = WARM_UP + extent.paced_frames(INTERVAL_US) as usize;
    for round in 0..extent.rounds {
        say("latency", round, extent.rounds);
        for key in [IDLE, LOADED] {
            let _load = if key == LOADED { Some(Load::start()?) } else { None };
            let mut add = |subject, values: &[f64]| {
                samples.add(Sample { measure: "latency", subject, key, round }, &values[WARM_UP..])
            };
            add("floor", &waited("waiting", count)?)?;
            let polled = polled(count)?;
            add("poll", &polled.whole)?;
            add("poll-to-publication", &polled.to_publication)?;
            add("poll-from-publication", &polled.from_publication)?;
            add("read", &read(count)?)?;
            add("sigio", &signalled(count)?)?;
            add("floor-thread", &waited("waiting-thread", count)?)?;
        }
    }
    processor::unbind()
}

fn since(ns: u64) -> Result<f64> {
    Ok(clock::monotonic_ns()? as f64 - ns as f64)
}

fn waited(name: &str, count: usize) -> Result<Vec<f64>> {
    let mut waiting = Waiting::open(name, INTERVAL_US)?;
    (0..count).map(|_| since(waiting.take()?)).collect()
}

fn start() -> Result<Stream> {
    stream::start(stream::DEVICE, BYTES, SLOTS, INTERVAL_US)
}

/// Latencies of each frame, in nanoseconds.
#[derive(Debug, Default)]
struct Polled {
    whole: Vec<f64>,
    /// From the engine's stamp to the driver's, which it takes in its interrupt thread.
    to_publication: Vec<f64>,
    /// From the driver's stamp to the reader.
    from_publication: Vec<f64>,
}

fn polled(count: usize) -> Result<Polled> {
    let difference = Difference::measure()?;
    let mut stream = start()?;
    let mut polled = Polled::default();
    for _ in 0..count {
        let frame = stream.next()?.ok_or("the stream ended")?;
        let now = clock::monotonic_ns()? as f64;
        let written = difference.monotonic_ns(frame.device_stamps().end) as f64;
        let published = frame.published_ns() as f64;
        polled.whole.push(now - written);
        polled.to_publication.push(published - written);
        polled.from_publication.push(now - published);
    }
    if difference.within_ns > 20_000 {
        println!("latency: the comparison of the clocks took {} ns", difference.within_ns);
    }
    Ok(polled)
}

fn read(count: usize) -> Result<Vec<f64>> {
    let difference = Difference::measure()?;
    let stream = start()?;
    let mut file = File::from(stream.as_fd().try_clone_to_owned()?);
    let mut frame = vec![0; size_of::<Header>() + BYTES as usize];
    let mut whole = Vec::with_capacity(count);
    for _ in 0..count {
        let bytes = file.read(&mut frame)?;
        let now = clock::monotonic_ns()? as f64;
        let (header, _) = dmaframe_abi::frame::parse(&frame[..bytes])
            .map_err(|error| format!("a frame by read: {error}"))?;
        whole.push(now - difference.monotonic_ns(header.device_end.get()) as f64);
    }
    Ok(whole)
}

fn signalled(count: usize) -> Result<Vec<f64>> {
    let difference = Difference::measure()?;
    let mut wanted = SigSet::empty();
    wanted.add(Signal::SIGIO);
    wanted.thread_block()?;
    let mut stream = start()?;
    // SAFETY: the owner is this process; the call touches no memory.
    let owned = unsafe { libc::fcntl(stream.as_fd().as_raw_fd(), libc::F_SETOWN, libc::getpid()) };
    nix::errno::Errno::result(owned)?;
    let plain = OFlag::from_bits_retain(fcntl(&stream, FcntlArg::F_GETFL)?);
    fcntl(&stream, FcntlArg::F_SETFL(plain | OFlag::O_ASYNC))?;
    let mut whole = Vec::with_capacity(count);
    while whole.len() < count {
        wanted.wait()?;
        let now = clock::monotonic_ns()? as f64;
        while let Poll::Ready(frame) = stream.try_next()? {
            let frame = frame.ok_or("the stream ended")?;
            whole.push(now - difference.monotonic_ns(frame.device_stamps().end) as f64);
        }
    }
    whole.truncate(count);
    Ok(whole)
}
