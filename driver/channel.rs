// SPDX-License-Identifier: GPL-2.0

//! A channel: one engine channel, its stream, and everything that may be asked of it.
//!
//! All state is behind one mutex, taken in process context and in the interrupt's thread, never in
//! hard interrupt context. Chains are started with the mutex held; the hard handler takes none, so
//! it may run before the start has returned.

use crate::{
    abstractions::{
        char_device::{
            Readable,
            Readiness, //
        },
        irq_thread::{
            Interrupt,
            Wake, //
        }, //
    },
    engine::{
        Acknowledge,
        Engine, //
    },
    netlink,
    ring::Ring,
    source::{
        Reference,
        Source, //
    },
    stream::{
        Hardware,
        Stream, //
    },
};
use dmaframe_abi::{
    netlink::Event,
    stream::{self as rules, Fault, Policy, Shape, ShapeError, State},
    uapi::{self, Config, Info, SourceInfo, Stats},
};
use kernel::{
    device::Device,
    fmt,
    iov::IovIterDest,
    mm::virt::VmaNew,
    new_mutex,
    page::PAGE_SIZE,
    prelude::*,
    str::CString,
    sync::{
        aref::ARef,
        atomic::{
            ordering::{
                Full,
                Relaxed, //
            },
            Atomic, //
        },
        Arc,
        Mutex, //
    }, //
};

/// In [`Channel::completion`]: the chain ended; the low bits are the engine's error bits.
const DONE: u64 = 1 << 63;

/// Most rings that a program may have replaced and still hold mapped.
const REPLACED_MAX: usize = 8;

/// Events to be sent once the mutex is released: one bit each.
#[derive(Default)]
pub(crate) struct Events(u32);

impl Events {
    pub(crate) fn add(&mut self, event: Event) {
        self.0 |= 1 << event as u32;
    }
}

/// What is known of a device from outside its stream.
pub(crate) struct Snapshot {
    pub(crate) state: State,
    pub(crate) shape: Shape,
    pub(crate) stats: Stats,
}

/// Settings to be changed; what is `None` stays.
#[derive(Default)]
pub(crate) struct Settings<'a> {
    pub(crate) source: Option<&'a [u8]>,
    pub(crate) frame_bytes: Option<u32>,
    pub(crate) slots: Option<u32>,
    pub(crate) policy: Option<u32>,
    pub(crate) interval_us: Option<u32>,
}

/// Why settings were not changed.
pub(crate) enum SettingsError {
    /// A stream uses them.
    Busy,
    /// The device has no source of that name.
    NoSource,
    /// There is no policy of that number.
    Policy(u32),
    /// Together they are no stream.
    Shape(ShapeError),
    /// The device is gone.
    Gone,
}

impl From<SettingsError> for Error {
    fn from(error: SettingsError) -> Self {
        match error {
            SettingsError::Busy => EBUSY,
            SettingsError::Gone => ENODEV,
            _ => EINVAL,
        }
    }
}

/// A channel.
#[pin_data]
pub(crate) struct Channel {
    /// The `N` of `/dev/dmaframeN`.
    pub(crate) id: u32,
    /// `dmaframeN`.
    pub(crate) name: CString,
    engine: KBox<dyn Engine>,
    sources: Arc<KVec<Source>>,
    irq: u32,
    completion: Atomic<u64>,
    interrupts: Atomic<u64>,
    #[pin]
    readiness: Readiness,
    #[pin]
    inner: Mutex<Inner>,
    /// Held by the one reader that is in read(2).
    #[pin]
    reading: Mutex<()>,
    /// Held by the one that sends events; taken under `inner`'s mutex, so that events are sent in
    /// the order in which they came.
    #[pin]
    sending: Mutex<()>,
}

struct Inner {
    /// `None` once the device is unbound: nothing touches hardware any more.
    hardware: Option<Hardware>,
    /// What a stream becomes when nothing else is said.
    settings: Shape,
    stream: Option<Stream>,
    /// Rings that were replaced while a program had them mapped: what it holds of the kernel's
    /// memory has a limit. Never longer than [`REPLACED_MAX`], for which there is room.
    replaced: KVec<Arc<Ring>>,
    open: bool,
    streams: u32,
    kicks: u64,
    /// Counters of the last stream that is gone: they stay to be read until the next.
    last: Stats,
}

impl Inner {
    /// ENODEV once the device is unbound.
    fn bound(&self) -> Result {
        match self.hardware {
            Some(_) => Ok(()),
            None => Err(ENODEV),
        }
    }
}

