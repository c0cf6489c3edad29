/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A peripheral's FIFO of 32-bit words, with an account of all that went through it. */

#ifndef BCM2835_FIFO_H
#define BCM2835_FIFO_H

#include "hw/dma/bcm2835_dma.h"

#define FIFO_MOST_WORDS 64

typedef struct BCM2835Fifo {
    uint32_t words[FIFO_MOST_WORDS];
    unsigned size, first, level;
    /* Words that were put in, taken out and cleared; that found it full, and reads of it empty. */
    uint64_t put, taken, cleared, lost, missed;
    /* How often it began to lose words. */
    uint64_t overflows;
    bool overflowing;
    /* Words that are taken go here too, if it is set. */
    FILE *copy;
} BCM2835Fifo;

/* False if it is full. */
bool bcm2835_fifo_put(BCM2835Fifo *fifo, uint32_t word);
/* Counts words that found it full. */
void bcm2835_fifo_lose(BCM2835Fifo *fifo, uint64_t words);
/* False if it is empty; then *word is 0. */
bool bcm2835_fifo_take(BCM2835Fifo *fifo, uint32_t *word);
void bcm2835_fifo_clear(BCM2835Fifo *fifo);
/* Opens the file that gets the words that are taken, unless `path` is NULL. */
void bcm2835_fifo_copy_to(BCM2835Fifo *fifo, const char *path, Error **errp);
void bcm2835_fifo_report(BCM2835Fifo *fifo, BCM2835DMAState *dma, const char *name);

/* `count` periods of a clock, whose period is in units of 2^-32 ns (clock_get). */
static inline Picoseconds bcm2835_periods(uint64_t count, uint64_t period)
{
    return (unsigned __int128)count * period * PS_PER_NS >> 32;
}

#endif
