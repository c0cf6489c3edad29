// SPDX-License-Identifier: MIT OR Apache-2.0
//! The processor time of a reader per frame, with mmap and with interfaces that copy.
//!
//! Frames come one at a time, at a pace that each interface can keep. So the reader's time is that
//! of a wake-up and of the frame. At full speed the reader's calls would sometimes start the
//! engine, whose work QEMU does in the calling thread.

use crate::samples::{Sample, Samples, say};
use crate::{Extent, Result, clock, processor, stream};
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, getsockname,
    recv, sendto, setsockopt, socket, sockopt,
};
use std::fs::File;
use std::hint::black_box;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Bytes of a frame, and the interval in microseconds: twice the time of QEMU's engine.
const SIZES: [(u32, u32); 4] = [(4096, 2000), (65536, 3000), (614_400, 12_000), (4 << 20, 80_000)];
/// The longest frame in a netlink message, which the socket's buffer limits.
const NETLINK_BYTES: u32 = 65536;
/// The kernel's default limit for the capacity of a pipe.
const PIPE_BYTES: i32 = 1 << 20;
const WARM_UP: u32 = 3;

pub(crate) fn measure(extent: Extent, samples: &mut Samples) -> Result<()> {
    processor::bind(processor::READER)?;
    for round in 0..extent.rounds {
        say("reader", round, extent.rounds);
        for (bytes, interval_us) in SIZES {
            let frames = Frames { bytes, interval_us, count: extent.paced_frames(interval_us) };
            let mut add = |subject, ns: f64| {
                let turn = Sample { measure: "reader", subject, key: bytes.into(), round };
                samples.add(turn, &[ns])
            };
            add("mmap", mapped(frames)?)?;
            add("read", read(frames)?)?;
            add("pipe", pipe(frames)?)?;
            add("unix", unix(frames)?)?;
            if bytes <= NETLINK_BYTES {
                add("netlink", netlink(frames)?)?;
            }
        }
    }
    processor::unbind()
}

#[derive(Clone, Copy, Debug)]
struct Frames {
    bytes: u32,
    interval_us: u32,
    count: u32,
}

impl Frames {
    /// The processor time of this thread, in nanoseconds, for each call of `take`.
    fn cost(self, mut take: impl FnMut() -> Result<()>) -> Result<f64> {
        for _ in 0..WARM_UP {
            take()?;
        }
        let before = clock::thread_ns()?;
        for _ in 0..self.count {
            take()?;
        }
        Ok((clock::thread_ns()? - before) as f64 / f64::from(self.count))
    }

    /// A reader's buffer, of which every page is allocated.
    fn buffer(self, header: usize) -> Vec<u8> {
        vec![1; header + self.bytes as usize]
    }

    fn stream(self) -> Result<dmaframe::Stream> {
        stream::start(
            stream::DEVICE,
            self.bytes,
            stream::slots(self.bytes).min(16),
            self.interval_us,
        )
    }

    /// The cost of frames that another thread sends with `send`, one in each interval.
    fn written(
        self,
        mut send: impl FnMut(&[u8]) -> std::io::Result<()> + Send,
        take: impl FnMut() -> Result<()>,
    ) -> Result<f64> {
        let enough = Arc::new(AtomicBool::new(false));
        let interval = Duration::from_micros(self.interval_us.into());
        thread::scope(|scope| {
            let writer = {
                let enough = Arc::clone(&enough);
                scope.spawn(move || -> std::result::Result<(), String> {
                    processor::bind(processor::OTHER).map_err(|error| error.to_string())?;
                    let frame = self.buffer(0);
                    // Sends exactly the frames that are read, so that the last send does not block.
                    for _ in 0..WARM_UP + self.count {
                        if enough.load(Ordering::Relaxed) {
                            break;
                        }
                        thread::sleep(interval);
                        send(&frame).map_err(|error| format!("a writer: {error}"))?;
                    }
                    Ok(())
                })
            };
            let cost = self.cost(take);
            enough.store(true, Ordering::Relaxed);
            // After an error the writer may still block in `send`, until `take` is dropped and
            // closes the reader's end.
            let cost = cost?;
            writer.join().map_err(|_| "a writer panicked")??;
            Ok(cost)
        })
    }
}

fn mapped(frames: Frames) -> Result<f64> {
    let mut stream = frames.stream()?;
    frames.cost(|| {
        black_box(stream::take(&mut stream)?);
        Ok(())
    })
}

fn read(frames: Frames) -> Result<f64> {
    let stream = frames.stream()?;
    let mut file = File::from(stream.as_fd().try_clone_to_owned()?);
    let mut buffer = frames.buffer(dmaframe_header());
    frames.cost(|| {
        let bytes = file.read(black_box(&mut buffer))?;
        if bytes == buffer.len() { Ok(()) } else { Err(format!("a read of {bytes} bytes").into()) }
    })
}

const fn dmaframe_header() -> usize {
    dmaframe_abi::frame::HEADER_BYTES
}

fn pipe(frames: Frames) -> Result<f64> {
    let (reader, writer) = nix::unistd::pipe()?;
    let (mut reader, mut writer) = (File::from(reader), File::from(writer));
    fcntl(&reader, FcntlArg::F_SETPIPE_SZ(PIPE_BYTES))?;
    let mut buffer = frames.buffer(0);
    frames.written(
        move |frame| writer.write_all(frame),
        move || Ok(reader.read_exact(black_box(&mut buffer))?),
    )
}

fn unix(frames: Frames) -> Result<f64> {
    let (mut reader, mut writer) = UnixStream::pair()?;
    let mut buffer = frames.buffer(0);
    frames.written(
        move |frame| writer.write_all(frame),
        move || Ok(reader.read_exact(black_box(&mut buffer))?),
    )
}

fn netlink(frames: Frames) -> Result<f64> {
    let open = || -> Result<OwnedFd> {
        let family = AddressFamily::Netlink;
        let protocol = SockProtocol::NetlinkUserSock;
        let fd = socket(family, SockType::Datagram, SockFlag::empty(), protocol)?;
        setsockopt(&fd, sockopt::RcvBufForce, &(8 * NETLINK_BYTES as usize))?;
        setsockopt(&fd, sockopt::SndBufForce, &(8 * NETLINK_BYTES as usize))?;
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
        Ok(fd)
    };
    let (reader, writer) = (open()?, open()?);
    let to: NetlinkAddr = getsockname(reader.as_raw_fd())?;
    let mut buffer = frames.buffer(0);
    frames.written(
        move |frame| {
            sendto(writer.as_raw_fd(), frame, &to, MsgFlags::empty())?;
            Ok(())
        },
        move || {
            let bytes = recv(reader.as_raw_fd(), black_box(&mut buffer), MsgFlags::empty())?;
            if bytes == buffer.len() {
                Ok(())
            } else {
                Err(format!("a message of {bytes} bytes").into())
            }
        },
    )
}
