// SPDX-License-Identifier: GPL-2.0

//! Which frames the next chain makes, and which are lost.

use super::Stream;
use crate::{
    event::Events,
    trace::record, //
};
use dmaframe_abi::{
    frame::HEADER_BYTES,
    netlink::Event,
    stream::{Fault, Policy},
};
use dmaframe_engine::chain::CHAIN_BYTES_MAX;

impl Stream {
    /// How many frames the next chain should make, or `None` for no chain. What is due and has no
    /// slot is counted as lost, or waits, as the policy says.
    pub(super) fn frames_to_take(&mut self, events: &mut Events) -> Option<u32> {
        let mut free = self.producer.free();
        // No more than half of the ring at a time, so that reader and engine overlap.
        let half = self.shape.slots / 2;
        let bytes = self.shape.frame_bytes + HEADER_BYTES as u32;
        let most = (CHAIN_BYTES_MAX / bytes).max(1).min(half);
        if self.pace.is_some() {
            self.skip_late(free, events);
            free = self.due as u32;
        } else {
            if free < if self.filling { most } else { half } {
                self.filling = false;
                self.producer.ask_kick(self.ring.meta());
                if !self.reclaim() {
                    self.fail(Fault::Consumer, events);
                    return None;
                }
                free = self.producer.free();
                if free < half {
                    return None;
                }
            }
            self.filling = true;
        }
        if free == 0 {
            return None;
        }
        self.producer.clear_kick(self.ring.meta());
        Some(free.min(most))
    }

    /// Forgets what is due beyond `free` slots: lost, or not made, as the policy says.
    pub(super) fn skip_late(&mut self, free: u32, events: &mut Events) {
        let late = self.due.saturating_sub(free.into());
        self.due -= late;
        if self.shape.policy == Policy::Drop {
            self.lose(late, events);
        }
    }

    fn lose(&mut self, frames: u64, events: &mut Events) {
        if frames == 0 {
            return;
        }
        // All frames lost before the next one that is taken are one gap in the stream.
        if self.lost_before == 0 {
            self.stats.overruns += 1;
            // A reader at its limit loses frames again and again: limit the events to one a second.
            if !core::mem::replace(&mut self.overrun_told, true) {
                events.add(Event::Overrun);
            }
        }
        self.stats.lost += frames;
        record!(loss, self.device, self.sequence, frames, self.stats.lost);
        self.sequence += frames;
        self.lost_before += frames;
        self.show_counters();
    }
}
