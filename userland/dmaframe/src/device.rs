// SPDX-License-Identifier: MIT OR Apache-2.0
//! The device: one channel of the engine, as `/dev/dmaframeN` shows it.

use crate::event_log::{debug, trace};
use crate::mapping::Ring;
use crate::{Error, Result, Stream};
use dmaframe_abi::stream::{Policy, Shape, ShapeError, State};
use dmaframe_abi::uapi::{self, Config, SourceInfo, Stats, field_name};
use nix::errno::Errno;
use nix::unistd::{SysconfVar, sysconf};
use std::fs::{File, OpenOptions};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The raw requests. Their numbers come from `dmaframe_abi`; nix calls requests whose number it did
/// not compute `_bad`.
mod request {
    use dmaframe_abi::uapi;

    nix::ioctl_read_bad!(get_info, uapi::GET_INFO, uapi::Info);
    nix::ioctl_readwrite_bad!(get_source, uapi::GET_SOURCE, uapi::SourceInfo);
    nix::ioctl_read_bad!(get_config, uapi::GET_CONFIG, uapi::Config);
    nix::ioctl_readwrite_bad!(configure, uapi::CONFIGURE, uapi::Config);
    // These take no argument, and the driver checks that it is zero: it must be passed.
    nix::ioctl_write_int_bad!(start, uapi::START);
    nix::ioctl_write_int_bad!(stop, uapi::STOP);
    nix::ioctl_write_int_bad!(kick, uapi::KICK);
    nix::ioctl_read_bad!(get_stats, uapi::GET_STATS, uapi::Stats);
}

/// The description of a device: `GET_INFO`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// The engine's name.
    pub engine: String,
    /// The `N` of `/dev/dmaframeN`.
    pub device: u32,
    /// The engine's channel.
    pub channel: u32,
    /// Number of sources of the device.
    pub sources: u32,
    /// What the device is doing.
    pub state: State,
    /// Longest payload in bytes.
    pub frame_bytes_max: u32,
    /// Payloads are multiples of this many bytes.
    pub frame_granularity: u32,
    /// Largest number of slots.
    pub slots_max: u32,
    /// Largest size of all slots together in bytes.
    pub ring_bytes_max: u64,
    /// Ticks per second of the device stamps.
    pub stamp_hz: u32,
    /// Shortest interval between two paced frames, in microseconds.
    pub interval_us_min: u32,
    /// Longest interval between two paced frames, in microseconds.
    pub interval_us_max: u32,
}

/// The description of a source: `GET_SOURCE`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// Its number, for [`Shape::source`].
    pub index: u32,
    /// Its name, which is its device-tree node's.
    pub name: String,
    /// Bus address of its first byte; zero for memory of the driver's own.
    pub bus: u64,
    /// Its length in bytes.
    pub bytes: u32,
    /// Bytes of one read.
    pub width: u32,
    /// The peripheral request that paces it; 0 is none.
    pub dreq: u32,
    /// Suggested payload of a frame in bytes.
    pub frame_bytes: u32,
    /// Suggested interval in microseconds; 0 is unpaced.
    pub interval_us: u32,
    /// Longest payload of a frame in bytes.
    pub frame_bytes_max: u32,
    /// Reads of `width` bytes a second that it can deliver; 0 is unknown. Frames that are much faster
    /// are marked ([`crate::Frame::too_fast`]).
    pub rate_hz: u32,
    /// Whether the address grows while it is read; otherwise one address is sampled.
    pub increments: bool,
    /// Whether it is the pattern that [`crate::pattern`] describes.
    pub pattern: bool,
}

/// An open device. No other program can open it until it, its [`Stream`] and all frames of them are
/// dropped.
#[derive(Debug)]
pub struct Device {
    handle: Arc<Handle>,
}

/// The open file, shared by a device and its streams.
#[derive(Debug)]
pub(crate) struct Handle {
    file: File,
    path: PathBuf,
}

