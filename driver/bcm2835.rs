// SPDX-License-Identifier: GPL-2.0

//! One channel of the BCM2835 DMA controller (BCM2835, BCM2836, BCM2837).
//!
//! Limitations:
//! - Full channels move up to 1 GiB a control block, lite ones (7 to 14) 65,532 bytes.
//! - Lengths and addresses are multiples of 4.
//! - Channels 11 to 15 are refused: 11 to 14 share an interrupt (and have other registers on the
//!   BCM2711), 15 stands elsewhere.
//! - A channel that runs when the driver comes is somebody else's, and refused.
//! - Priorities are those of mainline's driver.
//!
//! Reference: BCM2835 ARM Peripherals, chapter 4; `dmaframe_engine::register` has the fields.

use crate::{
    abstractions::channel_mask::channel_mask,
    engine::{
        Acknowledge,
        Encoded,
        Engine,
        NextFrame,
        Position,
        Stamp, //
    },
    trace::record, //
};
use dmaframe_engine::{
    chain::{Limits, Plan, PlanError},
    control_block::{self, Chain, ControlBlock},
    register::{
        self,
        ControlStatus,
        Debug,
        CHANNEL_BYTES,
        CHANNEL_STRIDE,
        CONBLK_AD,
        CS,
        DEBUG,
        DEST_AD,
        NEXTCONBK,
        SOURCE_AD,
        STRIDE,
        TI,
        TXFR_LEN, //
    },
};
use kernel::{
    device::Device,
    fmt,
    io::{
        mem::DevresIoMem,
        Io, //
    },
    platform,
    prelude::*,
    time::{
        delay::fsleep,
        Delta, //
    }, //
};
use zerocopy::FromBytes;

/// The node of the whole controller.
const CONTROLLER: &CStr = c"brcm,bcm2835-dma";

/// Microseconds that outstanding writes may take at a stop.
const STOP_US: u32 = 10_000;

/// The last channel with an interrupt of its own.
const LAST_CHANNEL: u32 = 10;

const RUN: ControlStatus = ControlStatus::ACTIVE
    .with(ControlStatus::PRIORITY)
    .with(ControlStatus::WAIT_FOR_OUTSTANDING_WRITES)
    .with(ControlStatus::DISABLE_DEBUG_PAUSE);

/// A channel.
pub(crate) struct Bcm2835 {
    registers: DevresIoMem<CHANNEL_BYTES>,
    channel: u32,
    lite: bool,
}

impl Bcm2835 {
    /// The channel whose registers are resource `index` of `pdev`, reset.
    pub(crate) fn new(
        pdev: &platform::Device<kernel::device::Core<'_>>,
        index: u32,
    ) -> Result<Self> {
        let resource = pdev.resource_by_index(index).ok_or(ENODEV)?;
        // A channel's registers stand at its number times the stride in the controller's.
        let channel = (resource.start() as u32 & 0xfff) / CHANNEL_STRIDE;
        let request = pdev.io_request_by_index(index).ok_or(ENODEV)?;
        // Not the exclusive kind: mainline's driver has mapped the whole controller.
        let registers = request.iomap_sized::<CHANNEL_BYTES>()?.into_devres()?;
        let mut this = Self {
            registers,
            channel,
            lite: false,
        };
        let dev: &Device = pdev.as_ref();
        if channel > LAST_CHANNEL {
            dev_err!(
                dev,
                "reg {index} is DMA channel {channel}: only 0 to {LAST_CHANNEL} are supported\n"
            );
            return Err(EINVAL);
        }
        // Mainline's driver allocates any channel of its mask at any time.
        let mask = channel_mask(CONTROLLER);
        if mask & 1 << channel != 0 {
            dev_err!(
                dev,
                "DMA channel {channel} is in brcm,dma-channel-mask {mask:#x} of the controller's node, \
                 so bcm2835-dma uses it too: take it out of the mask\n"
            );
            return Err(EBUSY);
        }
        // ACTIVE is clear while a channel is paused. CONBLK_AD is zero only if it has no chain:
        // mainline's bcm2835_dma_abort() relies on it.
        let status = ControlStatus(this.read::<CS>());
        let block = this.read::<CONBLK_AD>();
        if status.has(ControlStatus::ACTIVE) || block != 0 {
            dev_err!(
                dev,
                "DMA channel {channel} is in use (CS {:#x}, CONBLK_AD {block:#x}): choose another one\n",
                status.0
            );
            return Err(EBUSY);
        }
        this.lite = Debug(this.read::<DEBUG>()).has(Debug::LITE);
        this.stop()?;
        Ok(this)
    }

    fn read<const REGISTER: usize>(&self) -> u32 {
        // Revoked when the device is unbound: an idle channel then.
        self.registers
            .try_access()
            .map_or(0, |registers| registers.read32(REGISTER))
    }

