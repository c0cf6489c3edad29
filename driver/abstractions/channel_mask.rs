// SPDX-License-Identifier: GPL-2.0

//! The channels that the DMA controller's own driver uses.

use kernel::{
    error::to_result,
    prelude::*, //
};

extern "C" {
    fn dmaframe_dma_channel_mask(compatible: *const c_char, mask: *mut u32) -> c_int;
}

/// `brcm,dma-channel-mask` of the first available node that is `compatible`: bit N is channel N.
/// 0 if there is no such node or property, without which its driver uses no channel.
pub(crate) fn channel_mask(compatible: &CStr) -> u32 {
    let mut mask = 0;
    // SAFETY: The string ends with NUL, and `mask` may be written.
    let found = unsafe { dmaframe_dma_channel_mask(compatible.as_char_ptr(), &mut mask) };
    to_result(found).map_or(0, |()| mask)
}
