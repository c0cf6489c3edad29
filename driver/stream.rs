// SPDX-License-Identifier: GPL-2.0

//! A stream: a ring, the driver's half of its protocol, and the chains that fill it.
//!
//! ```text
//! reclaim -> plan -> start -> (interrupt) -> complete: publish -> reclaim ...
//! ```

mod flight;
pub(crate) mod publication;
mod schedule;

use crate::{
    abstractions::irq_thread::Wake,
    engine::Engine,
    event::Events,
    hardware::Hardware,
    pacer::Pacer,
    ring::{
        Ring,
        SlotMap, //
    },
    source::Source,
    trace::record, //
};
use core::sync::atomic::Ordering::{Relaxed, Release};
use dmaframe_abi::{
    frame::HEADER_BYTES,
    netlink::Event,
    rate,
    ring::{BadConsumer, Producer, DETACHED, FAULTED, STOPPED},
    stream::{Fault, Shape, State},
    uapi::{Config, Stats},
};
use flight::Flight;
use kernel::{
    page::PAGE_SIZE,
    prelude::*,
    sync::Arc,
    time::{
        Delta,
        Instant, //
    }, //
};
use publication::TooFast;

/// An engine that moves no data for longer than this, and does not wait for a DREQ, has failed.
const STALL_SECONDS: i64 = 5;
/// How often the watchdog looks, and statistics are sent.
const WATCH_SECONDS: i64 = 1;

/// The state of the engine for a stream.
enum Run {
    Stopped,
    Idle,
    Flying(Flight),
    Faulted(Fault),
}

/// A stream.
pub(crate) struct Stream {
    /// The `N` of `/dev/dmaframeN`.
    device: u32,
    pub(crate) shape: Shape,
    // Before the ring: slots are unmapped before they are freed.
    maps: KVec<SlotMap>,
    pub(crate) ring: Arc<Ring>,
    producer: Producer,
    run: Run,
    /// The consumer index that returns the frame which read(2) gave in part, and the bytes given.
    partly_read: Option<(u32, usize)>,
    /// A fault that was not reported yet.
    news: Option<Fault>,
    /// How long a frame takes, if that can be judged.
    duration: Option<rate::Duration>,
    /// The first frame that was too fast, if it was not reported yet.
    too_fast: Option<TooFast>,
    pace: Option<Pacer>,
    watch: Option<Pacer>,
    number: u32,
    /// The next frame of the source.
    sequence: u64,
    /// Frames lost since the last one that was taken.
    lost_before: u64,
    /// Paced frames that are due and not taken.
    due: u64,
    overrun_told: bool,
    /// The last impossible index that the reader wrote.
    bad_consumer: Option<BadConsumer>,
    /// Unpaced: chains follow one another. Otherwise the engine waits until half of the ring is
    /// free, so that a slow reader owes a kick for that, not for each chain.
    filling: bool,
    stats: Stats,
}

impl Stream {
    /// A stopped stream of `device` with an empty ring; `shape` was checked for `source`.
    pub(crate) fn new(
        device: u32,
        hardware: &Hardware,
        shape: Shape,
        source: &Source,
        stamp_hz: u32,
    ) -> Result<Self> {
        let ring = Arc::new(Ring::new(&shape, stamp_hz)?, GFP_KERNEL)?;
        // SAFETY: The device is bound for as long as there is a `Hardware`; streams are dropped
        // before it, and the ring after the maps.
        let maps = unsafe { ring.map_slots(hardware.device())? };
        Ok(Self {
            device,
            shape,
            maps,
            ring,
            producer: Producer::new(shape.slots).ok_or(EINVAL)?,
            run: Run::Stopped,
            partly_read: None,
            news: None,
            duration: source.frame_duration(shape.frame_bytes, stamp_hz),
            too_fast: None,
            pace: None,
            watch: None,
            number: 0,
            sequence: 0,
            lost_before: 0,
            due: 0,
            overrun_told: false,
            bad_consumer: None,
            filling: false,
            stats: Stats::default(),
        })
    }

