/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The PCM/I2S interface. The other side sends samples that count up from 0, one for each channel
 * that is enabled, so that a lost sample is a jump.
 *
 * Source: BCM2835 ARM Peripherals, chapter 8 (pages 119 to 137). What it leaves open is in
 * tests/emulator/README.md.
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/arm/raspi_platform.h"
#include "hw/irq.h"
#include "hw/qdev-clock.h"
#include "hw/qdev-properties.h"
#include "bcm2835_pcm.h"

/* "two 64x32b FIFOs" (page 119) */
#define FIFO_WORDS 64
#define DREQ_TX 2
#define DREQ_RX 3

#define CS_A 0x00
#define FIFO_A 0x04
#define MODE_A 0x08
#define RXC_A 0x0c
#define TXC_A 0x10
#define DREQ_A 0x14
#define INTEN_A 0x18
#define INTSTC_A 0x1c
#define GRAY 0x20

#define CS_EN (1u << 0)
#define CS_RXON (1u << 1)
#define CS_TXON (1u << 2)
#define CS_TXCLR (1u << 3)
#define CS_RXCLR (1u << 4)
#define CS_TXTHR(cs) (((cs) >> 5) & 3)
#define CS_RXTHR(cs) (((cs) >> 7) & 3)
#define CS_DMAEN (1u << 9)
#define CS_TXSYNC (1u << 13)
#define CS_RXSYNC (1u << 14)
#define CS_TXERR (1u << 15)
#define CS_RXERR (1u << 16)
#define CS_TXW (1u << 17)
#define CS_RXR (1u << 18)
#define CS_TXD (1u << 19)
#define CS_RXD (1u << 20)
#define CS_TXE (1u << 21)
#define CS_RXF (1u << 22)
#define CS_RXSEX (1u << 23)
#define CS_SYNC (1u << 24)
#define CS_STBY (1u << 25)
#define CS_WRITABLE (CS_EN | CS_RXON | CS_TXON | (0xfu << 5) | CS_DMAEN | CS_RXSEX | CS_SYNC | CS_STBY)

#define MODE_FTXP (1u << 24)
#define MODE_FRXP (1u << 25)
#define MODE_CLKM (1u << 23)
#define MODE_FSM (1u << 21)
#define MODE_FLEN(mode) (((mode) >> 10) & 0x3ff)
#define MODE_CLK_DIS (1u << 28)

/* Of RXC_A and TXC_A: channel 1 in the upper half. */
#define CHANNEL(c, n) ((n) ? (c) & 0xffff : (c) >> 16)
#define CHANNEL_WIDTH(half) (8 + ((half) & 0xf) + ((half) & 0x8000 ? 16 : 0))
#define CHANNEL_EN (1u << 14)

#define DREQ_RX_LEVEL(dreq) ((dreq) & 0x7f)
#define DREQ_TX_LEVEL(dreq) (((dreq) >> 8) & 0x7f)
/* TX_PANIC 0x10, RX_PANIC 0x30, TX 0x30, RX 0x20 (page 131) */
#define DREQ_RESET 0x10303020u

#define INT_TXW (1u << 0)
#define INT_RXR (1u << 1)
#define INT_TXERR (1u << 2)
#define INT_RXERR (1u << 3)

/* The period of the bit clock in units of 2^-32 ns; 0 if it stands. */
static uint64_t bit_period(BCM2835PCMState *s)
{
    if (s->mode & MODE_CLK_DIS) {
        return 0;
    }
    if (s->mode & MODE_CLKM) {
        return s->external_clock ? CLOCK_PERIOD_FROM_HZ(s->external_clock) : 0;
    }
    return clock_get(s->clock);
}

static unsigned frame_bits(BCM2835PCMState *s)
{
    return s->mode & MODE_FSM ? s->external_frame : MODE_FLEN(s->mode) + 1;
}

/* The time of the end of frame `count`, counted from the epoch. */
static Picoseconds frame_end(BCM2835PCMState *s, uint64_t count)
{
    return s->epoch + bcm2835_periods(count * frame_bits(s), bit_period(s));
}

