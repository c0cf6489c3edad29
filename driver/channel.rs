// SPDX-License-Identifier: GPL-2.0

//! A channel: one channel of the engine and its stream.
//!
//! One mutex guards all state. Process context and the interrupt's thread take it, hard interrupt
//! context never does. A chain is started with the mutex held; the hard handler takes no lock, so
//! it may run before the start has returned.

mod configuration;
mod lifecycle;
pub(crate) mod reader;
pub(crate) mod settings;

use crate::{
    abstractions::{
        char_device::{
            Readable,
            Readiness, //
        },
        irq_thread::Interrupt,
        process::Process,
        rate_limit::RateLimit, //
    },
    engine::Engine,
    event::{
        Events,
        Listener,
        Owner,
        Snapshot, //
    },
    hardware::Hardware,
    ring::Ring,
    source::{
        Reference,
        Source, //
    },
    stream::{
        publication::TooFast,
        Stream, //
    },
    trace::record, //
};
use dmaframe_abi::{
    stream::{Fault, Policy, Shape, State},
    uapi::Stats,
};
use dmaframe_engine::channel::Interrupt as Reason;
use kernel::{
    device::Device,
    fmt,
    mm::virt::VmaNew,
    new_mutex,
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
    listener: &'static dyn Listener,
    completion: Atomic<u64>,
    interrupts: Atomic<u64>,
    /// For messages that a program can provoke.
    #[pin]
    messages: RateLimit,
    #[pin]
    readiness: Readiness,
    #[pin]
    inner: Mutex<Inner>,
    /// Held by the thread that is in read(2).
    #[pin]
    reading: Mutex<()>,
    /// Held while events are sent. Taken under `inner`'s mutex, so that events are sent in the
    /// order in which they happened.
    #[pin]
    sending: Mutex<()>,
}

