// SPDX-License-Identifier: GPL-2.0

//! read(2): frames copied to a program that maps nothing.

use super::Channel;
use crate::ring::Ring;
use dmaframe_abi::stream::State;
use kernel::{
    iov::IovIterDest,
    prelude::*,
    sync::Arc, //
};

impl Channel {
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
