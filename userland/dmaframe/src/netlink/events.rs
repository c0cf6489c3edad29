// SPDX-License-Identifier: MIT OR Apache-2.0
//! The events of all devices.

use super::attributes::Attributes;
use super::message::{CONTROL, DELETE_FAMILY, FAMILY_NAME, Message, NEW_FAMILY, messages, receive};
use crate::{Error, Result};
use dmaframe_abi::netlink::{Command, EVENTS, FAMILY};
use netlink_packet_core::{NetlinkPayload, parse_string};
use netlink_sys::Socket;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

/// The events of all devices.
///
/// Events continue after the module is unloaded and loaded again. [`Error::Unloaded`] reports that it
/// was unloaded.
#[derive(Debug)]
pub struct Events {
    socket: Socket,
    /// The family's number. `None` while the module is not loaded.
    family: Option<u16>,
    waiting: VecDeque<Result<Attributes>>,
}

impl Events {
    pub(super) fn new(socket: Socket, family: u16) -> Self {
        Self { socket, family: Some(family), waiting: VecDeque::new() }
    }

    /// The next event. Sleeps until there is one, but not longer than `timeout`, after which it is
    /// `None`. A signal ends the sleep early, also with `None`.
    ///
    /// # Errors
    ///
    /// [`Error::EventsLost`] if events came faster than they were taken, and [`Error::Unloaded`] if
    /// the module was unloaded. Later events follow after either.
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
            let datagram = receive(&self.socket, || Error::EventsLost)?;
            for message in messages(&datagram)? {
                // The socket may still hold an answer to an earlier request.
                let NetlinkPayload::InnerMessage(inner) = message.payload else { continue };
                let kind = message.header.message_type;
                let message = &inner.payload;
                if kind == CONTROL {
                    self.follow_family(message)?;
                } else if Some(kind) == self.family && message.command == Command::DeviceEvent as u8
                {
                    self.waiting.push_back(Attributes::of(message));
                }
            }
        }
        self.waiting.pop_front().transpose()
    }

    /// Leaves or joins the group of events as the control family reports that the family went or
    /// came.
    fn follow_family(&mut self, message: &Message) -> Result<()> {
        let mut ours = false;
        message.for_each(|kind, value| {
            if kind == FAMILY_NAME {
                ours = parse_string(value)?.as_bytes() == FAMILY.to_bytes();
            }
            Ok(())
        })?;
        if !ours {
            return Ok(());
        }
        match message.command {
            DELETE_FAMILY if self.family.take().is_some() => {
                self.waiting.push_back(Err(Error::Unloaded));
            }
            NEW_FAMILY => {
                if let Some((family, Some(group))) = message.family(&EVENTS.to_string_lossy()) {
                    self.socket.add_membership(group).map_err(Error::Socket)?;
                    self.family = Some(family);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl AsFd for Events {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
