// SPDX-License-Identifier: GPL-2.0

//! A threaded interrupt whose thread can also be woken by other means.
//!
//! The kernel crate's `ThreadedRegistration` keeps its cookie to itself, without which
//! `irq_wake_thread()` cannot be called.

use kernel::{
    bindings,
    error::to_result,
    prelude::*,
    sync::Arc, //
};

/// The handlers of an interrupt.
pub(crate) trait Interrupt: Send + Sync + 'static {
    /// In hard interrupt context: silences the device. False when it was not its interrupt.
    fn acknowledge(&self) -> bool;

    /// Handles the interrupt in its thread. May sleep.
    fn service(&self);
}

/// Wakes an interrupt's thread, from any context.
///
/// After the registration is gone this does nothing.
#[derive(Clone, Copy)]
pub(crate) struct Wake {
    irq: u32,
    cookie: usize,
}

impl Wake {
    /// For the thread that [`IrqThread::new`] makes for `irq` and `handler`.
    pub(crate) fn new<T: Interrupt>(irq: u32, handler: &T) -> Self {
        Self {
            irq,
            cookie: core::ptr::from_ref(handler) as usize,
        }
    }

    /// Makes the thread run [`Interrupt::service`] soon.
    pub(crate) fn wake(self) {
        // SAFETY: The cookie is compared with those of the line's handlers, never followed.
        unsafe { bindings::irq_wake_thread(self.irq, self.cookie as *mut c_void) };
    }

    /// Disables the line, and waits until no hard handler of it runs. The thread may run on, and may
    /// be the caller. The line must not be shared.
    pub(crate) fn disable_hard(self) -> Disabled {
        // SAFETY: Any number may be passed; for one with no handler this does nothing.
        unsafe { bindings::disable_hardirq(self.irq) };
        Disabled { irq: self.irq }
    }
}

/// An interrupt line that is disabled as long as this exists.
///
/// # Invariants
///
/// Counted in the line's disable depth.
pub(crate) struct Disabled {
    irq: u32,
}

impl Drop for Disabled {
    fn drop(&mut self) {
        // SAFETY: By the invariants this ends our own disable.
        unsafe { bindings::enable_irq(self.irq) };
    }
}

/// A registered threaded interrupt.
///
/// # Invariants
///
/// A handler is registered for `irq` whose cookie is the address of `handler`.
pub(crate) struct IrqThread<T: Interrupt> {
    irq: u32,
    handler: Arc<T>,
}

impl<T: Interrupt> IrqThread<T> {
    /// Requests `irq`, which belongs to the device being probed. Must be dropped before it is
    /// unbound.
    ///
    /// The hard handler stays in hard interrupt context with `threadirqs` and PREEMPT_RT too. Where
    /// it is threaded, `irq_wake_thread()` wakes the thread of the hard handler, and
    /// [`Interrupt::service`] never runs.
    pub(crate) fn new(irq: u32, name: &'static CStr, handler: Arc<T>) -> Result<Self> {
        let cookie = core::ptr::from_ref::<T>(&handler).cast_mut();
        // SAFETY: The callbacks take the cookie for a `T`, which the `Arc` in the returned value
        // keeps alive until the interrupt is freed.
        to_result(unsafe {
            bindings::request_threaded_irq(
                irq,
                Some(hard::<T>),
                Some(thread::<T>),
                bindings::IRQF_NO_THREAD as c_ulong,
                name.as_char_ptr(),
                cookie.cast(),
            )
        })?;
        // INVARIANT: Just registered.
        Ok(Self { irq, handler })
    }
}

impl<T: Interrupt> Drop for IrqThread<T> {
    fn drop(&mut self) {
        let cookie = core::ptr::from_ref::<T>(&self.handler).cast_mut();
        // SAFETY: By the invariants. This waits for handlers that run, and stops the thread.
        unsafe { bindings::free_irq(self.irq, cookie.cast()) };
    }
}

/// # Safety
///
/// Called for a registered [`IrqThread`] of `T`, with its cookie.
unsafe extern "C" fn hard<T: Interrupt>(_irq: c_int, cookie: *mut c_void) -> bindings::irqreturn_t {
    // SAFETY: The cookie is a live `T`, see `IrqThread::new`.
    let handler = unsafe { &*cookie.cast::<T>() };
    if handler.acknowledge() {
        bindings::irqreturn::IRQ_WAKE_THREAD
    } else {
        bindings::irqreturn::IRQ_NONE
    }
}

/// # Safety
///
/// Called for a registered [`IrqThread`] of `T`, with its cookie.
unsafe extern "C" fn thread<T: Interrupt>(
    _irq: c_int,
    cookie: *mut c_void,
) -> bindings::irqreturn_t {
    // SAFETY: The cookie is a live `T`, see `IrqThread::new`.
    let handler = unsafe { &*cookie.cast::<T>() };
    handler.service();
    bindings::irqreturn::IRQ_HANDLED
}
