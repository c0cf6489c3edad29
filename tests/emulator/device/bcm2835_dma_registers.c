/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The registers of one channel of the DMA controller.
 *
 * Source: BCM2835 ARM Peripherals, pages 47 to 57. What it leaves open is in
 * tests/emulator/README.md.
 */

#include "qemu/osdep.h"
#include "hw/dma/bcm2835_dma.h"
#include "hw/irq.h"
#include "bcm2835_dma_bits.h"

static uint32_t status(BCM2835DMAChannel *c, Picoseconds now)
{
    const BCM2835Dreq *dreq = &c->dma->dreq[TI_PERMAP(c->ti)];
    uint32_t cs = c->cs;

    if (!dreq->level || dreq->level(dreq->opaque, now)) {
        cs |= CS_DREQ;
    }
    if (c->loaded && !(c->cs & CS_ACTIVE)) {
        cs |= CS_PAUSED;
    }
    if (c->held) {
        cs |= CS_DREQ_STOPS | CS_PAUSED;
    }
    if (c->cs & CS_ACTIVE ? c->phase == PHASE_RESPOND : bcm2835_dma_outstanding(c, now) > 0) {
        cs |= CS_WAITING_FOR_WRITES;
    }
    if (c->debug & DEBUG_ERRORS) {
        cs |= CS_ERROR;
    }
    return cs;
}

uint32_t bcm2835_dma_channel_read(BCM2835DMAChannel *c, hwaddr offset, Picoseconds now)
{
    switch (offset) {
    case DMA_CS:
        return status(c, now);
    case DMA_CONBLK_AD:
        return c->conblk_ad;
    case DMA_TI:
        return c->ti;
    case DMA_SOURCE_AD:
        return c->source_ad;
    case DMA_DEST_AD:
        return c->dest_ad;
    case DMA_TXFR_LEN:
        return c->ti & TI_TDMODE ? c->rows_left << 16 | c->row_left : c->row_left;
    case DMA_STRIDE:
        return c->stride;
    case DMA_NEXTCONBK:
        return c->nextconbk;
    case DMA_DEBUG:
        return c->debug | DEBUG_OUTSTANDING(bcm2835_dma_outstanding(c, now)) | DEBUG_ID(c->number) |
               DEBUG_STATE(c->cs & CS_ACTIVE ? 1 + c->phase : 0) | DEBUG_VERSION(2) |
               (bcm2835_dma_is_lite(c) ? DEBUG_LITE : 0);
    default:
        return 0;
    }
}

void bcm2835_dma_channel_reset(BCM2835DMAChannel *c)
{
    c->cs = c->conblk_ad = c->debug = 0;
    c->ti = c->source_ad = c->dest_ad = c->stride = c->nextconbk = 0;
    c->row_left = c->rows_left = c->row_bytes = 0;
    c->phase = PHASE_FETCH;
    c->loaded = c->held = c->ahead = false;
    c->written = PS_NEVER;
    qemu_set_irq(c->irq, 0);
}

static void start(BCM2835DMAChannel *c, Picoseconds now)
{
    BCM2835DMARun *run = &c->run;

    if (run->first == PS_NEVER) {
        run->first = now;
    } else if (c->loaded) {
        run->paused += now - c->stopped;
    } else {
        run->idle += now - c->stopped;
        run->gap += now - c->stopped;
    }
    c->time = now;
    c->cs |= CS_ACTIVE;
}

static void write_status(BCM2835DMAChannel *c, uint32_t value, Picoseconds now)
{
    bool active = c->cs & CS_ACTIVE;

    if (value & CS_RESET) {
        if (bcm2835_dma_outstanding(c, now)) {
            bcm2835_dma_violation(c->dma, VIOLATION_RESET,
                                  "channel %u: a reset with %u writes outstanding", c->number,
                                  bcm2835_dma_outstanding(c, now));
        }
        bcm2835_dma_report_run(c, now);
        bcm2835_dma_channel_reset(c);
        return;
    }
    c->cs &= ~(CS_STORED & ~CS_ACTIVE) & ~(value & (CS_INT | CS_END));
    c->cs |= value & CS_STORED & ~CS_ACTIVE;
    if (!(c->cs & CS_INT)) {
        qemu_set_irq(c->irq, 0);
    }
    if (value & CS_ABORT && c->loaded) {
        c->conblk_ad = c->nextconbk;
        c->loaded = c->held = false;
        c->phase = PHASE_FETCH;
        c->time = now;
    }
    if (active && !(value & CS_ACTIVE)) {
        c->time = now;
        bcm2835_dma_channel_stop(c);
    } else if (!active && value & CS_ACTIVE && !(c->debug & DEBUG_READ_ERROR) && c->conblk_ad) {
        start(c, now);
    }
}

void bcm2835_dma_channel_write(BCM2835DMAChannel *c, hwaddr offset, uint32_t value,
                               Picoseconds now)
{
    bool active = c->cs & CS_ACTIVE;

    if (active && (offset == DMA_CONBLK_AD || offset == DMA_NEXTCONBK)) {
        bcm2835_dma_violation(c->dma, VIOLATION_ACTIVE,
                              "channel %u: a write of 0x%08x to register 0x%02x while active",
                              c->number, value, (unsigned)offset);
    }
    switch (offset) {
    case DMA_CS:
        write_status(c, value, now);
        break;
    case DMA_CONBLK_AD:
        if (!active) {
            c->conblk_ad = value;
            c->loaded = c->ahead = false;
            c->phase = PHASE_FETCH;
        }
        break;
    case DMA_NEXTCONBK:
        c->nextconbk = value;
        c->ahead = false;
        break;
    case DMA_DEBUG:
        c->debug &= ~(value & DEBUG_ERRORS);
        break;
    default:
        bcm2835_dma_violation(c->dma, VIOLATION_READ_ONLY,
                              "channel %u: a write of 0x%08x to register 0x%02x, which only a "
                              "control block sets",
                              c->number, value, (unsigned)offset);
        break;
    }
}
