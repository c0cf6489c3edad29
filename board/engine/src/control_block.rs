// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0
//! The control block: what the BCM2835 engine reads from memory to run one transfer.

use crate::chain::{Limits, PlanError, Segment, Width};
use crate::register::TransferInformation as Ti;
use zerocopy_derive as zd;

/// One control block: 32 bytes, 32-byte aligned, little-endian words.
///
/// Source: BCM2835 ARM Peripherals, table 4-1, page 40.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    zd::FromBytes,
    zd::IntoBytes,
    zd::Immutable,
    zd::KnownLayout,
)]
#[repr(C, align(32))]
pub struct ControlBlock {
    /// See [`Ti`].
    pub transfer_information: u32,
    /// Bus address read from.
    pub source: u32,
    /// Bus address written to.
    pub destination: u32,
    /// Bytes moved: a multiple of 4.
    pub length: u32,
    /// 2D stride; unused here.
    pub stride: u32,
    /// Bus address of the next control block; zero ends the chain.
    pub next: u32,
    /// Written as zero.
    pub reserved: [u32; 2],
}

const _: () = assert!(size_of::<ControlBlock>() == 32 && align_of::<ControlBlock>() == 32);

/// What the full channels (0 to 6 and 15) can do.
pub const FULL: Limits = Limits {
    descriptor_bytes: 32,
    transfer_bytes: (1 << 30) - 4,
    granularity: 4,
    address_bits: 32,
};

/// What the lite channels (7 to 14) can do.
pub const LITE: Limits = Limits { transfer_bytes: 0x1_0000 - 4, ..FULL };

/// A chain under construction in a pool of control blocks.
///
/// Segments are appended frame by frame and linked as they come. [`Chain::finish`] ends the chain
/// and asks for the one interrupt, on the last control block. Until then the chain has no end and
/// must not be started.
#[derive(Debug)]
pub struct Chain<'a> {
    pool: &'a mut [ControlBlock],
    pool_bus: u32,
    limits: Limits,
    used: usize,
}

impl<'a> Chain<'a> {
    /// An empty chain in `pool`, which the engine sees at `pool_bus`.
    pub fn new(
        pool: &'a mut [ControlBlock],
        pool_bus: u64,
        limits: Limits,
    ) -> Result<Self, PlanError> {
        let bytes = size_of_val(pool) as u64;
        // Control blocks hold 32-bit addresses, whatever else an engine might.
        let limits = Limits { address_bits: limits.address_bits.min(32), ..limits };
        let end = pool_bus.checked_add(bytes).ok_or(PlanError::Unreachable { bus: pool_bus })?;
        if pool_bus == 0 || end - 1 > limits.highest_address() {
            return Err(PlanError::Unreachable { bus: pool_bus });
        }
        if pool_bus % u64::from(limits.descriptor_bytes) != 0 {
            return Err(PlanError::Misaligned { bus: pool_bus, align: limits.descriptor_bytes });
        }
        Ok(Self { pool, pool_bus: pool_bus as u32, limits, used: 0 })
    }

    /// Control blocks in use.
    pub fn len(&self) -> usize {
        self.used
    }

    /// Whether nothing was appended.
    pub fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Control blocks still free.
    pub fn room(&self) -> usize {
        self.pool.len() - self.used
    }

    /// Appends all of `segments`, or none of them.
    pub fn append(&mut self, segments: &[Segment]) -> Result<(), PlanError> {
        if segments.len() > self.room() {
            return Err(PlanError::TooManySegments { most: self.pool.len() });
        }
        for segment in segments {
            self.limits.check(segment)?;
        }
        for segment in segments {
            // Past the pool's end this may wrap; `finish` replaces it there.
            let after = (self.used as u32 + 1) * self.limits.descriptor_bytes;
            let next = self.pool_bus.wrapping_add(after);
            self.pool[self.used] = encode(segment, next);
            self.used += 1;
        }
        Ok(())
    }

    /// Ends the chain: the last control block interrupts and names no successor.
    ///
    /// Returns the number of control blocks, or `None` for an empty chain.
    pub fn finish(self) -> Option<usize> {
        let last = self.pool.get_mut(self.used.checked_sub(1)?)?;
        last.transfer_information |= Ti::INTEN.0;
        last.next = 0;
        Some(self.used)
    }
}

fn encode(segment: &Segment, next: u32) -> ControlBlock {
    let mut ti = Ti::DEST_INC.with(Ti::WAIT_RESP);
    if segment.source_increments {
        ti = ti.with(Ti::SRC_INC);
    }
    if segment.width == Width::Bits128 {
        ti = ti.with(Ti::SRC_WIDTH128);
    }
    if segment.dreq != 0 {
        ti = ti.with(Ti::SRC_DREQ).with(Ti::permap(segment.dreq));
    } else if segment.source_increments {
        ti = ti.with(Ti::burst(8));
    }
    ControlBlock {
        transfer_information: ti.0,
        // Both fit: `Limits::check` holds them below 2^32.
        source: segment.source as u32,
        destination: segment.destination as u32,
        length: segment.bytes,
        stride: 0,
        next,
        reserved: [0; 2],
    }
}
