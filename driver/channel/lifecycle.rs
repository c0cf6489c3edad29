// SPDX-License-Identifier: GPL-2.0

//! A channel's life: opened, started, stopped, released, unbound.

use super::{
    Channel,
    Inner, //
};
use crate::{
    abstractions::{
        irq_thread::Wake,
        process::Process, //
    },
    event::Events, //
};
use dmaframe_abi::{
    netlink::Event,
    stream::State, //
};
use kernel::{
    prelude::*,
    sync::atomic::ordering::Relaxed, //
};

impl Channel {
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

    /// Opens the device for the calling process, unless another one has it open.
    pub(crate) fn open(&self) -> Result {
        let mut inner = self.inner.lock();
        inner.bound()?;
        if inner.owner.is_some() {
            return Err(EBUSY);
        }
        inner.owner = Some(Process::current());
        Ok(())
    }

    /// Closes the device: stops the stream and gives its ring up.
    pub(crate) fn release(&self) {
        self.locked(|inner, events| {
            self.drop_stream(inner, events);
            inner.replaced.clear();
            inner.owner = None;
        });
    }

    /// Starts the stream.
    pub(crate) fn start(&self) -> Result {
        self.locked(|inner, events| self.start_stream(inner, events))
    }

    pub(super) fn start_stream(&self, inner: &mut Inner, events: &mut Events) -> Result {
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

    /// Stops the stream and unmaps its slots. Mappings keep the ring's memory.
    pub(super) fn drop_stream(&self, inner: &mut Inner, events: &mut Events) {
        let Some(stream) = inner.stream.take() else {
            return;
        };
        if stream.state() == State::Running {
            self.halt_engine();
            events.add(Event::Stopped);
        }
        inner.last = stream.detach();
    }

    /// Stops the engine and discards an interrupt that was pending.
    pub(super) fn halt_engine(&self) {
        // Acknowledging keeps ACTIVE set, which would resume the channel that is being stopped, and
        // leaves a completion, which belongs to the chain that is ended here.
        let _quiet = Wake::new(self.irq, self).disable_hard();
        if self.engine.stop().is_err() && self.messages.allows() {
            pr_err!(
                "{}: writes outstanding after a stop; channel reset\n",
                self.name()
            );
        }
        self.completion.store(0, Relaxed);
    }
}
