// SPDX-License-Identifier: GPL-2.0

//! read(2): frames copied to a program that maps nothing.

use super::{
    Channel,
    Inner, //
};
use crate::{
    event::Events,
    ring::Ring, //
};
use dmaframe_abi::stream::State;
use kernel::{
    iov::IovIterDest,
    prelude::*,
    sync::Arc, //
};

/// A part of the oldest frame.
struct Part {
    ring: Arc<Ring>,
    slot: usize,
    /// Bytes of the frame that were read before.
    offset: usize,
    bytes: usize,
}

impl Channel {
    /// read(2): frames with their headers, as a stream of bytes.
    ///
    /// Reads the rest of a frame that was read in part, then as many whole frames as are ready and
    /// fit. Where not even one frame fits, reads a part of it; the next call goes on from there.
    ///
    /// A blocking call on a device without a stream makes one with the device's settings and
    /// starts it. A call that is refused leaves no stream behind.
    pub(crate) fn read(&self, nonblock: bool, iov: &mut IovIterDest<'_>) -> Result<usize> {
        let _reading = self.reading.try_lock().ok_or(EBUSY)?;
        if iov.is_empty() {
            return self.inner.lock().bound().map(|()| 0);
        }
        let mut made = None;
        if !nonblock {
            made = self.locked(|inner, events| self.make_default_stream(inner, events))?;
        }
        let mut done = 0;
        loop {
            // The frames that were read before an error are reported first: their slots are
            // returned already.
            match self.read_part(nonblock, done > 0, iov) {
                Ok(0) => return Ok(done),
                Ok(bytes) => done += bytes,
                Err(error) if done == 0 => {
                    if let (EFAULT, Some(ring)) = (error, made) {
                        self.locked(|inner, events| self.drop_ring(inner, &ring, events));
                    }
                    return Err(error);
                }
                Err(_) => return Ok(done),
            }
        }
    }

    /// Starts a stream with the device's settings if there is none. Returns its ring.
    fn make_default_stream(
        &self,
        inner: &mut Inner,
        events: &mut Events,
    ) -> Result<Option<Arc<Ring>>> {
        if inner.hardware.is_none() || inner.stream.is_some() {
            return Ok(None);
        }
        let settings = inner.settings;
        self.make_stream(inner, settings, events)?;
        // Without this, the next read would find a stream that is stopped.
        self.start_stream(inner, events)
            .inspect_err(|_| self.drop_stream(inner, events))?;
        Ok(inner.stream.as_ref().map(|stream| stream.ring.clone()))
    }

    /// Drops the stream if `ring` is still its ring.
    fn drop_ring(&self, inner: &mut Inner, ring: &Arc<Ring>, events: &mut Events) {
        if matches!(&inner.stream, Some(stream) if Arc::ptr_eq(&stream.ring, ring)) {
            self.drop_stream(inner, events);
        }
    }

    /// Reads a part of the oldest frame, and returns its slot after the last one. Returns the
    /// bytes read, 0 for no frame.
    fn read_part(&self, nonblock: bool, more: bool, iov: &mut IovIterDest<'_>) -> Result<usize> {
        let Some(part) = self.next_part(nonblock, more, iov.len())? else {
            return Ok(0);
        };
        part.ring
            .read_to_user(part.slot, part.offset, part.bytes, iov)?;
        self.locked(|inner, events| {
            match &mut inner.stream {
                Some(stream) if Arc::ptr_eq(&stream.ring, &part.ring) => {
                    stream.count_read(part.bytes)
                }
                _ => (),
            }
            self.advance(inner, events);
        });
        Ok(part.bytes)
    }

    /// The part to be read next. Waits for a frame unless `more`: some bytes were read already.
    fn next_part(&self, nonblock: bool, more: bool, room: usize) -> Result<Option<Part>> {
        loop {
            // The reader may have returned slots without a kick.
            self.locked(|inner, events| self.advance(inner, events));
            let mut inner = self.inner.lock();
            inner.bound()?;
            let stream = inner.stream.as_ref().ok_or(ENODATA)?;
            if let Some(slot) = stream.oldest() {
                let offset = stream.read_offset();
                let rest = stream.frame_bytes() - offset;
                // After whole frames a part of one is left to the next call.
                if more && rest > room {
                    return Ok(None);
                }
                return Ok(Some(Part {
                    ring: stream.ring.clone(),
                    slot,
                    offset,
                    bytes: rest.min(room),
                }));
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
