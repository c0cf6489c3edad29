// SPDX-License-Identifier: GPL-2.0

//! Registers of a channel with faults: what a read gives is not what the hardware has.

use super::{
    Fault,
    Faults, //
};
use crate::abstractions::trace_mark::mark;
use dmaframe_engine::{
    channel::Registers,
    register::{
        ControlStatus,
        Debug,
        CONBLK_AD,
        CS,
        DEBUG,
        TXFR_LEN, //
    },
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            ordering::Relaxed,
            Atomic, //
        },
        Arc, //
    },
    time::{
        delay::udelay,
        Delta, //
    }, //
};

/// What can be injected as an error.
pub(super) const ERROR_BITS: u32 = ControlStatus::ERROR.0 | Debug::ERRORS.0;

/// The control block of somebody else.
const OTHER_BLOCK: u32 = 0xc000_0020;

/// Writes that a channel has outstanding.
const STUCK_WRITES: u32 = 3 << 4;

/// Milliseconds that a handler takes which lingers.
const LINGER_MS: u32 = 5_000;

/// The registers of a channel, with the faults of the device.
pub(crate) struct FaultyRegisters<R> {
    registers: R,
    faults: Arc<Faults>,
    /// The fault that withholds a completion, or 0.
    withheld: Atomic<u64>,
    /// Looks at the position of a slow engine.
    looks: Atomic<u32>,
    /// The error bits that are shown until they are cleared.
    errors: Atomic<u32>,
    /// DEBUG's count of outstanding writes, until a reset.
    writes: Atomic<u32>,
    /// 1 while a handler lingers.
    lingering: Atomic<u32>,
}

impl<R: Registers> FaultyRegisters<R> {
    /// No faults so far.
    pub(crate) fn new(registers: R, faults: Arc<Faults>) -> Self {
        Self {
            registers,
            faults,
            withheld: Atomic::new(0),
            looks: Atomic::new(0),
            errors: Atomic::new(0),
            writes: Atomic::new(0),
            lingering: Atomic::new(0),
        }
    }

    fn withheld(&self) -> Option<Fault> {
        Fault::from_raw(self.withheld.load(Relaxed))
    }

    /// CS, of which the hardware says `status`.
    fn status(&self, status: u32) -> u32 {
        let completed = ControlStatus(status).has(ControlStatus::INT);
        match self.faults.armed() {
            Some(fault @ (Fault::Withhold | Fault::Slow | Fault::Wait))
                if completed && self.faults.take(fault) =>
            {
                // Writing what was read clears INT and END, and changes nothing else.
                self.registers.write(CS, status);
                self.withheld.store(fault.to_raw(), Relaxed);
                return self.registers.read(CS);
            }
            Some(fault @ Fault::Error(bits)) if completed && self.faults.take(fault) => {
                self.errors.store(bits, Relaxed);
            }
            Some(Fault::Linger) if completed => {
                self.lingering.store(1, Relaxed);
                self.faults
                    .linger(LINGER_MS, || udelay(Delta::from_millis(1)));
                self.lingering.store(0, Relaxed);
            }
            _ => (),
        }
        let mut shown = self.errors.load(Relaxed) & ControlStatus::ERROR.0;
        if self.withheld.load(Relaxed) != 0 {
            shown |= ControlStatus::INT.0;
        }
        if self.withheld() == Some(Fault::Wait) {
            shown |= ControlStatus::DREQ_STOPS.0;
        }
        if self.writes.load(Relaxed) != 0 {
            shown |= ControlStatus::WAITING_FOR_WRITES.0;
        }
        status | shown
    }

    fn write_status(&self, status: ControlStatus) {
        if status.has(ControlStatus::RESET) {
            // A channel that was reset has nothing to tell any more.
            self.withheld.store(0, Relaxed);
            self.writes.store(0, Relaxed);
        } else if status.has(ControlStatus::INT) {
            self.withheld.store(0, Relaxed);
            self.clear_errors(ControlStatus::ERROR.0);
        } else if status.has(ControlStatus::ACTIVE) {
            mark(fmt!("start"));
        } else {
            self.faults.overtake(self.lingering.load(Relaxed) != 0);
            if self.faults.take(Fault::Stuck) {
                self.writes.store(STUCK_WRITES, Relaxed);
            }
        }
        self.registers.write(CS, status.0);
    }

    fn clear_errors(&self, bits: u32) {
        self.errors
            .store(self.errors.load(Relaxed) & !bits, Relaxed);
    }
}

impl<R: Registers> Registers for FaultyRegisters<R> {
    fn read(&self, register: usize) -> u32 {
        let found = self.registers.read(register);
        match register {
            CS => self.status(found),
            CONBLK_AD if self.faults.take(Fault::Busy) => OTHER_BLOCK,
            TXFR_LEN if self.withheld() == Some(Fault::Slow) => self.looks.fetch_add(1, Relaxed),
            DEBUG => {
                let errors = self.errors.load(Relaxed) & Debug::ERRORS.0;
                found | errors | self.writes.load(Relaxed)
            }
            _ => found,
        }
    }

    fn write(&self, register: usize, value: u32) {
        match register {
            CS => self.write_status(ControlStatus(value)),
            DEBUG => {
                self.clear_errors(value);
                // QEMU's model keeps what is written to DEBUG.
                let real = value & self.registers.read(DEBUG);
                if real != 0 {
                    self.registers.write(DEBUG, real);
                }
            }
            _ => self.registers.write(register, value),
        }
    }

    fn wait(&self, microseconds: u32) {
        self.registers.wait(microseconds);
    }
}
