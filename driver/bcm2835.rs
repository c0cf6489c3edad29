// SPDX-License-Identifier: GPL-2.0

//! One channel of the BCM2835 DMA controller (BCM2835, BCM2836, BCM2837).
//!
//! Limitations:
//! - Full channels move up to 1 GiB a control block, lite ones (7 to 14) 65,532 bytes.
//! - Lengths and addresses are multiples of 4.
//! - Channels 11 to 15 are refused: 11 to 14 share an interrupt (and have other registers on the
//!   BCM2711), 15 stands elsewhere.
//! - A channel that runs when the driver comes is somebody else's, and refused.
//!
//! Reference: BCM2835 ARM Peripherals, chapter 4; `dmaframe_engine::channel` has the order of the
//! register accesses, `dmaframe_engine::register` the fields.

use crate::{
    abstractions::{
        channel_mask::channel_mask,
        node_registers::NodeRegisters, //
    },
    engine::{
        Encoded,
        Engine,
        NextFrame,
        Stamp, //
    },
    trace::record, //
};
use dmaframe_engine::{
    chain::{Limits, Plan, PlanError},
    channel::{self, Interrupt, Position, Registers},
    control_block::{self, Chain, ControlBlock},
    register::{
        self,
        CHANNEL_BYTES,
        CHANNEL_STRIDE,
        CONBLK_AD,
        CS,
        DEBUG,
        DEST_AD,
        NEXTCONBK,
        SOURCE_AD,
        STRIDE,
        SYSTEM_TIMER_BYTES,
        TI,
        TXFR_LEN, //
    },
    stamp,
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

/// The node of the system timer, whose counter the stamps are.
const SYSTEM_TIMER: &CStr = c"brcm,bcm2835-system-timer";

/// The last channel with an interrupt of its own.
const LAST_CHANNEL: u32 = 10;

/// The registers of a channel.
pub(crate) struct Window(DevresIoMem<CHANNEL_BYTES>);

impl Registers for Window {
    fn read(&self, register: usize) -> u32 {
        // Revoked when the device is unbound: an idle channel then.
        self.0
            .try_access()
            .and_then(|registers| registers.try_read32(register).ok())
            .unwrap_or(0)
    }

    fn write(&self, register: usize, value: u32) {
        if let Some(registers) = self.0.try_access() {
            // Fails beyond the window only, where no register is.
            let _ = registers.try_write32(value, register);
        }
    }

    fn wait(&self, microseconds: u32) {
        fsleep(Delta::from_micros(microseconds.into()));
    }
}

/// A channel.
pub(crate) struct Bcm2835<R> {
    channel: channel::Channel<R>,
    number: u32,
    lite: bool,
    timer: NodeRegisters,
}

impl<R: Registers> Bcm2835<R> {
    /// The channel whose registers are resource `index` of `pdev`, reset. `access` may stand
    /// between the channel and its registers.
    pub(crate) fn new(
        pdev: &platform::Device<kernel::device::Core<'_>>,
        index: u32,
        access: impl FnOnce(Window) -> R,
    ) -> Result<Self> {
        let resource = pdev.resource_by_index(index).ok_or(ENODEV)?;
        // A channel's registers stand at its number times the stride in the controller's.
        let number = (resource.start() as u32 & 0xfff) / CHANNEL_STRIDE;
        let request = pdev.io_request_by_index(index).ok_or(ENODEV)?;
        // Not the exclusive kind: mainline's driver has mapped the whole controller.
        let registers = request.iomap_sized::<CHANNEL_BYTES>()?.into_devres()?;
        let dev: &Device = pdev.as_ref();
        if number > LAST_CHANNEL {
            dev_err!(
                dev,
                "reg {index} is DMA channel {number}: only 0 to {LAST_CHANNEL} are supported\n"
            );
            return Err(EINVAL);
        }
        // Mainline's driver allocates any channel of its mask at any time.
        let mask = channel_mask(CONTROLLER);
        if mask & 1 << number != 0 {
            dev_err!(
                dev,
                "DMA channel {number} is in brcm,dma-channel-mask {mask:#x} of the controller's node, \
                 so bcm2835-dma uses it too: take it out of the mask\n"
            );
            return Err(EBUSY);
        }
        let timer = NodeRegisters::new(SYSTEM_TIMER, SYSTEM_TIMER_BYTES).inspect_err(|error| {
            if *error == ENODEV {
                dev_err!(
                    dev,
                    "the device tree has no {} with {SYSTEM_TIMER_BYTES} bytes of registers\n",
                    SYSTEM_TIMER.to_str().unwrap_or("")
                );
            }
        })?;
        let channel = channel::Channel::new(access(Window(registers)));
        if let Err(busy) = channel.check_idle() {
            dev_err!(
                dev,
                "DMA channel {number} is in use (CS {:#x}, CONBLK_AD {:#x}): choose another one\n",
                busy.status,
                busy.block
            );
            return Err(EBUSY);
        }
        if channel.stop().is_err() {
            dev_err!(dev, "DMA channel {number} has writes outstanding\n");
            return Err(EBUSY);
        }
        Ok(Self {
            lite: channel.is_lite(),
            channel,
            number,
            timer,
        })
    }
}

impl<R: Registers + Send + Sync> Engine for Bcm2835<R> {
    fn name(&self) -> &'static CStr {
        c"bcm2835-dma"
    }

    fn channel(&self) -> u32 {
        self.number
    }

    fn limits(&self) -> Limits {
        control_block::limits(self.number, self.lite)
    }

    fn stamp(&self) -> Stamp {
        Stamp {
            bus: register::SYSTEM_TIMER_BUS.into(),
            hz: register::SYSTEM_TIMER_HZ,
        }
    }

    fn counter(&self) -> u64 {
        stamp::counter(|register| self.timer.read32(register))
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
        record!(blocks, self.number, blocks.iter().take(used));
        Ok(Encoded {
            frames,
            bytes: used * size_of::<ControlBlock>(),
        })
    }

    fn start(&self, pool_bus: u64) -> Result {
        self.channel.start(pool_bus as u32).map_err(|busy| {
            kernel::pr_err_once!(
                "DMA channel {} is used by somebody else (CS {:#x}, CONBLK_AD {:#x})\n",
                self.number,
                busy.status,
                busy.block
            );
            EBUSY
        })
    }

    fn position(&self) -> Position {
        self.channel.position()
    }

    fn acknowledge(&self) -> Interrupt {
        self.channel.acknowledge()
    }

    fn stop(&self) -> Result {
        self.channel.stop().map_err(|_| ETIMEDOUT)
    }

    fn show_registers(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let registers = self.channel.registers();
        for (name, register) in [
            ("CS", CS),
            ("CONBLK_AD", CONBLK_AD),
            ("TI", TI),
            ("SOURCE_AD", SOURCE_AD),
            ("DEST_AD", DEST_AD),
            ("TXFR_LEN", TXFR_LEN),
            ("STRIDE", STRIDE),
            ("NEXTCONBK", NEXTCONBK),
            ("DEBUG", DEBUG),
        ] {
            writeln!(f, "{name} {:#010x}", registers.read(register))?;
        }
        Ok(())
    }
}
