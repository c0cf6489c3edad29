/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The DMA controller of the BCM2835: its registers on the bus, its interrupts, and the timer that
 * runs its channels beside the CPU.
 *
 * Source: BCM2835 ARM Peripherals, chapter 4.
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/arm/bcm2835_peripherals.h"
#include "hw/dma/bcm2835_dma.h"
#include "hw/irq.h"
#include "hw/qdev-properties.h"
#include "system/cpu-timers.h"
#include "system/qtest.h"
#include "system/system.h"
#include "bcm2835_dma_bits.h"
#include "bcm2835_pcm.h"
#include "bcm2835_pwm.h"

/* How late memory may be written: under a clock that counts instructions, and under the host's. */
#define COUNTED_SLICE_NS 10000
#define HOST_SLICE_NS 50000
/*
 * How much work without a DREQ a channel makes up for at once. A host that stalls for longer costs
 * the engine that time, and does not make it keep the CPUs waiting.
 */
#define MOST_BEHIND (2000000LL * PS_PER_NS)

static bool exact(void)
{
    return icount_enabled() || qtest_enabled();
}

Picoseconds bcm2835_dma_now(BCM2835DMAState *s)
{
    return qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL) * PS_PER_NS;
}

Picoseconds bcm2835_dma_access_time(BCM2835DMAState *s)
{
    return s->access == PS_NEVER ? bcm2835_dma_now(s) : s->access;
}

void bcm2835_dma_catch_up(BCM2835DMAState *s)
{
    Picoseconds now = bcm2835_dma_now(s);

    if (s->access != PS_NEVER) {
        /* The engine itself accesses the peripheral, at its own time. */
        return;
    }
    for (unsigned n = 0; n < BCM2835_DMA_NCHANS; n++) {
        BCM2835DMAChannel *c = &s->chan[n];

        if (!exact() && c->phase == PHASE_MOVE && !(c->ti & (TI_SRC_DREQ | TI_DEST_DREQ)) &&
            c->cs & CS_ACTIVE && now - c->time > MOST_BEHIND) {
            c->time = now - MOST_BEHIND;
        }
        bcm2835_dma_channel_run(c, now);
    }
}

static void schedule(BCM2835DMAState *s)
{
    Picoseconds now = bcm2835_dma_now(s), next = PS_NEVER;
    Picoseconds slice = s->slice_ns * PS_PER_NS;

    if (s->access != PS_NEVER) {
        return;
    }
    for (unsigned n = 0; n < BCM2835_DMA_NCHANS; n++) {
        next = MIN(next, bcm2835_dma_channel_deadline(&s->chan[n], now, slice));
    }
    if (next == PS_NEVER) {
        timer_del(s->timer);
        return;
    }
    if (!exact()) {
        /*
         * The host has no time for each control block. If the last turn took long, the CPUs get as
         * much before the next.
         */
        next = MAX(next, now + MAX(slice, s->took));
    }
    timer_mod(s->timer, DIV_ROUND_UP(MAX(now + PS_PER_NS, next), PS_PER_NS));
}

void bcm2835_dma_settle(BCM2835DMAState *s)
{
    bcm2835_dma_catch_up(s);
    schedule(s);
}

static void on_timer(void *opaque)
{
    BCM2835DMAState *s = opaque;
    Picoseconds began = bcm2835_dma_now(s);

    bcm2835_dma_catch_up(s);
    s->took = bcm2835_dma_now(s) - began;
    schedule(s);
}

static uint64_t read_channel(BCM2835DMAState *s, unsigned number, hwaddr offset)
{
    uint32_t value;

    bcm2835_dma_catch_up(s);
    value = bcm2835_dma_channel_read(&s->chan[number], offset, bcm2835_dma_access_time(s));
    schedule(s);
    return value;
}

static void write_channel(BCM2835DMAState *s, unsigned number, hwaddr offset, uint32_t value)
{
    if (!(s->channel_mask & (1u << number))) {
        bcm2835_dma_violation(s, VIOLATION_CHANNEL,
                              "channel %u: a write of 0x%08x to register 0x%02x of a channel that "
                              "the firmware keeps",
                              number, value, (unsigned)offset);
    }
    bcm2835_dma_catch_up(s);
    bcm2835_dma_channel_write(&s->chan[number], offset, value, bcm2835_dma_access_time(s));
    bcm2835_dma_settle(s);
}

static uint64_t read0(void *opaque, hwaddr offset, unsigned size)
{
    BCM2835DMAState *s = opaque;
    uint32_t interrupts = 0;

    switch (offset) {
    case DMA_INT_STATUS:
        bcm2835_dma_catch_up(s);
        for (unsigned n = 0; n < BCM2835_DMA_NCHANS; n++) {
            interrupts |= s->chan[n].cs & CS_INT ? 1u << n : 0;
        }
        return interrupts;
    case DMA_ENABLE:
        return s->enable & 0x7fff;
    default:
        return read_channel(s, offset / DMA_CHANNEL_BYTES, offset % DMA_CHANNEL_BYTES);
    }
}

static void write0(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
    BCM2835DMAState *s = opaque;

    switch (offset) {
    case DMA_INT_STATUS:
        bcm2835_dma_violation(s, VIOLATION_READ_ONLY, "a write of 0x%08x to INT_STATUS",
                              (uint32_t)value);
        break;
    case DMA_ENABLE:
        bcm2835_dma_catch_up(s);
        for (unsigned n = 0; n < 15; n++) {
            if (value & ~s->enable & (1u << n)) {
                s->chan[n].time = bcm2835_dma_now(s);
            }
        }
        s->enable = (s->enable & ~0x7fffu) | (value & 0x7fff);
        schedule(s);
        break;
    default:
        write_channel(s, offset / DMA_CHANNEL_BYTES, offset % DMA_CHANNEL_BYTES, value);
        break;
    }
}

