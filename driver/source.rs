// SPDX-License-Identifier: GPL-2.0

//! Sources: what the child nodes of the device-tree node describe.

use crate::abstractions::{
    dma::{
        Direction,
        Mapping, //
    },
    pages::Pages, //
};
use dmaframe_abi::{
    pattern,
    rate::{self, RATE_HZ_MAX, RATE_HZ_MIN},
    stream::{
        ShapeError, FRAME_BYTES_MAX, FRAME_BYTES_MIN, FRAME_GRANULARITY, INTERVAL_US_MAX,
        INTERVAL_US_MIN,
    },
    uapi::{self, SourceInfo, NAME_BYTES},
};
use dmaframe_engine::chain::{longest_payload, Limits, Origin, Width};
use kernel::{
    device::{
        property::FwNode,
        Device, //
    },
    page::PAGE_SIZE,
    prelude::*,
    str::CString, //
};

/// Payload of a frame when the node says nothing.
const FRAME_BYTES: u32 = 4096;

/// A source.
pub(crate) struct Source {
    pub(crate) name: CString,
    /// The node's name with its unit address.
    full_name: CString,
    /// `None` for the pattern, whose memory is mapped as long as the device is bound.
    register: Option<Register>,
    frame_bytes: u32,
    pub(crate) interval_us: u32,
}

/// A range of bus addresses.
struct Register {
    bus: u32,
    bytes: u32,
    increments: bool,
    width: Width,
    dreq: u8,
    /// Reads a second that the peripheral can deliver; 0 is unknown.
    rate_hz: u32,
}

impl Source {
    /// The source that `node`, a child of `dev`'s, describes.
    pub(crate) fn new(dev: &Device, node: &FwNode) -> Result<Self> {
        let full = CString::try_from_fmt(fmt!("{}", node.display_name()))?;
        let name = full
            .to_bytes()
            .split(|&byte| byte == b'@')
            .next()
            .unwrap_or(b"");
        let name = core::str::from_utf8(name).map_err(|_| EINVAL)?;
        if name.is_empty() || name.len() >= NAME_BYTES {
            dev_err!(
                dev,
                "source '{name}': a name has 1 to {} bytes\n",
                NAME_BYTES - 1
            );
            return Err(EINVAL);
        }
        let refuse = |property: &str, value: u32| {
            dev_err!(
                dev,
                "source '{name}': {property} = {value} is refused by the binding\n"
            );
            EINVAL
        };

        let frame_bytes = node
            .property_read::<u32>(c"dmaframe,frame-bytes")
            .or(FRAME_BYTES);
        if !(FRAME_BYTES_MIN..=FRAME_BYTES_MAX).contains(&frame_bytes)
            || frame_bytes % FRAME_GRANULARITY != 0
        {
            return Err(refuse("dmaframe,frame-bytes", frame_bytes));
        }
        let interval_us = node.property_read::<u32>(c"dmaframe,interval-us").or(0);
        if interval_us != 0 && !(INTERVAL_US_MIN..=INTERVAL_US_MAX).contains(&interval_us) {
            return Err(refuse("dmaframe,interval-us", interval_us));
        }
        let pattern = node.property_read_bool(c"dmaframe,pattern");
        let dreq = match pattern {
            true => 0,
            false => node.property_read::<u32>(c"dmaframe,dreq").or(0),
        };
        let mut rate_hz = 0;
        if node.property_present(c"dmaframe,rate-hz") {
            let rate = node.property_read::<u32>(c"dmaframe,rate-hz");
            rate_hz = rate.required_by(dev)?;
            if !(RATE_HZ_MIN..=RATE_HZ_MAX).contains(&rate_hz) {
                return Err(refuse("dmaframe,rate-hz", rate_hz));
            }
            // Without a DREQ nothing slows the engine down.
            if dreq == 0 {
                dev_err!(
                    dev,
                    "source '{name}': dmaframe,rate-hz needs dmaframe,dreq: add it, or remove the rate\n"
                );
                return Err(EINVAL);
            }
        }
        let register = if pattern {
            None
        } else {
            let width = node.property_read::<u32>(c"dmaframe,width").or(4);
            let reg = node
                .property_read_array_vec::<u32>(c"reg", 2)?
                .required_by(dev)?;
            let (bus, bytes) = (reg[0], reg[1]);
            let width_of =
                Width::from_bytes(width).ok_or_else(|| refuse("dmaframe,width", width))?;
            if bus % width != 0 || bus.checked_add(bytes).is_none() {
                return Err(refuse("reg address", bus));
            }
            if bytes == 0 || bytes % width != 0 {
                return Err(refuse("reg size", bytes));
            }
            if frame_bytes % width != 0 {
                return Err(refuse("dmaframe,frame-bytes", frame_bytes));
            }
            Some(Register {
                bus,
                bytes,
                increments: node.property_read_bool(c"dmaframe,increment"),
                width: width_of,
                dreq: u8::try_from(dreq)
                    .ok()
                    .filter(|dreq| *dreq < 32)
                    .ok_or_else(|| refuse("dmaframe,dreq", dreq))?,
                rate_hz,
            })
        };
        let name = CString::try_from_fmt(fmt!("{name}"))?;
        Ok(Self {
            name,
            full_name: full,
            register,
            frame_bytes,
            interval_us,
        })
    }