struct Inner {
    /// `None` once the device is unbound: nothing touches hardware any more.
    hardware: Option<Hardware>,
    /// The shape of a stream by default.
    settings: Shape,
    stream: Option<Stream>,
    /// Rings that were replaced while a program had them mapped. Their number and their memory
    /// are limited. Allocated for [`REPLACED_MAX`] rings.
    replaced: KVec<Arc<Ring>>,
    /// The process that has the device open.
    owner: Option<Process>,
    streams: u32,
    kicks: u64,
    /// Counters of the last stream, readable until the next one starts.
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
        listener: &'static dyn Listener,
    ) -> Result<Arc<Self>> {
        let name = CString::try_from_fmt(fmt!("dmaframe{id}"))?;
        let first = sources.first().ok_or(EINVAL)?;
        let settings = Shape {
            source: 0,
            frame_bytes: first.default_payload(&engine.limits()),
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
                listener,
                completion: Atomic::new(0),
                interrupts: Atomic::new(0),
                messages <- RateLimit::new(),
                readiness <- Readiness::new(),
                inner <- new_mutex!(Inner {
                    hardware: Some(hardware),
                    settings,
                    stream: None,
                    replaced,
                    owner: None,
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
    fn source_name(&self, index: u32) -> &CStr {
        self.sources
            .get(index as usize)
            .map_or(c"", |source| &source.name)
    }

    /// Runs `work` under the mutex, then wakes the waiting processes and sends the events.
    fn locked<R>(&self, work: impl FnOnce(&mut Inner, &mut Events) -> R) -> R {
        let mut events = Events::default();
        let mut inner = self.inner.lock();
        let before = inner.stream.as_ref().map(Stream::progress);
        let result = work(&mut inner, &mut events);
        if let Some(frame) = inner.stream.as_mut().and_then(Stream::take_too_fast) {
            self.report_too_fast(&frame, Self::shape(&inner).source);
        }
        let changed = before != inner.stream.as_ref().map(Stream::progress);
        let sending = (!events.is_empty()).then(|| (self.sending.lock(), self.snapshot_of(&inner)));
        drop(inner);
        if changed {
            self.readiness.notify();
        }
        if let Some((_sending, snapshot)) = sending {
            for event in events.iter() {
                self.listener.send(&snapshot, event);
            }
        }
        result
    }

    fn state(inner: &Inner) -> State {
        match &inner.stream {
            _ if inner.hardware.is_none() => State::Gone,
            None => State::Idle,
            Some(stream) => stream.state(),
        }
    }

    /// The shape of the stream, or of the next one.
    fn shape(inner: &Inner) -> Shape {
        inner
            .stream
            .as_ref()
            .map_or(inner.settings, |stream| stream.shape)
    }

    /// Handles an interrupt that a test raises.
    #[cfg(CONFIG_DMAFRAME_FAULT_INJECTION)]
    pub(crate) fn interrupt(&self) {
        if self.acknowledge() {
            crate::abstractions::irq_thread::Wake::new(self.irq, self).wake();
        }
    }

    /// `dmaframeN`, for messages.
    fn name(&self) -> &str {
        self.name.to_str().unwrap_or("dmaframe")
    }

    /// Handles a KICK: the reader returned slots.
    pub(crate) fn kick(&self) -> Result {
        self.locked(|inner, events| {
            inner.bound()?;
            if inner.stream.is_none() {
                return Err(ENODATA);
            }
            inner.kicks += 1;
            record!(kick, self.id, inner.kicks);
            self.advance(inner, events);
            Ok(())
        })
    }

    /// Reclaims returned slots and, if the engine is idle, starts a chain for them.
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
            self.report(fault, stream, inner.owner.as_ref());
            // After a timeout the engine is stopped already.
            if fault != Fault::Timeout {
                self.halt_engine();
            }
        }
    }

    /// Logs why the stream has ended, within the limit.
    fn report(&self, fault: Fault, stream: &Stream, owner: Option<&Process>) {
        if !self.messages.allows() {
            return;
        }
        let owner = owner.map(Owner::new);
        let (pid, comm) = owner.as_ref().map_or((0, c""), |it| (it.pid, it.comm()));
        let comm = comm.to_str().unwrap_or("?");
        match (fault, stream.bad_consumer()) {
            (Fault::Consumer, Some(bad)) => pr_err!(
                "{}: {comm}[{pid}] wrote consumer index {}, which is not from {} to {}; stream stopped\n",
                self.name(),
                bad.found,
                bad.tail,
                bad.head
            ),
            _ => pr_err!(
                "{}: {}; stream of {comm}[{pid}] stopped (engine error bits {:#x})\n",
                self.name(),
                format_args!("{fault}"),
                stream.stats().error_bits
            ),
        }
    }

    /// Logs the first frame of a stream that was too fast, within the limit.
    fn report_too_fast(&self, frame: &TooFast, source: u32) {
        if !self.messages.allows() {
            return;
        }
        let us = |ticks: u64| ticks.saturating_mul(1_000_000) / u64::from(self.engine.stamp().hz);
        pr_warn!(
            "{}: source '{}': frame {} took {} us, where its rate needs {} us: is the DREQ stuck?\n",
            self.name(),
            self.source_name(source).to_str().unwrap_or("?"),
            frame.sequence,
            us(frame.ticks),
            us(frame.duration.expected)
        );
    }

    /// Maps the region at `offset` of the ring. The mutex keeps the ring from being replaced
    /// meanwhile.
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

    fn snapshot_of(&self, inner: &Inner) -> Snapshot<'_> {
        let shape = Self::shape(inner);
        Snapshot {
            id: self.id,
            name: &self.name,
            engine: self.engine.name(),
            channel: self.engine.channel(),
            stamp_hz: self.engine.stamp().hz,
            source: self.source_name(shape.source),
            state: Self::state(inner),
            shape,
            stats: self.stats_of(inner),
            owner: inner.owner.as_ref().map(Owner::new),
        }
    }

    /// The state that sysfs and netlink show.
    pub(crate) fn snapshot(&self) -> Snapshot<'_> {
        self.snapshot_of(&self.inner.lock())
    }

    /// The events that poll(2) reports.
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

    /// The processes that wait for frames.
    pub(crate) fn readiness(&self) -> &Readiness {
        &self.readiness
    }
}

impl Interrupt for Channel {
    fn acknowledge(&self) -> bool {
        let completion = match self.engine.acknowledge() {
            Reason::NotOurs => return false,
            Reason::Done => DONE,
            Reason::Error(bits) => DONE | u64::from(bits),
        };
        record!(completion, self.id, completion as u32);
        self.completion.store(completion, Relaxed);
        self.interrupts.fetch_add(1, Relaxed);
        true
    }

    fn service(&self) {
        self.locked(|inner, events| {
            let completion = self.completion.xchg(0, Full);
            if let (Some(_), Some(stream)) = (&inner.hardware, &mut inner.stream) {
                if completion & DONE != 0 {
                    // After an error it may still have writes on their way.
                    if completion != DONE {
                        self.halt_engine();
                    }
                    stream.complete(completion as u32, events);
                }
                if stream.tick(&*self.engine, events) {
                    self.halt_engine();
                    stream.time_out(events);
                }
            }
            self.advance(inner, events);
        });
    }
}
