// SPDX-License-Identifier: GPL-2.0

//! `/sys/kernel/debug/dmaframeN/registers`: a channel of the engine, as it stands.
//!
//! Reference: Documentation/ABI/testing/debugfs-dmaframe.

use crate::channel::Channel;
use kernel::{
    debugfs::{
        Dir,
        File, //
    },
    fmt,
    prelude::*,
    sync::Arc, //
};

/// The file. Its removal waits for readers.
pub(crate) type Registers = File<Arc<Channel>>;

/// The file of `channel`, in `dir`.
pub(crate) fn registers(dir: &Dir, channel: Arc<Channel>) -> impl PinInit<Registers> + '_ {
    dir.read_callback_file(
        c"registers",
        channel,
        &|channel: &Arc<Channel>, f: &mut fmt::Formatter<'_>| channel.show_registers(f),
    )
}
