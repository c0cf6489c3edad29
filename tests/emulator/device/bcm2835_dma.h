/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The DMA controller of the BCM2835. Replaces the header of the same name in QEMU, whose types and
 * property names its machines use.
 *
 * Source of all behaviour: BCM2835 ARM Peripherals, chapter 4 (pages 38 to 66).
 */

#ifndef BCM2835_DMA_H
#define BCM2835_DMA_H

#include "hw/sysbus.h"
#include "qemu/timer.h"
#include "qom/object.h"

#define TYPE_BCM2835_DMA "bcm2835-dma"
OBJECT_DECLARE_SIMPLE_TYPE(BCM2835DMAState, BCM2835_DMA)

#define BCM2835_DMA_NCHANS 16
#define BCM2835_DMA_NDREQS 32

/*
 * A time of QEMU_CLOCK_VIRTUAL in picoseconds. The engine keeps a time of its own for each channel:
 * up to where it has run. This is never later than the clock.
 */
typedef int64_t Picoseconds;
#define PS_NEVER INT64_MAX
#define PS_PER_NS 1000
#define PS_PER_S 1000000000000LL

/* What a peripheral tells of one of its DREQ signals. */
typedef struct BCM2835Dreq {
    /* The level at this time. */
    bool (*level)(void *opaque, Picoseconds at);
    /* The first time, not before `at`, at which the level is high if nobody accesses the peripheral. */
    Picoseconds (*rises)(void *opaque, Picoseconds at);
    /* The time in which the peripheral takes or makes a word; 0 if it does not run. */
    Picoseconds (*period)(void *opaque);
    void *opaque;
} BCM2835Dreq;

/* What the driver did that the datasheet forbids. */
typedef enum BCM2835Violation {
    VIOLATION_BURST,
    VIOLATION_ACTIVE,
    VIOLATION_READ_ONLY,
    VIOLATION_ALIAS,
    VIOLATION_ALIGNMENT,
    VIOLATION_CHANNEL,
    VIOLATION_LENGTH,
    VIOLATION_LITE,
    VIOLATION_RESET,
    VIOLATION_KINDS,
} BCM2835Violation;

/* What a channel did since its last reset, in virtual time. */
typedef struct BCM2835DMARun {
    Picoseconds first, last;
    Picoseconds busy, waiting, paused, idle;
    uint64_t blocks, bytes, frames, interrupts;
    /* The idle time since the last block that interrupts. */
    Picoseconds gap;
    bool between;
    /* Nanoseconds, one for each pair of successive blocks that interrupt. */
    GArray *gaps;
} BCM2835DMARun;

typedef enum BCM2835DMAPhase {
    PHASE_FETCH,
    PHASE_MOVE,
    /* All is written; the responses are on their way. */
    PHASE_RESPOND,
} BCM2835DMAPhase;

typedef struct BCM2835DMAChannel {
    struct BCM2835DMAState *dma;
    unsigned number;
    qemu_irq irq;

    uint32_t cs, conblk_ad, debug;
    /* From the control block. */
    uint32_t ti, source_ad, dest_ad, stride, nextconbk;
    /* Bytes left of the row, rows left after it, and bytes of a row. */
    uint32_t row_left, rows_left, row_bytes;

    BCM2835DMAPhase phase;
    bool loaded;
    Picoseconds time;
    /* While a DREQ holds the channel: when the DREQ rises. */
    bool held;
    Picoseconds wake;
    /* The last write, and the time of its response. */
    Picoseconds written, respond;
    /* Since when no block is there to run, or the driver pauses it. */
    Picoseconds stopped;
    /* The block after the current one, if prefetched. */
    bool ahead;
    uint32_t ahead_ad, ahead_words[6];

    unsigned runs;
    BCM2835DMARun run;
} BCM2835DMAChannel;

struct BCM2835DMAState {
    SysBusDevice parent_obj;

    MemoryRegion iomem0, iomem15;
    MemoryRegion *dma_mr;
    AddressSpace dma_as;
    QEMUTimer *timer;
    Notifier exit;
    uint32_t enable;
    BCM2835DMAChannel chan[BCM2835_DMA_NCHANS];
    BCM2835Dreq dreq[BCM2835_DMA_NDREQS];
    struct BCM2835PCMState *pcm;
    struct BCM2835PWMState *pwm;
    /* The time of the engine's access to a peripheral, or PS_NEVER: nobody but a CPU accesses. */
    Picoseconds access;
    /* How long the last turn of the timer took, by the host's clock. */
    Picoseconds took;

    uint64_t violations[VIOLATION_KINDS];
    GPtrArray *complaints;

    /* Properties. */
    uint64_t bytes_per_second;
    uint64_t fetch_ns, response_ns, slice_ns;
    uint32_t channel_mask;
    uint32_t memory_alias;
    bool prefetch;
    char *report;
};

/* bcm2835_dma.c */
Picoseconds bcm2835_dma_now(BCM2835DMAState *s);
/* The time of the access that a peripheral's handler serves. */
Picoseconds bcm2835_dma_access_time(BCM2835DMAState *s);
/* To be called before an access to a peripheral that has a DREQ: runs the channels up to now. */
void bcm2835_dma_catch_up(BCM2835DMAState *s);
/* To be called after it: lets the channels see what changed. */
void bcm2835_dma_settle(BCM2835DMAState *s);

/* bcm2835_dma_channel.c */
bool bcm2835_dma_is_lite(const BCM2835DMAChannel *c);
unsigned bcm2835_dma_outstanding(const BCM2835DMAChannel *c, Picoseconds now);
void bcm2835_dma_channel_stop(BCM2835DMAChannel *c);
void bcm2835_dma_channel_run(BCM2835DMAChannel *c, Picoseconds until);
Picoseconds bcm2835_dma_channel_deadline(BCM2835DMAChannel *c, Picoseconds now, Picoseconds slice);

/* bcm2835_dma_registers.c */
void bcm2835_dma_channel_reset(BCM2835DMAChannel *c);
uint32_t bcm2835_dma_channel_read(BCM2835DMAChannel *c, hwaddr offset, Picoseconds now);
void bcm2835_dma_channel_write(BCM2835DMAChannel *c, hwaddr offset, uint32_t value,
                               Picoseconds now);

/* bcm2835_dma_transfer.c */
/* Moves `bytes` from the channel's source to its destination, and both on. False: a read failed. */
bool bcm2835_dma_transfer(BCM2835DMAChannel *c, uint32_t bytes, Picoseconds beat, Picoseconds at);
bool bcm2835_dma_read_block(BCM2835DMAState *s, uint32_t address, uint32_t words[6]);

/* bcm2835_dma_report.c */
void bcm2835_dma_violation(BCM2835DMAState *s, BCM2835Violation kind, const char *format, ...)
    G_GNUC_PRINTF(3, 4);
void bcm2835_dma_report_run(BCM2835DMAChannel *c, Picoseconds now);
void bcm2835_dma_report(BCM2835DMAState *s);
void bcm2835_dma_report_line(BCM2835DMAState *s, const char *format, ...) G_GNUC_PRINTF(2, 3);

#endif