static bool runs(BCM2835PCMState *s)
{
    return s->cs & CS_EN && s->cs & (CS_RXON | CS_TXON) && bit_period(s);
}

/* Words of a FIFO that a frame takes. */
static unsigned words_of_frame(uint32_t channels, bool packed)
{
    unsigned enabled = !!(CHANNEL(channels, 0) & CHANNEL_EN) + !!(CHANNEL(channels, 1) & CHANNEL_EN);

    return packed ? MIN(enabled, 1) : enabled;
}

static unsigned rx_words(BCM2835PCMState *s)
{
    return s->cs & CS_RXON ? words_of_frame(s->rxc, s->mode & MODE_FRXP) : 0;
}

static unsigned tx_words(BCM2835PCMState *s)
{
    return s->cs & CS_TXON ? words_of_frame(s->txc, s->mode & MODE_FTXP) : 0;
}

/* The next sample, as wide as the channel that receives it. */
static uint32_t sample(BCM2835PCMState *s, unsigned channel)
{
    unsigned width = CHANNEL_WIDTH(CHANNEL(s->rxc, channel));
    uint32_t value = s->sample++;

    if (width >= 32) {
        return value;
    }
    return s->cs & CS_RXSEX ? (uint32_t)sextract32(value, 0, width) : extract32(value, 0, width);
}

static void receive_frame(BCM2835PCMState *s)
{
    uint32_t packed = 0;
    unsigned enabled = 0;

    for (unsigned n = 0; n < 2; n++) {
        if (!(CHANNEL(s->rxc, n) & CHANNEL_EN)) {
            continue;
        }
        if (s->mode & MODE_FRXP) {
            packed |= (sample(s, n) & 0xffff) << 16 * enabled++;
        } else {
            s->made++;
            if (!bcm2835_fifo_put(&s->rx, sample(s, n))) {
                s->cs |= CS_RXERR;
            }
        }
    }
    if (enabled) {
        s->made++;
        if (!bcm2835_fifo_put(&s->rx, packed)) {
            s->cs |= CS_RXERR;
        }
    }
}

static void receive(BCM2835PCMState *s, uint64_t frames)
{
    unsigned words = rx_words(s);

    if (!words) {
        return;
    }
    while (frames && s->rx.level < s->rx.size) {
        receive_frame(s);
        frames--;
    }
    if (frames) {
        unsigned samples = words_of_frame(s->rxc, false);

        s->sample += frames * samples;
        s->made += frames * words;
        bcm2835_fifo_lose(&s->rx, frames * words);
        s->cs |= CS_RXERR;
    }
}

static void transmit(BCM2835PCMState *s, uint64_t frames)
{
    uint64_t words = frames * tx_words(s);
    uint32_t word;

    while (words && s->tx.level) {
        bcm2835_fifo_take(&s->tx, &word);
        words--;
    }
    if (words) {
        s->tx.missed += words;
        s->cs |= CS_TXERR;
    }
}

static uint32_t status(BCM2835PCMState *s)
{
    static const unsigned RX_THRESHOLDS[] = { 1, 16, 48, 64 };
    static const unsigned TX_THRESHOLDS[] = { 1, 16, 48, 64 };
    unsigned rx_frame = MAX(1, words_of_frame(s->rxc, s->mode & MODE_FRXP));
    unsigned tx_frame = MAX(1, words_of_frame(s->txc, s->mode & MODE_FTXP));
    uint32_t cs = s->cs;

    cs |= s->rx.level >= RX_THRESHOLDS[CS_RXTHR(cs)] ? CS_RXR : 0;
    cs |= s->tx.level < TX_THRESHOLDS[CS_TXTHR(cs)] ? CS_TXW : 0;
    cs |= s->rx.level ? CS_RXD : 0;
    cs |= s->rx.level == s->rx.size ? CS_RXF : 0;
    cs |= s->tx.level < s->tx.size ? CS_TXD : 0;
    cs |= s->tx.level ? 0 : CS_TXE;
    cs |= s->rx.level % rx_frame ? 0 : CS_RXSYNC;
    cs |= s->tx.level % tx_frame ? 0 : CS_TXSYNC;
    if (s->time < s->sync_at) {
        cs ^= CS_SYNC;
    }
    return cs;
}

