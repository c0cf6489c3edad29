/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The PCM/I2S interface of the BCM2835: BCM2835 ARM Peripherals, chapter 8 (pages 119 to 137). */

#ifndef BCM2835_PCM_H
#define BCM2835_PCM_H

#include "hw/arm/bcm2835_peripherals.h"
#include "hw/clock.h"
#include "bcm2835_fifo.h"

#define TYPE_BCM2835_PCM "bcm2835-pcm"
OBJECT_DECLARE_SIMPLE_TYPE(BCM2835PCMState, BCM2835_PCM)

struct BCM2835PCMState {
    SysBusDevice parent_obj;

    MemoryRegion iomem;
    BCM2835DMAState *dma;
    Clock *clock;
    qemu_irq irq;
    QEMUTimer *timer;

    uint32_t cs, mode, rxc, txc, dreq, inten, intstc, gray;
    BCM2835Fifo rx, tx;
    /* Up to where the interface has run; when its frames began, and how many passed since. */
    Picoseconds time, epoch;
    uint64_t frames;
    /* When SYNC reads as it was written. */
    Picoseconds sync_at;
    /* The next sample that the other side sends. */
    uint64_t sample;
    uint64_t made;

    /* Properties. */
    uint32_t external_clock, external_frame;
    char *transmitted;
};

BCM2835PCMState *bcm2835_pcm_create(BCM2835DMAState *dma, BCMSocPeripheralBaseState *soc);
void bcm2835_pcm_report(BCM2835PCMState *s);

#endif
