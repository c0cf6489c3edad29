// SPDX-License-Identifier: GPL-2.0

//! dmaframe: frames moved by DMA from a board's peripheral into memory that programs read in
//! place.
//!
//! Limitations:
//! - One program at a time has a channel open; a second one gets EBUSY.
//! - Settings change only while no stream is configured.
//! - An engine that moves no data for 5 seconds, and does not wait for its peripheral's data
//!   request, counts as failed.
//! - Slots are cached; on a board whose DMA is not coherent each hand-over costs cache
//!   maintenance over the frame.
//!
//! ```text
//! bcm2835 -> engine -> stream (chains) -> ring -> device (mmap, ioctl, poll, read)
//!                         ^                        sysfs, netlink
//!            source ------'
//! ```

mod abstractions;
mod bcm2835;
mod channel;
mod debugfs;
mod device;
mod engine;
mod event;
#[cfg(CONFIG_DMAFRAME_FAULT_INJECTION)]
mod fault;
mod hardware;
mod netlink;
mod pacer;
mod registry;
mod ring;
mod source;
mod stream;
mod sysfs;
mod trace;

use abstractions::{
    char_device::CharDeviceRegistration,
    irq_thread::IrqThread, //
};
use channel::Channel;
use kernel::{
    debugfs::Dir,
    device::{
        Core,
        Device, //
    },
    dma::{
        Device as _,
        DmaMask, //
    },
    of,
    platform,
    prelude::*,
    sync::Arc, //
};
use source::{
    Reference,
    Source, //
};

/// A channel of a bound device: everything that ends with it, in this order.
#[pin_data]
struct Attached {
    #[cfg(CONFIG_DMAFRAME_FAULT_INJECTION)]
    #[pin]
    faults: fault::Files,
    #[pin]
    registers: debugfs::Registers,
    /// No new opens.
    #[pin]
    file: CharDeviceRegistration<Channel>,
    /// Removed from the registry.
    place: registry::Place,
    /// The engine stopped, all DMA unmapped.
    stop: ShutDown,
    /// The thread ended.
    irq: IrqThread<Channel>,
}

struct ShutDown(Arc<Channel>);

impl Drop for ShutDown {
    fn drop(&mut self) {
        self.0.shut_down();
    }
}

/// A bound device.
struct Dmaframe {
    _channels: KVec<Pin<KBox<Attached>>>,
}

kernel::of_device_table!(
    OF_TABLE,
    <Dmaframe as platform::Driver>::IdInfo,
    [(of::DeviceId::new(c"dmaframe,bcm2835-dma"), ())]
);

impl platform::Driver for Dmaframe {
    type IdInfo = ();
    type Data<'bound> = Self;
    const OF_ID_TABLE: Option<of::IdTable<Self::IdInfo>> = Some(&OF_TABLE);

    fn probe<'bound>(
        pdev: &'bound platform::Device<Core<'_>>,
        _info: Option<&'bound Self::IdInfo>,
    ) -> impl PinInit<Self, Error> + 'bound {
        let dev: &Device = pdev.as_ref();
        // SAFETY: Nothing was mapped for this device yet.
        unsafe { pdev.dma_set_mask_and_coherent(DmaMask::new::<32>())? };

        let sources = sources(dev)?;
        // SAFETY: `dev` is bound until this driver's data is dropped, in which every channel, and
        // with them all references to this, are shut down.
        let reference = Arc::new(unsafe { Reference::new(dev)? }, GFP_KERNEL)?;
        let mut channels = KVec::new();
        while pdev.resource_by_index(channels.len() as u32).is_some() {
            let index = channels.len() as u32;
            channels.push(
                attach(pdev, index, sources.clone(), reference.clone())?,
                GFP_KERNEL,
            )?;
        }
        if channels.is_empty() {
            dev_err!(
                dev,
                "the node has no reg: name the registers of at least one channel\n"
            );
            return Err(EINVAL);
        }
        Ok(Self {
            _channels: channels,
        })
    }
}