    /// Uses the full name of the node, `gpio@7e200034`, because another source has the same short
    /// name.
    pub(crate) fn use_full_name(&mut self, dev: &Device) -> Result {
        let bytes = self.full_name.to_bytes().len();
        if bytes >= NAME_BYTES {
            dev_err!(
                dev,
                "two sources are named '{}', and '{}' has more than {} bytes: rename one\n",
                self.name.to_str()?,
                self.full_name.to_str()?,
                NAME_BYTES - 1
            );
            return Err(EINVAL);
        }
        core::mem::swap(&mut self.name, &mut self.full_name);
        Ok(())
    }

    /// The key by which sources are sorted: the bus address; the pattern comes first. The order of
    /// the nodes depends on how the overlay was merged.
    pub(crate) fn place(&self) -> u32 {
        self.register.as_ref().map_or(0, |register| register.bus)
    }

    /// Where frame `sequence` is read from; `reference` is the pattern's memory.
    pub(crate) fn origin(&self, sequence: u64, reference: &Reference) -> Origin {
        match &self.register {
            Some(register) => Origin {
                bus: register.bus.into(),
                bytes: register.bytes,
                offset: 0,
                increments: register.increments,
                width: register.width,
                dreq: register.dreq,
            },
            None => Origin {
                bus: reference.bus(),
                bytes: pattern::REFERENCE_BYTES as u32,
                offset: pattern::offset(sequence),
                increments: true,
                width: Width::Bits32,
                dreq: 0,
            },
        }
    }

    /// Checks a payload of `bytes` bytes against this source, on an engine with `limits`.
    pub(crate) fn check(&self, bytes: u32, limits: &Limits) -> Result<(), ShapeError> {
        let width = self.width().bytes();
        if bytes % width != 0 {
            return Err(ShapeError::FrameWidth { bytes, width });
        }
        let most = self.longest_payload(limits);
        if bytes > most {
            return Err(ShapeError::FrameLimit { bytes, most });
        }
        Ok(())
    }

    /// The longest payload in bytes, on an engine with `limits`.
    pub(crate) fn longest_payload(&self, limits: &Limits) -> u32 {
        let bytes = match &self.register {
            Some(register) => register.increments.then_some(register.bytes),
            None => Some(pattern::REFERENCE_BYTES as u32),
        };
        longest_payload(limits, bytes, self.width())
    }

    /// The payload in bytes that a stream gets by default, on an engine with `limits`.
    pub(crate) fn default_payload(&self, limits: &Limits) -> u32 {
        self.frame_bytes.min(self.longest_payload(limits))
    }

    /// How long frames of `bytes` bytes take, in ticks of `stamp_hz`, if they can be judged.
    pub(crate) fn frame_duration(&self, bytes: u32, stamp_hz: u32) -> Option<rate::Duration> {
        let Register { rate_hz, width, .. } = self.register.as_ref()?;
        rate::Duration::new(*rate_hz, bytes / width.bytes(), stamp_hz)
    }

    fn width(&self) -> Width {
        self.register
            .as_ref()
            .map_or(Width::Bits32, |register| register.width)
    }

    /// The description for userland.
    pub(crate) fn info(&self, index: u32, limits: &Limits) -> SourceInfo {
        let mut info = SourceInfo {
            index,
            name: uapi::name_field(self.name.to_bytes()),
            width: 4,
            frame_bytes: self.default_payload(limits),
            interval_us: self.interval_us,
            frame_bytes_max: self.longest_payload(limits),
            ..SourceInfo::default()
        };
        match &self.register {
            Some(register) => {
                info.bus = register.bus.into();
                info.bytes = register.bytes;
                info.width = register.width.bytes();
                info.dreq = register.dreq.into();
                info.rate_hz = register.rate_hz;
                if register.increments {
                    info.flags |= uapi::SOURCE_INCREMENTS;
                }
            }
            None => {
                info.bytes = pattern::REFERENCE_BYTES as u32;
                info.flags = uapi::SOURCE_INCREMENTS | uapi::SOURCE_PATTERN;
            }
        }
        info
    }
}

/// The pattern's memory, as the engine sees it.
pub(crate) struct Reference {
    // Before the pages: it is unmapped before they are freed.
    mapping: Mapping,
    _pages: Pages,
}

impl Reference {
    /// # Safety
    ///
    /// `dev` is bound now and until this is dropped.
    pub(crate) unsafe fn new(dev: &Device) -> Result<Self> {
        let order = (pattern::REFERENCE_BYTES / PAGE_SIZE).ilog2();
        let mut pages = Pages::new(order)?;
        pattern::fill(pages.as_mut_slice());
        // SAFETY: By the contract; the pages are dropped after the mapping.
        let mapping = unsafe { Mapping::new(dev, &pages, Direction::ToDevice)? };
        Ok(Self {
            mapping,
            _pages: pages,
        })
    }

    /// Where the engine sees its first byte.
    pub(crate) fn bus(&self) -> u64 {
        self.mapping.bus()
    }
}