    /// Reads and clears the error bits.
    fn take_errors(&self) -> Debug {
        let errors = Debug(self.read::<DEBUG>()).only(Debug::ERRORS);
        // Write one to clear. QEMU's model keeps what is written: leave it alone without need.
        if errors != Debug(0) {
            self.write::<DEBUG>(errors.0);
        }
        errors
    }

    fn write<const REGISTER: usize>(&self, value: u32) {
        if let Some(registers) = self.registers.try_access() {
            registers.write32(value, REGISTER);
        }
    }
}

impl Engine for Bcm2835 {
    fn name(&self) -> &'static CStr {
        c"bcm2835-dma"
    }

    fn channel(&self) -> u32 {
        self.channel
    }

    fn limits(&self) -> Limits {
        if self.lite {
            control_block::LITE
        } else {
            control_block::FULL
        }
    }

    fn stamp(&self) -> Stamp {
        Stamp {
            bus: register::SYSTEM_TIMER_BUS.into(),
            hz: register::SYSTEM_TIMER_HZ,
        }
    }

    fn reaches(&self, bus: u64) -> bool {
        // The top two bits choose an alias; alias 0 goes through the GPU's own caches.
        bus >> 32 == 0 && bus >> 30 != 0
    }

    fn encode(
        &self,
        pool: &mut [u8],
        pool_bus: u64,
        next: &mut NextFrame<'_>,
    ) -> Result<Encoded, PlanError> {
        let blocks = <[ControlBlock]>::mut_from_bytes(pool).map_err(|_| PlanError::Misaligned {
            bus: pool_bus,
            align: 32,
        })?;
        let mut chain = Chain::new(blocks, pool_bus, self.limits())?;
        let mut plan = Plan::new();
        let mut frames = 0;
        while next(frames, &mut plan)? {
            match chain.append(&plan) {
                Ok(()) => frames += 1,
                // The rest is for the next chain.
                Err(PlanError::TooManySegments { .. }) if frames > 0 => break,
                Err(error) => return Err(error),
            }
        }
        let used = chain.finish().unwrap_or(0);
        record!(blocks, self.channel, blocks.iter().take(used));
        Ok(Encoded {
            frames,
            bytes: used * size_of::<ControlBlock>(),
        })
    }

    fn start(&self, pool_bus: u64) {
        self.write::<CONBLK_AD>(pool_bus as u32);
        self.write::<CS>(RUN.0);
    }

    fn position(&self) -> Position {
        let (block, left) = (self.read::<CONBLK_AD>(), self.read::<TXFR_LEN>());
        Position {
            mark: u64::from(block) << 32 | u64::from(left),
            waiting: ControlStatus(self.read::<CS>()).has(ControlStatus::DREQ_STOPS),
        }
    }

    fn acknowledge(&self) -> Acknowledge {
        let status = ControlStatus(self.read::<CS>());
        if !status.has(ControlStatus::INT.with(ControlStatus::ERROR)) {
            return Acknowledge::NotOurs;
        }
        let errors = self.take_errors();
        // The chain has ended: writing ACTIVE as zero does not pause anything.
        self.write::<CS>(ControlStatus::INT.with(ControlStatus::END).0);
        if status.has(ControlStatus::ERROR) || errors != Debug(0) {
            Acknowledge::Error(errors.0 | status.only(ControlStatus::ERROR).0)
        } else {
            Acknowledge::Done
        }
    }

    fn stop(&self) -> Result {
        self.write::<CS>(0);
        let mut waited = 0;
        while ControlStatus(self.read::<CS>()).has(ControlStatus::WAITING_FOR_WRITES) {
            if waited >= STOP_US {
                // Reset all the same: a channel left running is worse.
                self.write::<CS>(ControlStatus::RESET.0);
                return Err(ETIMEDOUT);
            }
            fsleep(Delta::from_micros(10));
            waited += 10;
        }
        self.write::<CS>(ControlStatus::RESET.0);
        self.write::<CS>(ControlStatus::INT.with(ControlStatus::END).0);
        self.take_errors();
        Ok(())
    }

    fn show_registers(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Revoked when the device is unbound: nobody asks then.
        let Some(registers) = self.registers.try_access() else {
            return Ok(());
        };
        for (name, value) in [
            ("CS", registers.read32(CS)),
            ("CONBLK_AD", registers.read32(CONBLK_AD)),
            ("TI", registers.read32(TI)),
            ("SOURCE_AD", registers.read32(SOURCE_AD)),
            ("DEST_AD", registers.read32(DEST_AD)),
            ("TXFR_LEN", registers.read32(TXFR_LEN)),
            ("STRIDE", registers.read32(STRIDE)),
            ("NEXTCONBK", registers.read32(NEXTCONBK)),
            ("DEBUG", registers.read32(DEBUG)),
        ] {
            writeln!(f, "{name} {value:#010x}")?;
        }
        Ok(())
    }
}
