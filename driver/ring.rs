// SPDX-License-Identifier: GPL-2.0

//! A ring's memory: the two pages of its protocol and its slots.
//!
//! It knows no device. Files and mappings hold on to it, so that what was received stays readable
//! after the device is gone. What the engine needs to write into it is in [`SlotMap`].

use crate::abstractions::{
    dma::{
        Direction,
        Mapping, //
    },
    pages::{
        Pages,
        ORDER_MAX, //
    }, //
};
use core::sync::atomic::Ordering::Relaxed;
use dmaframe_abi::{
    frame::{Header, HEADER_BYTES, STAMP_BYTES, STAMP_END, STAMP_START},
    ring::{
        ConsumerPage,
        Meta,
        MAGIC,
        MAP_CONSUMER,
        MAP_META,
        MAP_SLOTS,
        STOPPED, //
    },
    stream::Shape,
};
use dmaframe_engine::chain::{Block, SlotBlocks, SLOT_BLOCKS};
use kernel::{
    device::Device,
    iov::IovIterDest,
    mm::virt::VmaNew,
    page::PAGE_SIZE,
    prelude::*, //
};
use zerocopy::IntoBytes;

/// A slot's memory: contiguous for its readers, in blocks for the engine.
struct Slot {
    blocks: KVec<Pages>,
}

impl Slot {
    fn new(bytes: usize) -> Result<Self> {
        let mut blocks = KVec::new();
        let mut pages = bytes / PAGE_SIZE;
        let mut largest = ORDER_MAX;
        while pages > 0 {
            if blocks.len() == SLOT_BLOCKS {
                return Err(ENOMEM);
            }
            // Memory may be fragmented: smaller blocks serve as well, up to a number.
            let mut order = pages.ilog2().min(largest);
            let block = loop {
                match Pages::charged(order) {
                    Ok(block) => break block,
                    Err(error) if order == 0 => return Err(error),
                    Err(_) => order -= 1,
                }
            };
            largest = order;
            pages -= 1 << order;
            blocks.push(block, GFP_KERNEL)?;
        }
        Ok(Self { blocks })
    }

    /// The page at `index` of the slot: its block, and its place there.
    fn page(&self, mut index: usize) -> Result<(&Pages, usize)> {
        for block in &self.blocks {
            let pages = block.bytes() / PAGE_SIZE;
            if index < pages {
                return Ok((block, index));
            }
            index -= pages;
        }
        Err(EFAULT)
    }

    fn read_to_user(
        &self,
        mut offset: usize,
        mut bytes: usize,
        iov: &mut IovIterDest<'_>,
    ) -> Result {
        for block in &self.blocks {
            let skip = offset.min(block.bytes());
            let part = bytes.min(block.bytes() - skip);
            block.read_to_user(skip, part, iov)?;
            offset -= skip;
            bytes -= part;
        }
        Ok(())
    }
}

/// A ring.
pub(crate) struct Ring {
    meta: Pages,
    consumer: Pages,
    slots: KVec<Slot>,
    stride: usize,
}

impl Ring {
    /// An empty ring for `shape`, which was checked.
    pub(crate) fn new(shape: &Shape, stamp_hz: u32) -> Result<Self> {
        let stride = shape.slot_stride(PAGE_SIZE as u32);
        let mut slots = KVec::with_capacity(shape.slots as usize, GFP_KERNEL)?;
        for _ in 0..shape.slots {
            slots.push(Slot::new(stride as usize)?, GFP_KERNEL)?;
        }
        let this = Self {
            meta: Pages::charged(0)?,
            consumer: Pages::charged(0)?,
            slots,
            stride: stride as usize,
        };
        let meta = this.meta();
        meta.struct_bytes.store(size_of::<Meta>() as u32, Relaxed);
        meta.slots.store(shape.slots, Relaxed);
        meta.slot_stride.store(stride, Relaxed);
        meta.header_bytes.store(HEADER_BYTES as u32, Relaxed);
        meta.frame_bytes.store(shape.frame_bytes, Relaxed);
        meta.source.store(shape.source, Relaxed);
        meta.policy.store(shape.policy as u32, Relaxed);
        meta.interval_us.store(shape.interval_us, Relaxed);
        meta.stamp_hz.store(stamp_hz, Relaxed);
        meta.flags.store(STOPPED, Relaxed);
        meta.magic.store(MAGIC, Relaxed);
        Ok(this)
    }

    /// The driver's page. It is written by the driver and read by programs: nothing that is read
    /// back from it is relied on.
    pub(crate) fn meta(&self) -> &Meta {
        self.meta.shared()
    }

    /// The reader's page.
    pub(crate) fn consumer(&self) -> &ConsumerPage {
        self.consumer.shared()
    }

    fn slot(&self, slot: usize) -> Result<&Slot> {
        self.slots.get(slot).ok_or(EFAULT)
    }

