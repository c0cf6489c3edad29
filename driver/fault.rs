// SPDX-License-Identifier: GPL-2.0

//! Faults on request, for tests: failures of a DMA engine that QEMU's model never has.
//!
//! [`FaultyRegisters`] sits between the engine's driver and the registers, [`Faulty`] between a
//! channel and its engine. They are built with CONFIG_DMAFRAME_FAULT_INJECTION only.
//!
//! Reference: Documentation/ABI/testing/debugfs-dmaframe.

mod registers;

use crate::{
    channel::Channel,
    engine::{
        Encoded,
        Engine,
        NextFrame,
        Stamp, //
    }, //
};
use dmaframe_engine::{
    chain::{Limits, Plan, PlanError},
    channel::{Interrupt, Position},
};
use kernel::{
    debugfs::{
        Dir,
        File, //
    },
    fmt,
    prelude::*,
    sync::{
        atomic::{
            ordering::{
                Full,
                Relaxed, //
            },
            Atomic, //
        },
        Arc, //
    },
    uaccess::UserSliceReader, //
};

pub(crate) use registers::FaultyRegisters;

/// The longest line of the file `fault`.
const LINE_BYTES: usize = 32;

/// A fault that happens once.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// The next completion shows these bits: of DEBUG 2 to 0, or CS.ERROR.
    Error(u32),
    /// The next completion's interrupt stays away.
    Withhold,
    /// The next completion's interrupt stays away, and until then the engine moves data.
    Slow,
    /// The next completion's interrupt stays away, and until then the engine waits for its DREQ.
    Wait,
    /// The next chain of several frames ends after half of them.
    Half,
    /// The next stop finds writes outstanding.
    Stuck,
    /// The next start finds a control block in the channel.
    Busy,
    /// The next completion's interrupt handler takes five seconds.
    Linger,
    /// The channel was stopped while a handler lingered. Cannot be asked for.
    Overtaken,
}

impl Fault {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        let fault = match words.next()? {
            "error" => match words.next()?.parse().ok()? {
                0 => return None,
                bits if bits & !registers::ERROR_BITS == 0 => Self::Error(bits),
                _ => return None,
            },
            "withhold" => Self::Withhold,
            "slow" => Self::Slow,
            "wait" => Self::Wait,
            "half" => Self::Half,
            "stuck" => Self::Stuck,
            "busy" => Self::Busy,
            "linger" => Self::Linger,
            _ => return None,
        };
        words.next().is_none().then_some(fault)
    }

    /// Not zero.
    fn to_raw(self) -> u64 {
        match self {
            Self::Error(bits) => bits.into(),
            Self::Withhold => 1 << 32,
            Self::Half => 2 << 32,
            Self::Stuck => 3 << 32,
            Self::Slow => 4 << 32,
            Self::Wait => 5 << 32,
            Self::Busy => 6 << 32,
            Self::Linger => 7 << 32,
            Self::Overtaken => 8 << 32,
        }
    }

    fn from_raw(raw: u64) -> Option<Self> {
        match raw >> 32 {
            1 => Some(Self::Withhold),
            2 => Some(Self::Half),
            3 => Some(Self::Stuck),
            4 => Some(Self::Slow),
            5 => Some(Self::Wait),
            6 => Some(Self::Busy),
            7 => Some(Self::Linger),
            8 => Some(Self::Overtaken),
            _ => (raw != 0).then_some(Self::Error(raw as u32)),
        }
    }
}

impl core::fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(bits) => write!(f, "error {bits}"),
            Self::Withhold => f.write_str("withhold"),
            Self::Slow => f.write_str("slow"),
            Self::Wait => f.write_str("wait"),
            Self::Half => f.write_str("half"),
            Self::Stuck => f.write_str("stuck"),
            Self::Busy => f.write_str("busy"),
            Self::Linger => f.write_str("linger"),
            Self::Overtaken => f.write_str("overtaken"),
        }
    }
}

/// A channel's faults: asked for, and done.
pub(crate) struct Faults {
    armed: Atomic<u64>,
    injected: Atomic<u64>,
}

impl Faults {
    /// None.
    pub(crate) fn new() -> Result<Arc<Self>> {
        let none = Self {
            armed: Atomic::new(0),
            injected: Atomic::new(0),
        };
        Ok(Arc::new(none, GFP_KERNEL)?)
    }

    fn armed(&self) -> Option<Fault> {
        Fault::from_raw(self.armed.load(Relaxed))
    }

    /// Whether `fault` is to happen now.
    fn take(&self, fault: Fault) -> bool {
        let taken = self.armed.cmpxchg(fault.to_raw(), 0, Full).is_ok();
        if taken {
            self.injected.fetch_add(1, Relaxed);
        }
        taken
    }

