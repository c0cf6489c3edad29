// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0
//! Control blocks: the descriptors that the BCM2835 DMA engine reads from memory.
//!
//! Source: BCM2835 ARM Peripherals, chapter 4.2.1.1 (page 40); TI (pages 50 to 52); AXI bursts
//! (page 63); lite channels (page 64).

use crate::chain::{Limits, PlanError, Segment, Width};
use crate::register::TransferInformation as Ti;
use zerocopy_derive as zd;

/// One control block: eight little-endian words, 32 bytes, aligned to 32 bytes. It describes one
/// transfer.
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
    /// Bits of [`Ti`].
    pub transfer_information: u32,
    /// Bus address read from.
    pub source: u32,
    /// Bus address written to.
    pub destination: u32,
    /// Length of the transfer in bytes: a multiple of 4.
    pub length: u32,
    /// Stride of a 2D transfer. Always zero here.
    pub stride: u32,
    /// Bus address of the next control block. Zero ends the chain.
    pub next: u32,
    /// Always zero.
    pub reserved: [u32; 2],
}

/// By field, without those that are always zero.
#[cfg(feature = "defmt")]
impl defmt::Format for ControlBlock {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(
            f,
            "{} source={=u32:#x} destination={=u32:#x} length={=u32} next={=u32:#x}",
            Ti(self.transfer_information),
            self.source,
            self.destination,
            self.length,
            self.next
        );
    }
}

const _: () = assert!(size_of::<ControlBlock>() == 32 && align_of::<ControlBlock>() == 32);

/// Limits of the full channels, 1 to 6. Their buffer holds 256 bits: 8 reads of 32 bits, or 2 of
/// 128.
pub const FULL: Limits = Limits {
    descriptor_bytes: 32,
    transfer_bytes: (1 << 30) - 4,
    granularity: 4,
    address_bits: 32,
    burst_32: 8,
    burst_128: 2,
};

/// Limits of channels 0 and 15, which have a further FIFO of 8 times 128 bits.
pub const BULK: Limits = Limits { burst_128: 8, ..FULL };

/// Limits of the lite channels, 7 to 14. Their buffer holds 128 bits.
pub const LITE: Limits = Limits { transfer_bytes: 0x1_0000 - 4, burst_32: 4, burst_128: 1, ..FULL };

/// The limits of channel `channel`, of which DEBUG says that it is a lite one or not.
pub const fn limits(channel: u32, lite: bool) -> Limits {
    match channel {
        _ if lite => LITE,
        0 | 15 => BULK,
        _ => FULL,
    }
}

/// Wide writes begin and end at multiples of this many bytes: the step of their address, and the
/// two beats of their bursts.
const WIDE_BYTES: u32 = 32;

/// A chain that is being built in a pool of control blocks.
///
/// [`Chain::append`] adds the segments of a frame and links them. [`Chain::finish`] ends the chain
/// and enables the interrupt of its last control block, the only one. Do not start a chain before:
/// it has no end.
#[derive(Debug)]
pub struct Chain<'a> {
    pool: &'a mut [ControlBlock],
    pool_bus: u32,
    limits: Limits,
    used: usize,
}

impl<'a> Chain<'a> {
    /// An empty chain in `pool`, whose bus address is `pool_bus`.
    ///
    /// # Errors
    ///
    /// [`PlanError::Unreachable`] if the engine cannot reach all of the pool, or if `pool_bus` is
    /// 0, which means the end of a chain. [`PlanError::Misaligned`] if `pool_bus` is not a multiple
    /// of a descriptor's length.
    pub fn new(
        pool: &'a mut [ControlBlock],
        pool_bus: u64,
        limits: Limits,
    ) -> Result<Self, PlanError> {
        let bytes = size_of_val(pool) as u64;
        // A control block holds addresses of 32 bits.
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

    /// Number of control blocks in use.
    pub fn len(&self) -> usize {
        self.used
    }

    /// Whether the chain has no control block.
    pub fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Number of control blocks that are free.
    pub fn room(&self) -> usize {
        self.pool.len() - self.used
    }

    /// Appends all of `segments`.
    ///
    /// # Errors
    ///
    /// [`PlanError::TooManySegments`] if the pool has too little room, or what [`Limits::check`]
    /// reports. Then none of them is appended.
    pub fn append(&mut self, segments: &[Segment]) -> Result<(), PlanError> {
        if segments.len() > self.room() {
            return Err(PlanError::TooManySegments { most: self.pool.len() });
        }
        for segment in segments {
            self.limits.check(segment)?;
        }
        for segment in segments {
            // For the pool's last block this may wrap; `finish` replaces it with zero.
            let after = (self.used as u32 + 1) * self.limits.descriptor_bytes;
            let next = self.pool_bus.wrapping_add(after);
            self.pool[self.used] = encode(segment, &self.limits, next);
            self.used += 1;
        }
        Ok(())
    }

    /// Ends the chain: its last control block raises the interrupt and has no successor.
    ///
    /// Returns the number of control blocks, or `None` if the chain is empty.
    pub fn finish(self) -> Option<usize> {
        let last = self.pool.get_mut(self.used.checked_sub(1)?)?;
        last.transfer_information |= Ti::INTEN.0;
        last.next = 0;
        Some(self.used)
    }
}

fn encode(segment: &Segment, limits: &Limits, next: u32) -> ControlBlock {
    let mut ti = Ti::DEST_INC;
    if segment.source_increments {
        ti = ti.with(Ti::SRC_INC);
    }
    if segment.width == Width::Bits128 {
        ti = ti.with(Ti::SRC_WIDTH128);
    }
    if segment.dreq != 0 {
        // As mainline's `bcm2835_dma_prep_slave_sg`: one word for each request, written before the
        // next request counts.
        ti = ti.with(Ti::SRC_DREQ).with(Ti::permap(segment.dreq)).with(Ti::WAIT_RESP);
    } else if segment.confirmed {
        ti = ti.with(Ti::WAIT_RESP);
    } else if segment.source_increments {
        // Memory to memory. CS.WAIT_FOR_OUTSTANDING_WRITES keeps the order of the blocks, so that
        // the writes of this one need not wait for each other.
        ti = ti.with(Ti::burst(limits.burst(segment.width)));
        let wide = |n: u64| n % u64::from(WIDE_BYTES) == 0;
        if wide(segment.destination) && wide(segment.bytes.into()) {
            ti = ti.with(Ti::DEST_WIDTH128);
        }
    }
    ControlBlock {
        transfer_information: ti.0,
        // `Limits::check` has refused addresses of more than 32 bits.
        source: segment.source as u32,
        destination: segment.destination as u32,
        length: segment.bytes,
        stride: 0,
        next,
        reserved: [0; 2],
    }
}
