// SPDX-License-Identifier: MIT OR Apache-2.0
//! The generic netlink family `dmaframe`: all devices read or changed from one place, and events.

use crate::{Error, Result};
use dmaframe_abi::netlink::{Attribute, Command, EVENTS, Event, FAMILY, VERSION};
use dmaframe_abi::stream::{Fault, Policy, State};
use netlink_packet_core::{
    DecodeError, DefaultNla, Emitable, ErrorMessage, NLM_F_ACK, NLM_F_CAPPED, NLM_F_DUMP,
    NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload, Nla, NlasIterator, Parseable,
    ParseableParametrized, parse_string, parse_u16, parse_u32, parse_u64,
};
use netlink_packet_generic::{GenlFamily, GenlHeader, GenlMessage};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_GENERIC};
use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

/// Bytes of a netlink message header.
const HEADER_BYTES: usize = 16;
/// The family that tells the numbers of the others, its request for one, and what it answers with.
const CONTROL: u16 = libc::GENL_ID_CTRL as u16;
const GET_FAMILY: u8 = libc::CTRL_CMD_GETFAMILY as u8;
const FAMILY_ID: u16 = libc::CTRL_ATTR_FAMILY_ID as u16;
const FAMILY_NAME: u16 = libc::CTRL_ATTR_FAMILY_NAME as u16;
const MULTICAST_GROUPS: u16 = libc::CTRL_ATTR_MCAST_GROUPS as u16;
const GROUP_NAME: u16 = libc::CTRL_ATTR_MCAST_GRP_NAME as u16;
const GROUP_ID: u16 = libc::CTRL_ATTR_MCAST_GRP_ID as u16;
/// The attribute of an extended acknowledgement that is the kernel's own words.
const ACK_MESSAGE: u16 = 1;
/// More than the kernel puts into one datagram.
const DATAGRAM_BYTES: usize = 64 * 1024;

/// A device, or an event of one, as the kernel described it. What it did not send is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// The `N` of `/dev/dmaframeN`.
    pub id: Option<u32>,
    /// `dmaframeN`.
    pub name: Option<String>,
    /// The engine's channel.
    pub channel: Option<u32>,
    /// What the device is doing.
    pub state: Option<State>,
    /// The source's name.
    pub source: Option<String>,
    /// Bytes of payload.
    pub frame_bytes: Option<u32>,
    /// Slots of the ring.
    pub slots: Option<u32>,
    /// What happens when no slot is free.
    pub policy: Option<Policy>,
    /// Microseconds from one frame to the next; 0 is unpaced.
    pub interval_us: Option<u32>,
    /// Frames published.
    pub frames: Option<u64>,
    /// Frames lost.
    pub lost: Option<u64>,
    /// Bytes of payload published.
    pub bytes: Option<u64>,
    /// Errors of the engine.
    pub errors: Option<u64>,
    /// What happened; only in events.
    pub event: Option<Event>,
    /// Why the stream stopped.
    pub fault: Option<Fault>,
}

/// Settings to change; `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The source's name.
    pub source: Option<String>,
    /// Bytes of payload.
    pub frame_bytes: Option<u32>,
    /// Slots of the ring: a power of two.
    pub slots: Option<u32>,
    /// What happens when no slot is free.
    pub policy: Option<Policy>,
    /// Microseconds from one frame to the next; 0 is unpaced.
    pub interval_us: Option<u32>,
}

/// A connection to the family.
///
/// ```no_run
/// # fn main() -> dmaframe::Result<()> {
/// let mut client = dmaframe::netlink::Client::connect()?;
/// for device in client.devices()? {
///     println!("{:?} is {:?}", device.name, device.state);
/// }
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Client {
    socket: Socket,
    family: u16,
    events: Option<u32>,
    sequence: u32,
}

impl Client {
    /// Connects to the kernel and finds the family.
    ///
    /// # Errors
    ///
    /// [`Error::NoFamily`] when the module is not loaded.
    pub fn connect() -> Result<Self> {
        Self::find(&FAMILY.to_string_lossy(), &EVENTS.to_string_lossy())
    }

