/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The PWM controller, as far as a program sees it: words go into the FIFO and leave it at the pace
 * of the clock. There is no output.
 *
 * Source: BCM2835 ARM Peripherals, chapter 9 (pages 138 to 147). What it leaves open is in
 * tests/emulator/README.md.
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/arm/raspi_platform.h"
#include "hw/qdev-clock.h"
#include "hw/qdev-properties.h"
#include "bcm2835_pwm.h"

#define DREQ_PWM 5

#define CTL 0x00
#define STA 0x04
#define DMAC 0x08
#define RNG1 0x10
#define DAT1 0x14
#define FIF1 0x18
#define RNG2 0x20
#define DAT2 0x24

/* Of channel 1; those of channel 2 are 8 bits up. */
#define CTL_PWEN (1u << 0)
#define CTL_RPTL (1u << 2)
#define CTL_USEF (1u << 5)
#define CTL_CLRF (1u << 6)
#define CTL_WRITABLE 0xbfbfu
#define CTL_OF(ctl, n) ((ctl) >> 8 * (n))

#define STA_FULL (1u << 0)
#define STA_EMPT (1u << 1)
#define STA_WERR (1u << 2)
#define STA_RERR (1u << 3)
#define STA_GAPO(n) (1u << (4 + (n)))
#define STA_BERR (1u << 8)
#define STA_STATE(n) (1u << (9 + (n)))
#define STA_ERRORS (STA_WERR | STA_RERR | STA_GAPO(0) | STA_GAPO(1) | STA_BERR)

#define DMAC_ENAB (1u << 31)
#define DMAC_DREQ(dmac) ((dmac) & 0xff)
/* PANIC 7, DREQ 7 (page 145) */
#define DMAC_RESET 0x707u
#define RANGE_RESET 32

static bool uses_fifo(BCM2835PWMState *s, unsigned channel)
{
    return (CTL_OF(s->ctl, channel) & (CTL_PWEN | CTL_USEF)) == (CTL_PWEN | CTL_USEF);
}

/* Words that leave the FIFO in a period. */
static unsigned words(BCM2835PWMState *s)
{
    return uses_fifo(s, 0) + uses_fifo(s, 1);
}

/* "each channel sharing the FIFO should be configured to use the same range" (page 146) */
static uint32_t range(BCM2835PWMState *s)
{
    uint32_t longest = 0;

    for (unsigned n = 0; n < 2; n++) {
        if (uses_fifo(s, n)) {
            longest = MAX(longest, s->range[n]);
        }
    }
    return longest;
}

static bool runs(BCM2835PWMState *s)
{
    return range(s) && clock_get(s->clock);
}

/* The time of the end of period `count`, counted from the epoch. */
static Picoseconds period_end(BCM2835PWMState *s, uint64_t count)
{
    return s->epoch + bcm2835_periods(count * range(s), clock_get(s->clock));
}

/* Takes the words of one period. */
static void take(BCM2835PWMState *s)
{
    uint32_t word;

    for (unsigned n = 0; n < 2; n++) {
        if (uses_fifo(s, n) && s->fifo.level) {
            bcm2835_fifo_take(&s->fifo, &word);
            s->data[n] = word;
        } else if (uses_fifo(s, n) && !(CTL_OF(s->ctl, n) & CTL_RPTL)) {
            s->fifo.missed++;
            s->sta |= STA_GAPO(n);
        }
    }
}

/* Runs the controller up to a time. */
static void advance(BCM2835PWMState *s, Picoseconds to)
{
    if (to <= s->time) {
        return;
    }
    s->time = to;
    if (!runs(s)) {
        return;
    }
    while (s->fifo.level && period_end(s, s->periods + 1) <= to) {
        take(s);
        s->periods++;
    }
    if (period_end(s, s->periods + 1) <= to) {
        /* Empty, so all periods are alike. */
        uint64_t more = (to - period_end(s, s->periods)) / bcm2835_periods(range(s), clock_get(s->clock));

        take(s);
        for (unsigned n = 0; n < 2; n++) {
            if (uses_fifo(s, n) && !(CTL_OF(s->ctl, n) & CTL_RPTL)) {
                s->fifo.missed += more - 1;
            }
        }
        s->periods += more;
    }
}

static void restart_periods(BCM2835PWMState *s)
{
    s->epoch = s->time;
    s->periods = 0;
}

static void on_clock(void *opaque, ClockEvent event)
{
    BCM2835PWMState *s = opaque;

    if (event == ClockPreUpdate) {
        bcm2835_dma_catch_up(s->dma);
        advance(s, bcm2835_dma_now(s->dma));
    } else {
        restart_periods(s);
        bcm2835_dma_settle(s->dma);
    }
}

static bool dreq(void *opaque, Picoseconds at)
{
    BCM2835PWMState *s = opaque;

    advance(s, at);
    return s->dmac & DMAC_ENAB && s->fifo.level < s->fifo.size &&
           s->fifo.level <= DMAC_DREQ(s->dmac);
}

static Picoseconds rises(void *opaque, Picoseconds at)
{
    BCM2835PWMState *s = opaque;
    unsigned highest = MIN(DMAC_DREQ(s->dmac), s->fifo.size - 1);

    if (dreq(s, at)) {
        return at;
    }
    if (!(s->dmac & DMAC_ENAB) || !runs(s)) {
        return PS_NEVER;
    }
    return period_end(s, s->periods + DIV_ROUND_UP(s->fifo.level - highest, words(s)));
}

static Picoseconds word_period(void *opaque)
{
    BCM2835PWMState *s = opaque;

    return runs(s) ? bcm2835_periods(range(s), clock_get(s->clock)) / words(s) : 0;
}

