// SPDX-License-Identifier: MIT OR Apache-2.0
//! Polls per publication: how often poll(2) returns to a reader for each time that the driver
//! publishes frames. More than 1 means wake-ups without a frame.
//!
//! The reader counts its own calls, because a tracer would slow it down so much that the engine is
//! always ahead.

use crate::samples::{Sample, Samples, say};
use crate::{Extent, Result, stream};
use dmaframe::Stream;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::fd::AsFd;
use std::task::Poll;

/// Bytes and slots of the frames at full speed.
const SATURATED: [(u32, u32); 3] = [(4096, 16), (65536, 8), (614_400, 4)];
const SATURATED_PUBLICATIONS: u32 = 300;
const PACED_BYTES: u32 = 4096;
const PACED_SLOTS: u32 = 16;
const PACED_US: u32 = 5000;
const PACED_PUBLICATIONS: u32 = 60;

pub(crate) fn measure(extent: Extent, samples: &mut Samples) -> Result<()> {
    let rounds = extent.rounds.min(3);
    for round in 0..rounds {
        say("polls", round, rounds);
        let mut add = |subject, key: u32, polls: f64| {
            samples.add(Sample { measure: "polls", subject, key: key.into(), round }, &[polls])
        };
        for (bytes, slots) in SATURATED {
            let mut stream = stream::start(stream::DEVICE, bytes, slots, 0)?;
            add("saturated", bytes, counted(&mut stream, SATURATED_PUBLICATIONS)?)?;
        }
        let mut stream = stream::start(stream::DEVICE, PACED_BYTES, PACED_SLOTS, PACED_US)?;
        add("paced", PACED_BYTES, counted(&mut stream, PACED_PUBLICATIONS)?)?;
    }
    Ok(())
}

/// Takes frames until the driver has published `publications` times. The driver publishes the frames
/// of a chain together, with the same time. Returns the number of polls for each publication.
fn counted(stream: &mut Stream, publications: u32) -> Result<f64> {
    let (mut polls, mut seen, mut last) = (0_u64, 0, 0);
    while seen < publications {
        while let Poll::Ready(frame) = stream.try_next()? {
            let published = frame.ok_or("the stream ended")?.published_ns();
            seen += u32::from(published != last);
            last = published;
        }
        let mut fds = [PollFd::new(stream.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::NONE)?;
        polls += 1;
    }
    Ok(polls as f64 / f64::from(seen))
}
