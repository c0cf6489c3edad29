/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * One channel of the DMA controller: fetches control blocks, paces and ends transfers.
 *
 * Source: BCM2835 ARM Peripherals, chapter 4. What it leaves open is in tests/emulator/README.md.
 */

#include "qemu/osdep.h"
#include "hw/dma/bcm2835_dma.h"
#include "hw/irq.h"
#include "bcm2835_dma_bits.h"

/* A cycle of the AXI bus at 250 MHz, for the dummy cycles of WAITS. */
#define CYCLE_PS 4000
/* "The DMA will pause if it has more than 13 outstanding writes" (page 48). */
#define MOST_OUTSTANDING 13
#define ALIAS_MASK 0xc0000000u

bool bcm2835_dma_is_lite(const BCM2835DMAChannel *c)
{
    return c->number >= 7 && c->number <= 14;
}

static bool wide_fifo(const BCM2835DMAChannel *c)
{
    return c->number == 0 || c->number == 15;
}

static void spend(BCM2835DMAChannel *c, Picoseconds until, Picoseconds *account)
{
    *account += until - c->time;
    c->time = until;
}

/* Bytes that a DREQ releases at once: a burst. */
static uint32_t unit_bytes(const BCM2835DMAChannel *c)
{
    return (TI_BURST(c->ti) + 1) * (c->ti & TI_SRC_WIDTH128 ? 16 : 4);
}

/* The time in which the channel moves one word. */
static Picoseconds beat_time(const BCM2835DMAChannel *c)
{
    Picoseconds beat = 4 * PS_PER_S / (Picoseconds)c->dma->bytes_per_second;

    if (bcm2835_dma_is_lite(c)) {
        /* "about half the bandwidth of a normal DMA engine" (page 65) */
        beat *= 2;
    }
    /* After each read and each write (page 51). */
    return MAX(1, beat) + 2 * TI_WAITS(c->ti) * CYCLE_PS;
}

static Picoseconds response_time(const BCM2835DMAChannel *c)
{
    return c->dma->response_ns * PS_PER_NS;
}

unsigned bcm2835_dma_outstanding(const BCM2835DMAChannel *c, Picoseconds now)
{
    if (c->written == PS_NEVER || now >= c->written + response_time(c)) {
        return 0;
    }
    return MIN(MOST_OUTSTANDING, 1 + (c->written + response_time(c) - now) / beat_time(c));
}

/* The DREQ that paces the current block, or NULL if none does. */
static const BCM2835Dreq *dreq_of(const BCM2835DMAChannel *c)
{
    const BCM2835Dreq *dreq = &c->dma->dreq[TI_PERMAP(c->ti)];

    if (!c->loaded || !(c->ti & (TI_SRC_DREQ | TI_DEST_DREQ)) || !dreq->level) {
        return NULL;
    }
    return dreq;
}

static void raise_interrupt(BCM2835DMAChannel *c)
{
    if (!(c->cs & CS_INT)) {
        c->run.interrupts++;
    }
    c->cs |= CS_INT;
    qemu_set_irq(c->irq, 1);
}

void bcm2835_dma_channel_stop(BCM2835DMAChannel *c)
{
    c->cs &= ~CS_ACTIVE;
    c->held = false;
    c->stopped = c->time;
}

/* A read failed: "The DMA will clear its active flag and generate an interrupt" (page 64). */
static void fail(BCM2835DMAChannel *c)
{
    c->debug |= DEBUG_READ_ERROR;
    bcm2835_dma_channel_stop(c);
    raise_interrupt(c);
}

static void check_address(BCM2835DMAChannel *c, const char *what, uint32_t address)
{
    BCM2835DMAState *s = c->dma;

    if (address >= PERIPHERALS && address <= PERIPHERALS_END) {
        return;
    }
    if ((address & ALIAS_MASK) != (s->memory_alias & ALIAS_MASK)) {
        bcm2835_dma_violation(s, VIOLATION_ALIAS,
                              "channel %u: %s 0x%08x of the block at 0x%08x is in the wrong bus "
                              "alias, memory is at 0x%08x",
                              c->number, what, address, c->conblk_ad, s->memory_alias);
    }
}

/* The longest burst that the channel's FIFO holds (pages 63 and 65). */
static unsigned longest_burst(const BCM2835DMAChannel *c)
{
    bool wide = c->ti & TI_SRC_WIDTH128;

    if (c->ti & (TI_SRC_IGNORE | TI_DEST_IGNORE)) {
        return 16;
    }
    if (bcm2835_dma_is_lite(c)) {
        return wide ? 1 : 4;
    }
    if (wide_fifo(c)) {
        return wide ? 9 : 16;
    }
    return wide ? 2 : 8;
}

