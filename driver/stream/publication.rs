// SPDX-License-Identifier: GPL-2.0

//! From the engine's stamps to published frames.

use super::{
    Flight,
    Stream, //
};
use crate::trace::record;
use dmaframe_abi::frame::{self, Header, HEADER_BYTES, MAGIC, VERSION};
use kernel::{
    time::{
        hrtimer::HrTimerExpires,
        Instant,
        Monotonic, //
    }, //
};

impl Stream {
    /// Publishes the frames of a chain up to the first that the engine has not completed. True
    /// when that was all.
    pub(super) fn collect(&mut self, flight: &Flight) -> bool {
        let published_ns = Instant::<Monotonic>::now().as_nanos().unsigned_abs();
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
            if end == 0 {
                break;
            }
            let (start, end) = frame::untear(start, end);
            let header = Header {
                magic: MAGIC.into(),
                version: VERSION.into(),
                header_bytes: (HEADER_BYTES as u16).into(),
                sequence: (flight.first + u64::from(done)).into(),
                lost: core::mem::take(&mut lost).into(),
                payload_bytes: self.shape.frame_bytes.into(),
                source: (self.shape.source as u16).into(),
                flags: 0.into(),
                device_start: start.into(),
                device_end: end.into(),
                published_ns: published_ns.into(),
                stream: self.number.into(),
                reserved: 0.into(),
            };
            if self.ring.write_header(slot, &header).is_err() {
                break;
            }
            record!(header, self.device, header);
            done += 1;
        }
        self.stats.frames += u64::from(done);
        self.stats.bytes += u64::from(done) * u64::from(self.shape.frame_bytes);
        self.show_counters();
        record!(publish, self.device, flight.first, done);
        self.producer.publish(self.ring.meta(), done);
        done == flight.frames
    }
}
