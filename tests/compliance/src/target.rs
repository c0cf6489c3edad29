// SPDX-License-Identifier: MIT OR Apache-2.0
//! The target: the device under test and its description, and the rights of this program.

use crate::outcome::{Outcome, Stop, failed, skipped};
use dmaframe::sysfs::Attributes;
use dmaframe_abi::stream::Policy;
use dmaframe_abi::uapi::{self, Config, Info, SourceInfo, field_name};
use dmaframe_compliance::raw::Raw;
use nix::errno::Errno;
use nix::unistd::{Gid, SysconfVar, Uid, setgid, setgroups, setuid, sysconf};
use std::path::Path;
use std::time::Duration;

/// The longest wait, which is far more than a working device needs.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);
/// An interval in which no frame is due during a check.
const QUIET_US: u32 = 60_000_000;
/// The user `nobody`, who has no rights.
const NOBODY: u32 = 65534;
const CAP_NET_ADMIN: u32 = 12;

/// The device under test.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) path: String,
    pub(crate) info: Info,
    pub(crate) sources: Vec<SourceInfo>,
    /// Bytes of a page.
    pub(crate) page: usize,
    /// Whether checks may unbind the driver.
    pub(crate) unbind: bool,
    root: bool,
    net_admin: bool,
}

impl Target {
    /// Opens the device and reads its description.
    ///
    /// The error says what is wrong and what to do.
    pub(crate) fn discover(path: &str, unbind: bool) -> Result<Self, String> {
        // The library's error explains what is wrong with a node.
        drop(dmaframe::Device::open(path).map_err(|error| error.to_string())?);
        let raw = Raw::open(path);
        let wrong = |request: &str, errno| format!("{path}: {request}: {errno}");
        let info = raw
            .exchange(uapi::GET_INFO, Info::default())
            .map_err(|errno| wrong("GET_INFO", errno))?;
        // A check reports a source that GET_SOURCE refuses.
        let sources = (0..info.sources)
            .map_while(|index| {
                let asked = SourceInfo { index, ..SourceInfo::default() };
                raw.exchange(uapi::GET_SOURCE, asked).ok()
            })
            .collect();
        let page = sysconf(SysconfVar::PAGE_SIZE).ok().flatten();
        let page = page.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(4096);
        let root = Uid::effective().is_root();
        Ok(Self {
            path: path.to_owned(),
            info,
            sources,
            page,
            unbind,
            root,
            net_admin: net_admin(),
        })
    }

    /// The other device, for checks that need two.
    pub(crate) fn other(&self) -> Outcome<Self> {
        let device = if self.info.device == 0 { 1 } else { 0 };
        let path = format!("/dev/dmaframe{device}");
        if !Path::new(&path).exists() {
            return skipped(format!("there is no {path}"));
        }
        Self::discover(&path, false).map_err(Stop::Skipped)
    }

    /// Opens the device.
    pub(crate) fn open(&self) -> Outcome<Raw> {
        self.open_with(0)
    }

    /// Opens the device for reading and writing with additional flags.
    pub(crate) fn open_with(&self, flags: i32) -> Outcome<Raw> {
        Raw::try_open(&self.path, flags)
            .map_err(|errno| failed(format!("open {}: got {errno:?}", self.path)))
    }

    /// The source that most checks use: the pattern, or the first source.
    pub(crate) fn source(&self) -> SourceInfo {
        let pattern = self.sources.iter().find(|one| one.flags & uapi::SOURCE_PATTERN != 0);
        pattern.or(self.sources.first()).copied().unwrap_or_default()
    }

    /// The source `pattern`. Skips the check if the device has none.
    pub(crate) fn pattern(&self) -> Outcome<SourceInfo> {
        match self.source() {
            source if source.flags & uapi::SOURCE_PATTERN != 0 => Ok(source),
            _ => skipped("no source is the pattern"),
        }
    }

    /// The unit of `frame_bytes` of `source`, in bytes: the least common multiple of the
    /// granularity and the width.
    pub(crate) fn unit(&self, source: &SourceInfo) -> u32 {
        let (granularity, width) = (self.info.frame_granularity.max(1), source.width.max(1));
        let mut unit = granularity.max(width);
        while unit % granularity != 0 || unit % width != 0 {
            unit += 1;
        }
        unit
    }

    /// A configuration of [`Target::source`]: about 4096 bytes, 16 slots, unpaced.
    pub(crate) fn shape(&self) -> Config {
        self.shape_of(&self.source())
    }

    /// The same for another source, or its longest payload if that is shorter.
    pub(crate) fn shape_of(&self, source: &SourceInfo) -> Config {
        let unit = self.unit(source);
        Config {
            source: source.index,
            frame_bytes: (source.frame_bytes_max.min(4096) / unit).max(1) * unit,
            slots: self.info.slots_max.clamp(2, 16),
            ..Config::default()
        }
    }

    /// A configuration in which no frame is due during a check.
    pub(crate) fn quiet(&self) -> Config {
        self.paced(QUIET_US)
    }

    /// A configuration with the interval `interval_us`, within the bounds of the device.
    pub(crate) fn paced(&self, interval_us: u32) -> Config {
        let (min, max) = (self.info.interval_us_min, self.info.interval_us_max);
        Config { interval_us: interval_us.min(max).max(min), ..self.shape() }
    }

    /// A configuration of 4 slots that soon loses frames without a reader.
    pub(crate) fn dropping(&self) -> Config {
        Config { slots: 4, policy: Policy::Drop as u32, ..self.paced(1000) }
    }

    /// The device's attributes.
    pub(crate) fn sysfs(&self) -> Attributes {
        Attributes::of(self.info.device)
    }

    /// The path of an attribute in sysfs.
    pub(crate) fn attribute(&self, name: &str) -> String {
        format!("/sys/class/misc/dmaframe{}/{name}", self.info.device)
    }

    /// The name of source `index`.
    pub(crate) fn source_name(&self, index: u32) -> String {
        let source = self.sources.get(index as usize);
        source.map_or_else(String::new, |source| {
            String::from_utf8_lossy(field_name(&source.name)).into_owned()
        })
    }

    /// Skips the check unless this program runs as root.
    pub(crate) fn need_root(&self) -> Outcome {
        if self.root { Ok(()) } else { skipped("needs root") }
    }

    /// Whether this program runs as root, and so may have changed settings.
    pub(crate) fn is_root(&self) -> bool {
        self.root
    }

    /// Skips the check unless this program has CAP_NET_ADMIN.
    pub(crate) fn need_net_admin(&self) -> Outcome {
        if self.net_admin { Ok(()) } else { skipped("needs CAP_NET_ADMIN") }
    }

    /// Continues as a user without rights. This affects only the current check, which runs in a
    /// process of its own.
    pub(crate) fn drop_rights(&self) -> Outcome {
        if self.root {
            let drop_all = || {
                setgroups(&[])?;
                setgid(Gid::from_raw(NOBODY))?;
                setuid(Uid::from_raw(NOBODY))
            };
            drop_all().map_err(|errno: Errno| Stop::Skipped(format!("setuid: {errno}")))?;
        }
        Ok(())
    }
}

fn net_admin() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    effective
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask >> CAP_NET_ADMIN & 1 == 1)
}
