// SPDX-License-Identifier: MIT OR Apache-2.0
//! Passes open files between processes with SCM_RIGHTS.

use nix::errno::Errno;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixDatagram;

/// Room for a control message with one descriptor, aligned as `cmsghdr` requires.
#[repr(C, align(8))]
struct Control([u8; 64]);

/// Calls `call` with a message of one byte of data and a control buffer.
fn message<T>(
    byte: &mut u8,
    control: &mut Control,
    call: impl FnOnce(&mut libc::msghdr) -> T,
) -> T {
    let mut data = libc::iovec { iov_base: std::ptr::from_mut(byte).cast(), iov_len: 1 };
    // SAFETY: all fields are integers or pointers, for which zero is valid.
    let mut header: libc::msghdr = unsafe { zeroed() };
    header.msg_iov = &raw mut data;
    header.msg_iovlen = 1;
    header.msg_control = control.0.as_mut_ptr().cast();
    header.msg_controllen = control.0.len() as _;
    call(&mut header)
}

/// Sends a duplicate of `file`, without waiting.
///
/// # Errors
///
/// Those of sendmsg(2); `EAGAIN` when the socket has no room.
pub fn send(socket: &UnixDatagram, file: impl AsFd) -> Result<(), Errno> {
    let mut control = Control([0; 64]);
    let sent = message(&mut 0, &mut control, |header| {
        // SAFETY: the control buffer has room for a header and a descriptor, and is aligned.
        unsafe {
            header.msg_controllen = libc::CMSG_SPACE(size_of::<RawFd>() as u32) as _;
            let first = libc::CMSG_FIRSTHDR(header);
            (*first).cmsg_level = libc::SOL_SOCKET;
            (*first).cmsg_type = libc::SCM_RIGHTS;
            (*first).cmsg_len = libc::CMSG_LEN(size_of::<RawFd>() as u32) as _;
            let descriptor = libc::CMSG_DATA(first).cast::<RawFd>();
            descriptor.write_unaligned(file.as_fd().as_raw_fd());
            libc::sendmsg(socket.as_raw_fd(), header, libc::MSG_DONTWAIT)
        }
    });
    Errno::result(sent).map(drop)
}

/// Receives a file, without waiting.
///
/// # Errors
///
/// Those of recvmsg(2); `EAGAIN` when nothing was sent, or no descriptor with it.
pub fn receive(socket: &UnixDatagram) -> Result<OwnedFd, Errno> {
    let mut control = Control([0; 64]);
    let (received, descriptor) = message(&mut 0, &mut control, |header| {
        let flags = libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC;
        // SAFETY: as in `send`; the kernel wrote the descriptor after the header that it wrote.
        unsafe {
            let received = libc::recvmsg(socket.as_raw_fd(), header, flags);
            let first = libc::CMSG_FIRSTHDR(header);
            let has = received >= 0 && !first.is_null() && (*first).cmsg_type == libc::SCM_RIGHTS;
            let at = has.then(|| libc::CMSG_DATA(first).cast::<RawFd>().read_unaligned());
            (received, at)
        }
    });
    Errno::result(received)?;
    let descriptor = descriptor.ok_or(Errno::EAGAIN)?;
    // SAFETY: recvmsg(2) made the descriptor, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}
