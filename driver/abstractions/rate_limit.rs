// SPDX-License-Identifier: GPL-2.0

//! A limit on how often something may happen: `struct ratelimit_state`.

use kernel::{
    bindings,
    prelude::*,
    types::Opaque, //
};

extern "C" {
    fn dmaframe_ratelimit_init(state: *mut bindings::ratelimit_state);
}

/// Allows 10 times in 5 seconds, the kernel's defaults.
#[pin_data]
pub(crate) struct RateLimit {
    #[pin]
    state: Opaque<bindings::ratelimit_state>,
}

// SAFETY: `___ratelimit()` locks the state.
unsafe impl Send for RateLimit {}
// SAFETY: As above.
unsafe impl Sync for RateLimit {}

impl RateLimit {
    /// A limit without a use so far.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            state <- Opaque::ffi_init(|slot| {
                // SAFETY: `slot` may be written.
                unsafe { dmaframe_ratelimit_init(slot) }
            }),
        })
    }

    /// Whether it may happen once more now. From any context.
    pub(crate) fn allows(&self) -> bool {
        // SAFETY: Initialized in `new`; the name is a string with NUL.
        unsafe { bindings::___ratelimit(self.state.get(), c"dmaframe".as_char_ptr()) != 0 }
    }
}
