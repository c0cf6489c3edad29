// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages on the wire: of the family, and of the control family that describes it.

use crate::{Error, Result};
use dmaframe_abi::netlink::{Command, VERSION};
use netlink_packet_core::{
    DecodeError, DefaultNla, Emitable, ErrorMessage, NLM_F_CAPPED, NetlinkHeader, NetlinkMessage,
    Nla, NlasIterator, Parseable, ParseableParametrized, parse_string, parse_u16, parse_u32,
    parse_u64,
};
use netlink_packet_generic::{GenlFamily, GenlHeader, GenlMessage};
use netlink_sys::Socket;
use nix::errno::Errno;
use nix::libc;

/// Length of a netlink message header in bytes.
const HEADER_BYTES: usize = 16;
/// The control family, which has the numbers of all others, and its messages.
pub(super) const CONTROL: u16 = libc::GENL_ID_CTRL as u16;
pub(super) const GET_FAMILY: u8 = libc::CTRL_CMD_GETFAMILY as u8;
pub(super) const NEW_FAMILY: u8 = libc::CTRL_CMD_NEWFAMILY as u8;
pub(super) const DELETE_FAMILY: u8 = libc::CTRL_CMD_DELFAMILY as u8;
pub(super) const FAMILY_NAME: u16 = libc::CTRL_ATTR_FAMILY_NAME as u16;
const FAMILY_ID: u16 = libc::CTRL_ATTR_FAMILY_ID as u16;
const MULTICAST_GROUPS: u16 = libc::CTRL_ATTR_MCAST_GROUPS as u16;
const GROUP_NAME: u16 = libc::CTRL_ATTR_MCAST_GRP_NAME as u16;
const GROUP_ID: u16 = libc::CTRL_ATTR_MCAST_GRP_ID as u16;
/// The attribute of an extended acknowledgement that holds the kernel's message.
const ACK_MESSAGE: u16 = 1;
/// More than the kernel puts into one datagram.
const DATAGRAM_BYTES: usize = 64 * 1024;

/// A message of the family, with attributes as they are on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) command: u8,
    pub(super) attributes: Vec<DefaultNla>,
}

impl Message {
    pub(super) fn new(command: Command, attributes: Vec<DefaultNla>) -> Self {
        Self { command: command as u8, attributes }
    }

    /// The control family's description of a family: its number, and that of one of its groups.
    pub(super) fn family(&self, group: &str) -> Option<(u16, Option<u32>)> {
        let value = |kind| {
            let attribute = self.attributes.iter().find(|attribute| attribute.kind() == kind)?;
            let mut value = vec![0; attribute.value_len()];
            attribute.emit_value(&mut value);
            Some(value)
        };
        let id = parse_u16(&value(FAMILY_ID)?).ok()?;
        Some((id, value(MULTICAST_GROUPS).and_then(|groups| group_id(&groups, group))))
    }

    /// Calls `take` with the kind and the value of each attribute.
    pub(super) fn for_each(
        &self,
        mut take: impl FnMut(u16, &[u8]) -> std::result::Result<(), DecodeError>,
    ) -> Result<()> {
        for attribute in &self.attributes {
            let mut value = vec![0; attribute.value_len()];
            attribute.emit_value(&mut value);
            take(attribute.kind(), &value).map_err(|error| {
                Error::Message(format!("attribute {}: {error}", attribute.kind()))
            })?;
        }
        Ok(())
    }
}

impl GenlFamily for Message {
    fn family_name() -> &'static str {
        "dmaframe"
    }

    fn command(&self) -> u8 {
        self.command
    }

    fn version(&self) -> u8 {
        VERSION
    }
}

impl Emitable for Message {
    fn buffer_len(&self) -> usize {
        self.attributes.as_slice().buffer_len()
    }

    fn emit(&self, buffer: &mut [u8]) {
        self.attributes.as_slice().emit(buffer);
    }
}

impl ParseableParametrized<[u8], GenlHeader> for Message {
    fn parse_with_param(
        bytes: &[u8],
        header: GenlHeader,
    ) -> std::result::Result<Self, DecodeError> {
        let attributes = NlasIterator::new(bytes)
            .map(|attribute| attribute.and_then(|attribute| DefaultNla::parse(&attribute)))
            .collect::<std::result::Result<_, _>>()?;
        Ok(Self { command: header.cmd, attributes })
    }
}

/// A `uint`: 32 or 64 bits, whichever was sent.
pub(super) fn parse_uint(value: &[u8]) -> std::result::Result<u64, DecodeError> {
    if value.len() == 4 { parse_u32(value).map(u64::from) } else { parse_u64(value) }
}

pub(super) fn named<T: TryFrom<u32, Error = u32>>(
    what: &str,
    value: &[u8],
) -> std::result::Result<T, DecodeError> {
    T::try_from(parse_u32(value)?).map_err(|other| format!("{what} {other} is unknown").into())
}

/// The number of the group of that name, among the control family's nested attributes.
fn group_id(groups: &[u8], name: &str) -> Option<u32> {
    NlasIterator::new(groups).filter_map(std::result::Result::ok).find_map(|group| {
        let part = |kind| {
            NlasIterator::new(group.value())
                .filter_map(std::result::Result::ok)
                .find(|part| part.kind() == kind)
        };
        let named = parse_string(part(GROUP_NAME)?.value()).is_ok_and(|found| found == name);
        let id = parse_u32(part(GROUP_ID)?.value()).ok()?;
        named.then_some(id)
    })
}

