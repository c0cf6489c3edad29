// SPDX-License-Identifier: GPL-2.0

//! The interface of a DMA engine to the rest of the driver.
//!
//! An implementation runs one channel. Everything above deals in bus addresses and segments; how
//! they become descriptors and register writes is the implementation's own.

use dmaframe_engine::{
    chain::{Limits, Plan, PlanError},
    channel::{Interrupt, Position}, //
};
use kernel::{
    fmt,
    prelude::*, //
};

/// A free-running hardware counter that the engine can copy into memory.
#[derive(Clone, Copy)]
pub(crate) struct Stamp {
    /// Bus address of the counter's low word.
    pub(crate) bus: u64,
    /// Ticks per second.
    pub(crate) hz: u32,
}

/// Plans frame `n` of a chain; false when there is none.
pub(crate) type NextFrame<'a> = dyn FnMut(u32, &mut Plan) -> Result<bool, PlanError> + 'a;

/// A chain that was written into a pool.
pub(crate) struct Encoded {
    /// How many frames it makes.
    pub(crate) frames: u32,
    /// How many bytes of the pool it takes.
    pub(crate) bytes: usize,
}

/// One channel of a DMA engine.
pub(crate) trait Engine: Send + Sync {
    /// The engine's name.
    fn name(&self) -> &'static CStr;

    /// The channel's number on its engine.
    fn channel(&self) -> u32;

    /// The limits of its transfers.
    fn limits(&self) -> Limits;

    /// The counter that frames are stamped with.
    fn stamp(&self) -> Stamp;

    /// All 64 bits of that counter, now.
    fn counter(&self) -> u64;

    /// Whether memory at `bus` is reached with what other masters wrote, and not by a cache or
    /// alias of the engine's own.
    fn reaches(&self, bus: u64) -> bool;

    /// Writes a finite chain of as many frames as `next` plans and `pool` holds. The engine will
    /// see `pool` at `pool_bus`. The chain interrupts once, at its end.
    fn encode(
        &self,
        pool: &mut [u8],
        pool_bus: u64,
        next: &mut NextFrame<'_>,
    ) -> Result<Encoded, PlanError>;

    /// Starts the chain at `pool_bus`. It may have ended, and interrupted, before this returns.
    /// Fails with EBUSY if the channel is not idle.
    fn start(&self, pool_bus: u64) -> Result;

    /// How far the channel has come. Changes nothing.
    fn position(&self) -> Position;

    /// In hard interrupt context: silences the channel and tells why it interrupted. Stops no chain
    /// that runs.
    fn acknowledge(&self) -> Interrupt;

    /// Stops the channel. Returns when it is idle: no write of it is on its way any more. Must not
    /// run beside [`Engine::acknowledge`].
    fn stop(&self) -> Result;

    /// Writes the channel's registers as they stand, one a line. Changes none of them.
    fn show_registers(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}
