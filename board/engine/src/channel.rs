// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0
//! One channel of the BCM2835 DMA controller: which registers are read and written, in which order.
//!
//! Sources: BCM2835 ARM Peripherals, chapter 4, and mainline's `drivers/dma/bcm2835-dma.c`, whose
//! functions the comments name.

use crate::register::{CONBLK_AD, CS, ControlStatus, DEBUG, Debug, TXFR_LEN};

/// What a channel that runs has in CS. Priority 8 of 15, normally and in panic, as pigpio; mainline
/// leaves both at 0.
const RUN: ControlStatus = ControlStatus::ACTIVE
    .with(ControlStatus::PRIORITY)
    .with(ControlStatus::WAIT_FOR_OUTSTANDING_WRITES)
    .with(ControlStatus::DISABLE_DEBUG_PAUSE);
/// What ends with an interrupt.
const DONE: ControlStatus = ControlStatus::INT.with(ControlStatus::END);
/// Microseconds that a paused channel gets for a read that is on its way. No register counts reads.
const READ_US: u32 = 20;
/// Microseconds after which outstanding writes are given up.
const WRITE_US: u32 = 100;
/// Microseconds between two looks.
const STEP_US: u32 = 10;

/// Access to a block of registers. Offsets are in bytes.
pub trait Registers {
    /// Reads a register.
    fn read(&self, register: usize) -> u32;

    /// Writes a register, after all earlier writes to memory.
    fn write(&self, register: usize, value: u32);

    /// Waits for at least `microseconds`. May sleep.
    fn wait(&self, microseconds: u32);
}

/// The reason for an interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupt {
    /// Another device's, or none.
    NotOurs,
    /// The chain ended.
    Done,
    /// The engine found an error. The bits are those of DEBUG, and CS.ERROR. They are not zero.
    Error(u32),
}

/// How far a channel has come in its chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Changes whenever the channel moves data.
    pub mark: u64,
    /// The channel waits for its peripheral's data request, however long that takes.
    pub waiting: bool,
}

/// A channel that is not idle, and was not started by us: CS and CONBLK_AD.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy {
    /// CS.
    pub status: u32,
    /// CONBLK_AD.
    pub block: u32,
}

/// Writes that had no response when the channel was reset: their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutstandingWrites(pub u32);

/// A channel, by its registers.
#[derive(Debug)]
pub struct Channel<R> {
    registers: R,
}

impl<R: Registers> Channel<R> {
    /// The channel that has `registers`. Touches none of them.
    pub const fn new(registers: R) -> Self {
        Self { registers }
    }

    /// The registers.
    pub const fn registers(&self) -> &R {
        &self.registers
    }

    fn status(&self) -> ControlStatus {
        ControlStatus(self.registers.read(CS))
    }

    fn debug(&self) -> Debug {
        Debug(self.registers.read(DEBUG))
    }

    fn write_status(&self, status: ControlStatus) {
        self.registers.write(CS, status.0);
    }

    /// Whether this is a lite channel (DEBUG.LITE).
    pub fn is_lite(&self) -> bool {
        self.debug().has(Debug::LITE)
    }

    /// Checks that nobody uses the channel.
    ///
    /// # Errors
    ///
    /// [`Busy`] if CONBLK_AD is not zero. `bcm2835_dma_abort`: "A zero control block address means
    /// the channel is idle. (The ACTIVE flag in the CS register is not a reliable indicator.)"
    pub fn check_idle(&self) -> Result<(), Busy> {
        match self.registers.read(CONBLK_AD) {
            0 => Ok(()),
            block => Err(Busy { status: self.status().0, block }),
        }
    }

    /// Starts the chain at bus address `block`. It may have ended, and interrupted, before this
    /// returns. Clears errors of earlier chains first, as pigpio's `initDMAgo` does.
    ///
    /// # Errors
    ///
    /// [`Busy`] if the channel is not idle. Nothing was written then.
    pub fn start(&self, block: u32) -> Result<(), Busy> {
        self.check_idle()?;
        self.take_errors();
        // Where ACTIVE is set in an idle channel, this write starts it: CS is the same already.
        self.registers.write(CONBLK_AD, block);
        self.write_status(RUN);
        Ok(())
    }

    /// How far the channel has come. Writes nothing.
    pub fn position(&self) -> Position {
        let (block, left) = (self.registers.read(CONBLK_AD), self.registers.read(TXFR_LEN));
        Position {
            mark: u64::from(block) << 32 | u64::from(left),
            waiting: self.status().has(ControlStatus::DREQ_STOPS),
        }
    }

    /// Silences the channel and tells why it interrupted.
    pub fn acknowledge(&self) -> Interrupt {
        let status = self.status();
        if !status.has(ControlStatus::INT.with(ControlStatus::ERROR)) {
            return Interrupt::NotOurs;
        }
        let errors = self.take_errors();
        let error = errors.0 | status.only(ControlStatus::ERROR).0;
        // ACTIVE stays set, as in `bcm2835_dma_callback`: a chain that was started meanwhile goes
        // on, and a channel that has finished remains idle. After an error it pauses.
        let active = if error == 0 { RUN } else { RUN.without(ControlStatus::ACTIVE) };
        self.write_status(active.with(DONE));
        // The write reaches the channel before this read returns: the line is down when the handler
        // returns.
        self.status();
        if error == 0 { Interrupt::Done } else { Interrupt::Error(error) }
    }

    /// Stops the channel and resets it. No write is on its way when this returns.
    ///
    /// Acknowledgements must not run meanwhile: they set ACTIVE.
    ///
    /// # Errors
    ///
    /// [`OutstandingWrites`] if some had no response in time. The channel is reset all the same: one
    /// that is left running is worse.
    pub fn stop(&self) -> Result<(), OutstandingWrites> {
        // ACTIVE alone: without WAIT_FOR_OUTSTANDING_WRITES the writes would not be counted.
        self.write_status(RUN.without(ControlStatus::ACTIVE));
        let mut writes = self.outstanding_writes();
        if writes.is_some() || self.check_idle().is_err() {
            self.registers.wait(READ_US);
            let mut waited = READ_US;
            writes = self.outstanding_writes();
            while writes.is_some() && waited < WRITE_US {
                self.registers.wait(STEP_US);
                waited += STEP_US;
                writes = self.outstanding_writes();
            }
        }
        self.write_status(ControlStatus::RESET);
        self.write_status(DONE);
        self.take_errors();
        match writes {
            // A channel that waits for its DREQ has CS.WAITING_FOR_WRITES at times, and none.
            None | Some(0) => Ok(()),
            Some(number) => Err(OutstandingWrites(number)),
        }
    }

    /// How many writes are outstanding, or `None` if there is no sign of any.
    fn outstanding_writes(&self) -> Option<u32> {
        let waiting = self.status().has(ControlStatus::WAITING_FOR_WRITES);
        let number = self.debug().only(Debug::OUTSTANDING_WRITES).0 >> 4;
        (waiting || number > 0).then_some(number)
    }

    /// Reads the error bits of DEBUG and clears them.
    fn take_errors(&self) -> Debug {
        let errors = self.debug().only(Debug::ERRORS);
        // Write one to clear. QEMU's model keeps what is written: leave it alone without need.
        if errors != Debug(0) {
            self.registers.write(DEBUG, errors.0);
        }
        errors
    }
}
