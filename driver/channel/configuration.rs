// SPDX-License-Identifier: GPL-2.0

//! What a channel offers, and the ring that a program configures.

use super::{
    Channel,
    Inner, //
};
use crate::{
    event::Events,
    stream::Stream, //
};
use dmaframe_abi::{
    stream::{self as rules, Shape, ShapeError, State},
    uapi::{self, Config, Info, SourceInfo},
};
use kernel::{
    page::PAGE_SIZE,
    prelude::*,
    str::CString, //
};

impl Channel {
    /// The device's description.
    pub(crate) fn info(&self) -> Result<Info> {
        let inner = self.inner.lock();
        inner.bound()?;
        Ok(Info {
            engine: uapi::name_field(self.engine.name().to_bytes()),
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

    /// The names of all sources, separated by spaces.
    pub(crate) fn source_names(&self) -> Result<CString> {
        let mut names = KVec::new();
        for source in self.sources.iter() {
            if !names.is_empty() {
                names.push(b' ', GFP_KERNEL)?;
            }
            names.extend_from_slice(source.name.to_bytes(), GFP_KERNEL)?;
        }
        let names = core::str::from_utf8(&names).map_err(|_| EINVAL)?;
        CString::try_from_fmt(fmt!("{names}"))
    }

    /// How many sources the device has.
    pub(crate) fn sources(&self) -> usize {
        self.sources.len()
    }

    /// The description of source `index`.
    pub(crate) fn source_info(&self, index: u32) -> Result<SourceInfo> {
        self.inner.lock().bound()?;
        let source = self.sources.get(index as usize).ok_or(EINVAL)?;
        Ok(source.info(index, &self.engine.limits()))
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

    pub(super) fn check(&self, shape: &Shape) -> Result<(), ShapeError> {
        shape.check(self.sources.len() as u32, PAGE_SIZE as u32)?;
        match self.sources.get(shape.source as usize) {
            Some(source) => source.check(shape.frame_bytes, &self.engine.limits()),
            None => Err(ShapeError::Source(shape.source)),
        }
    }

    /// Replaces the ring by one with the shape of `config`.
    pub(crate) fn configure(&self, config: &Config) -> Result<Config> {
        let shape = config.shape().map_err(|_| EINVAL)?;
        self.check(&shape).map_err(|_| EINVAL)?;
        self.locked(|inner, events| self.make_stream(inner, shape, events))
    }

    pub(super) fn make_stream(
        &self,
        inner: &mut Inner,
        shape: Shape,
        events: &mut Events,
    ) -> Result<Config> {
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
        let source = self.sources.get(shape.source as usize).ok_or(EINVAL)?;
        let stream = Stream::new(self.id, hardware, shape, source, self.engine.stamp().hz)?;
        let config = stream.config();
        inner.stream = Some(stream);
        Ok(config)
    }
}