    /// Calls `wait` up to `times` times while a handler is to linger. Counts the fault before.
    fn linger(&self, times: u32, wait: impl Fn()) {
        self.injected.fetch_add(1, Full);
        for _ in 0..times {
            if self.armed() != Some(Fault::Linger) {
                return;
            }
            wait();
        }
        let _ = self.armed.cmpxchg(Fault::Linger.to_raw(), 0, Full);
    }

    /// The channel is stopped.
    fn overtake(&self, lingering: bool) {
        let (linger, overtaken) = (Fault::Linger.to_raw(), Fault::Overtaken.to_raw());
        if lingering {
            let _ = self.armed.cmpxchg(linger, overtaken, Full);
        }
    }

    fn arm(&self, reader: &mut UserSliceReader) -> Result {
        let mut line = [0; LINE_BYTES];
        let line = line.get_mut(..reader.len()).ok_or(EINVAL)?;
        reader.read_slice(line)?;
        let line = core::str::from_utf8(line).map_err(|_| EINVAL)?.trim();
        let fault = match line {
            "none" => 0,
            line => Fault::parse(line).ok_or(EINVAL)?.to_raw(),
        };
        self.armed.store(fault, Relaxed);
        Ok(())
    }
}

/// An engine with faults.
pub(crate) struct Faulty<E> {
    pub(crate) engine: E,
    pub(crate) faults: Arc<Faults>,
}

impl<E: Engine> Engine for Faulty<E> {
    fn name(&self) -> &'static CStr {
        self.engine.name()
    }

    fn channel(&self) -> u32 {
        self.engine.channel()
    }

    fn limits(&self) -> Limits {
        self.engine.limits()
    }

    fn stamp(&self) -> Stamp {
        self.engine.stamp()
    }

    fn reaches(&self, bus: u64) -> bool {
        self.engine.reaches(bus)
    }

    fn encode(
        &self,
        pool: &mut [u8],
        pool_bus: u64,
        next: &mut NextFrame<'_>,
    ) -> Result<Encoded, PlanError> {
        let whole = self.engine.encode(pool, pool_bus, next)?;
        if whole.frames < 2 || !self.faults.take(Fault::Half) {
            return Ok(whole);
        }
        let half = self
            .engine
            .encode(pool, pool_bus, &mut |n, plan: &mut Plan| {
                Ok(n < whole.frames / 2 && next(n, plan)?)
            })?;
        Ok(Encoded {
            frames: whole.frames,
            bytes: half.bytes,
        })
    }

    fn counter(&self) -> u64 {
        self.engine.counter()
    }

    fn start(&self, pool_bus: u64) -> Result {
        self.engine.start(pool_bus)
    }

    fn position(&self) -> Position {
        self.engine.position()
    }

    fn acknowledge(&self) -> Interrupt {
        self.engine.acknowledge()
    }

    fn stop(&self) -> Result {
        self.engine.stop()
    }

    fn show_registers(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.engine.show_registers(f)
    }
}

/// The files of `/sys/kernel/debug/dmaframeN` that make faults.
#[pin_data]
pub(crate) struct Files {
    #[pin]
    fault: File<Arc<Faults>>,
    #[pin]
    injected: File<Arc<Faults>>,
    #[pin]
    interrupt: File<Arc<Channel>>,
}

impl Files {
    /// The files, in `dir`, of `channel`, whose engine has `faults`.
    pub(crate) fn new<'a>(
        dir: &'a Dir,
        channel: &Arc<Channel>,
        faults: &Arc<Faults>,
    ) -> impl PinInit<Self> + 'a {
        let (channel, faults) = (channel.clone(), faults.clone());
        pin_init!(Self {
            fault <- dir.read_write_callback_file(
                c"fault",
                faults.clone(),
                &|faults: &Arc<Faults>, f: &mut fmt::Formatter<'_>| match faults.armed() {
                    Some(fault) => writeln!(f, "{fault}"),
                    None => writeln!(f, "none"),
                },
                &|faults: &Arc<Faults>, reader: &mut UserSliceReader| faults.arm(reader),
            ),
            injected <- dir.read_callback_file(
                c"injected",
                faults,
                &|faults: &Arc<Faults>, f: &mut fmt::Formatter<'_>| {
                    writeln!(f, "{}", faults.injected.load(Relaxed))
                },
            ),
            interrupt <- dir.write_callback_file(
                c"interrupt",
                channel,
                &|channel: &Arc<Channel>, _: &mut UserSliceReader| {
                    channel.interrupt();
                    Ok(())
                },
            ),
        })
    }
}
