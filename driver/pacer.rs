// SPDX-License-Identifier: GPL-2.0

//! A periodic timer that counts what is due and wakes the channel's thread.

use crate::abstractions::irq_thread::Wake;
use kernel::{
    impl_has_hr_timer,
    prelude::*,
    sync::{
        atomic::{
            ordering::{
                Full,
                Relaxed, //
            },
            Atomic, //
        },
        Arc,
        ArcBorrow, //
    },
    time::{
        hrtimer::{
            ArcHrTimerHandle,
            HrTimer,
            HrTimerCallback,
            HrTimerCallbackContext,
            HrTimerPointer,
            HrTimerRestart,
            RelativeHardMode, //
        },
        Delta,
        Monotonic, //
    }, //
};

/// The timer and its count.
#[pin_data]
struct Ticks {
    #[pin]
    timer: HrTimer<Self>,
    interval: Delta,
    due: Atomic<u64>,
    wake: Wake,
}

impl_has_hr_timer! {
    impl HasHrTimer<Self> for Ticks {
        mode: RelativeHardMode<Monotonic>, field: self.timer
    }
}

// The callback runs in hard interrupt context on a PREEMPT_RT kernel too, where other timers wait
// for a thread of low priority. It takes raw locks only.
impl HrTimerCallback for Ticks {
    type Pointer<'a> = Arc<Self>;

    fn run(
        this: ArcBorrow<'_, Self>,
        mut context: HrTimerCallbackContext<'_, Self>,
    ) -> HrTimerRestart {
        // A late callback counts all the intervals that went by.
        let due = context.forward_now(this.interval);
        this.due.fetch_add(due, Relaxed);
        this.wake.wake();
        HrTimerRestart::Restart
    }
}

/// A running timer; dropping it stops it.
pub(crate) struct Pacer {
    ticks: Arc<Ticks>,
    _handle: ArcHrTimerHandle<Ticks>,
}

impl Pacer {
    /// Ticks every `interval`, beginning one interval from now.
    pub(crate) fn new(interval: Delta, wake: Wake) -> Result<Self> {
        let ticks = Arc::pin_init(
            pin_init!(Ticks {
                timer <- HrTimer::new(),
                interval,
                due: Atomic::new(0),
                wake,
            }),
            GFP_KERNEL,
        )?;
        Ok(Self {
            _handle: ticks.clone().start(interval),
            ticks,
        })
    }

    /// Intervals that went by since the last call.
    pub(crate) fn take(&self) -> u64 {
        self.ticks.due.xchg(0, Full)
    }
}
