// SPDX-License-Identifier: MIT OR Apache-2.0
//! The time to read every byte of a frame, in cached and in uncached memory.

use crate::samples::{Sample, Samples, say};
use crate::{Extent, Result, processor, stream};
use memmap2::{MmapOptions, MmapRaw};
use std::fs::File;
use std::hint::black_box;
use std::time::Instant;

const DEVICE: &str = "/dev/uncached";
/// The length in tests/bench/peers/uncached.c.
const BYTES: usize = 4 << 20;

pub(crate) fn measure(extent: Extent, samples: &mut Samples) -> Result<()> {
    let file = File::open(DEVICE).map_err(|error| format!("{DEVICE}: {error}"))?;
    let map = |offset| MmapOptions::new().offset(offset).len(BYTES).map_raw_read_only(&file);
    let (uncached, cached) = (map(0)?, map(BYTES as u64)?);
    let mut stream = stream::start(stream::DEVICE, BYTES as u32, 4, 0)?;
    // Once the ring is full, the engine and the driver are idle while the bytes are read.
    let frame = stream.next()?.ok_or("the stream ended")?;
    processor::bind(processor::READER)?;
    for round in 0..extent.rounds {
        say("payload", round, extent.rounds);
        let mut sums = Vec::new();
        for (subject, bytes) in
            [("uncached", bytes(&uncached)), ("cached", bytes(&cached)), ("dmaframe", &frame[..])]
        {
            black_box(sum(bytes));
            let began = Instant::now();
            sums.push(black_box(sum(bytes)));
            let seconds = began.elapsed().as_secs_f64();
            samples.add(
                Sample { measure: "payload", subject, key: BYTES as u64, round },
                &[seconds],
            )?;
        }
        if sums[0] != sums[1] {
            return Err(format!("{DEVICE} maps bytes that differ").into());
        }
    }
    processor::unbind()
}

fn bytes(mapping: &MmapRaw) -> &[u8] {
    // SAFETY: the mapping has this length and outlives the slice. Its memory does not change after
    // the module is loaded.
    unsafe { std::slice::from_raw_parts(mapping.as_ptr(), mapping.len()) }
}

fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(u64::from(*byte)))
}