impl Channel {
    /// An idle channel of a bound `dev`.
    ///
    /// [`Channel::shut_down`] must be called before `dev` is unbound.
    pub(crate) fn new(
        id: u32,
        dev: &Device,
        engine: KBox<dyn Engine>,
        irq: u32,
        sources: Arc<KVec<Source>>,
        reference: Arc<Reference>,
    ) -> Result<Arc<Self>> {
        let name = CString::try_from_fmt(fmt!("dmaframe{id}"))?;
        let first = sources.first().ok_or(EINVAL)?;
        let settings = Shape {
            source: 0,
            frame_bytes: first.frame_bytes,
            slots: 16,
            policy: Policy::Backpressure,
            interval_us: first.interval_us,
        };
        let hardware = Hardware::new(ARef::from(dev), reference, &*engine)?;
        let replaced = KVec::with_capacity(REPLACED_MAX, GFP_KERNEL)?;
        Arc::pin_init(
            try_pin_init!(Self {
                id,
                name,
                engine,
                sources,
                irq,
                completion: Atomic::new(0),
                interrupts: Atomic::new(0),
                readiness <- Readiness::new(),
                inner <- new_mutex!(Inner {
                    hardware: Some(hardware),
                    settings,
                    stream: None,
                    replaced,
                    open: false,
                    streams: 0,
                    kicks: 0,
                    last: Stats::default(),
                }),
                reading <- new_mutex!(()),
                sending <- new_mutex!(()),
            }),
            GFP_KERNEL,
        )
    }

    /// The engine's channel number.
    pub(crate) fn engine_channel(&self) -> u32 {
        self.engine.channel()
    }

    /// Writes the engine's registers, one a line.
    pub(crate) fn show_registers(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.engine.show_registers(f)
    }

    /// The name of source `index`.
    pub(crate) fn source_name(&self, index: u32) -> &CStr {
        self.sources
            .get(index as usize)
            .map_or(c"", |source| &source.name)
    }

    /// Runs `work` under the mutex, then wakes whoever waits and sends the events of it.
    fn locked<R>(&self, work: impl FnOnce(&mut Inner, &mut Events) -> R) -> R {
        let mut events = Events::default();
        let mut inner = self.inner.lock();
        let before = inner.stream.as_ref().map(Stream::progress);
        let result = work(&mut inner, &mut events);
        let changed = before != inner.stream.as_ref().map(Stream::progress);
        let sending = (events.0 != 0).then(|| (self.sending.lock(), self.snapshot_of(&inner)));
        drop(inner);
        if changed {
            self.readiness.notify();
        }
        if let Some((_sending, snapshot)) = sending {
            for event in [
                Event::Started,
                Event::Overrun,
                Event::Statistics,
                Event::Error,
                Event::Stopped,
            ] {
                if events.0 & 1 << event as u32 != 0 {
                    netlink::send(self, &snapshot, event);
                }
            }
        }
        result
    }

    /// Stops the engine for good and gives back all that belongs to the device. What was received
    /// stays readable where it is mapped.
    pub(crate) fn shut_down(&self) {
        self.locked(|inner, events| {
            self.drop_stream(inner, events);
            inner.replaced.clear();
            inner.hardware = None;
        });
        self.readiness.notify();
    }

    /// A program opens the device: the only one.
    pub(crate) fn open(&self) -> Result {
        let mut inner = self.inner.lock();
        inner.bound()?;
        if core::mem::replace(&mut inner.open, true) {
            return Err(EBUSY);
        }
        Ok(())
    }

    /// It is done with it.
    pub(crate) fn release(&self) {
        self.locked(|inner, events| {
            self.drop_stream(inner, events);
            inner.replaced.clear();
            inner.open = false;
        });
    }

    /// The device's description.
    pub(crate) fn info(&self) -> Result<Info> {
        let inner = self.inner.lock();
        inner.bound()?;
        Ok(Info {
            engine: uapi::name_field(self.engine.name()),
            device: self.id,
            channel: self.engine.channel(),
            sources: self.sources.len() as u32,
            state: Self::state(&inner) as u32,
            frame_bytes_max: rules::FRAME_BYTES_MAX,
            frame_granularity: rules::FRAME_GRANULARITY,
            slots_max: rules::SLOTS_MAX,
            stamp_hz: self.engine.stamp().hz,
            ring_bytes_max: rules::RING_BYTES_MAX,
            interval_us_min: rules::INTERVAL_US_MIN,
            interval_us_max: rules::INTERVAL_US_MAX,
            reserved: [0; 6],
        })
    }