impl Device {
    /// Opens the device node at `path`.
    ///
    /// # Errors
    ///
    /// [`Error::NoDevice`], [`Error::InUse`], [`Error::Denied`], [`Error::NoDmaframe`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref().to_owned();
        let file = match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(file) => file,
            Err(source) => {
                return Err(match source.raw_os_error().map(Errno::from_raw) {
                    Some(Errno::ENOENT | Errno::ENXIO | Errno::ENODEV) => Error::NoDevice { path },
                    Some(Errno::EBUSY) => Error::InUse { path },
                    Some(Errno::EACCES | Errno::EPERM) => Error::Denied { path },
                    Some(Errno::EISDIR) => Error::NoDmaframe { path },
                    _ => Error::Open { path, source },
                });
            }
        };
        let device = Self { handle: Arc::new(Handle { file, path }) };
        debug!(path = ?device.path(), "open");
        match device.info() {
            Err(Error::Request { errno: Errno::ENOTTY, path, .. }) => {
                Err(Error::NoDmaframe { path })
            }
            Err(error) => Err(error),
            Ok(_) => Ok(device),
        }
    }

    /// The path that was opened.
    pub fn path(&self) -> &Path {
        &self.handle.path
    }

    /// The description and the state of the device.
    pub fn info(&self) -> Result<Info> {
        let mut raw = uapi::Info::default();
        // SAFETY: the request writes one `Info`, which is what it is given.
        let done = unsafe { request::get_info(self.handle.raw(), &mut raw) };
        self.handle.check("GET_INFO", done)?;
        Ok(Info {
            engine: text(&raw.engine),
            device: raw.device,
            channel: raw.channel,
            sources: raw.sources,
            state: State::try_from(raw.state).map_err(|other| Error::Ring {
                path: self.handle.path.clone(),
                what: format!("state {other} is unknown"),
            })?,
            frame_bytes_max: raw.frame_bytes_max,
            frame_granularity: raw.frame_granularity,
            slots_max: raw.slots_max,
            ring_bytes_max: raw.ring_bytes_max,
            stamp_hz: raw.stamp_hz,
            interval_us_min: raw.interval_us_min,
            interval_us_max: raw.interval_us_max,
        })
    }

    /// The device's sources, by index.
    pub fn sources(&self) -> Result<Vec<Source>> {
        (0..self.info()?.sources).map(|index| self.source_at(index)).collect()
    }

    /// The source of that name.
    ///
    /// # Errors
    ///
    /// [`Error::NoSource`], which lists the names there are.
    pub fn source(&self, name: &str) -> Result<Source> {
        let mut sources = self.sources()?;
        match sources.iter().position(|source| source.name == name) {
            Some(at) => Ok(sources.swap_remove(at)),
            None => Err(Error::NoSource {
                path: self.handle.path.clone(),
                name: name.to_owned(),
                known: sources.into_iter().map(|source| source.name).collect(),
            }),
        }
    }

    /// The limit of the source that `shape` exceeds. `shape` is within the limits of the device.
    fn source_limit(&self, shape: &Shape) -> Result<ShapeError> {
        let Source { width, frame_bytes_max, .. } = self.source_at(shape.source)?;
        let bytes = shape.frame_bytes;
        Ok(if bytes > frame_bytes_max {
            ShapeError::FrameLimit { bytes, most: frame_bytes_max }
        } else {
            ShapeError::FrameWidth { bytes, width }
        })
    }

    fn source_at(&self, index: u32) -> Result<Source> {
        let mut raw = SourceInfo { index, ..SourceInfo::default() };
        // SAFETY: the request reads and writes one `SourceInfo`, which is what it is given.
        let done = unsafe { request::get_source(self.handle.raw(), &mut raw) };
        self.handle.check("GET_SOURCE", done)?;
        Ok(Source {
            index: raw.index,
            name: text(&raw.name),
            bus: raw.bus,
            bytes: raw.bytes,
            width: raw.width,
            dreq: raw.dreq,
            frame_bytes: raw.frame_bytes,
            interval_us: raw.interval_us,
            frame_bytes_max: raw.frame_bytes_max,
            rate_hz: raw.rate_hz,
            increments: raw.flags & uapi::SOURCE_INCREMENTS != 0,
            pattern: raw.flags & uapi::SOURCE_PATTERN != 0,
        })
    }

    /// The device's settings: the default shape of a stream.
    pub fn config(&self) -> Result<Shape> {
        let mut raw = Config::default();
        // SAFETY: the request writes one `Config`, which is what it is given.
        let done = unsafe { request::get_config(self.handle.raw(), &mut raw) };
        self.handle.check("GET_CONFIG", done)?;
        Ok(Shape {
            source: raw.source,
            frame_bytes: raw.frame_bytes,
            slots: raw.slots,
            policy: Policy::try_from(raw.policy).map_err(|other| Error::Ring {
                path: self.handle.path.clone(),
                what: format!("policy {other} is unknown"),
            })?,
            interval_us: raw.interval_us,
        })
    }

    /// Makes the ring of a stream and maps it. Nothing flows until [`Stream::start`].
    ///
    /// A device has one ring: the ring of a stream configured earlier loses its device, which that
    /// stream reports as [`Error::Gone`].
    ///
    /// # Errors
    ///
    /// [`Error::Shape`], [`Error::Running`] while a stream of this device runs,
    /// [`Error::NoRoom`], [`Error::NoMemory`].
    pub fn configure(&self, shape: Shape) -> Result<Stream> {
        let handle = &self.handle;
        let mut config = Config::from(shape);
        // SAFETY: the request reads and writes one `Config`, which is what it is given.
        let done = unsafe { request::configure(handle.raw(), &mut config) };
        debug!(path = ?handle.path(), shape = ?shape, done = ?done, "CONFIGURE");
        match done {
            Ok(_) => {}
            Err(Errno::EINVAL) => {
                let reason = shape.check(self.info()?.sources, page_bytes());
                let path = handle.path.clone();
                return Err(match reason {
                    Err(reason) => Error::Shape { path, reason },
                    // The driver knows a limit of the source that the shape alone does not show.
                    Ok(()) => Error::Shape { path, reason: self.source_limit(&shape)? },
                });
            }
            Err(Errno::EBUSY) => {
                return Err(Error::Running { path: handle.path.clone(), action: "configuring" });
            }
            Err(Errno::ENOMEM) => {
                return Err(Error::NoMemory { bytes: shape.ring_bytes(page_bytes()) });
            }
            Err(Errno::ENOBUFS) => return Err(Error::NoRoom { path: handle.path.clone() }),
            Err(errno) => return Err(Error::request(&handle.path, "CONFIGURE", errno)),
        }
        let ring = Ring::map(&handle.file, &config).map_err(|what| match self.info() {
            // It was unbound since it was configured.
            Err(gone @ Error::Gone { .. }) => gone,
            _ => Error::Ring { path: handle.path.clone(), what },
        })?;
        Ok(Stream::new(Arc::clone(handle), ring))
    }
}