static void update_interrupt(BCM2835PCMState *s)
{
    uint32_t cs = status(s);

    s->intstc |= s->inten & ((cs & CS_TXW ? INT_TXW : 0) | (cs & CS_RXR ? INT_RXR : 0) |
                             (cs & CS_TXERR ? INT_TXERR : 0) | (cs & CS_RXERR ? INT_RXERR : 0));
    qemu_set_irq(s->irq, !!s->intstc);
}

/* Runs the interface up to a time. */
static void advance(BCM2835PCMState *s, Picoseconds to)
{
    if (to <= s->time) {
        return;
    }
    s->time = to;
    if (runs(s)) {
        uint64_t frames = s->frames;

        /* An estimate that may be one too many or too few, and is put right. */
        frames += (to - frame_end(s, frames)) / MAX(1, frame_end(s, frames + 1) - frame_end(s, frames));
        while (frame_end(s, frames) > to) {
            frames--;
        }
        while (frame_end(s, frames + 1) <= to) {
            frames++;
        }
        if (frames > s->frames) {
            receive(s, frames - s->frames);
            transmit(s, frames - s->frames);
            s->frames = frames;
        }
    }
    update_interrupt(s);
}

static void schedule(BCM2835PCMState *s)
{
    if (s->inten && runs(s)) {
        timer_mod(s->timer, frame_end(s, s->frames + 1) / PS_PER_NS + 1);
    } else {
        timer_del(s->timer);
    }
}

static void restart_frames(BCM2835PCMState *s)
{
    s->epoch = s->time;
    s->frames = 0;
}

static void on_timer(void *opaque)
{
    BCM2835PCMState *s = opaque;

    bcm2835_dma_catch_up(s->dma);
    advance(s, bcm2835_dma_now(s->dma));
    schedule(s);
}

static void on_clock(void *opaque, ClockEvent event)
{
    BCM2835PCMState *s = opaque;

    if (event == ClockPreUpdate) {
        bcm2835_dma_catch_up(s->dma);
        advance(s, bcm2835_dma_now(s->dma));
    } else {
        restart_frames(s);
        bcm2835_dma_settle(s->dma);
        schedule(s);
    }
}

static bool requests(BCM2835PCMState *s)
{
    return (s->cs & (CS_EN | CS_DMAEN)) == (CS_EN | CS_DMAEN);
}

static Picoseconds after_words(BCM2835PCMState *s, unsigned words, unsigned words_per_frame)
{
    if (!runs(s) || !words_per_frame) {
        return PS_NEVER;
    }
    return frame_end(s, s->frames + DIV_ROUND_UP(words, words_per_frame));
}

static Picoseconds word_period(BCM2835PCMState *s, unsigned words_per_frame)
{
    return runs(s) && words_per_frame ?
               bcm2835_periods(frame_bits(s), bit_period(s)) / words_per_frame : 0;
}

/* "When the level is above this the PCM will assert its DMA DREQ signal" (page 131) */
static bool rx_dreq(void *opaque, Picoseconds at)
{
    BCM2835PCMState *s = opaque;

    advance(s, at);
    return requests(s) && s->rx.level > DREQ_RX_LEVEL(s->dreq);
}

static Picoseconds rx_rises(void *opaque, Picoseconds at)
{
    BCM2835PCMState *s = opaque;

    if (rx_dreq(s, at)) {
        return at;
    }
    if (!requests(s) || DREQ_RX_LEVEL(s->dreq) >= s->rx.size) {
        return PS_NEVER;
    }
    return after_words(s, DREQ_RX_LEVEL(s->dreq) + 1 - s->rx.level, rx_words(s));
}

static Picoseconds rx_period(void *opaque)
{
    return word_period(opaque, rx_words(opaque));
}

