// SPDX-License-Identifier: MIT OR Apache-2.0
//! The buffer for one frame that is read, aligned as a slot is.

use dmaframe_abi::frame::{self, FrameError, HEADER_BYTES};
use std::io::{self, ErrorKind, Read};
use zerocopy::IntoBytes;
use zerocopy_derive as zd;

use crate::FrameRef;

/// Longest payload of any device.
pub(crate) const PAYLOAD_MAX: usize = 16 << 20;

#[derive(Clone, Copy, Default, zd::FromBytes, zd::IntoBytes, zd::Immutable)]
#[repr(C, align(64))]
struct Line([u64; 8]);

/// Header and payload of a frame.
#[derive(Default)]
pub(crate) struct Buffer {
    lines: Vec<Line>,
    filled: usize,
}

impl Buffer {
    pub(crate) fn clear(&mut self) {
        self.filled = 0;
    }

    /// Bytes read since [`Buffer::clear`].
    pub(crate) fn filled(&self) -> usize {
        self.filled
    }

    /// Reads until the buffer holds `bytes`. Returns whether the file had them.
    pub(crate) fn fill(&mut self, file: &mut dyn Read, bytes: usize) -> io::Result<bool> {
        let lines = bytes.div_ceil(size_of::<Line>());
        if self.lines.len() < lines {
            self.lines.resize(lines, Line::default());
        }
        while self.filled < bytes {
            match file.read(&mut self.lines.as_mut_bytes()[self.filled..bytes]) {
                Ok(0) => return Ok(false),
                Ok(count) => self.filled += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// The bytes that were read.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.lines.as_bytes()[..self.filled]
    }

    /// The frame that the buffer begins with.
    pub(crate) fn frame(&self) -> Result<FrameRef<'_>, FrameError> {
        let (header, payload) = frame::parse(self.bytes())?;
        Ok(FrameRef { header, payload })
    }

    /// The length of the payload that the header, which was read, names.
    pub(crate) fn payload_bytes(&self) -> Result<usize, String> {
        match frame::parse(self.bytes()) {
            Ok((_, payload)) => Ok(payload.len()),
            Err(FrameError::Short { need, .. }) if need - HEADER_BYTES <= PAYLOAD_MAX => {
                Ok(need - HEADER_BYTES)
            }
            Err(FrameError::Short { need, .. }) => {
                Err(format!("a payload of {} bytes is longer than any", need - HEADER_BYTES))
            }
            Err(error) => Err(error.to_string()),
        }
    }
}

impl std::fmt::Debug for Buffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Buffer").field("filled", &self.filled).finish_non_exhaustive()
    }
}