/// A descriptor of an open device, for example from another process (SCM_RIGHTS). Whether it is a
/// device shows with the first request.
impl From<OwnedFd> for Device {
    fn from(descriptor: OwnedFd) -> Self {
        let link = format!("/proc/self/fd/{}", descriptor.as_raw_fd());
        let path = std::fs::read_link(&link).unwrap_or_else(|_| link.into());
        Self { handle: Arc::new(Handle { file: File::from(descriptor), path }) }
    }
}

impl AsRawFd for Device {
    fn as_raw_fd(&self) -> RawFd {
        self.handle.raw()
    }
}

impl AsFd for Device {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.file.as_fd()
    }
}

impl Handle {
    /// A handle on any file, for a ring that no device makes.
    #[cfg(test)]
    pub(crate) fn of(file: File) -> Self {
        Self { file, path: PathBuf::from("/dev/test") }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn raw(&self) -> i32 {
        self.file.as_raw_fd()
    }

    fn check(&self, request: &'static str, done: nix::Result<i32>) -> Result<()> {
        done.map(drop).map_err(|errno| Error::request(&self.path, request, errno))
    }

    pub(crate) fn start(&self) -> Result<()> {
        // SAFETY: the request reads and writes no memory of this process.
        let done = unsafe { request::start(self.raw(), 0) };
        debug!(path = ?self.path, done = ?done, "START");
        match done {
            Err(Errno::EBUSY) => {
                Err(Error::Running { path: self.path.clone(), action: "starting" })
            }
            done => self.check("START", done),
        }
    }

    pub(crate) fn stop(&self) -> Result<()> {
        // SAFETY: the request reads and writes no memory of this process.
        let done = unsafe { request::stop(self.raw(), 0) };
        debug!(path = ?self.path, done = ?done, "STOP");
        self.check("STOP", done)
    }

    pub(crate) fn kick(&self) -> Result<()> {
        // SAFETY: the request reads and writes no memory of this process.
        let done = unsafe { request::kick(self.raw(), 0) };
        trace!(path = ?self.path, done = ?done, "KICK");
        self.check("KICK", done)
    }

    pub(crate) fn stats(&self) -> Result<Stats> {
        let mut stats = Stats::default();
        // SAFETY: the request writes one `Stats`, which is what it is given.
        let done = unsafe { request::get_stats(self.raw(), &mut stats) };
        self.check("GET_STATS", done)?;
        Ok(stats)
    }
}

impl AsFd for Handle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// The paths of all device nodes, by number.
pub fn paths() -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir("/dev") else { return Vec::new() };
    let mut found: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| {
            let name = entry.ok()?.file_name();
            let number = name.to_str()?.strip_prefix("dmaframe")?.parse().ok()?;
            Some((number, Path::new("/dev").join(name)))
        })
        .collect();
    found.sort();
    found.into_iter().map(|(_, path)| path).collect()
}