/* "When the level is below this the PCM will assert its DMA DREQ signal" (page 131) */
static bool tx_dreq(void *opaque, Picoseconds at)
{
    BCM2835PCMState *s = opaque;

    advance(s, at);
    return requests(s) && s->tx.level < DREQ_TX_LEVEL(s->dreq);
}

static Picoseconds tx_rises(void *opaque, Picoseconds at)
{
    BCM2835PCMState *s = opaque;

    if (tx_dreq(s, at)) {
        return at;
    }
    if (!requests(s) || !DREQ_TX_LEVEL(s->dreq)) {
        return PS_NEVER;
    }
    return after_words(s, s->tx.level + 1 - DREQ_TX_LEVEL(s->dreq), tx_words(s));
}

static Picoseconds tx_period(void *opaque)
{
    return word_period(opaque, tx_words(opaque));
}

static uint64_t pcm_read(void *opaque, hwaddr offset, unsigned size)
{
    BCM2835PCMState *s = opaque;
    uint32_t value = 0;

    bcm2835_dma_catch_up(s->dma);
    advance(s, bcm2835_dma_access_time(s->dma));
    switch (offset) {
    case CS_A:
        value = status(s);
        break;
    case FIFO_A:
        if (!bcm2835_fifo_take(&s->rx, &value)) {
            s->cs |= CS_RXERR;
        }
        break;
    case MODE_A:
        value = s->mode;
        break;
    case RXC_A:
        value = s->rxc;
        break;
    case TXC_A:
        value = s->txc;
        break;
    case DREQ_A:
        value = s->dreq;
        break;
    case INTEN_A:
        value = s->inten;
        break;
    case INTSTC_A:
        value = s->intstc;
        break;
    case GRAY:
        value = s->gray;
        break;
    }
    update_interrupt(s);
    bcm2835_dma_settle(s->dma);
    schedule(s);
    return value;
}

static void write_status(BCM2835PCMState *s, uint32_t value)
{
    uint32_t changed = s->cs ^ value;

    s->cs &= ~CS_WRITABLE & ~(value & (CS_TXERR | CS_RXERR));
    s->cs |= value & CS_WRITABLE;
    if (changed & CS_SYNC) {
        /* "It takes 2 PCM clocks before the value written will be echoed back" (page 126) */
        uint64_t period = bit_period(s);

        s->sync_at = period ? s->time + bcm2835_periods(2, period) : PS_NEVER;
    }
    if (value & CS_RXCLR) {
        bcm2835_fifo_clear(&s->rx);
    }
    if (value & CS_TXCLR) {
        bcm2835_fifo_clear(&s->tx);
    }
    if (changed & value & CS_RXON) {
        s->sample = 0;
    }
    if (changed & (CS_EN | CS_RXON | CS_TXON)) {
        restart_frames(s);
    }
}

static void pcm_write(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
    BCM2835PCMState *s = opaque;

    bcm2835_dma_catch_up(s->dma);
    advance(s, bcm2835_dma_access_time(s->dma));
    switch (offset) {
    case CS_A:
        write_status(s, value);
        break;
    case FIFO_A:
        if (s->cs & CS_EN && !bcm2835_fifo_put(&s->tx, value)) {
            s->cs |= CS_TXERR;
        }
        break;
    case MODE_A:
        s->mode = value & 0x1fffffff;
        restart_frames(s);
        break;
    case RXC_A:
        s->rxc = value;
        break;
    case TXC_A:
        s->txc = value;
        break;
    case DREQ_A:
        s->dreq = value & 0x7f7f7f7f;
        break;
    case INTEN_A:
        s->inten = value & 0xf;
        break;
    case INTSTC_A:
        s->intstc &= ~value;
        break;
    case GRAY:
        s->gray = value & 0x7;
        break;
    }
    update_interrupt(s);
    bcm2835_dma_settle(s->dma);
    schedule(s);
}

static const MemoryRegionOps ops = {
    .read = pcm_read,
    .write = pcm_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid.min_access_size = 4,
    .valid.max_access_size = 4,
};