/// Receives one datagram: one or more whole messages. `lost` is the error if the kernel had no room
/// for messages.
pub(super) fn receive(socket: &Socket, lost: impl FnOnce() -> Error) -> Result<Vec<u8>> {
    loop {
        let mut datagram = Vec::with_capacity(DATAGRAM_BYTES);
        match socket.recv(&mut datagram, 0) {
            Ok(_) => return Ok(datagram),
            Err(error) => match error.raw_os_error().map(Errno::from_raw) {
                Some(Errno::EINTR) => {}
                Some(Errno::ENOBUFS) => return Err(lost()),
                _ => return Err(Error::Socket(error)),
            },
        }
    }
}

pub(super) fn messages(mut datagram: &[u8]) -> Result<Vec<NetlinkMessage<GenlMessage<Message>>>> {
    let mut all = Vec::new();
    while !datagram.is_empty() {
        let message = NetlinkMessage::<GenlMessage<Message>>::deserialize(datagram)
            .map_err(|error| Error::Message(error.to_string()))?;
        let aligned = (message.header.length as usize).next_multiple_of(4);
        datagram = datagram.get(aligned..).unwrap_or_default();
        all.push(message);
    }
    Ok(all)
}

/// The kernel's message in an error. It follows the request, of which a capped error repeats only
/// the header.
pub(super) fn error_text(header: &NetlinkHeader, error: &ErrorMessage) -> Option<String> {
    let request = match error.header.first_chunk::<4>() {
        _ if header.flags & NLM_F_CAPPED != 0 => HEADER_BYTES,
        Some(&length) => (u32::from_ne_bytes(length) as usize).next_multiple_of(4),
        None => return None,
    };
    ack_text(error.header.get(request..)?)
}

pub(super) fn ack_text(attributes: &[u8]) -> Option<String> {
    NlasIterator::new(attributes)
        .filter_map(std::result::Result::ok)
        .find(|attribute| attribute.kind() == ACK_MESSAGE)
        .and_then(|attribute| parse_string(attribute.value()).ok())
}

#[cfg(test)]
mod tests {
    use super::super::attributes::{Attributes, number};
    use super::*;
    use dmaframe_abi::netlink::{Attribute, Event};
    use dmaframe_abi::stream::{Policy, State};
    use netlink_packet_core::NetlinkPayload;

    #[test]
    fn attributes_survive_encoding_and_decoding() {
        let sent = Message::new(
            Command::DeviceEvent,
            vec![
                number(Attribute::Id, 1),
                DefaultNla::new(Attribute::Source as u16, b"gpio\0".to_vec()),
                number(Attribute::Policy, Policy::Drop as u32),
                number(Attribute::Frames, 7),
                DefaultNla::new(Attribute::Bytes as u16, (1_u64 << 40).to_ne_bytes().to_vec()),
                number(Attribute::Event, Event::Overrun as u32),
                number(Attribute::State, State::Running as u32),
                DefaultNla::new(999, vec![1, 2, 3]),
            ],
        );
        let mut packet = NetlinkMessage::from(GenlMessage::from_payload(sent));
        packet.finalize();
        let mut bytes = vec![0; packet.buffer_len()];
        packet.serialize(&mut bytes);
        let twice = [bytes.clone(), bytes].concat();

        let heard = messages(&twice).unwrap();
        assert_eq!(heard.len(), 2);
        let NetlinkPayload::InnerMessage(inner) = &heard[1].payload else { panic!("{heard:?}") };
        let attributes = Attributes::of(&inner.payload).unwrap();
        let expected = Attributes {
            id: Some(1),
            source: Some("gpio".to_owned()),
            policy: Some(Policy::Drop),
            frames: Some(7),
            bytes: Some(1 << 40),
            event: Some(Event::Overrun),
            state: Some(State::Running),
            ..Attributes::default()
        };
        assert_eq!(attributes, expected);
    }

    #[test]
    fn unknown_states_and_short_messages_are_errors() {
        let wrong = Message::new(Command::DeviceGet, vec![number(Attribute::State, 77)]);
        assert!(Attributes::of(&wrong).unwrap_err().to_string().contains("state 77"));
        assert!(messages(&[1, 2, 3]).is_err());
    }

    #[test]
    fn a_group_without_its_parts_is_none() {
        let nest = |kind, value: &[u8]| {
            let mut bytes = vec![0; DefaultNla::new(kind, value.to_vec()).buffer_len()];
            DefaultNla::new(kind, value.to_vec()).emit(&mut bytes);
            bytes
        };
        let (name, id) = (nest(GROUP_NAME, b"events\0"), nest(GROUP_ID, &7_u32.to_ne_bytes()));
        let group = nest(1, &[name.clone(), id].concat());
        assert_eq!(group_id(&group, "events"), Some(7));
        assert_eq!(group_id(&group, "others"), None);
        assert_eq!(group_id(&nest(1, &name), "events"), None);
        // An attribute that is shorter than its own header.
        assert_eq!(group_id(&nest(1, &[0; 4]), "events"), None);
    }
}
