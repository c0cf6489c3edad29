// SPDX-License-Identifier: MIT OR Apache-2.0
//! A reader that implements the ring protocol itself, so that a check can also break the protocol.

use crate::outcome::{Outcome, equal, failed, holds};
use crate::target::{LIMIT, Target};
use dmaframe_abi::frame::{HEADER_BYTES, Header};
use dmaframe_abi::pattern;
use dmaframe_abi::ring::{FAULTED, MAP_CONSUMER, MAP_META, MAP_SLOTS, Meta, NEED_KICK};
use dmaframe_abi::stream::Fault;
use dmaframe_abi::uapi::{self, Config, Info, Stats};
use dmaframe_compliance::mapping::Mapping;
use dmaframe_compliance::raw::Raw;
use dmaframe_compliance::wait;
use nix::errno::Errno;
use std::os::fd::AsRawFd;
use std::sync::LazyLock;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::fence;
use zerocopy::FromBytes;

/// A copy of a frame.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) header: Header,
    pub(crate) payload: Vec<u8>,
}

/// An open device with its ring mapped.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) raw: Raw,
    /// What `CONFIGURE` returned.
    pub(crate) made: Config,
    pub(crate) meta: Mapping,
    pub(crate) consumer: Mapping,
    pub(crate) slots: Mapping,
}

impl Reader {
    /// Opens the device and configures a ring.
    pub(crate) fn configured(target: &Target, config: Config) -> Outcome<Self> {
        Self::with(target, target.open()?, config)
    }

    /// Opens the device, makes a ring, and starts.
    pub(crate) fn started(target: &Target, config: Config) -> Outcome<Self> {
        let reader = Self::configured(target, config)?;
        reader.start()?;
        Ok(reader)
    }

    /// A stream of the usual shape that has filled its ring, and waits for slots.
    pub(crate) fn waiting(target: &Target) -> Outcome<Self> {
        let reader = Self::started(target, target.shape())?;
        reader.wait_for_need_kick()?;
        Ok(reader)
    }

    /// Makes a ring on an open device.
    pub(crate) fn with(target: &Target, raw: Raw, config: Config) -> Outcome<Self> {
        let made = configure(&raw, config)?;
        let consumer = Mapping::new(
            &raw,
            MAP_CONSUMER,
            target.page,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED,
        )?;
        let meta = Mapping::read_only(&raw, MAP_META, target.page)?;
        let slots = Mapping::read_only(&raw, MAP_SLOTS, made.slots_bytes as usize)?;
        Ok(Self { raw, made, meta, consumer, slots })
    }

    /// Makes a ring, fills it and stops the stream.
    pub(crate) fn filled(target: &Target, config: Config) -> Outcome<Self> {
        let reader = Self::started(target, config)?;
        reader.fill()?;
        reader.stop()?;
        Ok(reader)
    }

    pub(crate) fn start(&self) -> Outcome {
        self.request("START", uapi::START)
    }

    pub(crate) fn stop(&self) -> Outcome {
        self.request("STOP", uapi::STOP)
    }

    pub(crate) fn kick(&self) -> Outcome {
        self.request("KICK", uapi::KICK)
    }

    fn request(&self, name: &str, request: u32) -> Outcome {
        self.raw.request(request, 0).map_err(|errno| failed(format!("{name}: got {errno:?}")))
    }

    pub(crate) fn meta(&self) -> &Meta {
        self.meta.meta()
    }

    pub(crate) fn producer(&self) -> u32 {
        self.meta().producer.load(Acquire)
    }

    pub(crate) fn flags(&self) -> u32 {
        self.meta().flags.load(Acquire)
    }

    pub(crate) fn index(&self) -> u32 {
        self.consumer.consumer().consumer.load(Relaxed)
    }

    /// Says, truly or not, that all frames before `index` were returned.
    pub(crate) fn set_index(&self, index: u32) {
        self.consumer.consumer().consumer.store(index, Release);
        fence(SeqCst);
    }

    pub(crate) fn stats(&self) -> Outcome<Stats> {
        stats(&self.raw)
    }

    pub(crate) fn state(&self) -> Outcome<u32> {
        state(&self.raw)
    }

    /// Waits for `producer` to be at `index`.
    pub(crate) fn reach(&self, index: u32) -> Outcome {
        let reached = || (self.producer().wrapping_sub(index) as i32 >= 0).then_some(());
        Ok(wait::until(LIMIT, &format!("producer to be at {index}"), reached)?)
    }

    /// Waits until the ring is full.
    pub(crate) fn fill(&self) -> Outcome {
        self.reach(self.index().wrapping_add(self.made.slots))
    }

    /// Waits until the ring is full and NEED_KICK is set.
    pub(crate) fn wait_for_need_kick(&self) -> Outcome {
        self.fill()?;
        let asked = || (self.flags() & NEED_KICK != 0).then_some(());
        Ok(wait::until(LIMIT, "NEED_KICK", asked)?)
    }

    /// Waits for `frames` lost frames.
    pub(crate) fn lose(&self, frames: u64) -> Outcome {
        let lost = || (self.meta().lost.load(Relaxed) >= frames).then_some(());
        Ok(wait::until(LIMIT, &format!("{frames} lost frames"), lost)?)
    }

    /// Waits for a full ring and a loss after that. Later losses all belong to one overrun; a
    /// driver that was late may have counted other overruns before.
    pub(crate) fn lose_without_end(&self) -> Outcome<Stats> {
        self.fill()?;
        self.lose(self.stats()?.lost + 1)?;
        self.stats()
    }