fn text(field: &[u8; uapi::NAME_BYTES]) -> String {
    String::from_utf8_lossy(field_name(field)).into_owned()
}

fn page_bytes() -> u32 {
    sysconf(SysconfVar::PAGE_SIZE)
        .ok()
        .flatten()
        .and_then(|bytes| u32::try_from(bytes).ok())
        .unwrap_or(4096)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::ioctl::ioctl_num_type;
    use nix::{request_code_none, request_code_read, request_code_readwrite};

    /// `dmaframe_abi` computes the numbers itself, because it depends on no operating system.
    #[test]
    fn request_numbers_match_the_kernels() {
        const TYPE: u8 = uapi::IOC_TYPE;
        for (ours, theirs) in [
            (uapi::GET_INFO, request_code_read!(TYPE, 0, size_of::<uapi::Info>())),
            (uapi::GET_SOURCE, request_code_readwrite!(TYPE, 1, size_of::<SourceInfo>())),
            (uapi::GET_CONFIG, request_code_read!(TYPE, 2, size_of::<Config>())),
            (uapi::CONFIGURE, request_code_readwrite!(TYPE, 3, size_of::<Config>())),
            (uapi::START, request_code_none!(TYPE, 4)),
            (uapi::STOP, request_code_none!(TYPE, 5)),
            (uapi::KICK, request_code_none!(TYPE, 6)),
            (uapi::GET_STATS, request_code_read!(TYPE, 7, size_of::<Stats>())),
        ] {
            assert_eq!(ours as ioctl_num_type, theirs as ioctl_num_type);
        }
    }

    #[test]
    fn absent_and_other_files_are_reported_with_the_remedy() {
        let absent = Device::open("/dev/dmaframe-absent").unwrap_err().to_string();
        assert!(absent.contains("/dev/dmaframe-absent: no such device"), "{absent}");
        assert!(absent.contains("modprobe dmaframe"), "{absent}");
        let null = Device::open("/dev/null").unwrap_err();
        assert!(matches!(null, Error::NoDmaframe { .. }), "{null}");
    }
}
