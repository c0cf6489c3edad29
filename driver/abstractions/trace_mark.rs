// SPDX-License-Identifier: GPL-2.0

//! Lines in the kernel's trace, between those of its tracepoints. For tests only.

use core::fmt::Write;
use kernel::{
    fmt,
    prelude::*,
    str::NullTerminatedFormatter, //
};

extern "C" {
    fn dmaframe_trace_mark(text: *const c_char);
}

/// The longest line, with the NUL at its end.
const LINE_BYTES: usize = 96;

/// Writes `dmaframe: ` and `text` into the trace, cut to what fits in [`LINE_BYTES`]. From any
/// context. Does nothing in a kernel without CONFIG_TRACING.
pub(crate) fn mark(text: fmt::Arguments<'_>) {
    let mut line = [0; LINE_BYTES];
    if let Some(mut line) = NullTerminatedFormatter::new(&mut line) {
        // What was written before it failed is still a line.
        let _ = write!(line, "dmaframe: {text}");
    }
    // SAFETY: The formatter has ended the line with a NUL.
    unsafe { dmaframe_trace_mark(line.as_ptr().cast()) };
}