    fn find(family: &str, group: &str) -> Result<Self> {
        let mut socket = Socket::new(NETLINK_GENERIC).map_err(Error::Socket)?;
        socket.bind_auto().map_err(Error::Socket)?;
        socket.connect(&SocketAddr::new(0, 0)).map_err(Error::Socket)?;
        // Only courtesies: without them an error has no words, or comes with its request.
        let _ = socket.set_ext_ack(true);
        let _ = socket.set_cap_ack(true);
        let mut client = Self { socket, family: CONTROL, events: None, sequence: 0 };

        let name = [family.as_bytes(), b"\0"].concat();
        let question =
            Message { command: GET_FAMILY, attributes: vec![DefaultNla::new(FAMILY_NAME, name)] };
        let answers = client.ask("find the family", NLM_F_ACK, question)?;
        let found =
            answers.iter().find_map(|answer| answer.family(group)).ok_or(Error::NoFamily)?;
        (client.family, client.events) = found;
        Ok(client)
    }

    /// One device.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] when there is no such device.
    pub fn device(&mut self, id: u32) -> Result<Attributes> {
        let request = format!("get device {id}");
        let question = Message::new(Command::DeviceGet, vec![number(Attribute::Id, id)]);
        let answers: Vec<Message> = self.ask(&request, NLM_F_ACK, question)?;
        match answers.first() {
            Some(answer) => answer.attributes(),
            None => Err(Error::Message(format!("{request}: an answer without a device"))),
        }
    }

    /// All devices.
    pub fn devices(&mut self) -> Result<Vec<Attributes>> {
        let question = Message::new(Command::DeviceGet, Vec::new());
        let answers: Vec<Message> = self.ask("get all devices", NLM_F_DUMP, question)?;
        answers.iter().map(Message::attributes).collect()
    }

    /// Changes a device's settings; needs CAP_NET_ADMIN.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with the kernel's reason; then nothing has changed.
    pub fn set(&mut self, id: u32, settings: &Settings) -> Result<()> {
        let mut attributes = vec![number(Attribute::Id, id)];
        if let Some(source) = &settings.source {
            let mut value = source.clone().into_bytes();
            value.push(0);
            attributes.push(DefaultNla::new(Attribute::Source as u16, value));
        }
        let numbers = [
            (Attribute::FrameBytes, settings.frame_bytes),
            (Attribute::Slots, settings.slots),
            (Attribute::Policy, settings.policy.map(|policy| policy as u32)),
            (Attribute::IntervalUs, settings.interval_us),
        ];
        attributes.extend(
            numbers.into_iter().filter_map(|(kind, value)| value.map(|value| number(kind, value))),
        );
        let question = Message::new(Command::DeviceSet, attributes);
        self.ask(&format!("set device {id}"), NLM_F_ACK, question).map(drop)
    }

    /// Hears the events of all devices from now on.
    pub fn events(self) -> Result<Events> {
        let group = self
            .events
            .ok_or_else(|| Error::Message("the family has no group of events".to_owned()))?;
        self.socket.add_membership(group).map_err(Error::Socket)?;
        Ok(Events { socket: self.socket, family: self.family, waiting: Vec::new() })
    }

    /// Sends one request and gathers its answers up to the acknowledgement or the dump's end.
    fn ask(&mut self, request: &str, flags: u16, message: Message) -> Result<Vec<Message>> {
        let mut message = GenlMessage::from_payload(message);
        message.set_resolved_family_id(self.family);
        self.sequence += 1;
        let mut question = NetlinkMessage::from(message);
        question.header.flags = NLM_F_REQUEST | flags;
        question.header.sequence_number = self.sequence;
        question.finalize();
        let mut bytes = vec![0; question.buffer_len()];
        question.serialize(&mut bytes);
        self.socket.send(&bytes, 0).map_err(Error::Socket)?;

        let refused = |code: i32, message| match Errno::from_raw(code.saturating_neg()) {
            // There is none of that name, or it is just going, with its module.
            Errno::ENOENT | Errno::EPROTONOSUPPORT => Error::NoFamily,
            errno => Error::Refused { request: request.to_owned(), errno, message },
        };
        let unanswered = || Error::Refused {
            request: request.to_owned(),
            errno: Errno::ENOBUFS,
            message: Some("no memory for the answer; it may have been done".to_owned()),
        };
        let mut answers = Vec::new();
        loop {
            for answer in messages(&receive(&self.socket, unanswered)?)? {
                if answer.header.sequence_number != self.sequence {
                    continue;
                }
                match answer.payload {
                    NetlinkPayload::InnerMessage(message) => answers.push(message.payload),
                    NetlinkPayload::Error(error) => {
                        return match error.code {
                            None => Ok(answers),
                            Some(code) => {
                                Err(refused(code.get(), error_words(&answer.header, &error)))
                            }
                        };
                    }
                    NetlinkPayload::Done(done) if done.code != 0 => {
                        return Err(refused(done.code, words(&done.extended_ack)));
                    }
                    NetlinkPayload::Done(_) => return Ok(answers),
                    _ => {}
                }
            }
        }
    }
}

