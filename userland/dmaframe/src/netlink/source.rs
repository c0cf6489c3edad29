// SPDX-License-Identifier: MIT OR Apache-2.0
//! A source of a device, as a dump of all sources has it.

use super::message::{Message, parse_uint};
use crate::Source;
use dmaframe_abi::netlink::SourceAttribute;
use dmaframe_abi::uapi;
use netlink_packet_core::{parse_string, parse_u32};

impl Source {
    /// The source of a message, after the number of its device.
    pub(super) fn of(message: &Message) -> crate::Result<(u32, Self)> {
        const DEVICE: u16 = SourceAttribute::Device as u16;
        const INDEX: u16 = SourceAttribute::Index as u16;
        const NAME: u16 = SourceAttribute::Name as u16;
        const BUS: u16 = SourceAttribute::Bus as u16;
        const BYTES: u16 = SourceAttribute::Bytes as u16;
        const WIDTH: u16 = SourceAttribute::Width as u16;
        const DREQ: u16 = SourceAttribute::Dreq as u16;
        const FLAGS: u16 = SourceAttribute::Flags as u16;
        const FRAME_BYTES: u16 = SourceAttribute::FrameBytes as u16;
        const FRAME_BYTES_MAX: u16 = SourceAttribute::FrameBytesMax as u16;
        const INTERVAL_US: u16 = SourceAttribute::IntervalUs as u16;
        const RATE_HZ: u16 = SourceAttribute::RateHz as u16;
        let (mut device, mut source) = (0, Self::default());
        message.for_each(|kind, value| {
            match kind {
                DEVICE => device = parse_u32(value)?,
                INDEX => source.index = parse_u32(value)?,
                NAME => source.name = parse_string(value)?,
                BUS => source.bus = parse_uint(value)?,
                BYTES => source.bytes = parse_u32(value)?,
                WIDTH => source.width = parse_u32(value)?,
                DREQ => source.dreq = parse_u32(value)?,
                FLAGS => {
                    let flags = parse_u32(value)?;
                    source.increments = flags & uapi::SOURCE_INCREMENTS != 0;
                    source.pattern = flags & uapi::SOURCE_PATTERN != 0;
                }
                FRAME_BYTES => source.frame_bytes = parse_u32(value)?,
                FRAME_BYTES_MAX => source.frame_bytes_max = parse_u32(value)?,
                INTERVAL_US => source.interval_us = parse_u32(value)?,
                RATE_HZ => source.rate_hz = parse_u32(value)?,
                _ => {}
            }
            Ok(())
        })?;
        Ok((device, source))
    }
}
