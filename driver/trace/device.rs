// SPDX-License-Identifier: GPL-2.0

//! `/dev/dmaframe-trace`: the records, for any number of readers, and their level.
//!
//! Reference: Documentation/trace.rst and Documentation/ABI/testing/sysfs-class-misc-dmaframe.

use super::level;
use crate::abstractions::{
    attribute::{
        Attribute,
        Attributes, //
    },
    attribute_group::{
        Entry as Place,
        Group,
        Groups, //
    },
    char_device::{
        CharDevice,
        CharDeviceRegistration,
        Readable,
        Readiness, //
    },
    defmt_logger::{
        self as logger,
        Entry,
        Readers,
        Waker, //
    },
};
use dmaframe_abi::trace::{self, ITEM_MAX, LEVELS, LOST, PAYLOAD_MAX, RECORD, SECTION};
use kernel::{
    iov::IovIterDest,
    mm::virt::VmaNew,
    new_mutex,
    prelude::*,
    str::CString,
    sync::{
        atomic::{
            ordering::Relaxed,
            Atomic, //
        },
        Arc,
        Mutex, //
    }, //
};

/// The level of the records that are written.
static LEVEL: Atomic<u32> = Atomic::new(level::INFO);

/// Whether records of `level` are written.
#[inline(always)]
pub(crate) fn enabled(level: u32) -> bool {
    LEVEL.load(Relaxed) >= level
}

/// The readers of all records.
#[pin_data]
struct Trace {
    #[pin]
    readiness: Readiness,
    /// Held by readers that find no record, until they sleep, and by who wakes them.
    #[pin]
    sleeping: Mutex<()>,
}

impl Waker for Trace {
    fn wake(&self) {
        let _sleeping = self.sleeping.lock();
        self.readiness.notify();
    }
}

/// An open file.
#[pin_data]
struct Reader {
    /// Held by the thread that is in read(2).
    #[pin]
    reading: Mutex<()>,
    /// Whether the first item was read, which is no record.
    begun: Atomic<bool>,
    /// The record to be read next.
    next: Atomic<u64>,
}

impl Reader {
    fn is_ready(&self) -> bool {
        !self.begun.load(Relaxed) || logger::is_ready(self.next.load(Relaxed))
    }

    /// Gives the next item to a program. Returns its length, 0 if there is none.
    fn give(&self, iov: &mut IovIterDest<'_>) -> Result<usize> {
        let (mut payload, mut item) = ([0; PAYLOAD_MAX], [0; ITEM_MAX]);
        let number = self.next.load(Relaxed);
        let (kind, bytes, next) = if !self.begun.load(Relaxed) {
            let section = logger::section().to_le_bytes();
            payload[..2].copy_from_slice(&section);
            (SECTION, 2, number)
        } else {
            match logger::read(number, &mut payload) {
                Entry::Nothing => return Ok(0),
                Entry::Record(bytes) => (RECORD, bytes, number + 1),
                Entry::Lost(records) => {
                    payload[..8].copy_from_slice(&records.to_le_bytes());
                    (LOST, 8, number + records)
                }
            }
        };
        let payload = payload.get(..bytes).ok_or(EFAULT)?;
        let sequence = if kind == SECTION { 0 } else { number as u32 };
        let item = trace::write(kind, sequence, payload, &mut item).ok_or(EFAULT)?;
        if iov.copy_to_iter(item) < item.len() {
            return Err(EFAULT);
        }
        // Only what was given is done with.
        self.begun.store(true, Relaxed);
        self.next.store(next, Relaxed);
        Ok(item.len())
    }
}

impl CharDevice for Trace {
    type File = Pin<KBox<Reader>>;

    fn name(&self) -> &CStr {
        c"dmaframe-trace"
    }

    fn open(&self) -> Result<Self::File> {
        KBox::pin_init(
            pin_init!(Reader {
                reading <- new_mutex!(()),
                begun: Atomic::new(false),
                next: Atomic::new(0),
            }),
            GFP_KERNEL,
        )
    }

    fn release(&self) {}

    fn mmap(&self, _vma: &VmaNew, _offset: u64, _shared: bool) -> Result {
        Err(ENODEV)
    }