static uint64_t pwm_read(void *opaque, hwaddr offset, unsigned size)
{
    BCM2835PWMState *s = opaque;
    uint64_t value = 0;

    bcm2835_dma_catch_up(s->dma);
    advance(s, bcm2835_dma_access_time(s->dma));
    switch (offset) {
    case CTL:
        value = s->ctl;
        break;
    case STA:
        value = s->sta | (s->fifo.level == s->fifo.size ? STA_FULL : 0) |
                (s->fifo.level ? 0 : STA_EMPT) |
                (s->ctl & CTL_PWEN ? STA_STATE(0) : 0) |
                (CTL_OF(s->ctl, 1) & CTL_PWEN ? STA_STATE(1) : 0);
        break;
    case DMAC:
        value = s->dmac;
        break;
    case RNG1:
        value = s->range[0];
        break;
    case DAT1:
        value = s->data[0];
        break;
    case FIF1:
        /* "reading this register will always return bus default return value, pwm0" (page 146) */
        value = 0x70776d30;
        break;
    case RNG2:
        value = s->range[1];
        break;
    case DAT2:
        value = s->data[1];
        break;
    }
    bcm2835_dma_settle(s->dma);
    return value;
}

static void pwm_write(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
    BCM2835PWMState *s = opaque;

    bcm2835_dma_catch_up(s->dma);
    advance(s, bcm2835_dma_access_time(s->dma));
    switch (offset) {
    case CTL:
        s->ctl = value & CTL_WRITABLE;
        if (value & CTL_CLRF) {
            bcm2835_fifo_clear(&s->fifo);
        }
        restart_periods(s);
        break;
    case STA:
        s->sta &= ~(value & STA_ERRORS);
        break;
    case DMAC:
        s->dmac = value & (DMAC_ENAB | 0xffff);
        break;
    case RNG1:
        s->range[0] = value;
        restart_periods(s);
        break;
    case DAT1:
        s->data[0] = value;
        break;
    case FIF1:
        if (!bcm2835_fifo_put(&s->fifo, value)) {
            s->sta |= STA_WERR;
        }
        break;
    case RNG2:
        s->range[1] = value;
        restart_periods(s);
        break;
    case DAT2:
        s->data[1] = value;
        break;
    }
    bcm2835_dma_settle(s->dma);
}

static const MemoryRegionOps ops = {
    .read = pwm_read,
    .write = pwm_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid.min_access_size = 4,
    .valid.max_access_size = 4,
};

static void hold_reset(Object *obj, ResetType type)
{
    BCM2835PWMState *s = BCM2835_PWM(obj);

    s->ctl = s->sta = s->data[0] = s->data[1] = 0;
    s->range[0] = s->range[1] = RANGE_RESET;
    s->dmac = DMAC_RESET;
    bcm2835_fifo_clear(&s->fifo);
}

void bcm2835_pwm_report(BCM2835PWMState *s)
{
    advance(s, bcm2835_dma_now(s->dma));
    bcm2835_fifo_report(&s->fifo, s->dma, "pwm");
}

static void instance_init(Object *obj)
{
    BCM2835PWMState *s = BCM2835_PWM(obj);

    memory_region_init_io(&s->iomem, obj, &ops, s, TYPE_BCM2835_PWM, 0x28);
    /* A register that the engine reads is served while another access runs. */
    s->iomem.disable_reentrancy_guard = true;
    sysbus_init_mmio(SYS_BUS_DEVICE(s), &s->iomem);
    s->clock = qdev_init_clock_in(DEVICE(s), "clk", on_clock, s, ClockPreUpdate | ClockUpdate);
}

static void realize(DeviceState *dev, Error **errp)
{
    BCM2835PWMState *s = BCM2835_PWM(dev);

    if (s->fifo_words < 1 || s->fifo_words > FIFO_MOST_WORDS) {
        error_setg(errp, "fifo-words has to be from 1 to %d", FIFO_MOST_WORDS);
        return;
    }
    s->fifo.size = s->fifo_words;
    bcm2835_fifo_copy_to(&s->fifo, s->transmitted, errp);
}

BCM2835PWMState *bcm2835_pwm_create(BCM2835DMAState *dma, BCMSocPeripheralBaseState *soc)
{
    BCM2835PWMState *s = BCM2835_PWM(qdev_new(TYPE_BCM2835_PWM));
    SysBusDevice *device = SYS_BUS_DEVICE(s);

    s->dma = dma;
    object_property_add_child(OBJECT(soc), "pwm", OBJECT(s));
    qdev_connect_clock_in(DEVICE(s), "clk", qdev_get_clock_out(DEVICE(&soc->cprman), "pwm-out"));
    sysbus_realize_and_unref(device, &error_fatal);
    memory_region_add_subregion(&soc->peri_mr, PWM_OFFSET, sysbus_mmio_get_region(device, 0));
    dma->dreq[DREQ_PWM] = (BCM2835Dreq){ dreq, rises, word_period, s };
    return s;
}

static const Property properties[] = {
    /* "up to eight 32-bit words" (page 138) */
    DEFINE_PROP_UINT32("fifo-words", BCM2835PWMState, fifo_words, 8),
    DEFINE_PROP_STRING("transmitted", BCM2835PWMState, transmitted),
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
        .name = TYPE_BCM2835_PWM,
        .parent = TYPE_SYS_BUS_DEVICE,
        .instance_size = sizeof(BCM2835PWMState),
        .instance_init = instance_init,
        .class_init = class_init,
    },
};

DEFINE_TYPES(types)