static void check_block(BCM2835DMAChannel *c)
{
    unsigned burst = TI_BURST(c->ti) + 1;

    if (!(c->ti & TI_SRC_IGNORE)) {
        check_address(c, "source", c->source_ad);
    }
    if (!(c->ti & TI_DEST_IGNORE)) {
        check_address(c, "destination", c->dest_ad);
    }
    if (burst > longest_burst(c)) {
        bcm2835_dma_violation(c->dma, VIOLATION_BURST,
                              "channel %u: a burst of %u beats of %u bits, the FIFO holds %u",
                              c->number, burst, c->ti & TI_SRC_WIDTH128 ? 128 : 32,
                              longest_burst(c));
        if (wide_fifo(c)) {
            c->debug |= DEBUG_FIFO_ERROR;
        }
    }
    if (c->row_left == 0) {
        bcm2835_dma_violation(c->dma, VIOLATION_LENGTH, "channel %u: the block at 0x%08x is empty",
                              c->number, c->conblk_ad);
    }
}

static void load(BCM2835DMAChannel *c, const uint32_t words[BLOCK_WORDS])
{
    uint32_t length = words[3];

    c->ti = words[0];
    c->source_ad = words[1];
    c->dest_ad = words[2];
    c->stride = words[4];
    c->nextconbk = words[5];
    if (bcm2835_dma_is_lite(c)) {
        /* Neither 2D transfers nor ignoring, and a length of 16 bits (page 65). */
        uint32_t absent = TI_TDMODE | TI_SRC_IGNORE | TI_DEST_IGNORE;

        if (c->ti & absent) {
            bcm2835_dma_violation(c->dma, VIOLATION_LITE,
                                  "channel %u: a lite channel lacks the modes in TI 0x%08x",
                                  c->number, c->ti);
        }
        if (length > UINT16_MAX) {
            bcm2835_dma_violation(c->dma, VIOLATION_LENGTH,
                                  "channel %u: %u bytes in a block, a lite channel has %u at most",
                                  c->number, length, UINT16_MAX);
        }
        c->ti &= ~absent;
        length &= UINT16_MAX;
    }
    if (c->ti & TI_TDMODE) {
        c->row_bytes = length & UINT16_MAX;
        c->rows_left = (length >> 16) & 0x3fff;
    } else {
        c->row_bytes = length & 0x3fffffff;
        c->rows_left = 0;
    }
    c->row_left = c->row_bytes;
    c->loaded = true;
    c->phase = PHASE_MOVE;
    check_block(c);
}

/* Reads the words of a block that the engine goes to. */
static bool read_block(BCM2835DMAChannel *c, uint32_t *address, uint32_t words[BLOCK_WORDS])
{
    if (*address % BLOCK_ALIGNMENT) {
        bcm2835_dma_violation(c->dma, VIOLATION_ALIGNMENT,
                              "channel %u: the control block at 0x%08x is not aligned to %u bytes",
                              c->number, *address, BLOCK_ALIGNMENT);
        *address &= ~(BLOCK_ALIGNMENT - 1);
    }
    check_address(c, "control block", *address);
    return bcm2835_dma_read_block(c->dma, *address, words);
}

static bool run_fetch(BCM2835DMAChannel *c, Picoseconds until)
{
    uint32_t words[BLOCK_WORDS];

    if (!c->conblk_ad) {
        bcm2835_dma_channel_stop(c);
        return false;
    }
    if (c->ahead && c->ahead_ad == c->conblk_ad) {
        memcpy(words, c->ahead_words, sizeof(words));
    } else {
        Picoseconds done = c->time + c->dma->fetch_ns * PS_PER_NS;

        if (done > until) {
            return false;
        }
        spend(c, done, &c->run.busy);
        if (!read_block(c, &c->conblk_ad, words)) {
            fail(c);
            return false;
        }
    }
    c->ahead = false;
    load(c, words);
    if (c->dma->prefetch && c->nextconbk) {
        c->ahead_ad = c->nextconbk;
        c->ahead = read_block(c, &c->ahead_ad, c->ahead_words);
    }
    return true;
}

static void end_block(BCM2835DMAChannel *c)
{
    BCM2835DMARun *run = &c->run;

    run->blocks++;
    run->last = c->time;
    c->cs |= CS_END;
    c->conblk_ad = c->nextconbk;
    c->loaded = false;
    c->phase = PHASE_FETCH;
    if (c->ti & TI_INTEN) {
        if (run->between) {
            int64_t gap = run->gap / PS_PER_NS;

            g_array_append_val(run->gaps, gap);
        }
        run->between = true;
        run->gap = 0;
        run->frames++;
        raise_interrupt(c);
    }
    if (!c->conblk_ad) {
        bcm2835_dma_channel_stop(c);
    }
}

