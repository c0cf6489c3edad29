// SPDX-License-Identifier: MIT OR Apache-2.0
//! The run: frames without a gap between them, which some formats take alone.

use crate::FrameRef;

/// The frames up to now.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Run {
    last: Option<(u32, u64)>,
}

impl Run {
    /// Why `frame` does not go on where the run ends, in words.
    pub(crate) fn gap(&self, frame: FrameRef<'_>) -> Option<String> {
        let (stream, sequence) = self.last?;
        let (new_stream, new_sequence) = (frame.header.stream.get(), frame.sequence());
        if stream != new_stream {
            return Some(format!("stream {new_stream} begins"));
        }
        if new_sequence == sequence.wrapping_add(1) && frame.lost() == 0 {
            return None;
        }
        Some(match frame.lost() {
            0 => format!("frame {new_sequence} follows frame {sequence}"),
            lost => format!("{lost} frames are lost before frame {new_sequence}"),
        })
    }

    pub(crate) fn add(&mut self, frame: FrameRef<'_>) {
        self.last = Some((frame.header.stream.get(), frame.sequence()));
    }
}
