// SPDX-License-Identifier: MIT OR Apache-2.0
//! Rates for different numbers of readers, frame sizes and numbers of slots. Each reader has a
//! channel of its own.

use crate::samples::{Sample, Samples, say};
use crate::stream::{self, Flow};
use crate::{Extent, Result};
use std::thread;

const READERS: [u32; 3] = [1, 2, 4];
const READER_BYTES: u32 = 65536;
const SIZES: [u32; 9] = [256, 1024, 4096, 16384, 65536, 262_144, 1 << 20, 4 << 20, 16 << 20];
const SLOTS: [u32; 10] = [2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];
const SLOT_BYTES: u32 = 4096;

pub(crate) fn measure(extent: Extent, samples: &mut Samples) -> Result<()> {
    let rounds = extent.rounds.min(3);
    for round in 0..rounds {
        say("scaling", round, rounds);
        for readers in READERS {
            let turn =
                Sample { measure: "readers", subject: "dmaframe", key: readers.into(), round };
            samples.add(turn, &[together(readers, extent)?])?;
        }
        for bytes in SIZES {
            let flow = alone(bytes, stream::slots(bytes), extent)?;
            let mut add = |measure, value: f64| {
                samples.add(
                    Sample { measure, subject: "dmaframe", key: bytes.into(), round },
                    &[value],
                )
            };
            add("sizes", rate(&flow, bytes))?;
            let frames = flow.stats.frames as f64;
            add("size-interrupts", flow.stats.interrupts as f64 / frames)?;
            add("size-kicks", flow.stats.kicks as f64 / frames)?;
        }
        for slots in SLOTS {
            let flow = alone(SLOT_BYTES, slots, extent)?;
            let mut add = |measure, value: f64| {
                samples.add(
                    Sample { measure, subject: "dmaframe", key: slots.into(), round },
                    &[value],
                )
            };
            add("slots", rate(&flow, SLOT_BYTES))?;
            add("slot-interrupts", flow.stats.interrupts as f64 / flow.stats.frames as f64)?;
        }
    }
    Ok(())
}

fn rate(flow: &Flow, bytes: u32) -> f64 {
    flow.frames as f64 * f64::from(bytes) / flow.seconds
}

fn alone(bytes: u32, slots: u32, extent: Extent) -> Result<Flow> {
    stream::flow(&mut stream::start(stream::DEVICE, bytes, slots, 0)?, extent.run / 2)
}

/// Bytes per second of `readers` readers together.
fn together(readers: u32, extent: Extent) -> Result<f64> {
    let mut streams = (0..readers)
        .map(|number| {
            let device = format!("/dev/dmaframe{number}");
            stream::start(&device, READER_BYTES, stream::slots(READER_BYTES), 0)
        })
        .collect::<Result<Vec<_>>>()?;
    thread::scope(|scope| {
        let readers: Vec<_> = streams
            .iter_mut()
            .map(|stream| {
                scope.spawn(|| stream::flow(stream, extent.run).map_err(|error| error.to_string()))
            })
            .collect();
        let mut sum = 0.0;
        for reader in readers {
            let flow = reader.join().map_err(|_| "a reader panicked")??;
            sum += rate(&flow, READER_BYTES);
        }
        Ok(sum)
    })
}
