/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The PWM controller of the BCM2835: BCM2835 ARM Peripherals, chapter 9 (pages 138 to 147). */

#ifndef BCM2835_PWM_H
#define BCM2835_PWM_H

#include "hw/arm/bcm2835_peripherals.h"
#include "hw/clock.h"
#include "bcm2835_fifo.h"

#define TYPE_BCM2835_PWM "bcm2835-pwm"
OBJECT_DECLARE_SIMPLE_TYPE(BCM2835PWMState, BCM2835_PWM)

struct BCM2835PWMState {
    SysBusDevice parent_obj;

    MemoryRegion iomem;
    BCM2835DMAState *dma;
    Clock *clock;

    uint32_t ctl, sta, dmac, range[2], data[2];
    BCM2835Fifo fifo;
    /* Up to where the controller has run; when its periods began, and how many passed since. */
    Picoseconds time, epoch;
    uint64_t periods;

    /* Properties. */
    uint32_t fifo_words;
    char *transmitted;
};

BCM2835PWMState *bcm2835_pwm_create(BCM2835DMAState *dma, BCMSocPeripheralBaseState *soc);
void bcm2835_pwm_report(BCM2835PWMState *s);

#endif
