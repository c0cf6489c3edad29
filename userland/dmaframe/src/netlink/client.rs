// SPDX-License-Identifier: MIT OR Apache-2.0
//! A connection to the family: requests and their answers.

use super::attributes::{Attributes, Settings, number};
use super::events::Events;
use super::message::{
    CONTROL, FAMILY_NAME, GET_FAMILY, Message, ack_text, error_text, messages, receive,
};
use crate::event_log::debug;
use crate::{Error, Result, Source};
use dmaframe_abi::netlink::{Attribute, Command, EVENTS, FAMILY};
use netlink_packet_core::{
    DefaultNla, NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_generic::GenlMessage;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_GENERIC};
use nix::errno::Errno;
use std::fs;

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
    /// [`Error::NoFamily`] when the module is not loaded, and [`Error::Namespace`] when it is, but
    /// its family is in another network namespace.
    pub fn connect() -> Result<Self> {
        let live = is_module_live();
        match Self::find(&FAMILY.to_string_lossy(), &EVENTS.to_string_lossy()) {
            // A module that is being loaded or unloaded has no family either, in any namespace.
            Err(Error::NoFamily) if live && is_module_live() => Err(Error::Namespace),
            found => found,
        }
    }

    fn find(family: &str, group: &str) -> Result<Self> {
        let mut socket = Socket::new(NETLINK_GENERIC).map_err(Error::Socket)?;
        socket.bind_auto().map_err(Error::Socket)?;
        socket.connect(&SocketAddr::new(0, 0)).map_err(Error::Socket)?;
        // Optional: without them an error has no message, or repeats its request.
        let _ = socket.set_ext_ack(true);
        let _ = socket.set_cap_ack(true);
        let mut client = Self { socket, family: CONTROL, events: None, sequence: 0 };
        (client.family, client.events) = client.describe(family, group)?;
        Ok(client)
    }

    /// The number of `family` and of its multicast group, from the control family.
    fn describe(&mut self, family: &str, group: &str) -> Result<(u16, Option<u32>)> {
        let name = [family.as_bytes(), b"\0"].concat();
        let question =
            Message { command: GET_FAMILY, attributes: vec![DefaultNla::new(FAMILY_NAME, name)] };
        let own = std::mem::replace(&mut self.family, CONTROL);
        let answers = self.ask("find the family", NLM_F_ACK, question);
        self.family = own;
        answers?.iter().find_map(|answer| answer.family(group)).ok_or(Error::NoFamily)
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
            Some(answer) => Attributes::of(answer),
            None => Err(Error::Message(format!("{request}: the answer has no device"))),
        }
    }

    /// All devices.
    pub fn devices(&mut self) -> Result<Vec<Attributes>> {
        let question = Message::new(Command::DeviceGet, Vec::new());
        let answers: Vec<Message> = self.ask("get all devices", NLM_F_DUMP, question)?;
        answers.iter().map(Attributes::of).collect()
    }

    /// The sources of all devices, each after the number of its device.
    pub fn sources(&mut self) -> Result<Vec<(u32, Source)>> {
        let question = Message::new(Command::SourceGet, Vec::new());
        let answers: Vec<Message> = self.ask("get all sources", NLM_F_DUMP, question)?;
        answers.iter().map(Source::of).collect()
    }

    /// Changes a device's settings. Needs CAP_NET_ADMIN.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with the kernel's reason. No setting has changed then.
    pub fn set(&mut self, id: u32, settings: &Settings) -> Result<()> {
        let question = Message::new(Command::DeviceSet, settings.request(id));
        self.ask(&format!("set device {id}"), NLM_F_ACK, question).map(drop)
    }

    /// Receives the events of all devices from now on.
    pub fn events(mut self) -> Result<Events> {
        let group = self
            .events
            .ok_or_else(|| Error::Message("the family has no group of events".to_owned()))?;
        // The control family reports when the module goes and comes.
        let (_, notify) = self.describe("nlctrl", "notify")?;
        for group in [Some(group), notify].into_iter().flatten() {
            self.socket.add_membership(group).map_err(Error::Socket)?;
        }
        Ok(Events::new(self.socket, self.family))
    }

    /// Sends one request and collects its answers up to the acknowledgement or the end of the dump.
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
        debug!(request = ?request, bytes = ?bytes.len(), "netlink request");
        self.socket.send(&bytes, 0).map_err(Error::Socket)?;

        let refused = |code: i32, message| match Errno::from_raw(code.saturating_neg()) {
            // No family of that name, or its module was unloaded or is about to be.
            Errno::ENOENT | Errno::EPROTONOSUPPORT => Error::NoFamily,
            errno => Error::Refused { request: request.to_owned(), errno, message },
        };
        let unanswered = || Error::Refused {
            request: request.to_owned(),
            errno: Errno::ENOBUFS,
            message: Some(
                "the kernel had no memory for the answer; the request may have taken effect"
                    .to_owned(),
            ),
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
                                Err(refused(code.get(), error_text(&answer.header, &error)))
                            }
                        };
                    }
                    NetlinkPayload::Done(done) if done.code != 0 => {
                        return Err(refused(done.code, ack_text(&done.extended_ack)));
                    }
                    NetlinkPayload::Done(_) => return Ok(answers),
                    _ => {}
                }
            }
        }
    }
}

/// Whether the module is loaded completely. Every network namespace shows it.
fn is_module_live() -> bool {
    let state = fs::read_to_string("/sys/module/dmaframe/initstate");
    state.is_ok_and(|state| state.trim_end() == "live")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A client of the control family, which every kernel has.
    ///
    /// `None` in QEMU's user mode, where `cross test` runs and generic netlink is not supported.
    fn control() -> Option<Client> {
        match Client::find("nlctrl", "notify") {
            Err(Error::Socket(error))
                if error.raw_os_error() == Some(Errno::EPROTONOSUPPORT as i32) =>
            {
                eprintln!("skipped: there is no generic netlink here");
                None
            }
            found => Some(found.unwrap()),
        }
    }

    #[test]
    fn a_family_is_found_with_its_group() {
        let Some(client) = control() else { return };
        assert_eq!(client.family, 16);
        assert!(client.events.is_some());
        client.events().unwrap();
        let absent = Client::find("no-such-family", "events").unwrap_err();
        assert!(matches!(absent, Error::NoFamily), "{absent}");
    }

    #[test]
    fn a_refusal_carries_the_kernels_message() {
        let Some(mut client) = control() else { return };
        // The control family checks attributes against its policy and reports the bad one.
        let attributes = vec![DefaultNla::new(1, vec![1])];
        let question = Message { command: 3, attributes };
        let error = client.ask("ask", NLM_F_ACK, question).unwrap_err();
        let Error::Refused { message: Some(_), .. } = &error else { panic!("{error:?}") };
        assert!(error.to_string().starts_with("ask: "), "{error}");
    }
}
