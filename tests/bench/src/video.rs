// SPDX-License-Identifier: MIT OR Apache-2.0
//! vivid, the test driver of V4L2, read like a camera with four mapped buffers.

use crate::Result;
use memmap2::{MmapOptions, MmapRaw};
use nix::errno::Errno;
use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd;

/// vivid's first device.
const DEVICE: &str = "/dev/video0";
const WIDTH: u32 = 640;
const HEIGHT: u32 = 480;
/// Bytes of a frame, with 2 for each pixel.
pub(crate) const BYTES: u32 = WIDTH * HEIGHT * 2;
/// The frame rate. vivid draws each frame, and can keep this rate on a slow machine.
pub(crate) const FRAMES_A_SECOND: u32 = 10;
const BUFFERS: u32 = 4;

const CAPTURE: u32 = 1;
const MAPPED: u32 = 1;
const PROGRESSIVE: u32 = 1;
const YUYV: u32 = u32::from_le_bytes(*b"YUYV");

/// `v4l2_format` of a capture.
#[derive(Debug, Default)]
#[repr(C, align(8))]
struct Format {
    kind: u32,
    _pad: u32,
    width: u32,
    height: u32,
    pixel_format: u32,
    field: u32,
    bytes_a_line: u32,
    size_image: u32,
    more: [u64; 22],
}

/// `v4l2_streamparm` of a capture.
#[derive(Debug, Default)]
#[repr(C)]
struct Pace {
    kind: u32,
    capability: u32,
    mode: u32,
    numerator: u32,
    denominator: u32,
    more: [u32; 32],
    rest: [u32; 14],
}

/// `v4l2_requestbuffers`.
#[derive(Debug, Default)]
#[repr(C)]
struct Request {
    count: u32,
    kind: u32,
    memory: u32,
    capabilities: u32,
    flags: u32,
}

/// `v4l2_buffer`.
#[derive(Debug, Default)]
#[repr(C)]
struct Buffer {
    index: u32,
    kind: u32,
    bytes_used: u32,
    flags: u32,
    field: u32,
    _pad: u32,
    timestamp: [i64; 2],
    timecode: [u32; 4],
    sequence: u32,
    memory: u32,
    offset: u64,
    length: u32,
    reserved: [u32; 3],
}

const _: () = {
    assert!(size_of::<Format>() == 208);
    assert!(size_of::<Pace>() == 204);
    assert!(size_of::<Request>() == 20);
    assert!(size_of::<Buffer>() == 88);
};

mod request {
    use super::{Buffer, Format, Pace, Request};

    nix::ioctl_readwrite!(set_format, b'V', 5, Format);
    nix::ioctl_readwrite!(request_buffers, b'V', 8, Request);
    nix::ioctl_readwrite!(query_buffer, b'V', 9, Buffer);
    nix::ioctl_readwrite!(queue, b'V', 15, Buffer);
    nix::ioctl_readwrite!(dequeue, b'V', 17, Buffer);
    nix::ioctl_write_ptr!(stream_on, b'V', 18, i32);
    nix::ioctl_readwrite!(set_pace, b'V', 22, Pace);
}

/// A running capture, which ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Video {
    file: File,
    buffers: Vec<MmapRaw>,
}

impl Video {
    /// Starts a capture of [`FRAMES_A_SECOND`] frames per second of [`BYTES`] bytes.
    pub(crate) fn open() -> Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(DEVICE)
            .map_err(|error| format!("{DEVICE} of vivid: {error}"))?;
        let fd = file.as_raw_fd();
        let asked = |what: &'static str| {
            move |errno: Errno| format!("{DEVICE} refuses the {what}: {errno}")
        };

        let mut format = Format {
            kind: CAPTURE,
            width: WIDTH,
            height: HEIGHT,
            pixel_format: YUYV,
            field: PROGRESSIVE,
            ..Format::default()
        };
        // SAFETY: the request reads and writes one `v4l2_format`, whose layout `Format` has.
        unsafe { request::set_format(fd, &mut format) }.map_err(asked("format"))?;
        if (format.width, format.height, format.size_image) != (WIDTH, HEIGHT, BYTES) {
            return Err(format!("{DEVICE} makes frames of another format: {format:?}").into());
        }
        let mut pace =
            Pace { kind: CAPTURE, numerator: 1, denominator: FRAMES_A_SECOND, ..Pace::default() };
        // SAFETY: the request reads and writes one `v4l2_streamparm`, whose layout `Pace` has.
        unsafe { request::set_pace(fd, &mut pace) }.map_err(asked("pace"))?;
        if pace.denominator != pace.numerator * FRAMES_A_SECOND {
            return Err(format!("{DEVICE} runs at another pace: {pace:?}").into());
        }
        let mut wanted =
            Request { count: BUFFERS, kind: CAPTURE, memory: MAPPED, ..Request::default() };
        // SAFETY: the request reads and writes one `v4l2_requestbuffers`, whose layout `Request`
        // has.
        unsafe { request::request_buffers(fd, &mut wanted) }.map_err(asked("buffers"))?;

        let mut video = Self { file, buffers: Vec::new() };
        for index in 0..wanted.count {
            let mut buffer = Buffer { index, kind: CAPTURE, memory: MAPPED, ..Buffer::default() };
            // SAFETY: the request reads and writes one `v4l2_buffer`, whose layout `Buffer` has.
            unsafe { request::query_buffer(fd, &mut buffer) }.map_err(asked("buffer"))?;
            let mapping = MmapOptions::new()
                .offset(buffer.offset)
                .len(buffer.length as usize)
                .map_raw_read_only(&video.file)?;
            video.buffers.push(mapping);
            video.queue(index)?;
        }
        let kind = i32::try_from(CAPTURE)?;
        // SAFETY: the request reads one integer.
        unsafe { request::stream_on(fd, &kind) }.map_err(asked("start"))?;
        Ok(video)
    }

    fn queue(&mut self, index: u32) -> Result<()> {
        let mut buffer = Buffer { index, kind: CAPTURE, memory: MAPPED, ..Buffer::default() };
        // SAFETY: as for `query_buffer`. The driver writes to the buffer's memory from now on;
        // this program reads it only after it was dequeued.
        unsafe { request::queue(self.file.as_raw_fd(), &mut buffer) }?;
        Ok(())
    }

    /// Waits for a frame, reads its first byte and returns its buffer.
    pub(crate) fn take(&mut self) -> Result<()> {
        let mut buffer = Buffer { kind: CAPTURE, memory: MAPPED, ..Buffer::default() };
        // SAFETY: as for `query_buffer`.
        unsafe { request::dequeue(self.file.as_raw_fd(), &mut buffer) }?;
        let mapping =
            self.buffers.get(buffer.index as usize).ok_or("vivid returned an unknown buffer")?;
        if buffer.bytes_used != BYTES || mapping.len() < BYTES as usize {
            return Err(format!("a frame of another size: {buffer:?}").into());
        }
        // SAFETY: the mapping is not empty and lives in `self`; its frame was dequeued.
        std::hint::black_box(unsafe { mapping.as_ptr().read_volatile() });
        self.queue(buffer.index)
    }
}
