// SPDX-License-Identifier: MIT OR Apache-2.0
//! Generic netlink messages without the library: any request, and the bytes of the answer.

use crate::outcome::{Outcome, failed};
use crate::target::LIMIT;
use dmaframe_abi::netlink::{Attribute, FAMILY};
use dmaframe_compliance::wait;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_GENERIC};
use nix::errno::Errno;

const CONTROL: u16 = 16;
const CONTROL_GET_FAMILY: u8 = 3;
const CONTROL_FAMILY_ID: u16 = 1;
const CONTROL_FAMILY_NAME: u16 = 2;
const CONTROL_VERSION: u16 = 3;
const CONTROL_GROUPS: u16 = 7;
const GROUP_NAME: u16 = 1;

const REQUEST: u16 = 1;
const ACK: u16 = 4;
const DUMP: u16 = 0x300;
const MULTI: u16 = 2;
const CAPPED: u16 = 0x100;
const TLVS: u16 = 0x200;
const ERROR: u16 = 2;
const DONE: u16 = 3;
const HEADER: usize = 16;
const GENERIC_HEADER: usize = 4;
const ACK_WORDS: u16 = 1;

/// Attribute types and values.
pub(crate) type Attributes = Vec<(u16, Vec<u8>)>;

/// One message of an answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) command: u8,
    /// Whether NLM_F_MULTI is set.
    pub(crate) multi: bool,
    pub(crate) attributes: Attributes,
}

impl Answer {
    /// The value of an attribute.
    pub(crate) fn value(&self, kind: Attribute) -> Outcome<&[u8]> {
        self.attributes
            .iter()
            .find(|(of, _)| *of == kind as u16)
            .map(|(_, value)| value.as_slice())
            .ok_or_else(|| failed(format!("got no attribute {kind:?}")))
    }

    /// A number of four bytes, or of eight for a `uint`.
    pub(crate) fn number(&self, kind: Attribute) -> Outcome<u64> {
        let value = self.value(kind)?;
        number(value).ok_or_else(|| failed(format!("got {value:x?} for {kind:?}")))
    }

    /// A string, which must end with a NUL byte.
    pub(crate) fn text(&self, kind: Attribute) -> Outcome<String> {
        let value = self.value(kind)?;
        match value.split_last() {
            Some((0, text)) if !text.contains(&0) => Ok(String::from_utf8_lossy(text).into_owned()),
            _ => Err(failed(format!("got {value:x?} for {kind:?}, no string with its NUL"))),
        }
    }
}

fn number(value: &[u8]) -> Option<u64> {
    match value.len() {
        4 => Some(u32::from_ne_bytes(value.try_into().ok()?).into()),
        8 => Some(u64::from_ne_bytes(value.try_into().ok()?)),
        _ => None,
    }
}

/// An error, and the message of its extended acknowledgement.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) errno: Errno,
    pub(crate) words: Option<String>,
}

/// A socket and the numbers of the family.
#[derive(Debug)]
pub(crate) struct Wire {
    socket: Socket,
    family: u16,
    /// The family's version.
    pub(crate) version: u32,
    /// The names of its groups.
    pub(crate) groups: Vec<String>,
    sequence: u32,
}

impl Wire {
    /// Opens a socket and looks up the family.
    pub(crate) fn connect() -> Outcome<Self> {
        let mut socket = Socket::new(NETLINK_GENERIC)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        socket.set_ext_ack(true)?;
        let mut wire =
            Self { socket, family: CONTROL, version: 1, groups: Vec::new(), sequence: 0 };
        let name = FAMILY.to_bytes_with_nul().to_vec();
        let asked = wire.ask(CONTROL_GET_FAMILY, ACK, &[(CONTROL_FAMILY_NAME, name)])?;
        let answers = asked.map_err(|refusal| failed(format!("no family: {:?}", refusal.errno)))?;
        for (kind, value) in answers.into_iter().flat_map(|answer| answer.attributes) {
            match kind {
                CONTROL_FAMILY_ID => {
                    let id = value.try_into().map_err(|_| failed("got a family without id"))?;
                    wire.family = u16::from_ne_bytes(id);
                }
                CONTROL_VERSION => {
                    wire.version = number(&value).and_then(|it| it.try_into().ok()).unwrap_or(0);
                }
                CONTROL_GROUPS => {
                    wire.groups = attributes(&value)
                        .iter()
                        .flat_map(|(_, group)| attributes(group))
                        .filter(|(kind, _)| *kind == GROUP_NAME)
                        .map(|(_, name)| String::from_utf8_lossy(&name).replace('\0', ""))
                        .collect();
                }
                _ => {}
            }
        }
        Ok(wire)
    }

