// SPDX-License-Identifier: MIT OR Apache-2.0
//! A generic netlink socket, and the numbers of the family `dmaframe`, without the library.

use crate::worker::done;
use nix::errno::Errno;
use std::error::Error;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// Appends an attribute with its padding.
pub(crate) fn attribute(body: &mut Vec<u8>, ty: u16, value: &[u8]) {
    body.extend((4 + value.len() as u16).to_ne_bytes());
    body.extend(ty.to_ne_bytes());
    body.extend(value);
    body.resize(body.len().next_multiple_of(4), 0);
}

pub(crate) fn socket() -> Result<OwnedFd, Errno> {
    // SAFETY: the call makes a descriptor that this function alone owns; the address outlives its
    // use.
    unsafe {
        let ty = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
        let socket = libc::socket(libc::AF_NETLINK, ty, libc::NETLINK_GENERIC);
        done(socket)?;
        let socket = OwnedFd::from_raw_fd(socket);
        let mut address: libc::sockaddr_nl = zeroed();
        address.nl_family = libc::AF_NETLINK as u16;
        let bytes = size_of::<libc::sockaddr_nl>() as u32;
        done(libc::bind(socket.as_raw_fd(), (&raw const address).cast(), bytes))?;
        done(libc::connect(socket.as_raw_fd(), (&raw const address).cast(), bytes))?;
        Ok(socket)
    }
}

/// The numbers of the family and of its multicast group, as generic netlink's controller tells
/// them.
pub(crate) fn family() -> Result<(u16, u32), Box<dyn Error>> {
    const FAMILY_ID: u16 = libc::CTRL_ATTR_FAMILY_ID as u16;
    const FAMILY_NAME: u16 = libc::CTRL_ATTR_FAMILY_NAME as u16;
    const GROUPS: u16 = libc::CTRL_ATTR_MCAST_GROUPS as u16;
    const GROUP_ID: u16 = libc::CTRL_ATTR_MCAST_GRP_ID as u16;
    let socket = socket()?;
    let mut body = vec![libc::CTRL_CMD_GETFAMILY as u8, 1, 0, 0];
    attribute(&mut body, FAMILY_NAME, dmaframe_abi::netlink::FAMILY.to_bytes_with_nul());
    let mut message = Vec::new();
    message.extend((16 + body.len() as u32).to_ne_bytes());
    message.extend((libc::GENL_ID_CTRL as u16).to_ne_bytes());
    message.extend((libc::NLM_F_REQUEST as u16).to_ne_bytes());
    message.extend([0; 8]);
    message.extend(body);
    let mut answer = vec![0_u8; 4096];
    // SAFETY: the buffers have the given lengths.
    let bytes = unsafe {
        done(libc::send(socket.as_raw_fd(), message.as_ptr().cast(), message.len(), 0) as i64)?;
        libc::recv(socket.as_raw_fd(), answer.as_mut_ptr().cast(), answer.len(), 0)
    };
    done(bytes as i64)?;
    let answer = answer.get(20..bytes as usize).ok_or("there is no family dmaframe")?;
    let id = find(answer, FAMILY_ID).ok_or("the family has no number")?;
    let group = find(answer, GROUPS)
        .and_then(|groups| groups.get(4..))
        .and_then(|group| find(group, GROUP_ID))
        .ok_or("the family has no group")?;
    Ok((u16::from_ne_bytes(id[..2].try_into()?), u32::from_ne_bytes(group[..4].try_into()?)))
}

/// The value of the first attribute of type `ty`.
fn find(mut attributes: &[u8], ty: u16) -> Option<&[u8]> {
    while let [a, b, c, d, rest @ ..] = attributes {
        let bytes = usize::from(u16::from_ne_bytes([*a, *b])).checked_sub(4)?;
        if u16::from_ne_bytes([*c, *d]) & 0x3fff == ty {
            return rest.get(..bytes);
        }
        attributes = rest.get(bytes.next_multiple_of(4)..)?;
    }
    None
}
