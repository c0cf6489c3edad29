// SPDX-License-Identifier: MIT OR Apache-2.0
//! A frame of a recording: header and payload.

use dmaframe_abi::frame::Header;
use std::ops::Deref;

/// A frame, as a device gives it or as a file holds it.
#[derive(Clone, Copy, Debug)]
pub struct FrameRef<'a> {
    /// The header, as driver and engine wrote it.
    pub header: &'a Header,
    /// The payload.
    pub payload: &'a [u8],
}

impl FrameRef<'_> {
    pub(crate) fn sequence(&self) -> u64 {
        self.header.sequence.get()
    }

    pub(crate) fn lost(&self) -> u64 {
        self.header.lost.get()
    }
}

/// The payload.
impl Deref for FrameRef<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.payload
    }
}

#[cfg(feature = "replay")]
impl dmaframe::FrameData for FrameRef<'_> {
    fn header(&self) -> &Header {
        self.header
    }
}