    /// Waits for that many overruns.
    pub(crate) fn overrun(&self, overruns: u64) -> Outcome {
        let counted = || self.stats().ok().filter(|now| now.overruns >= overruns);
        wait::until(LIMIT, &format!("{overruns} overruns"), counted)?;
        Ok(())
    }

    fn at(&self, index: u32) -> usize {
        (index % self.made.slots) as usize * self.made.slot_stride as usize
    }

    /// The frame at `index`, which must be ready.
    pub(crate) fn frame(&self, index: u32) -> Frame {
        let bytes = HEADER_BYTES + self.made.frame_bytes as usize;
        let mut payload = self.slots.copy(self.at(index), bytes);
        let header =
            Header::read_from_prefix(&payload).map_or_else(|_| Header::default(), |it| it.0);
        payload.drain(..HEADER_BYTES);
        Frame { header, payload }
    }

    /// Takes the next frame and returns its slot.
    pub(crate) fn take(&self) -> Outcome<Frame> {
        let index = self.index();
        self.reach(index.wrapping_add(1))?;
        let frame = self.frame(index);
        self.give_back(index.wrapping_add(1))?;
        Ok(frame)
    }

    /// Takes the next `count` frames.
    pub(crate) fn take_all(&self, count: u32) -> Outcome<Vec<Frame>> {
        (0..count).map(|_| self.take()).collect()
    }

    /// Takes the ready frames of a stopped stream.
    pub(crate) fn take_rest(&self) -> Outcome<Vec<Frame>> {
        self.take_all(self.producer().wrapping_sub(self.index()))
    }

    /// Returns the frames before `index`, and kicks if NEED_KICK requires it.
    pub(crate) fn give_back(&self, index: u32) -> Outcome {
        self.set_index(index);
        if self.flags() & NEED_KICK != 0 {
            let short = self.meta().kick_at.load(Relaxed).wrapping_sub(index);
            if short == 0 || short > self.made.slots {
                self.kick()?;
            }
        }
        Ok(())
    }

    /// All bytes of the slots.
    pub(crate) fn all(&self) -> Vec<u8> {
        self.slots.copy(0, self.made.slots_bytes as usize)
    }

    /// Writes an impossible index and checks that the stream faults.
    pub(crate) fn write_impossible(&self, index: u32) -> Outcome {
        self.set_index(index);
        self.kick()?;
        let flags = self.flags();
        let fault = self.meta().fault.load(Relaxed);
        let seen = (flags & FAULTED, fault);
        equal("FAULTED and fault", seen, (FAULTED, Fault::Consumer as u32))
    }

    /// read(2) into any address.
    pub(crate) fn read_to(&self, address: usize, bytes: usize) -> Result<usize, Errno> {
        read_to(&self.raw, address, bytes)
    }
}

/// read(2) into any address.
pub(crate) fn read_to(raw: &Raw, address: usize, bytes: usize) -> Result<usize, Errno> {
    let to = std::ptr::with_exposed_provenance_mut(address);
    // SAFETY: callers pass the address of a buffer of at least this length, or an invalid address.
    let read = unsafe { libc::read(raw.file().as_raw_fd(), to, bytes) };
    Errno::result(read).map(|read| read as usize)
}

/// read(2).
pub(crate) fn read(raw: &Raw, buffer: &mut [u8]) -> Result<usize, Errno> {
    read_to(raw, buffer.as_mut_ptr().expose_provenance(), buffer.len())
}

/// `CONFIGURE`, which must succeed.
pub(crate) fn configure(raw: &Raw, config: Config) -> Outcome<Config> {
    raw.configure(config).map_err(|errno| failed(format!("CONFIGURE: got {errno:?}")))
}

/// `GET_STATS`.
pub(crate) fn stats(raw: &Raw) -> Outcome<Stats> {
    raw.exchange(uapi::GET_STATS, Stats::default())
        .map_err(|errno| failed(format!("GET_STATS: got {errno:?}")))
}

/// `GET_INFO`.
pub(crate) fn info(raw: &Raw) -> Outcome<Info> {
    raw.exchange(uapi::GET_INFO, Info::default())
        .map_err(|errno| failed(format!("GET_INFO: got {errno:?}")))
}

/// The state in `GET_INFO`.
pub(crate) fn state(raw: &Raw) -> Outcome<u32> {
    Ok(info(raw)?.state)
}

/// `GET_CONFIG`.
pub(crate) fn config(raw: &Raw) -> Outcome<Config> {
    raw.exchange(uapi::GET_CONFIG, Config::default())
        .map_err(|errno| failed(format!("GET_CONFIG: got {errno:?}")))
}

/// Fails unless every byte of each frame is the pattern.
pub(crate) fn is_pattern(frames: &[Frame]) -> Outcome {
    static REFERENCE: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let mut reference = vec![0; pattern::REFERENCE_BYTES];
        pattern::fill(&mut reference);
        reference
    });
    for frame in frames {
        let sequence = frame.header.sequence.get();
        let wrong = pattern::mismatch(&REFERENCE, sequence, &frame.payload);
        holds(wrong.is_none(), || {
            let at = wrong.unwrap_or_default();
            format!("got {:#04x} at byte {at} of frame {sequence}", frame.payload[at])
        })?;
    }
    Ok(())
}