    /// Sends a request and returns the answer or the error.
    pub(crate) fn request(
        &mut self,
        command: u8,
        given: &[(u16, Vec<u8>)],
    ) -> Outcome<Result<Vec<Answer>, Refusal>> {
        self.ask(command, ACK, given)
    }

    /// Sends a dump request and returns all messages or the error.
    pub(crate) fn dump(&mut self, command: u8) -> Outcome<Result<Vec<Answer>, Refusal>> {
        self.ask(command, DUMP, &[])
    }

    fn ask(
        &mut self,
        command: u8,
        flags: u16,
        given: &[(u16, Vec<u8>)],
    ) -> Outcome<Result<Vec<Answer>, Refusal>> {
        self.sequence += 1;
        let mut body = vec![command, 1, 0, 0];
        for (kind, value) in given {
            body.extend_from_slice(&(value.len() as u16 + 4).to_ne_bytes());
            body.extend_from_slice(&kind.to_ne_bytes());
            body.extend_from_slice(value);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        let mut message = ((HEADER + body.len()) as u32).to_ne_bytes().to_vec();
        message.extend_from_slice(&self.family.to_ne_bytes());
        message.extend_from_slice(&(REQUEST | flags).to_ne_bytes());
        message.extend_from_slice(&self.sequence.to_ne_bytes());
        message.extend_from_slice(&[0; 4]);
        message.extend_from_slice(&body);
        self.socket.send(&message, 0)?;

        let mut answers = Vec::new();
        loop {
            if wait::readable(&self.socket, LIMIT)?.is_empty() {
                return Err(failed(format!("no answer came within {LIMIT:?}")));
            }
            let mut datagram = Vec::with_capacity(64 * 1024);
            self.socket.recv(&mut datagram, 0)?;
            let mut rest = datagram.as_slice();
            while let Some(message) = Message::first(rest) {
                rest = rest.get(message.bytes.next_multiple_of(4)..).unwrap_or_default();
                if message.sequence != self.sequence {
                    continue;
                }
                let code =
                    || message.body.first_chunk().map_or(0, |code| i32::from_ne_bytes(*code));
                match message.kind {
                    ERROR | DONE if code() == 0 => return Ok(Ok(answers)),
                    ERROR | DONE => {
                        let errno = Errno::from_raw(code().saturating_neg());
                        return Ok(Err(Refusal { errno, words: message.words() }));
                    }
                    _ => answers.push(Answer {
                        command: message.body.first().copied().unwrap_or_default(),
                        multi: message.flags & MULTI != 0,
                        attributes: attributes(
                            message.body.get(GENERIC_HEADER..).unwrap_or_default(),
                        ),
                    }),
                }
            }
        }
    }
}

struct Message<'a> {
    bytes: usize,
    kind: u16,
    flags: u16,
    sequence: u32,
    body: &'a [u8],
}

impl<'a> Message<'a> {
    /// The first message of a datagram.
    fn first(datagram: &'a [u8]) -> Option<Self> {
        let bytes = u32::from_ne_bytes(*datagram.first_chunk()?) as usize;
        let message = datagram.get(..bytes)?;
        let word = |at: usize| message.get(at..at + 2)?.try_into().ok().map(u16::from_ne_bytes);
        Some(Self {
            bytes,
            kind: word(4)?,
            flags: word(6)?,
            sequence: u32::from_ne_bytes(message.get(8..12)?.try_into().ok()?),
            body: message.get(HEADER..)?,
        })
    }

    /// The message of an extended acknowledgement. It follows the repeated request.
    fn words(&self) -> Option<String> {
        if self.flags & TLVS == 0 {
            return None;
        }
        let repeated = if self.flags & CAPPED != 0 {
            HEADER
        } else {
            u32::from_ne_bytes(self.body.get(4..8)?.try_into().ok()?) as usize
        };
        let acknowledgement = self.body.get(4 + repeated.next_multiple_of(4)..)?;
        let all = attributes(acknowledgement);
        let words = all.iter().find(|(kind, _)| *kind == ACK_WORDS)?;
        Some(String::from_utf8_lossy(&words.1).trim_end_matches('\0').to_owned())
    }
}

/// Parses the attributes in `bytes`, up to the first invalid one.
fn attributes(mut bytes: &[u8]) -> Attributes {
    let mut all = Vec::new();
    while let Some(&[a, b, c, d]) = bytes.first_chunk() {
        let length = usize::from(u16::from_ne_bytes([a, b]));
        let Some(value) = bytes.get(4..length) else { break };
        // Masks the flags for nesting and byte order.
        all.push((u16::from_ne_bytes([c, d]) & 0x3fff, value.to_vec()));
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    all
}