    /// The shape, and the ring that came of it.
    pub(crate) fn config(&self) -> Config {
        let stride = self.shape.slot_stride(PAGE_SIZE as u32);
        Config {
            slot_stride: stride,
            header_bytes: HEADER_BYTES as u32,
            slots_bytes: u64::from(stride) * u64::from(self.shape.slots),
            ..self.shape.into()
        }
    }

    /// Bytes that read(2) gives for a frame.
    pub(crate) fn frame_bytes(&self) -> usize {
        HEADER_BYTES + self.shape.frame_bytes as usize
    }

    pub(crate) fn state(&self) -> State {
        match self.run {
            Run::Stopped => State::Configured,
            Run::Idle | Run::Flying(_) => State::Running,
            Run::Faulted(_) => State::Faulted,
        }
    }

    pub(crate) fn fault(&self) -> Fault {
        match self.run {
            Run::Faulted(fault) => fault,
            _ => Fault::None,
        }
    }

    pub(crate) fn stats(&self) -> Stats {
        Stats {
            fault: self.fault() as u32,
            stream: self.number,
            ..self.stats
        }
    }

    /// A value that changes when waiting processes must look again.
    pub(crate) fn progress(&self) -> (u64, u32, State) {
        (self.stats.frames, self.number, self.state())
    }

    /// Frames that the reader has not returned, as far as is known.
    pub(crate) fn ready(&self) -> u32 {
        self.producer.ready()
    }

    /// The slot of the oldest of them.
    pub(crate) fn oldest(&self) -> Option<usize> {
        self.producer.oldest()
    }

    /// Bytes of the oldest frame that read(2) has given already.
    pub(crate) fn read_offset(&self) -> usize {
        match self.partly_read {
            // Another index: the program has returned the frame through the consumer page.
            Some((after, bytes)) if after == self.producer.after_oldest() => bytes,
            _ => 0,
        }
    }

    /// read(2) has given `bytes` more of the oldest frame. The last of them return the frame.
    pub(crate) fn count_read(&mut self, bytes: usize) {
        if self.producer.ready() == 0 {
            return;
        }
        let after = self.producer.after_oldest();
        let done = self.read_offset() + bytes;
        if done < self.frame_bytes() {
            self.partly_read = Some((after, done));
        } else {
            self.partly_read = None;
            self.ring.consumer().consumer.store(after, Release);
            self.reclaim();
        }
    }

    /// Begins anew: counters and sequence at zero. Frames that are ready stay.
    pub(crate) fn start(&mut self, number: u32, wake: Wake) -> Result {
        let pace = match self.shape.interval_us {
            0 => None,
            interval => Some(Pacer::new(Delta::from_micros(interval.into()), wake)?),
        };
        self.watch = Some(Pacer::new(Delta::from_secs(WATCH_SECONDS), wake)?);
        self.pace = pace;
        self.number = number;
        self.sequence = 0;
        self.lost_before = 0;
        self.due = 0;
        self.overrun_told = false;
        self.filling = true;
        self.news = None;
        self.too_fast = None;
        self.stats = Stats::default();
        self.run = Run::Idle;
        let meta = self.ring.meta();
        meta.stream.store(number, Relaxed);
        meta.fault.store(Fault::None as u32, Relaxed);
        meta.flags.store(0, Release);
        self.show_counters();
        record!(start, self.device, number, self.shape);
        Ok(())
    }

    /// Publishes the frames that the stopped engine has completed, and ends.
    pub(crate) fn stop(&mut self) {
        self.finish();
        self.ring.meta().flags.store(STOPPED, Release);
    }

    fn finish(&mut self) {
        if let Run::Flying(flight) = core::mem::replace(&mut self.run, Run::Stopped) {
            self.collect(&flight);
        }
        self.end();
        let (number, stats) = (self.number, &self.stats);
        record!(
            stop,
            self.device,
            number,
            stats.frames,
            stats.lost,
            stats.errors
        );
    }