    /// The description of source `index`.
    pub(crate) fn source_info(&self, index: u32) -> Result<SourceInfo> {
        self.inner.lock().bound()?;
        Ok(self.sources.get(index as usize).ok_or(EINVAL)?.info(index))
    }

    fn state(inner: &Inner) -> State {
        match &inner.stream {
            _ if inner.hardware.is_none() => State::Gone,
            None => State::Idle,
            Some(stream) => stream.state(),
        }
    }

    /// The shape that is, or that would be.
    fn shape(inner: &Inner) -> Shape {
        inner
            .stream
            .as_ref()
            .map_or(inner.settings, |stream| stream.shape)
    }

    /// The device's settings and, with a stream, its ring.
    pub(crate) fn config(&self) -> Result<Config> {
        let inner = self.inner.lock();
        inner.bound()?;
        Ok(match &inner.stream {
            Some(stream) => stream.config(),
            None => inner.settings.into(),
        })
    }

    fn check(&self, shape: &Shape) -> Result<(), ShapeError> {
        shape.check(self.sources.len() as u32, PAGE_SIZE as u32)?;
        match self.sources.get(shape.source as usize) {
            Some(source) if !source.allows(shape.frame_bytes) => {
                Err(ShapeError::FrameBytes(shape.frame_bytes))
            }
            _ => Ok(()),
        }
    }

    /// Makes a ring of that shape in place of the one that is.
    pub(crate) fn configure(&self, config: &Config) -> Result<Config> {
        let shape = config.shape().map_err(|_| EINVAL)?;
        self.check(&shape).map_err(|_| EINVAL)?;
        self.locked(|inner, events| self.make_stream(inner, shape, events))
    }

    fn make_stream(&self, inner: &mut Inner, shape: Shape, events: &mut Events) -> Result<Config> {
        inner.bound()?;
        if matches!(&inner.stream, Some(stream) if stream.state() == State::Running) {
            return Err(EBUSY);
        }
        inner.replaced.retain(|ring| ring.is_mapped());
        let ring = inner.stream.as_ref().map(|stream| &stream.ring);
        let ring = ring.filter(|ring| ring.is_mapped()).cloned();
        let mapped: u64 = Iterator::chain(inner.replaced.iter(), &ring)
            .map(|ring| ring.bytes())
            .sum();
        if mapped + shape.ring_bytes(PAGE_SIZE as u32) > rules::RING_BYTES_MAX {
            return Err(ENOBUFS);
        }
        if let Some(ring) = ring {
            let kept = inner.replaced.push_within_capacity(ring);
            kept.map_err(|_| ENOBUFS)?;
        }
        // Give the old slots back first: there may not be memory for both.
        self.drop_stream(inner, events);
        let hardware = inner.hardware.as_ref().ok_or(ENODEV)?;
        let stream = Stream::new(hardware, shape, self.engine.stamp().hz)?;
        let config = stream.config();
        inner.stream = Some(stream);
        Ok(config)
    }

    /// Starts the stream.
    pub(crate) fn start(&self) -> Result {
        self.locked(|inner, events| self.start_stream(inner, events))
    }

    fn start_stream(&self, inner: &mut Inner, events: &mut Events) -> Result {
        inner.bound()?;
        let stream = inner.stream.as_mut().ok_or(ENODATA)?;
        if stream.state() == State::Running {
            return Err(EBUSY);
        }
        let number = inner.streams.wrapping_add(1);
        stream.start(number, Wake::new(self.irq, self))?;
        inner.streams = number;
        inner.kicks = 0;
        self.interrupts.store(0, Relaxed);
        self.completion.store(0, Relaxed);
        events.add(Event::Started);
        self.advance(inner, events);
        Ok(())
    }

    /// Stops the stream; what is ready stays.
    pub(crate) fn stop(&self) -> Result {
        self.locked(|inner, events| {
            inner.bound()?;
            self.stop_stream(inner, events);
            Ok(())
        })
    }

    fn stop_stream(&self, inner: &mut Inner, events: &mut Events) {
        if let Some(stream) = &mut inner.stream {
            if stream.state() == State::Running {
                self.halt_engine();
                stream.stop();
                events.add(Event::Stopped);
            }
        }
    }

    /// Leaves the ring to whoever has it mapped, and gives its slots back.
    fn drop_stream(&self, inner: &mut Inner, events: &mut Events) {
        let Some(stream) = inner.stream.take() else {
            return;
        };
        if stream.state() == State::Running {
            self.halt_engine();
            events.add(Event::Stopped);
        }
        inner.last = stream.detach();
    }

