// SPDX-License-Identifier: MIT OR Apache-2.0
//! The processor time that frames cost the whole system, at the same pace and size for each driver.

use crate::copying::Copying;
use crate::samples::{Sample, Samples, say};
use crate::video::{self, Video};
use crate::{Extent, Result, processor, stream};
use std::time::{Duration, Instant};

const INTERVAL_US: u32 = 1_000_000 / video::FRAMES_A_SECOND;
const BYTES: u32 = video::BYTES;
const SLOTS: u32 = 8;

pub(crate) fn measure(extent: Extent, samples: &mut Samples) -> Result<()> {
    for round in 0..extent.rounds {
        say("system", round, extent.rounds);
        let mut add = |subject, value: f64| {
            samples.add(Sample { measure: "system", subject, key: BYTES.into(), round }, &[value])
        };

        // The processor time of an idle system.
        let idle = busy(|| {
            std::thread::sleep(extent.long_run);
            Ok(extent.long_run.as_secs_f64() * f64::from(video::FRAMES_A_SECOND))
        })?;
        add("idle", idle)?;

        let mut stream = stream::start(stream::DEVICE, BYTES, SLOTS, INTERVAL_US)?;
        stream::skip(&mut stream, 4)?;
        let cost = busy(|| during(extent.long_run, || stream::take(&mut stream).map(drop)))?;
        drop(stream);
        add("dmaframe", cost)?;

        let mut video = Video::open()?;
        (0..4).try_for_each(|_| video.take())?;
        add("vivid", busy(|| during(extent.long_run, || video.take()))?)?;
        drop(video);

        let mut copying = Copying::open(BYTES, INTERVAL_US)?;
        (0..4).try_for_each(|_| copying.take())?;
        add("copying", busy(|| during(extent.long_run, || copying.take()))?)?;
    }
    Ok(())
}

/// Takes frames for `run`. Returns their number.
fn during(run: Duration, mut take: impl FnMut() -> Result<()>) -> Result<f64> {
    let began = Instant::now();
    let mut frames = 0.0;
    while began.elapsed() < run {
        take()?;
        frames += 1.0;
    }
    // Drivers can only be compared at the same pace.
    let due = began.elapsed().as_micros() as f64 / f64::from(INTERVAL_US);
    if frames < due * 0.9 {
        println!("system: {frames} of {due:.0} frames came");
    }
    Ok(frames)
}

/// Processor time of the whole system, in milliseconds for each frame that `work` counts.
fn busy(work: impl FnOnce() -> Result<f64>) -> Result<f64> {
    let before = processor::busy_seconds()?;
    let frames = work()?;
    Ok((processor::busy_seconds()? - before) * 1000.0 / frames)
}
