// SPDX-License-Identifier: MIT OR Apache-2.0
//! The generic netlink family `dmaframe`: all devices in one place, and their events.
//!
//! A device can be inspected while another program has it open. Reference:
//! `driver/Documentation/netlink/specs/dmaframe.yaml`.

mod attributes;
mod client;
mod events;
mod message;
mod source;

pub use attributes::{Attributes, Settings};
pub use client::Client;
pub use dmaframe_abi::netlink::Event;
pub use events::Events;

/// Decodes a datagram as [`Client`] and [`Events`] do, for the fuzzer.
#[cfg(fuzzing)]
#[doc(hidden)]
pub fn understand(datagram: &[u8]) -> crate::Result<()> {
    use netlink_packet_core::NetlinkPayload;
    for message in message::messages(datagram)? {
        match message.payload {
            NetlinkPayload::InnerMessage(inner) => {
                let _ = inner.payload.family("events");
                let _ = crate::Source::of(&inner.payload);
                Attributes::of(&inner.payload)?;
            }
            NetlinkPayload::Error(error) => drop(message::error_text(&message.header, &error)),
            NetlinkPayload::Done(done) => drop(message::ack_text(&done.extended_ack)),
            _ => {}
        }
    }
    Ok(())
}
