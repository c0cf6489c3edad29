// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs code while another thread sleeps in a system call.

use crate::outcome::{Outcome, failed};
use crate::target::LIMIT;
use dmaframe_compliance::wait;
use nix::sys::pthread::{Pthread, pthread_self};
use nix::unistd::gettid;
use std::sync::mpsc::channel;
use std::thread;

/// Runs `during` while a thread sleeps in `call`, and returns the result of `call`.
pub(crate) fn while_asleep<T: Send>(
    call: impl FnOnce() -> T + Send,
    during: impl FnOnce(Pthread) -> Outcome,
) -> Outcome<T> {
    let (sender, receiver) = channel();
    thread::scope(|scope| {
        let asleep = scope.spawn(move || {
            // The receiver waits for it.
            let _ = sender.send((gettid(), pthread_self()));
            call()
        });
        let (tid, thread) = receiver.recv()?;
        let done = wait::asleep(LIMIT, tid).map_err(Into::into).and_then(|()| during(thread));
        let returned = asleep.join().map_err(|_| failed("the sleeper panicked"))?;
        done.map(|()| returned)
    })
}