    /// The engine's two stamps in a slot.
    pub(crate) fn stamps(&self, slot: usize) -> Result<(u32, u32)> {
        let block = self.slot(slot)?.blocks.first().ok_or(EFAULT)?;
        let mut word = [0; STAMP_BYTES];
        block.read(STAMP_START, &mut word)?;
        let start = u32::from_le_bytes(word);
        block.read(STAMP_END, &mut word)?;
        Ok((start, u32::from_le_bytes(word)))
    }

    /// Writes a slot's header.
    pub(crate) fn write_header(&self, slot: usize, header: &Header) -> Result {
        self.slot(slot)?
            .blocks
            .first()
            .ok_or(EFAULT)?
            .write(0, header.as_bytes())
    }

    /// Copies `bytes` bytes of a slot, from `offset` on, to userland.
    pub(crate) fn read_to_user(
        &self,
        slot: usize,
        offset: usize,
        bytes: usize,
        iov: &mut IovIterDest<'_>,
    ) -> Result {
        self.slot(slot)?.read_to_user(offset, bytes, iov)
    }

    /// Bytes of all slots.
    pub(crate) fn bytes(&self) -> u64 {
        self.stride as u64 * self.slots.len() as u64
    }

    /// Whether a program has any of it mapped.
    pub(crate) fn is_mapped(&self) -> bool {
        let mut slots = self.slots.iter().flat_map(|slot| &slot.blocks);
        self.meta.is_mapped() || self.consumer.is_mapped() || slots.any(Pages::is_mapped)
    }

    /// Maps what stands at `offset` of the file.
    pub(crate) fn mmap(&self, vma: &VmaNew, offset: u64, shared: bool) -> Result {
        // Of a private mapping, writes would go nowhere.
        if !shared {
            return Err(EINVAL);
        }
        let bytes = vma.end() - vma.start();
        if offset != MAP_CONSUMER {
            if vma.writable() {
                return Err(EPERM);
            }
            vma.try_clear_maywrite()?;
        }
        vma.try_clear_mayexec()?;
        vma.set_dontexpand();
        vma.set_dontdump();
        match offset {
            MAP_META | MAP_CONSUMER if bytes != PAGE_SIZE => Err(EINVAL),
            MAP_META => self.meta.insert(vma, vma.start(), 0),
            MAP_CONSUMER => self.consumer.insert(vma, vma.start(), 0),
            _ => self.mmap_slots(vma, offset, bytes),
        }
    }

    fn mmap_slots(&self, vma: &VmaNew, offset: u64, bytes: usize) -> Result {
        let at = usize::try_from(offset.checked_sub(MAP_SLOTS).ok_or(EINVAL)?)?;
        let end = at.checked_add(bytes).ok_or(EINVAL)?;
        if end > self.stride * self.slots.len() {
            return Err(EINVAL);
        }
        for at in (at..end).step_by(PAGE_SIZE) {
            let (block, index) = self
                .slot(at / self.stride)?
                .page(at % self.stride / PAGE_SIZE)?;
            block.insert(vma, vma.start() + at - (end - bytes), index)?;
        }
        Ok(())
    }

    /// Maps all slots for `dev`. They belong to the CPU.
    ///
    /// # Safety
    ///
    /// `dev` is bound now and until the maps are dropped, and `self` lives until then.
    pub(crate) unsafe fn map_slots(&self, dev: &Device) -> Result<KVec<SlotMap>> {
        let mut maps = KVec::with_capacity(self.slots.len(), GFP_KERNEL)?;
        for slot in &self.slots {
            let mut mappings = KVec::with_capacity(slot.blocks.len(), GFP_KERNEL)?;
            let mut blocks = SlotBlocks::new();
            for pages in &slot.blocks {
                // SAFETY: By the contract.
                let mapping = unsafe { Mapping::new(dev, pages, Direction::FromDevice)? };
                mapping.sync_for_cpu();
                let block = Block {
                    bus: mapping.bus(),
                    bytes: pages.bytes() as u32,
                };
                blocks.push(block).map_err(|_| ENOMEM)?;
                mappings.push(mapping, GFP_KERNEL)?;
            }
            maps.push(SlotMap { mappings, blocks }, GFP_KERNEL)?;
        }
        Ok(maps)
    }
}

/// A slot as the engine sees it.
pub(crate) struct SlotMap {
    mappings: KVec<Mapping>,
    blocks: SlotBlocks,
}

impl SlotMap {
    /// The blocks to write to.
    pub(crate) fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// Gives the slot to the engine, each block of it. The header is all that the CPU writes: to
    /// readers the slot is read-only.
    pub(crate) fn to_device(&self) {
        for mapping in &self.mappings {
            mapping.sync_for_device(HEADER_BYTES);
        }
    }

    /// Gives the slot to the CPU.
    pub(crate) fn to_cpu(&self) {
        self.mappings.iter().for_each(Mapping::sync_for_cpu);
    }
}
