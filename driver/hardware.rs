// SPDX-License-Identifier: GPL-2.0

//! Resources of the bound device that streams use: the pool of descriptors and the pattern's memory.

use crate::{
    abstractions::{
        dma::{
            Direction,
            Mapping, //
        },
        pages::Pages, //
    },
    engine::Engine,
    ring::SlotMap,
    source::{
        Reference,
        Source, //
    }, //
};
use dmaframe_engine::chain::plan_frame;
use kernel::{
    device::Device,
    prelude::*,
    sync::{
        aref::ARef,
        Arc, //
    }, //
};

/// Memory for a chain: 1,024 descriptors of 32 bytes.
const POOL_ORDER: u32 = 3;

/// Resources of the bound device.
pub(crate) struct Hardware {
    device: ARef<Device>,
    reference: Arc<Reference>,
    // Before the pages: it is unmapped before they are freed.
    pool_map: Mapping,
    pool: Pages,
    /// Where chains are written before they go to the pool in one piece.
    draft: KVec<u8>,
    /// Bytes of `draft` that are a chain.
    drafted: usize,
}

impl Hardware {
    /// For a bound `device`. Dropped by [`crate::channel::Channel::shut_down`], before unbind.
    pub(crate) fn new(
        device: ARef<Device>,
        reference: Arc<Reference>,
        engine: &dyn Engine,
    ) -> Result<Self> {
        let pool = Pages::new(POOL_ORDER)?;
        // SAFETY: `device` is bound until `shut_down` has dropped this; the pages are dropped
        // after the mapping.
        let pool_map = unsafe { Mapping::new(&device, &pool, Direction::ToDevice)? };
        for bus in [pool_map.bus(), reference.bus()] {
            if !engine.reaches(bus) {
                dev_err!(
                    device,
                    "memory has DMA address {bus:#x}, which the engine does not reach coherently: \
                     move the node under /soc, whose dma-ranges give the bus alias\n"
                );
                return Err(EINVAL);
            }
        }
        let draft = KVec::from_elem(0, pool.bytes(), GFP_KERNEL)?;
        Ok(Self {
            device,
            reference,
            pool_map,
            pool,
            draft,
            drafted: 0,
        })
    }

    /// Drafts a chain of frames of `frame_bytes`, from frame `sequence` of `source` on, into the
    /// slots that `slot` names, up to the first `None`. Returns how many frames the chain makes:
    /// no more than the pool holds descriptors for.
    pub(crate) fn encode<'a>(
        &mut self,
        engine: &dyn Engine,
        source: &Source,
        sequence: u64,
        frame_bytes: u32,
        slot: impl Fn(u32) -> Option<&'a SlotMap>,
    ) -> Result<u32> {
        let (limits, stamp) = (engine.limits(), engine.stamp().bus);
        let reference = &self.reference;
        let encoded = engine
            .encode(&mut self.draft, self.pool_map.bus(), &mut |n, plan| {
                let Some(map) = slot(n) else {
                    return Ok(false);
                };
                let origin = source.origin(sequence + u64::from(n), reference);
                plan_frame(&limits, stamp, &origin, map.blocks(), frame_bytes, plan)?;
                Ok(true)
            })
            .map_err(|error| {
                kernel::pr_err_once!("{}\n", format_args!("{error}"));
                EINVAL
            })?;
        self.drafted = encoded.bytes;
        Ok(encoded.frames)
    }

    /// Starts the chain that [`Hardware::encode`] drafted. Its slots belong to the engine already:
    /// the chain is handed over last.
    pub(crate) fn start(&self, engine: &dyn Engine) -> Result {
        let chain = self.draft.get(..self.drafted).ok_or(EFAULT)?;
        self.pool_map.sync_for_cpu();
        self.pool.write(0, chain)?;
        self.pool_map.sync_for_device(chain.len());
        engine.start(self.pool_map.bus())
    }

    /// The device, which is bound as long as `self` exists.
    pub(crate) fn device(&self) -> &Device {
        &self.device
    }
}
