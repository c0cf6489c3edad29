// SPDX-License-Identifier: MIT OR Apache-2.0
//! Errors, each with its remedy.

use crate::device;
use dmaframe_abi::frame::FrameError;
use dmaframe_abi::stream::{Fault, ShapeError};
use nix::errno::Errno;
use std::io;
use std::path::{Path, PathBuf};

/// An error. Its message names the value that was wrong and, where there is one, the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no such device node.
    #[error("{}: no such device; is the module loaded (modprobe dmaframe)?{}",
        path.display(), alternatives(path, " There is "))]
    NoDevice {
        /// The node asked for.
        path: PathBuf,
    },
    /// Another program has the device open.
    #[error("{} is in use by {}; stop it{}",
        path.display(), owner(path), alternatives(path, ", or use another channel: "))]
    InUse {
        /// The node asked for.
        path: PathBuf,
    },
    /// This user may not open the device node.
    #[error("{}: permission denied; join the group dmaframe, or run as root", path.display())]
    Denied {
        /// The node asked for.
        path: PathBuf,
    },
    /// The file is not a dmaframe device.
    #[error("{} is no dmaframe device; the devices are /dev/dmaframe0 and so on", path.display())]
    NoDmaframe {
        /// The file asked for.
        path: PathBuf,
    },
    /// The device node cannot be opened for another reason.
    #[error("cannot open {}: {source}", path.display())]
    Open {
        /// The node asked for.
        path: PathBuf,
        /// The kernel's error.
        source: io::Error,
    },
    /// The device has no source of this name.
    #[error("{} has no source {name:?}; its sources are: {}", path.display(), known.join(", "))]
    NoSource {
        /// The device.
        path: PathBuf,
        /// The name asked for.
        name: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// The device does not support a stream of this shape.
    #[error("{} cannot stream in this shape: {reason}", path.display())]
    Shape {
        /// The device.
        path: PathBuf,
        /// The parameter that is refused.
        reason: ShapeError,
    },
    /// The operation is not possible while the stream runs.
    #[error("{}: {action} while the stream runs is not possible; stop it first", path.display())]
    Running {
        /// The device.
        path: PathBuf,
        /// The operation.
        action: &'static str,
    },
    /// The kernel has no memory for the ring.
    #[error("no memory for a ring of {bytes} bytes; use fewer slots or shorter frames")]
    NoMemory {
        /// Bytes of the slots together.
        bytes: u64,
    },
    /// Rings of earlier streams are still mapped and use all the memory that a device may have.
    #[error("{}: streams configured before are still mapped and leave no room for this one; drop \
        them first", path.display())]
    NoRoom {
        /// The device.
        path: PathBuf,
    },
    /// The stream was not started, so no frame can come.
    #[error("{}: the stream was not started; start it before waiting for a frame", path.display())]
    NotStarted {
        /// The device.
        path: PathBuf,
    },
    /// The device was unbound from its driver, or its stream configured anew.
    #[error("{} is gone: it was unbound from its driver, or configured anew; open it again when \
        it is back", path.display())]
    Gone {
        /// The device.
        path: PathBuf,
    },
    /// The stream stopped at an error. Frames published before it were all delivered.
    #[error("{}: the stream stopped: {fault}; start it again, and see the kernel log (dmesg) if \
        it comes back", path.display())]
    Faulted {
        /// The device.
        path: PathBuf,
        /// Why it stopped.
        fault: Fault,
    },
    /// This library cannot read the ring that the driver made.
    #[error("{}: the ring cannot be read: {what}; module and program are of different versions?",
        path.display())]
    Ring {
        /// The device.
        path: PathBuf,
        /// The part that does not fit.
        what: String,
    },
    /// A slot held no frame.
    #[error("{}: a slot holds no frame: {reason}", path.display())]
    Frame {
        /// The device.
        path: PathBuf,
        /// The part that does not fit.
        reason: FrameError,
    },
    /// A payload is not a slice of the requested type.
    #[error(
        "a payload of {payload_bytes} bytes is not a slice of {type_name} ({type_bytes} bytes \
        each)"
    )]
    View {
        /// Bytes of the payload.
        payload_bytes: usize,
        /// The type asked for.
        type_name: &'static str,
        /// Its size in bytes.
        type_bytes: usize,
    },
    /// A request to the device failed for a reason that has no variant of its own.
    #[error("{}: {request} failed: {errno}", path.display())]
    Request {
        /// The device.
        path: PathBuf,
        /// The request: an ioctl's name, or a system call's.
        request: &'static str,
        /// The kernel's error.
        errno: Errno,
    },
    /// An attribute's file cannot be read or written.
    #[error("cannot {action} {}: {}", path.display(), attribute_hint(source))]
    Attribute {
        /// `read` or `write`.
        action: &'static str,
        /// The attribute's file.
        path: PathBuf,
        /// The kernel's error.
        source: io::Error,
    },
    /// An attribute's file does not hold a number.
    #[error("{} holds {found:?}, which is not a number", path.display())]
    NotANumber {
        /// The attribute's file.
        path: PathBuf,
        /// The contents of the file.
        found: String,
    },
    /// The kernel has no such netlink family.
    #[error("the kernel has no netlink family dmaframe; is the module loaded (modprobe dmaframe)?")]
    NoFamily,
    /// The module is loaded, but its netlink family is not in this network namespace.
    #[error(
        "the netlink family dmaframe is not in this network namespace; use the initial one \
        (nsenter --net=/proc/1/ns/net), or sysfs"
    )]
    Namespace,
    /// The module was unloaded. [`Events`](crate::netlink::Events) goes on when it is loaded again.
    #[error("the module dmaframe was unloaded; its events come again once it is loaded")]
    Unloaded,
    /// The kernel refused a netlink request.
    #[error("{request}: {}", refusal(*errno, message.as_deref()))]
    Refused {
        /// The request.
        request: String,
        /// The error code.
        errno: Errno,
        /// The kernel's message, if it sent one.
        message: Option<String>,
    },
    /// The netlink socket failed.
    #[error("the netlink socket failed: {0}")]
    Socket(#[source] io::Error),
    /// The kernel sent a message that cannot be decoded.
    #[error("the kernel's netlink message cannot be decoded: {0}")]
    Message(String),
    /// The asynchronous runtime cannot watch the device.
    #[error("the runtime cannot watch the device: {0}")]
    Runtime(#[source] io::Error),
    /// A [`Canceller`](crate::Canceller) ended the wait.
    #[error("the wait for a frame was cancelled")]
    Cancelled,
    /// There is no file descriptor for a [`Canceller`](crate::Canceller).
    #[error("cannot make an eventfd: {0}")]
    Canceller(#[source] io::Error),
    /// Events came faster than they were read: some are lost, later ones follow.
    #[error("events were lost: they came faster than they were read")]
    EventsLost,
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::NoDevice { .. } | Error::NoFamily => io::ErrorKind::NotFound,
            Error::Denied { .. } => io::ErrorKind::PermissionDenied,
            Error::InUse { .. } | Error::Running { .. } => io::ErrorKind::ResourceBusy,
            Error::NoMemory { .. } => io::ErrorKind::OutOfMemory,
            Error::Shape { .. } | Error::NoSource { .. } => io::ErrorKind::InvalidInput,
            Error::Cancelled => io::ErrorKind::Interrupted,
            _ => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

impl Error {
    /// The error for `request` on the device at `path`.
    pub(crate) fn request(path: &Path, request: &'static str, errno: Errno) -> Self {
        let path = path.to_owned();
        match errno {
            Errno::ENODEV | Errno::ENXIO => Self::Gone { path },
            errno => Self::Request { path, request, errno },
        }
    }
}

/// The program that has the device open, as sysfs names it.
fn owner(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    let directory = Path::new("/sys/class/misc").join(name);
    let read = |file| std::fs::read_to_string(directory.join(file)).unwrap_or_default();
    let (pid, comm) = (read("owner_pid"), read("owner_comm"));
    let (pid, comm) = (pid.trim_end(), comm.trim_end());
    match pid {
        _ if comm.is_empty() => "another program".to_owned(),
        "0" => format!("another program, {comm}"),
        pid if pid == std::process::id().to_string() => "this program itself".to_owned(),
        pid => format!("another program, {comm} (pid {pid})"),
    }
}

fn alternatives(path: &Path, lead: &str) -> String {
    let others: Vec<_> = device::paths()
        .into_iter()
        .filter(|other| other != path)
        .map(|other| other.display().to_string())
        .collect();
    if others.is_empty() { String::new() } else { format!("{lead}{}", others.join(", ")) }
}

fn attribute_hint(error: &io::Error) -> String {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ENOENT) => {
            "no such attribute; is the module loaded (modprobe dmaframe)?".to_owned()
        }
        Some(Errno::EACCES | Errno::EPERM) => "permission denied; run as root".to_owned(),
        Some(Errno::EBUSY) => "a stream is configured; end the program that has it".to_owned(),
        Some(Errno::EINVAL) => "the device cannot have this value".to_owned(),
        _ => error.to_string(),
    }
}

fn refusal(errno: Errno, message: Option<&str>) -> String {
    match (message, errno) {
        (Some(message), errno) => format!("{message} ({})", errno.desc()),
        (None, Errno::EPERM) => "not permitted; it needs CAP_NET_ADMIN: run as root".to_owned(),
        (None, Errno::ENODEV) => "no such device; `dmaframe get --all` lists them".to_owned(),
        (None, Errno::EBUSY) => "a stream is configured; end the program that has it".to_owned(),
        (None, errno) => errno.desc().to_owned(),
    }
}
