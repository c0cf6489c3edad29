// SPDX-License-Identifier: GPL-2.0

//! From the engine's stamps to published frames.

use super::{
    Flight,
    Stream, //
};
use crate::trace::record;
use dmaframe_abi::{
    frame::{Header, HEADER_BYTES, MAGIC, TOO_FAST, VERSION},
    rate,
};
use dmaframe_engine::stamp::{self, Timeline};
use kernel::{
    time::{
        hrtimer::HrTimerExpires,
        Instant,
        Monotonic, //
    }, //
};

/// A frame that was too fast for its source.
pub(crate) struct TooFast {
    pub(crate) sequence: u64,
    /// Ticks that it took.
    pub(crate) ticks: u64,
    pub(crate) duration: rate::Duration,
}

impl Stream {
    /// The first frame of the stream that was too fast. Returned once.
    pub(crate) fn take_too_fast(&mut self) -> Option<TooFast> {
        self.too_fast.take()
    }

    fn count_too_fast(&mut self, frame: TooFast) {
        if self.stats.too_fast == 0 {
            self.too_fast = Some(frame);
        }
        self.stats.too_fast += 1;
    }

    /// Publishes the frames of a chain up to the first that the engine has not completed. True
    /// when that was all.
    pub(super) fn collect(&mut self, flight: &Flight) -> bool {
        let published_ns = Instant::<Monotonic>::now().as_nanos().unsigned_abs();
        let mut timeline = Timeline::new(flight.counter);
        let mut lost = flight.lost_before;
        let mut done = 0;
        while done < flight.frames {
            let slot = self.producer.slot(done);
            let Some(map) = self.maps.get(slot) else {
                break;
            };
            map.to_cpu();
            let Ok((start, end)) = self.ring.stamps(slot) else {
                break;
            };
            if end == stamp::unwritten(flight.counter) {
                break;
            }
            let (start, end) = (timeline.extend(start), timeline.extend(end));
            let sequence = flight.first + u64::from(done);
            let too_fast = self.duration.filter(|it| it.is_too_fast(start, end));
            let header = Header {
                magic: MAGIC.into(),
                version: VERSION.into(),
                header_bytes: (HEADER_BYTES as u16).into(),
                sequence: sequence.into(),
                lost: core::mem::take(&mut lost).into(),
                payload_bytes: self.shape.frame_bytes.into(),
                source: (self.shape.source as u16).into(),
                flags: too_fast.map_or(0, |_| TOO_FAST).into(),
                device_start: start.into(),
                device_end: end.into(),
                published_ns: published_ns.into(),
                stream: self.number.into(),
                reserved: 0.into(),
            };
            if self.ring.write_header(slot, &header).is_err() {
                break;
            }
            if let Some(duration) = too_fast {
                self.count_too_fast(TooFast {
                    sequence,
                    ticks: end.saturating_sub(start),
                    duration,
                });
            }
            record!(header, self.device, header);
            done += 1;
        }
        // All slots belong to the CPU, except for those of a chain that runs.
        for n in done..flight.frames {
            if let Some(map) = self.maps.get(self.producer.slot(n)) {
                map.to_cpu();
            }
        }
        self.stats.frames += u64::from(done);
        self.stats.bytes += u64::from(done) * u64::from(self.shape.frame_bytes);
        self.show_counters();
        #[cfg(CONFIG_DMAFRAME_FAULT_INJECTION)]
        crate::abstractions::trace_mark::mark(kernel::prelude::fmt!("publish {done}"));
        record!(publish, self.device, flight.first, done);
        self.producer.publish(self.ring.meta(), done);
        done == flight.frames
    }
}
