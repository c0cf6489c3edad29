// SPDX-License-Identifier: MIT OR Apache-2.0
//! Netlink messages and socket options.

use crate::generic_netlink::attribute;
use crate::worker::{Worker, done};
use dmaframe_abi::netlink::{ATTRIBUTE_MAX, Attribute, Command as Verb};
use dmaframe_tests::Random;
use nix::errno::Errno;
use std::os::fd::AsRawFd;

impl Worker {
    pub(crate) fn netlink(&mut self, random: &mut Random) -> Result<(), Errno> {
        let socket = self.netlink.as_raw_fd();
        if random.once_in(16) {
            let (level, group) = (libc::SOL_NETLINK, self.group);
            let option = random.pick(&[
                libc::NETLINK_ADD_MEMBERSHIP,
                libc::NETLINK_DROP_MEMBERSHIP,
                libc::NETLINK_EXT_ACK,
                libc::NETLINK_CAP_ACK,
                libc::NETLINK_GET_STRICT_CHK,
            ]);
            // SAFETY: the value has 4 bytes, the given length.
            return done(unsafe {
                libc::setsockopt(socket, level, option, (&raw const group).cast(), 4)
            });
        }
        let message = request(random, self.family);
        // SAFETY: the buffers have the given lengths.
        unsafe {
            let sent = libc::send(socket, message.as_ptr().cast(), message.len(), 0);
            let mut answered = 0;
            let mut refused = 0;
            loop {
                let text = &mut self.text;
                let bytes =
                    libc::recv(socket, text.as_mut_ptr().cast(), text.len(), libc::MSG_DONTWAIT);
                if bytes < 20 {
                    break;
                }
                // The error number follows the message header; 0 is an acknowledgement.
                let ty = u16::from_ne_bytes([text[4], text[5]]);
                if ty == libc::NLMSG_ERROR as u16 && text[16..20] != [0; 4] {
                    refused += 1;
                } else {
                    answered += 1;
                }
            }
            done(sent as i64)?;
            if refused > 0 || answered == 0 { Err(Errno::EINVAL) } else { Ok(()) }
        }
    }
}

/// A netlink message: a valid request, a nearly valid one, or a malformed one.
fn request(random: &mut Random, family: u16) -> Vec<u8> {
    let mut body = Vec::new();
    let verb = match random.below(8) {
        0..=3 => Verb::DeviceGet as u8,
        4..=6 => Verb::DeviceSet as u8,
        _ => random.number() as u8,
    };
    let version = if random.once_in(16) { random.number() as u8 } else { 1 };
    body.extend([verb, version, 0, 0]);
    if !random.once_in(8) {
        attribute(&mut body, Attribute::Id as u16, &(random.below(3) as u32).to_ne_bytes());
    }
    if verb != Verb::DeviceGet as u8 || random.once_in(8) {
        attributes(random, &mut body, 0);
    }
    let flags = match random.below(8) {
        0..=3 => libc::NLM_F_REQUEST | libc::NLM_F_ACK,
        4..=5 => libc::NLM_F_REQUEST | libc::NLM_F_DUMP,
        6 => libc::NLM_F_REQUEST,
        _ => random.number() as i32,
    };
    let mut bytes = (16 + body.len()) as u32;
    match random.below(24) {
        0 => bytes = random.number() as u32,
        1 => bytes = bytes.wrapping_sub(random.below(8) as u32),
        // A length beyond the end of the message.
        2 => bytes += random.below(64) as u32,
        _ => {}
    }
    if random.once_in(24) {
        let at = random.below(body.len() as u64) as usize;
        body[at] ^= 1 << random.below(8);
    }
    let mut message = Vec::new();
    message.extend(bytes.to_ne_bytes());
    message.extend(family.to_ne_bytes());
    message.extend((flags as u16).to_ne_bytes());
    message.extend(1_u32.to_ne_bytes());
    message.extend(0_u32.to_ne_bytes());
    message.extend(body);
    if random.once_in(24) {
        message.truncate(random.below(message.len() as u64) as usize + 1);
    }
    message
}

/// Appends attributes of valid and invalid types, nested or not, some with wrong lengths.
fn attributes(random: &mut Random, body: &mut Vec<u8>, depth: u32) {
    const SETTINGS: [Attribute; 5] = [
        Attribute::Source,
        Attribute::FrameBytes,
        Attribute::Slots,
        Attribute::Policy,
        Attribute::IntervalUs,
    ];
    for _ in 0..random.below(5) {
        let ty = match random.below(6) {
            0..=3 => random.pick(&SETTINGS) as u16,
            4 => random.below(u64::from(ATTRIBUTE_MAX) + 3) as u16,
            // Also sets the flags for nested and for network byte order.
            _ => random.next() as u16,
        };
        let start = body.len();
        match random.below(12) {
            0 if depth < 4 => {
                let mut inner = Vec::new();
                attributes(random, &mut inner, depth + 1);
                attribute(body, ty | 0x8000, &inner);
            }
            1 => {
                let mut junk = vec![0; random.below(80) as usize];
                random.fill(&mut junk);
                attribute(body, ty, &junk);
            }
            2 => attribute(body, ty, b"unterminated"),
            _ if ty == Attribute::Source as u16 => {
                attribute(body, ty, random.pick(&[&b"pattern\0"[..], b"gpio\0", b"systimer\0"]));
            }
            3..=5 => attribute(body, ty, &(random.number() as u32).to_ne_bytes()),
            _ => {
                let good = random.pick(&[0_u32, 1, 4, 16, 1000, 4096]);
                attribute(body, ty, &good.to_ne_bytes());
            }
        }
        if random.once_in(16) {
            let length = (random.number() as u16).to_ne_bytes();
            body[start..start + 2].copy_from_slice(&length);
        }
    }
}