static uint64_t read15(void *opaque, hwaddr offset, unsigned size)
{
    return read_channel(opaque, 15, offset);
}

static void write15(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
    write_channel(opaque, 15, offset, value);
}

static const MemoryRegionOps ops0 = {
    .read = read0,
    .write = write0,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid.min_access_size = 4,
    .valid.max_access_size = 4,
};

static const MemoryRegionOps ops15 = {
    .read = read15,
    .write = write15,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid.min_access_size = 4,
    .valid.max_access_size = 4,
};

static void on_exit_notifier(Notifier *notifier, void *data)
{
    bcm2835_dma_report(container_of(notifier, BCM2835DMAState, exit));
}

static void instance_init(Object *obj)
{
    BCM2835DMAState *s = BCM2835_DMA(obj);

    memory_region_init_io(&s->iomem0, obj, &ops0, s, TYPE_BCM2835_DMA, 0x1000);
    sysbus_init_mmio(SYS_BUS_DEVICE(s), &s->iomem0);
    memory_region_init_io(&s->iomem15, obj, &ops15, s, TYPE_BCM2835_DMA "-15", 0x100);
    sysbus_init_mmio(SYS_BUS_DEVICE(s), &s->iomem15);
    /* A control block may write registers of the controller. */
    s->iomem0.disable_reentrancy_guard = true;
    s->iomem15.disable_reentrancy_guard = true;
    for (unsigned n = 0; n < BCM2835_DMA_NCHANS; n++) {
        BCM2835DMAChannel *c = &s->chan[n];

        c->dma = s;
        c->number = n;
        c->run.first = c->run.last = PS_NEVER;
        c->run.gaps = g_array_new(false, false, sizeof(int64_t));
        sysbus_init_irq(SYS_BUS_DEVICE(s), &c->irq);
    }
    s->access = PS_NEVER;
    s->complaints = g_ptr_array_new_with_free_func(g_free);
}

static void hold_reset(Object *obj, ResetType type)
{
    BCM2835DMAState *s = BCM2835_DMA(obj);

    s->enable = 0xffff;
    for (unsigned n = 0; n < BCM2835_DMA_NCHANS; n++) {
        bcm2835_dma_channel_reset(&s->chan[n]);
    }
    timer_del(s->timer);
}

static void realize(DeviceState *dev, Error **errp)
{
    BCM2835DMAState *s = BCM2835_DMA(dev);
    BCMSocPeripheralBaseState *soc = BCM_SOC_PERIPHERALS_BASE(OBJECT(dev)->parent);
    Object *bus = object_property_get_link(OBJECT(dev), "dma-mr", errp);

    if (!bus) {
        return;
    }
    if (!s->bytes_per_second || s->bytes_per_second > PS_PER_S) {
        error_setg(errp, "bytes-per-second has to be from 1 to %lld", PS_PER_S);
        return;
    }
    if (!s->slice_ns) {
        s->slice_ns = exact() ? COUNTED_SLICE_NS : HOST_SLICE_NS;
    }
    s->dma_mr = MEMORY_REGION(bus);
    address_space_init(&s->dma_as, s->dma_mr, TYPE_BCM2835_DMA "-memory");
    s->timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, on_timer, s);
    s->pcm = bcm2835_pcm_create(s, soc);
    s->pwm = bcm2835_pwm_create(s, soc);
    s->exit.notify = on_exit_notifier;
    qemu_add_exit_notifier(&s->exit);
}

static const Property properties[] = {
    DEFINE_PROP_UINT64("bytes-per-second", BCM2835DMAState, bytes_per_second, 100000000),
    DEFINE_PROP_UINT64("fetch-ns", BCM2835DMAState, fetch_ns, 100),
    DEFINE_PROP_UINT64("response-ns", BCM2835DMAState, response_ns, 200),
    DEFINE_PROP_UINT64("slice-ns", BCM2835DMAState, slice_ns, 0),
    /* The firmware keeps 1, 3, 6, 7 and 15: brcm,dma-channel-mask of bcm283x.dtsi in Linux. */
    DEFINE_PROP_UINT32("channel-mask", BCM2835DMAState, channel_mask, 0x7f35),
    /* Of the BCM2836 and BCM2837; the BCM2835 has 0x40000000 (dma-ranges in Linux). */
    DEFINE_PROP_UINT32("memory-alias", BCM2835DMAState, memory_alias, 0xc0000000),
    DEFINE_PROP_BOOL("prefetch", BCM2835DMAState, prefetch, false),
    DEFINE_PROP_STRING("report", BCM2835DMAState, report),
};

static void class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);

    dc->realize = realize;
    device_class_set_props(dc, properties);
    RESETTABLE_CLASS(klass)->phases.hold = hold_reset;
}

static const TypeInfo types[] = {
    {
        .name = TYPE_BCM2835_DMA,
        .parent = TYPE_SYS_BUS_DEVICE,
        .instance_size = sizeof(BCM2835DMAState),
        .instance_init = instance_init,
        .class_init = class_init,
    },
};

DEFINE_TYPES(types)
