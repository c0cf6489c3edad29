// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reading what a frame holds: every byte of it, from memory that is cached and from memory that
//! is not.

use crate::samples::{Sample, Samples, say};
use crate::{Extent, Result, processor, stream};
use memmap2::{MmapOptions, MmapRaw};
use std::fs::File;
use std::hint::black_box;
use std::time::Instant;

const DEVICE: &str = "/dev/uncached";
/// As tests/bench/peers/uncached.c has it.
const BYTES: usize = 4 << 20;

pub(crate) fn measure(extent: Extent, samples: &mut Samples) -> Result<()> {
    let file = File::open(DEVICE).map_err(|error| format!("{DEVICE}: {error}"))?;
    let map = |offset| MmapOptions::new().offset(offset).len(BYTES).map_raw_read_only(&file);
    let (uncached, cached) = (map(0)?, map(BYTES as u64)?);
    let mut stream = stream::start(stream::DEVICE, BYTES as u32, 4, 0)?;
    // A ring that is full: nobody else is at work while it is read.
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
    // SAFETY: the mapping has this length and lives as long; nobody writes to its memory once the
    // module is loaded.
    unsafe { std::slice::from_raw_parts(mapping.as_ptr(), mapping.len()) }
}

fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(u64::from(*byte)))
}
