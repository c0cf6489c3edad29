// SPDX-License-Identifier: MIT OR Apache-2.0
//! Streams of dmaframe for the comparisons.

use crate::Result;
use dmaframe::{Device, Policy, Shape, Stats, Stream};
use std::time::Duration;

/// The device of measurements that need only one.
pub(crate) const DEVICE: &str = "/dev/dmaframe0";
/// The approximate size of a ring.
const RING_BYTES: u32 = 8 << 20;

/// The number of slots for frames of `bytes` bytes.
pub(crate) fn slots(bytes: u32) -> u32 {
    (RING_BYTES / bytes).clamp(4, 256).next_power_of_two()
}

/// Starts a stream of the pattern.
pub(crate) fn start(device: &str, bytes: u32, slots: u32, interval_us: u32) -> Result<Stream> {
    let device = Device::open(device)?;
    let mut stream = device.configure(Shape {
        source: device.source("pattern")?.index,
        frame_bytes: bytes,
        slots,
        policy: Policy::Backpressure,
        interval_us,
    })?;
    stream.start()?;
    Ok(stream)
}

/// Takes a frame. Returns its sequence number.
pub(crate) fn take(stream: &mut Stream) -> Result<u64> {
    published(stream).map(|(sequence, _)| sequence)
}

/// Takes a frame. Returns its sequence number and the time of its publication in nanoseconds.
fn published(stream: &mut Stream) -> Result<(u64, u64)> {
    let frame = stream.next()?.ok_or("the stream ended")?;
    Ok((frame.sequence(), frame.published_ns()))
}

/// Takes `frames` frames.
pub(crate) fn skip(stream: &mut Stream, frames: u32) -> Result<()> {
    for _ in 0..frames {
        take(stream)?;
    }
    Ok(())
}

/// The result of a run at full speed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flow {
    pub(crate) frames: u64,
    pub(crate) seconds: f64,
    /// The driver's counters at the end.
    pub(crate) stats: Stats,
}

/// Takes frames for `run`, after a warm-up.
pub(crate) fn flow(stream: &mut Stream, run: Duration) -> Result<Flow> {
    skip(stream, (RING_BYTES / stream.frame_bytes()).clamp(2, 64))?;
    // Measured between publications: a late reader finds several frames at once.
    let (mut last, began) = published(stream)?;
    let (mut frames, mut gaps) = (0, 0);
    loop {
        let (sequence, now) = published(stream)?;
        gaps += u64::from(sequence != last + 1);
        last = sequence;
        frames += 1;
        let elapsed = Duration::from_nanos(now - began);
        if elapsed >= run && frames >= 4 {
            if gaps > 0 {
                return Err(
                    format!("{gaps} gaps in {frames} frames that wait for the reader").into()
                );
            }
            return Ok(Flow { frames, seconds: elapsed.as_secs_f64(), stats: stream.stats()? });
        }
    }
}
