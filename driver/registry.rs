// SPDX-License-Identifier: GPL-2.0

//! All channels of all devices, by their numbers.

use crate::channel::Channel;
use kernel::{
    prelude::*,
    sync::{
        global_lock,
        Arc, //
    }, //
};

global_lock! {
    // SAFETY: Initialized once, in `init`, before any device is probed.
    unsafe(uninit) static CHANNELS: Mutex<KVec<Arc<Channel>>> = KVec::new();
}

/// Makes the registry usable.
///
/// # Safety
///
/// Called once, before anything else here.
pub(crate) unsafe fn init() {
    // SAFETY: By the contract.
    unsafe { CHANNELS.init() };
}

/// A channel's place in the registry.
pub(crate) struct Place(u32);

impl Place {
    /// Makes a channel of the lowest free number.
    pub(crate) fn take(
        make: impl FnOnce(u32) -> Result<Arc<Channel>>,
    ) -> Result<(Self, Arc<Channel>)> {
        let mut channels = CHANNELS.lock();
        let taken = |id| channels.iter().any(|channel| channel.id == id);
        let id = (0..).find(|id| !taken(*id)).ok_or(ENOSPC)?;
        let channel = make(id)?;
        channels.push(channel.clone(), GFP_KERNEL)?;
        Ok((Self(id), channel))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut channels = CHANNELS.lock();
        let channel = channels.iter().position(|channel| channel.id == self.0);
        // Dropped after the lock is released: it may be the last reference.
        let _channel = channel.and_then(|index| channels.remove(index).ok());
        if channels.is_empty() {
            // Statics of a module are never dropped: free the memory here.
            *channels = KVec::new();
        }
        drop(channels);
    }
}

/// Channel `id`.
pub(crate) fn find(id: u32) -> Option<Arc<Channel>> {
    CHANNELS
        .lock()
        .iter()
        .find(|channel| channel.id == id)
        .cloned()
}

/// The `index`-th channel, in the order in which they came.
pub(crate) fn nth(index: usize) -> Option<Arc<Channel>> {
    CHANNELS.lock().get(index).cloned()
}
