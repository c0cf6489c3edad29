// SPDX-License-Identifier: GPL-2.0

//! A process that is to be named later.

use kernel::{
    bindings,
    current,
    prelude::*,
    sync::aref::ARef,
    task::Task, //
};

extern "C" {
    fn dmaframe_task_comm(task: *mut bindings::task_struct, comm: *mut c_char);
}

/// Bytes of a command name with its NUL: TASK_COMM_LEN.
pub(crate) const COMM_BYTES: usize = 16;

/// A process.
pub(crate) struct Process(ARef<Task>);

impl Process {
    /// The process that runs this.
    pub(crate) fn current() -> Self {
        Self(current!().group_leader().into())
    }

    /// Its ID in the caller's PID namespace; 0 if it has none there, or has ended.
    pub(crate) fn pid(&self) -> u32 {
        self.0.tgid_nr_ns(None).try_into().unwrap_or(0)
    }

    /// Its command name, padded with NUL, as `/proc/PID/comm` has it.
    pub(crate) fn comm(&self) -> [u8; COMM_BYTES] {
        let mut comm = [0; COMM_BYTES];
        // SAFETY: The task is valid, and `comm` has the TASK_COMM_LEN bytes that are written.
        unsafe { dmaframe_task_comm(self.0.as_ptr(), comm.as_mut_ptr().cast()) };
        comm
    }
}
