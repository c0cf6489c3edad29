// SPDX-License-Identifier: GPL-2.0

//! Chains: from free slots to an engine that runs.

use super::{
    Run,
    Stream, //
};
use crate::{
    engine::Engine,
    event::Events,
    hardware::Hardware,
    source::Source,
    trace::record, //
};
use dmaframe_abi::{frame::Header, stream::Fault};
use dmaframe_engine::stamp;
use kernel::{
    prelude::*,
    time::{
        Instant,
        Monotonic, //
    }, //
};

/// A chain that the engine runs.
pub(super) struct Flight {
    pub(super) first: u64,
    pub(super) frames: u32,
    /// The engine's counter before the chain was started.
    pub(super) counter: u64,
    pub(super) lost_before: u64,
    /// The engine's position when it was last seen to move, and when that was.
    pub(super) mark: u64,
    pub(super) moved: Instant<Monotonic>,
}

impl Stream {
    /// Fills free slots, if the engine is idle and there is a reason to.
    pub(crate) fn pump(
        &mut self,
        hardware: &mut Hardware,
        engine: &dyn Engine,
        source: &Source,
        events: &mut Events,
    ) {
        match &self.run {
            Run::Idle => (),
            // Frames that are due and have no slot are lost now, not at the end of the chain.
            Run::Flying(flight) if self.pace.is_some() => {
                let taken = flight.frames;
                self.reclaim();
                self.skip_late(self.producer.free().saturating_sub(taken), events);
                return;
            }
            // The chain goes on. poll(2) needs the slots that the reader returned meanwhile.
            Run::Flying(_) => {
                self.reclaim();
                return;
            }
            _ => return,
        }
        if !self.reclaim() {
            self.fail(Fault::Consumer, events);
            return;
        }
        let Some(frames) = self.frames_to_take(events) else {
            return;
        };
        if let Err(error) = self.launch(hardware, engine, source, frames) {
            kernel::pr_err_once!("a chain cannot be started: {error:?}\n");
            if let Run::Flying(flight) = core::mem::replace(&mut self.run, Run::Idle) {
                self.collect(&flight);
            }
            self.stats.errors += 1;
            self.fail(Fault::Engine, events);
        }
    }

    /// Starts a chain of up to `frames` frames.
    fn launch(
        &mut self,
        hardware: &mut Hardware,
        engine: &dyn Engine,
        source: &Source,
        frames: u32,
    ) -> Result {
        let (producer, maps) = (&self.producer, &self.maps);
        let frames =
            hardware.encode(engine, source, self.sequence, self.shape.frame_bytes, |n| {
                maps.get(producer.slot(n)).filter(|_| n < frames)
            })?;
        let counter = engine.counter();
        let header = Header {
            // Another end stamp proves later that the engine has completed the frame.
            device_end: u64::from(stamp::unwritten(counter)).into(),
            ..Header::default()
        };
        for n in 0..frames {
            let slot = self.producer.slot(n);
            self.ring.write_header(slot, &header)?;
            self.maps.get(slot).ok_or(EFAULT)?.to_device();
        }
        record!(arm, self.device, self.sequence, frames);
        // All state first: the interrupt may come before `start` returns.
        self.run = Run::Flying(Flight {
            first: self.sequence,
            frames,
            counter,
            lost_before: core::mem::take(&mut self.lost_before),
            mark: 0,
            moved: Instant::now(),
        });
        self.sequence += u64::from(frames);
        self.due = self.due.saturating_sub(frames.into());
        self.stats.chains += 1;
        hardware.start(engine)
    }
}