/// The events of all devices.
#[derive(Debug)]
pub struct Events {
    socket: Socket,
    family: u16,
    waiting: Vec<Attributes>,
}

impl Events {
    /// The next event; sleeps until there is one, but not longer than `timeout`, after which it is
    /// `None`. A signal ends the sleep early, also with `None`.
    ///
    /// # Errors
    ///
    /// [`Error::EventsLost`] when they came faster than they were taken; go on after it.
    pub fn next_timeout(&mut self, timeout: Duration) -> Result<Option<Attributes>> {
        if self.waiting.is_empty() {
            let millis = timeout.as_nanos().div_ceil(1_000_000);
            let timeout = PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX);
            let mut fds = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
            match poll(&mut fds, timeout) {
                Ok(0) | Err(Errno::EINTR) => return Ok(None),
                Ok(_) => {}
                Err(errno) => return Err(Error::Socket(errno.into())),
            }
            let mut heard = Vec::new();
            for message in messages(&receive(&self.socket, || Error::EventsLost)?)? {
                // The socket may still hold an answer from before it became a listener's.
                let NetlinkPayload::InnerMessage(inner) = message.payload else { continue };
                let is_event = inner.payload.command == Command::DeviceEvent as u8;
                if message.header.message_type == self.family && is_event {
                    heard.push(inner.payload.attributes()?);
                }
            }
            heard.reverse();
            self.waiting = heard;
        }
        Ok(self.waiting.pop())
    }
}

impl AsFd for Events {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A message of the family, with attributes as they are on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Message {
    command: u8,
    attributes: Vec<DefaultNla>,
}

impl Message {
    fn new(command: Command, attributes: Vec<DefaultNla>) -> Self {
        Self { command: command as u8, attributes }
    }

    /// The control family's answer: a family's number, and that of a group of it.
    fn family(&self, group: &str) -> Option<(u16, Option<u32>)> {
        let value = |kind| {
            let attribute = self.attributes.iter().find(|attribute| attribute.kind() == kind)?;
            let mut value = vec![0; attribute.value_len()];
            attribute.emit_value(&mut value);
            Some(value)
        };
        let id = parse_u16(&value(FAMILY_ID)?).ok()?;
        Some((id, value(MULTICAST_GROUPS).and_then(|groups| group_id(&groups, group))))
    }