    fn end(&mut self) {
        self.pace = None;
        self.watch = None;
        self.show_counters();
    }

    /// Stops the stream if it runs, and marks the ring as detached. Returns the last counters.
    pub(crate) fn detach(mut self) -> Stats {
        if self.state() == State::Running {
            self.finish();
        }
        let flags = &self.ring.meta().flags;
        // One store: a reader that sees STOPPED without DETACHED takes it for an ordinary end.
        flags.store(flags.load(Relaxed) & FAULTED | STOPPED | DETACHED, Release);
        self.stats()
    }

    fn fail(&mut self, fault: Fault, events: &mut Events) {
        record!(
            error,
            self.device,
            self.number,
            fault,
            self.stats.error_bits
        );
        self.run = Run::Faulted(fault);
        self.news = Some(fault);
        self.end();
        let meta = self.ring.meta();
        meta.fault.store(fault as u32, Relaxed);
        meta.flags.store(STOPPED | FAULTED, Release);
        events.add(Event::Error);
    }

    /// The fault that has ended the stream. Returned once: the caller stops the engine.
    pub(crate) fn take_fault(&mut self) -> Option<Fault> {
        self.news.take()
    }

    /// The last impossible index that the reader wrote, and the range it should be in.
    pub(crate) fn bad_consumer(&self) -> Option<BadConsumer> {
        self.bad_consumer
    }

    /// Takes back the slots that the reader returned. False at an impossible index.
    pub(crate) fn reclaim(&mut self) -> bool {
        match self.producer.reclaim(self.ring.consumer()) {
            Ok(_) => true,
            Err(bad) => {
                self.bad_consumer = Some(bad);
                self.stats.bad_consumer += 1;
                false
            }
        }
    }

    /// Takes what the timers have counted. True when the engine is stalled: it must be stopped, then
    /// [`Stream::time_out`] called.
    pub(crate) fn tick(&mut self, engine: &dyn Engine, events: &mut Events) -> bool {
        if let Some(pace) = &self.pace {
            self.due = self.due.saturating_add(pace.take());
        }
        if self.watch.as_ref().is_none_or(|watch| watch.take() == 0) {
            return false;
        }
        self.overrun_told = false;
        events.add(Event::Statistics);
        let Run::Flying(flight) = &mut self.run else {
            return false;
        };
        // A slow source is no fault: what counts is progress, not the age of the chain.
        let position = engine.position();
        if position.waiting || position.mark != flight.mark {
            flight.mark = position.mark;
            flight.moved = Instant::now();
        }
        flight.moved.elapsed() > Delta::from_secs(STALL_SECONDS)
    }

    /// Publishes the frames that the stopped engine has completed, and fails.
    pub(crate) fn time_out(&mut self, events: &mut Events) {
        if let Run::Flying(flight) = core::mem::replace(&mut self.run, Run::Idle) {
            self.collect(&flight);
        }
        self.stats.errors += 1;
        self.fail(Fault::Timeout, events);
    }

    /// The chain ended, or the engine was stopped because of these error bits.
    pub(crate) fn complete(&mut self, error_bits: u32, events: &mut Events) {
        let flight = match core::mem::replace(&mut self.run, Run::Idle) {
            Run::Flying(flight) => flight,
            // No chain was running: there is nothing to publish.
            other => {
                self.run = other;
                return;
            }
        };
        let complete = self.collect(&flight);
        if error_bits != 0 {
            self.stats.errors += 1;
            self.stats.error_bits = error_bits;
            self.fail(Fault::Engine, events);
        } else if !complete {
            self.stats.errors += 1;
            self.fail(Fault::Incomplete, events);
        }
    }

    fn show_counters(&self) {
        let meta = self.ring.meta();
        meta.frames.store(self.stats.frames, Relaxed);
        meta.lost.store(self.stats.lost, Relaxed);
        meta.bytes.store(self.stats.bytes, Relaxed);
        meta.errors.store(self.stats.errors, Relaxed);
    }
}
