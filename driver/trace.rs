// SPDX-License-Identifier: GPL-2.0

//! The trace: one record of defmt for each step of the hot path.
//!
//! [`record!`] has the kinds of records. Without CONFIG_DMAFRAME_TRACE it does nothing.
//!
//! Reference: Documentation/trace.rst.

#[cfg(CONFIG_DMAFRAME_TRACE)]
mod device;

#[cfg(CONFIG_DMAFRAME_TRACE)]
pub(crate) use device::{
    enabled,
    Registration, //
};

/// The levels, by their place in `dmaframe_abi::trace::LEVELS`.
#[cfg(CONFIG_DMAFRAME_TRACE)]
pub(crate) mod level {
    pub(crate) const ERROR: u32 = 1;
    pub(crate) const WARN: u32 = 2;
    pub(crate) const INFO: u32 = 3;
    pub(crate) const DEBUG: u32 = 4;
    pub(crate) const TRACE: u32 = 5;
}

/// Writes a record, if its level is enabled. Costs one predictable branch if it is not.
#[cfg(CONFIG_DMAFRAME_TRACE)]
macro_rules! write_record {
    ($macro:ident $level:ident $text:tt $($value:expr),*) => {
        if $crate::trace::enabled($crate::trace::level::$level) {
            defmt::$macro!($text, $crate::here!(), $($value),*);
        }
    };
}

/// `record!(KIND, DEVICE, ...)`: the kinds, their levels and their fields. The first field of each
/// is the place in the source.
#[cfg(CONFIG_DMAFRAME_TRACE)]
macro_rules! record {
    (start, $($value:expr),*) => {
        $crate::trace::write_record!(info INFO
            "{=istr} start dmaframe{=u32} stream={=u32} {}" $($value),*)
    };
    (arm, $($value:expr),*) => {
        $crate::trace::write_record!(debug DEBUG
            "{=istr} arm dmaframe{=u32} first={=u64} frames={=u32}" $($value),*)
    };
    (blocks, $channel:expr, $blocks:expr) => {
        if $crate::trace::enabled($crate::trace::level::TRACE) {
            for block in $blocks {
                $crate::trace::write_record!(trace TRACE
                    "{=istr} block channel={=u32} {}" $channel, block);
            }
        }
    };
    (completion, $($value:expr),*) => {
        $crate::trace::write_record!(debug DEBUG
            "{=istr} completion dmaframe{=u32} error_bits={=u32:#x}" $($value),*)
    };
    (header, $($value:expr),*) => {
        $crate::trace::write_record!(trace TRACE
            "{=istr} header dmaframe{=u32} {}" $($value),*)
    };
    (publish, $($value:expr),*) => {
        $crate::trace::write_record!(debug DEBUG
            "{=istr} publish dmaframe{=u32} first={=u64} frames={=u32}" $($value),*)
    };
    (loss, $($value:expr),*) => {
        $crate::trace::write_record!(warn WARN
            "{=istr} loss dmaframe{=u32} first={=u64} frames={=u64} lost={=u64}" $($value),*)
    };
    (kick, $($value:expr),*) => {
        $crate::trace::write_record!(debug DEBUG
            "{=istr} kick dmaframe{=u32} kicks={=u64}" $($value),*)
    };
    (stop, $($value:expr),*) => {
        $crate::trace::write_record!(info INFO
            "{=istr} stop dmaframe{=u32} stream={=u32} frames={=u64} lost={=u64} errors={=u64}"
            $($value),*)
    };
    (error, $($value:expr),*) => {
        $crate::trace::write_record!(error ERROR
            "{=istr} error dmaframe{=u32} stream={=u32} fault={} error_bits={=u32:#x}"
            $($value),*)
    };
}

#[cfg(not(CONFIG_DMAFRAME_TRACE))]
macro_rules! record {
    ($kind:ident, $($value:expr),*) => {
        if false {
            let _ = ($(&$value),*);
        }
    };
}

pub(crate) use record;
#[cfg(CONFIG_DMAFRAME_TRACE)]
pub(crate) use write_record;