/// The sources that the node's children describe.
fn sources(dev: &Device) -> Result<Arc<KVec<Source>>> {
    let node = dev.fwnode().ok_or(ENODEV)?;
    let mut sources = KVec::new();
    for child in node.children() {
        sources.push(Source::new(dev, &child)?, GFP_KERNEL)?;
    }
    sources.sort_unstable_by_key(Source::place);
    // A name must reach one source only.
    let mut ambiguous = KVec::new();
    for source in &sources {
        let same = |other: &&Source| other.name.to_bytes() == source.name.to_bytes();
        ambiguous.push(sources.iter().filter(same).count() > 1, GFP_KERNEL)?;
    }
    for (source, ambiguous) in sources.iter_mut().zip(ambiguous) {
        if ambiguous {
            source.use_full_name(dev)?;
        }
    }
    if sources.is_empty() {
        dev_err!(dev, "the node has no child: describe at least one source\n");
        return Err(EINVAL);
    }
    Ok(Arc::new(sources, GFP_KERNEL)?)
}

/// Brings up the channel of reg and interrupt `index`.
fn attach(
    pdev: &platform::Device<Core<'_>>,
    index: u32,
    sources: Arc<KVec<Source>>,
    reference: Arc<Reference>,
) -> Result<Pin<KBox<Attached>>> {
    let dev: &Device = pdev.as_ref();
    #[cfg(not(CONFIG_DMAFRAME_FAULT_INJECTION))]
    let engine = bcm2835::Bcm2835::new(pdev, index, |window| window)?;
    #[cfg(CONFIG_DMAFRAME_FAULT_INJECTION)]
    let faults = fault::Faults::new()?;
    #[cfg(CONFIG_DMAFRAME_FAULT_INJECTION)]
    let engine = fault::Faulty {
        engine: bcm2835::Bcm2835::new(pdev, index, |window| {
            fault::FaultyRegisters::new(window, faults.clone())
        })?,
        faults: faults.clone(),
    };
    let engine = KBox::new(engine, GFP_KERNEL)?;
    let irq = pdev.irq_by_index(index)?.irq();
    let (place, channel) = registry::Place::take(|id| {
        Channel::new(id, dev, engine, irq, sources, reference, &netlink::LISTENER)
    })?;
    // From here on every way out shuts the channel down.
    let stop = ShutDown(channel.clone());
    dev_info!(
        dev,
        "dmaframe{}: DMA channel {}, irq {irq}\n",
        channel.id,
        channel.engine_channel()
    );
    let dir = Dir::new(&channel.name);
    KBox::try_pin_init(
        try_pin_init!(Attached {
            irq: IrqThread::new(irq, c"dmaframe", channel.clone())?,
            stop,
            place,
            #[cfg(CONFIG_DMAFRAME_FAULT_INJECTION)]
            faults <- fault::Files::new(&dir, &channel, &faults),
            registers <- debugfs::registers(&dir, channel.clone()),
            file <- CharDeviceRegistration::new(channel, Some(dev), &sysfs::GROUPS),
        }? Error),
        GFP_KERNEL,
    )
}

/// The module: the netlink family outlives the driver's devices.
#[pin_data]
struct Module {
    #[pin]
    driver: kernel::driver::Registration<platform::Adapter<Dmaframe>>,
    family: abstractions::genetlink::Registration<netlink::Devices>,
    /// Last: all others write records.
    #[cfg(CONFIG_DMAFRAME_TRACE)]
    #[pin]
    trace: trace::Registration,
}

impl kernel::InPlaceModule for Module {
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        // SAFETY: Called once, when the module is loaded.
        unsafe { registry::init() };
        try_pin_init!(Self {
            #[cfg(CONFIG_DMAFRAME_TRACE)]
            // SAFETY: Called once, when the module is loaded.
            trace <- unsafe { trace::Registration::new()? },
            family: netlink::register()?,
            driver <- kernel::driver::Registration::new(c"dmaframe", module),
        }? Error)
    }
}

module! {
    type: Module,
    name: "dmaframe",
    authors: ["The dmaframe authors"],
    description: "Frames moved by DMA, read in place",
    license: "GPL v2",
}