    fn attributes(&self) -> Result<Attributes> {
        let mut all = Attributes::default();
        for attribute in &self.attributes {
            let mut value = vec![0; attribute.value_len()];
            attribute.emit_value(&mut value);
            all.take(attribute.kind(), &value).map_err(|error| {
                Error::Message(format!("attribute {}: {error}", attribute.kind()))
            })?;
        }
        Ok(all)
    }
}

impl Attributes {
    /// Takes one attribute; those that are not known are left to newer programs.
    fn take(&mut self, kind: u16, value: &[u8]) -> std::result::Result<(), DecodeError> {
        const ID: u16 = Attribute::Id as u16;
        const NAME: u16 = Attribute::Name as u16;
        const CHANNEL: u16 = Attribute::Channel as u16;
        const STATE: u16 = Attribute::State as u16;
        const SOURCE: u16 = Attribute::Source as u16;
        const FRAME_BYTES: u16 = Attribute::FrameBytes as u16;
        const SLOTS: u16 = Attribute::Slots as u16;
        const POLICY: u16 = Attribute::Policy as u16;
        const INTERVAL_US: u16 = Attribute::IntervalUs as u16;
        const FRAMES: u16 = Attribute::Frames as u16;
        const LOST: u16 = Attribute::Lost as u16;
        const BYTES: u16 = Attribute::Bytes as u16;
        const ERRORS: u16 = Attribute::Errors as u16;
        const EVENT: u16 = Attribute::Event as u16;
        const FAULT: u16 = Attribute::Fault as u16;
        match kind {
            ID => self.id = Some(parse_u32(value)?),
            NAME => self.name = Some(parse_string(value)?),
            CHANNEL => self.channel = Some(parse_u32(value)?),
            STATE => self.state = Some(named("state", value)?),
            SOURCE => self.source = Some(parse_string(value)?),
            FRAME_BYTES => self.frame_bytes = Some(parse_u32(value)?),
            SLOTS => self.slots = Some(parse_u32(value)?),
            POLICY => self.policy = Some(named("policy", value)?),
            INTERVAL_US => self.interval_us = Some(parse_u32(value)?),
            FRAMES => self.frames = Some(parse_uint(value)?),
            LOST => self.lost = Some(parse_uint(value)?),
            BYTES => self.bytes = Some(parse_uint(value)?),
            ERRORS => self.errors = Some(parse_uint(value)?),
            EVENT => self.event = Some(named("event", value)?),
            FAULT => self.fault = Some(named("fault", value)?),
            _ => {}
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

fn number(kind: Attribute, value: u32) -> DefaultNla {
    DefaultNla::new(kind as u16, value.to_ne_bytes().to_vec())
}

/// A `uint`: 32 or 64 bits, whichever was sent.
fn parse_uint(value: &[u8]) -> std::result::Result<u64, DecodeError> {
    if value.len() == 4 { parse_u32(value).map(u64::from) } else { parse_u64(value) }
}

fn named<T: TryFrom<u32, Error = u32>>(
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

/// One datagram: one or more whole messages. Of those that the kernel had no room for, `lost` tells.
fn receive(socket: &Socket, lost: impl FnOnce() -> Error) -> Result<Vec<u8>> {
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

fn messages(mut datagram: &[u8]) -> Result<Vec<NetlinkMessage<GenlMessage<Message>>>> {
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

/// The kernel's own words in an error: they follow the request, of which a capped error repeats
/// the header alone.
fn error_words(header: &NetlinkHeader, error: &ErrorMessage) -> Option<String> {
    let request = match error.header.first_chunk::<4>() {
        _ if header.flags & NLM_F_CAPPED != 0 => HEADER_BYTES,
        Some(&length) => (u32::from_ne_bytes(length) as usize).next_multiple_of(4),
        None => return None,
    };
    words(error.header.get(request..)?)
}

fn words(attributes: &[u8]) -> Option<String> {
    NlasIterator::new(attributes)
        .filter_map(std::result::Result::ok)
        .find(|attribute| attribute.kind() == ACK_MESSAGE)
        .and_then(|attribute| parse_string(attribute.value()).ok())
}

/// What the fuzzer calls: all that is read from a datagram, of our family and of the control one.
#[cfg(fuzzing)]
#[doc(hidden)]
pub fn understand(datagram: &[u8]) -> Result<()> {
    for message in messages(datagram)? {
        match message.payload {
            NetlinkPayload::InnerMessage(inner) => {
                let _ = inner.payload.family("events");
                inner.payload.attributes()?;
            }
            NetlinkPayload::Error(error) => drop(error_words(&message.header, &error)),
            NetlinkPayload::Done(done) => drop(words(&done.extended_ack)),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_survive_the_wire() {
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
        let attributes = inner.payload.attributes().unwrap();
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
    fn what_no_kernel_of_ours_sends_is_an_error() {
        let wrong = Message::new(Command::DeviceGet, vec![number(Attribute::State, 77)]);
        assert!(wrong.attributes().unwrap_err().to_string().contains("state 77"));
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

    /// The control family, which any kernel has, stands in for ours.
    ///
    /// `None` in QEMU's user mode, where `cross test` runs: it lets no generic netlink through.
    fn control() -> Option<Client> {
        match Client::find("nlctrl", "notify") {
            Err(Error::Socket(error))
                if error.raw_os_error() == Some(Errno::EPROTONOSUPPORT as i32) =>
            {
                eprintln!("left out, for there is no generic netlink here");
                None
            }
            found => Some(found.unwrap()),
        }
    }

    #[test]
    fn a_family_is_found_with_its_group_and_an_absent_one_is_named() {
        let Some(client) = control() else { return };
        assert_eq!(client.family, 16);
        assert!(client.events.is_some());
        client.events().unwrap();
        let absent = Client::find("no-such-family", "events").unwrap_err();
        assert!(matches!(absent, Error::NoFamily), "{absent}");
    }

    #[test]
    fn a_refusal_carries_the_kernels_words() {
        let Some(mut client) = control() else { return };
        // The control family checks attributes against its policy and says what it found wrong.
        let attributes = vec![DefaultNla::new(1, vec![1])];
        let question = Message { command: 3, attributes };
        let error = client.ask("ask", NLM_F_ACK, question).unwrap_err();
        let Error::Refused { message: Some(_), .. } = &error else { panic!("{error:?}") };
        assert!(error.to_string().starts_with("ask: "), "{error}");
    }
}
