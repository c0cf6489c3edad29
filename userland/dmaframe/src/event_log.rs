// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the library reports to the crate `tracing`. Without the feature `tracing`, nothing.
//!
//! Requests are at the level debug and waits at trace. Taking and returning a frame that is ready
//! reports nothing, because it must cost as little as it can.

#[cfg(feature = "tracing")]
pub(crate) use tracing::{debug, trace};

/// Takes its arguments, so that they count as used, and does nothing.
#[cfg(not(feature = "tracing"))]
macro_rules! nothing {
    ($($name:ident = $sign:tt $value:expr,)* $message:literal) => {{
        $(let _ = &$value;)*
    }};
}

#[cfg(not(feature = "tracing"))]
pub(crate) use {nothing as debug, nothing as trace};