/* Moves on in the transfer, which may be at the end of a row or of the block. */
static void moved(BCM2835DMAChannel *c, uint32_t bytes)
{
    c->run.bytes += bytes;
    c->row_left -= bytes;
    if (!(c->ti & TI_DEST_IGNORE)) {
        c->written = c->time;
    }
    if (c->row_left) {
        return;
    }
    if (c->rows_left) {
        c->rows_left--;
        c->row_left = c->row_bytes;
        c->source_ad += (int16_t)(c->stride & 0xffff);
        c->dest_ad += (int16_t)(c->stride >> 16);
        return;
    }
    c->respond = c->time;
    if (c->written == c->time && (c->ti & TI_WAIT_RESP || c->cs & CS_WAIT_FOR_WRITES)) {
        c->respond += response_time(c);
    }
    c->phase = PHASE_RESPOND;
}

static bool run_move(BCM2835DMAChannel *c, Picoseconds until)
{
    const BCM2835Dreq *dreq = dreq_of(c);
    Picoseconds beat = beat_time(c), started;
    uint32_t bytes;

    if (!c->row_left) {
        moved(c, 0);
        return true;
    }
    if (!dreq) {
        Picoseconds beats = MIN((until - c->time) / beat, DIV_ROUND_UP(c->row_left, 4));

        bytes = MIN(beats * 4, c->row_left);
    } else {
        if (!dreq->level(dreq->opaque, c->time)) {
            Picoseconds rises = dreq->rises(dreq->opaque, c->time);

            c->held = rises > until;
            c->wake = rises;
            spend(c, MIN(rises, until), &c->run.waiting);
            if (c->held) {
                return false;
            }
        }
        c->held = false;
        bytes = MIN(unit_bytes(c), c->row_left);
        if (c->time + DIV_ROUND_UP(bytes, 4) * beat > until) {
            return false;
        }
    }
    if (!bytes) {
        return false;
    }
    started = c->time;
    spend(c, started + DIV_ROUND_UP(bytes, 4) * beat, &c->run.busy);
    if (!bcm2835_dma_transfer(c, bytes, beat, started)) {
        fail(c);
        return false;
    }
    moved(c, bytes);
    return true;
}

static bool run_respond(BCM2835DMAChannel *c, Picoseconds until)
{
    if (c->respond > until) {
        return false;
    }
    spend(c, c->respond, &c->run.busy);
    end_block(c);
    return true;
}

/* Runs the channel up to a time, as far as what it does ends by then. */
void bcm2835_dma_channel_run(BCM2835DMAChannel *c, Picoseconds until)
{
    bool more = c->dma->enable & (1u << c->number);

    while (more && c->cs & CS_ACTIVE) {
        switch (c->phase) {
        case PHASE_FETCH:
            more = run_fetch(c, until);
            break;
        case PHASE_MOVE:
            more = run_move(c, until);
            break;
        case PHASE_RESPOND:
            more = run_respond(c, until);
            break;
        }
    }
}

/*
 * When the channel next has to run. It may run later, and then makes up for it; `slice` bounds how
 * long memory stays unwritten.
 */
Picoseconds bcm2835_dma_channel_deadline(BCM2835DMAChannel *c, Picoseconds now, Picoseconds slice)
{
    const BCM2835Dreq *dreq = dreq_of(c);
    Picoseconds end;

    if (!(c->cs & CS_ACTIVE) || !(c->dma->enable & (1u << c->number))) {
        return PS_NEVER;
    }
    switch (c->phase) {
    case PHASE_FETCH:
        return c->time + c->dma->fetch_ns * PS_PER_NS;
    case PHASE_RESPOND:
        return c->respond;
    case PHASE_MOVE:
        break;
    }
    end = c->time + DIV_ROUND_UP(c->row_left, 4) * beat_time(c);
    if (dreq) {
        uint32_t unit = unit_bytes(c);
        Picoseconds whole = DIV_ROUND_UP(unit, 4) * beat_time(c);
        Picoseconds paced = unit / 4 * dreq->period(dreq->opaque);
        Picoseconds first = c->held ? c->wake : c->time;

        if (first == PS_NEVER) {
            return PS_NEVER;
        }
        /* No sooner, if the peripheral keeps its pace. */
        end = first + whole + (DIV_ROUND_UP(c->row_left, unit) - 1) * MAX(whole, paced);
        return MAX(first + whole, MIN(end, now + slice));
    }
    return MIN(end, now + slice);
}