    /// The interrupt's line is raised.
    #[cfg(CONFIG_DMAFRAME_FAULT_INJECTION)]
    pub(crate) fn interrupt(&self) {
        if self.acknowledge() {
            Wake::new(self.irq, self).wake();
        }
    }

    /// Stops the engine and forgets an interrupt that was on its way.
    fn halt_engine(&self) {
        if self.engine.stop().is_err() {
            pr_err!(
                "{}: writes outstanding after a stop; channel reset\n",
                self.name()
            );
        }
        Wake::new(self.irq, self).wait_hard();
        self.completion.store(0, Relaxed);
    }

    /// `dmaframeN`, for messages.
    fn name(&self) -> &str {
        self.name.to_str().unwrap_or("dmaframe")
    }

    /// The reader returned slots.
    pub(crate) fn kick(&self) -> Result {
        self.locked(|inner, events| {
            inner.bound()?;
            if inner.stream.is_none() {
                return Err(ENODATA);
            }
            inner.kicks += 1;
            self.advance(inner, events);
            Ok(())
        })
    }

    /// Takes returned slots back, and fills them if the engine is idle.
    fn advance(&self, inner: &mut Inner, events: &mut Events) {
        let (Some(hardware), Some(stream)) = (&mut inner.hardware, &mut inner.stream) else {
            return;
        };
        match self.sources.get(stream.shape.source as usize) {
            Some(source) if stream.state() == State::Running => {
                stream.pump(hardware, &*self.engine, source, events);
            }
            _ => drop(stream.reclaim()),
        }
        if let Some(fault) = stream.take_fault() {
            pr_err!(
                "{}: {}; stream stopped (engine error bits {:#x})\n",
                self.name(),
                format_args!("{fault}"),
                stream.stats().error_bits
            );
            // After a timeout it is stopped already: what it had done was collected then.
            if fault != Fault::Timeout {
                self.halt_engine();
            }
        }
    }

    /// Maps what stands at `offset` of the ring. Under the mutex: the ring is not replaced, nor
    /// asked whether it is mapped, meanwhile.
    pub(crate) fn mmap(&self, vma: &VmaNew, offset: u64, shared: bool) -> Result {
        let inner = self.inner.lock();
        inner.bound()?;
        let stream = inner.stream.as_ref().ok_or(ENODATA)?;
        stream.ring.mmap(vma, offset, shared)
    }

    fn stats_of(&self, inner: &Inner) -> Stats {
        Stats {
            interrupts: self.interrupts.load(Relaxed),
            kicks: inner.kicks,
            state: Self::state(inner) as u32,
            ..inner.stream.as_ref().map_or(inner.last, Stream::stats)
        }
    }

    /// The stream's counters.
    pub(crate) fn stats(&self) -> Result<Stats> {
        let inner = self.inner.lock();
        inner.bound()?;
        Ok(self.stats_of(&inner))
    }

    fn snapshot_of(&self, inner: &Inner) -> Snapshot {
        Snapshot {
            state: Self::state(inner),
            shape: Self::shape(inner),
            stats: self.stats_of(inner),
        }
    }

    /// All that sysfs and netlink show.
    pub(crate) fn snapshot(&self) -> Snapshot {
        self.snapshot_of(&self.inner.lock())
    }

    /// Changes the settings for the next stream.
    pub(crate) fn set(&self, settings: &Settings<'_>) -> Result<(), SettingsError> {
        let mut inner = self.inner.lock();
        if inner.hardware.is_none() {
            return Err(SettingsError::Gone);
        }
        if inner.stream.is_some() {
            return Err(SettingsError::Busy);
        }
        let mut shape = inner.settings;
        if let Some(name) = settings.source {
            let index = self
                .sources
                .iter()
                .position(|source| source.name.to_bytes() == name)
                .ok_or(SettingsError::NoSource)?;
            shape.source = index as u32;
        }
        shape.frame_bytes = settings.frame_bytes.unwrap_or(shape.frame_bytes);
        shape.slots = settings.slots.unwrap_or(shape.slots);
        shape.interval_us = settings.interval_us.unwrap_or(shape.interval_us);
        if let Some(policy) = settings.policy {
            shape.policy = Policy::try_from(policy).map_err(SettingsError::Policy)?;
        }
        self.check(&shape).map_err(SettingsError::Shape)?;
        inner.settings = shape;
        Ok(())
    }