    fn ioctl(&self, _request: u32, _argument: usize) -> Result<isize> {
        Err(ENOTTY)
    }

    fn poll(&self, reader: &Self::File) -> Readable {
        Readable {
            input: reader.is_ready(),
            ..Readable::default()
        }
    }

    /// Whole items. Waits for the first one only.
    fn read(
        &self,
        reader: &Self::File,
        nonblock: bool,
        iov: &mut IovIterDest<'_>,
    ) -> Result<usize> {
        if iov.len() < ITEM_MAX {
            return Err(EINVAL);
        }
        let _reading = reader.reading.try_lock().ok_or(EBUSY)?;
        let mut done = 0;
        loop {
            while iov.len() >= ITEM_MAX {
                match reader.give(iov) {
                    Ok(0) => break,
                    Ok(bytes) => done += bytes,
                    Err(error) if done == 0 => return Err(error),
                    Err(_) => return Ok(done),
                }
            }
            if done > 0 {
                return Ok(done);
            }
            if nonblock {
                return Err(EAGAIN);
            }
            let mut sleeping = self.sleeping.lock();
            if !reader.is_ready() && self.readiness.sleepers.wait_interruptible(&mut sleeping) {
                return Err(ERESTARTSYS);
            }
        }
    }

    fn readiness(&self) -> &Readiness {
        &self.readiness
    }
}

const LEVEL_FILE: usize = 0;
const RECORDS_FILE: usize = 1;
const DROPPED_FILE: usize = 2;

static LEVEL_ATTRIBUTE: Attribute<Trace> = Attribute::new::<LEVEL_FILE>(c"level", true);
static RECORDS_ATTRIBUTE: Attribute<Trace> = Attribute::new::<RECORDS_FILE>(c"records", false);
static DROPPED_ATTRIBUTE: Attribute<Trace> = Attribute::new::<DROPPED_FILE>(c"dropped", false);

static TABLE: [Place<Trace>; 4] = [
    LEVEL_ATTRIBUTE.entry(),
    RECORDS_ATTRIBUTE.entry(),
    DROPPED_ATTRIBUTE.entry(),
    Place::END,
];
static GROUP: Group<Trace> = Group::new(&TABLE);
static GROUPS: Groups<Trace> = Groups::new(&GROUP);

impl Attributes for Trace {
    fn show(&self, attribute: usize) -> Result<CString> {
        let (records, dropped) = logger::counts();
        match attribute {
            LEVEL_FILE => {
                let name = LEVELS.get(LEVEL.load(Relaxed) as usize).ok_or(EINVAL)?;
                CString::try_from_fmt(fmt!("{name}"))
            }
            RECORDS_FILE => CString::try_from_fmt(fmt!("{records}")),
            DROPPED_FILE => CString::try_from_fmt(fmt!("{dropped}")),
            _ => Err(EINVAL),
        }
    }

    fn store(&self, attribute: usize, text: &str) -> Result {
        let level = LEVELS.iter().position(|name| *name == text);
        match (attribute, level) {
            (LEVEL_FILE, Some(level)) => {
                LEVEL.store(level as u32, Relaxed);
                Ok(())
            }
            _ => Err(EINVAL),
        }
    }
}

/// The registered device.
#[pin_data]
pub(crate) struct Registration {
    /// No new opens.
    #[pin]
    file: CharDeviceRegistration<Trace>,
    readers: Readers,
}

impl Registration {
    /// Registers it.
    ///
    /// # Safety
    ///
    /// Called once, when the module is loaded.
    pub(crate) unsafe fn new() -> Result<impl PinInit<Self, Error>> {
        // SAFETY: By the contract.
        unsafe { logger::init() };
        let trace = Arc::pin_init(
            pin_init!(Trace {
                readiness <- Readiness::new(),
                sleeping <- new_mutex!(()),
            }),
            GFP_KERNEL,
        )?;
        Ok(try_pin_init!(Self {
            readers: Readers::new(trace.clone()),
            file <- CharDeviceRegistration::new(trace, None, &GROUPS),
        }? Error))
    }
}