static void hold_reset(Object *obj, ResetType type)
{
    BCM2835PCMState *s = BCM2835_PCM(obj);

    s->cs = s->mode = s->rxc = s->txc = s->inten = s->intstc = s->gray = 0;
    s->dreq = DREQ_RESET;
    bcm2835_fifo_clear(&s->rx);
    bcm2835_fifo_clear(&s->tx);
    s->sync_at = 0;
    qemu_set_irq(s->irq, 0);
    timer_del(s->timer);
}

void bcm2835_pcm_report(BCM2835PCMState *s)
{
    advance(s, bcm2835_dma_now(s->dma));
    if (s->made) {
        bcm2835_dma_report_line(s->dma, "{\"source\":\"pcm\",\"words\":%" PRIu64 "}", s->made);
    }
    bcm2835_fifo_report(&s->rx, s->dma, "pcm_rx");
    bcm2835_fifo_report(&s->tx, s->dma, "pcm_tx");
}

static void instance_init(Object *obj)
{
    BCM2835PCMState *s = BCM2835_PCM(obj);

    memory_region_init_io(&s->iomem, obj, &ops, s, TYPE_BCM2835_PCM, 0x24);
    /* A status register that the engine reads is served while another access runs. */
    s->iomem.disable_reentrancy_guard = true;
    sysbus_init_mmio(SYS_BUS_DEVICE(s), &s->iomem);
    sysbus_init_irq(SYS_BUS_DEVICE(s), &s->irq);
    s->clock = qdev_init_clock_in(DEVICE(s), "clk", on_clock, s, ClockPreUpdate | ClockUpdate);
    s->rx.size = s->tx.size = FIFO_WORDS;
    s->timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, on_timer, s);
}

static void realize(DeviceState *dev, Error **errp)
{
    BCM2835PCMState *s = BCM2835_PCM(dev);

    if (!s->external_frame) {
        error_setg(errp, "external-frame has to be at least 1");
        return;
    }
    bcm2835_fifo_copy_to(&s->tx, s->transmitted, errp);
}

BCM2835PCMState *bcm2835_pcm_create(BCM2835DMAState *dma, BCMSocPeripheralBaseState *soc)
{
    BCM2835PCMState *s = BCM2835_PCM(qdev_new(TYPE_BCM2835_PCM));
    SysBusDevice *device = SYS_BUS_DEVICE(s);

    s->dma = dma;
    object_property_add_child(OBJECT(soc), "pcm", OBJECT(s));
    qdev_connect_clock_in(DEVICE(s), "clk", qdev_get_clock_out(DEVICE(&soc->cprman), "pcm-out"));
    sysbus_realize_and_unref(device, &error_fatal);
    memory_region_add_subregion(&soc->peri_mr, I2S_OFFSET, sysbus_mmio_get_region(device, 0));
    sysbus_connect_irq(device, 0, qdev_get_gpio_in_named(DEVICE(&soc->ic), BCM2835_IC_GPU_IRQ,
                                                         INTERRUPT_I2SPCM));
    dma->dreq[DREQ_RX] = (BCM2835Dreq){ rx_dreq, rx_rises, rx_period, s };
    dma->dreq[DREQ_TX] = (BCM2835Dreq){ tx_dreq, tx_rises, tx_period, s };
    return s;
}

static const Property properties[] = {
    /* The bit clock and the bits of a frame of the other side, when it is the master. */
    DEFINE_PROP_UINT32("external-clock", BCM2835PCMState, external_clock, 0),
    DEFINE_PROP_UINT32("external-frame", BCM2835PCMState, external_frame, 64),
    DEFINE_PROP_STRING("transmitted", BCM2835PCMState, transmitted),
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
        .name = TYPE_BCM2835_PCM,
        .parent = TYPE_SYS_BUS_DEVICE,
        .instance_size = sizeof(BCM2835PCMState),
        .instance_init = instance_init,
        .class_init = class_init,
    },
};

DEFINE_TYPES(types)
