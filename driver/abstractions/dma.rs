// SPDX-License-Identifier: GPL-2.0

//! The streaming DMA API for whole [`Pages`].

use super::pages::Pages;
use kernel::{
    bindings,
    device::Device,
    prelude::*,
    sync::aref::ARef, //
};

extern "C" {
    fn dmaframe_dma_map_page(
        dev: *mut bindings::device,
        page: *mut bindings::page,
        size: usize,
        dir: bindings::dma_data_direction,
    ) -> bindings::dma_addr_t;
    fn dmaframe_dma_unmap_page_skip_sync(
        dev: *mut bindings::device,
        bus: bindings::dma_addr_t,
        size: usize,
        dir: bindings::dma_data_direction,
    );
    fn dmaframe_dma_sync_for_cpu(
        dev: *mut bindings::device,
        bus: bindings::dma_addr_t,
        size: usize,
        dir: bindings::dma_data_direction,
    );
    fn dmaframe_dma_sync_for_device(
        dev: *mut bindings::device,
        bus: bindings::dma_addr_t,
        size: usize,
        dir: bindings::dma_data_direction,
    );
}

/// Which way the bytes go.
#[derive(Clone, Copy)]
pub(crate) enum Direction {
    /// The device reads.
    ToDevice,
    /// The device writes.
    FromDevice,
}

impl Direction {
    fn as_raw(self) -> bindings::dma_data_direction {
        match self {
            Direction::ToDevice => bindings::dma_data_direction::DMA_TO_DEVICE,
            Direction::FromDevice => bindings::dma_data_direction::DMA_FROM_DEVICE,
        }
    }
}

/// A device's view of [`Pages`].
///
/// It begins in the device's hands; [`Mapping::sync_for_cpu`] and [`Mapping::sync_for_device`]
/// hand it over. The end of the mapping hands nothing over: what the device wrote since
/// [`Mapping::sync_for_cpu`] may be lost, and what the CPU wrote since is not. With a hand-over, the
/// caches, or a bounce buffer's old contents, would discard what the CPU wrote.
///
/// # Invariants
///
/// `bus` was returned by the DMA API for `device`, which is bound, and for `bytes` bytes.
pub(crate) struct Mapping {
    device: ARef<Device>,
    bus: bindings::dma_addr_t,
    bytes: usize,
    direction: Direction,
}

// SAFETY: The DMA API may be called from any thread.
unsafe impl Send for Mapping {}
// SAFETY: As above; the methods only read the fields.
unsafe impl Sync for Mapping {}

fn raw(device: &Device) -> *mut bindings::device {
    // `Device` is a transparent wrapper of `struct device`; its own accessor is private.
    core::ptr::from_ref(device).cast_mut().cast()
}

impl Mapping {
    /// Maps all of `pages` for `device`.
    ///
    /// # Safety
    ///
    /// `device` is bound to its driver now and until this mapping is dropped, and `pages` live
    /// until then.
    pub(crate) unsafe fn new(device: &Device, pages: &Pages, direction: Direction) -> Result<Self> {
        let bytes = pages.bytes();
        // SAFETY: The device is bound, and the pages are valid for `bytes`.
        let bus = unsafe {
            dmaframe_dma_map_page(raw(device), pages.as_raw(), bytes, direction.as_raw())
        };
        if bus == bindings::dma_addr_t::MAX {
            return Err(ENOMEM);
        }
        // INVARIANT: Just mapped; the caller keeps the device bound.
        Ok(Self {
            device: device.into(),
            bus,
            bytes,
            direction,
        })
    }

    /// Where the device sees the first byte.
    pub(crate) fn bus(&self) -> u64 {
        self.bus
    }

    /// Gives the memory to the CPU, with what the device wrote.
    pub(crate) fn sync_for_cpu(&self) {
        // SAFETY: By the invariants this is a live mapping.
        unsafe {
            dmaframe_dma_sync_for_cpu(
                raw(&self.device),
                self.bus,
                self.bytes,
                self.direction.as_raw(),
            )
        };
    }

    /// Gives the memory to the device. The CPU wrote to no more than the first `bytes` bytes of it
    /// since it last had it, so that these are all that its caches can hold back.
    pub(crate) fn sync_for_device(&self, bytes: usize) {
        // SAFETY: By the invariants this is a live mapping, of which this is a part.
        unsafe {
            dmaframe_dma_sync_for_device(
                raw(&self.device),
                self.bus,
                bytes.min(self.bytes),
                self.direction.as_raw(),
            )
        };
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: By the invariants this is a live mapping, of a device that is still bound.
        unsafe {
            dmaframe_dma_unmap_page_skip_sync(
                raw(&self.device),
                self.bus,
                self.bytes,
                self.direction.as_raw(),
            )
        };
    }
}