    /// What poll(2) is told.
    pub(crate) fn poll(&self) -> Readable {
        self.locked(|inner, events| {
            self.advance(inner, events);
            match &inner.stream {
                _ if inner.hardware.is_none() => Readable {
                    input: true,
                    gone: true,
                    ..Readable::default()
                },
                None => Readable::default(),
                Some(stream) => Readable {
                    input: stream.ready() > 0 || stream.state() != State::Running,
                    error: stream.state() == State::Faulted,
                    gone: false,
                },
            }
        })
    }

    /// Who waits for frames.
    pub(crate) fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    /// read(2): as many whole frames, headers included, as are ready and fit.
    ///
    /// With no stream there, one is made of the device's settings and started.
    pub(crate) fn read(&self, nonblock: bool, iov: &mut IovIterDest<'_>) -> Result<usize> {
        let _reading = self.reading.try_lock().ok_or(EBUSY)?;
        self.locked(|inner, events| {
            if inner.hardware.is_some() && inner.stream.is_none() {
                let settings = inner.settings;
                self.make_stream(inner, settings, events)?;
                // Or the next read would find a stream that somebody stopped.
                self.start_stream(inner, events)
                    .inspect_err(|_| self.drop_stream(inner, events))?;
            }
            Ok::<_, Error>(())
        })?;
        let mut done = 0;
        loop {
            // What was read before an error is told first: its slots are returned already.
            match self.read_frame(nonblock, done > 0, iov) {
                Ok(0) => return Ok(done),
                Ok(bytes) => done += bytes,
                Err(error) if done == 0 => return Err(error),
                Err(_) => return Ok(done),
            }
        }
    }

    /// Reads a frame and returns its slot: the bytes read, 0 for no frame.
    fn read_frame(&self, nonblock: bool, more: bool, iov: &mut IovIterDest<'_>) -> Result<usize> {
        let Some((ring, slot, bytes)) = self.next_frame(nonblock, more, iov.len())? else {
            return Ok(0);
        };
        ring.read_to_user(slot, bytes, iov)?;
        self.locked(|inner, events| {
            match &mut inner.stream {
                Some(stream) if Arc::ptr_eq(&stream.ring, &ring) => stream.return_oldest(),
                _ => (),
            }
            self.advance(inner, events);
        });
        Ok(bytes)
    }

    /// The frame to be read next and its length; waits for it unless some were read already.
    fn next_frame(
        &self,
        nonblock: bool,
        more: bool,
        room: usize,
    ) -> Result<Option<(Arc<Ring>, usize, usize)>> {
        loop {
            // What may be over at once: slots that were returned without a kick.
            self.locked(|inner, events| self.advance(inner, events));
            let mut inner = self.inner.lock();
            inner.bound()?;
            let stream = inner.stream.as_ref().ok_or(ENODATA)?;
            let bytes = stream.frame_bytes();
            if room < bytes {
                return Err(EINVAL);
            }
            if let Some(slot) = stream.oldest() {
                return Ok(Some((stream.ring.clone(), slot, bytes)));
            }
            match stream.state() {
                _ if more => return Ok(None),
                State::Running => (),
                State::Faulted => return Err(EIO),
                _ => return Ok(None),
            }
            if nonblock {
                return Err(EAGAIN);
            }
            if self.readiness.sleepers.wait_interruptible(&mut inner) {
                return Err(ERESTARTSYS);
            }
        }
    }
}

impl Interrupt for Channel {
    fn acknowledge(&self) -> bool {
        let completion = match self.engine.acknowledge() {
            Acknowledge::NotOurs => return false,
            Acknowledge::Done => DONE,
            Acknowledge::Error(bits) => DONE | u64::from(bits),
        };
        self.completion.store(completion, Relaxed);
        self.interrupts.fetch_add(1, Relaxed);
        true
    }

    fn service(&self) {
        self.locked(|inner, events| {
            let completion = self.completion.xchg(0, Full);
            if let (Some(_), Some(stream)) = (&inner.hardware, &mut inner.stream) {
                if completion & DONE != 0 {
                    stream.complete(completion as u32, events);
                }
                if stream.tick(events) {
                    self.halt_engine();
                    stream.time_out(events);
                }
            }
            self.advance(inner, events);
        });
    }
}

/// The fault as a number for userland.
pub(crate) fn fault_of(stats: &Stats) -> Fault {
    Fault::try_from(stats.fault).unwrap_or(Fault::None)
}
