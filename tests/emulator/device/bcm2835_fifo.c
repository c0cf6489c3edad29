/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A peripheral's FIFO. */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "bcm2835_fifo.h"

bool bcm2835_fifo_put(BCM2835Fifo *fifo, uint32_t word)
{
    if (fifo->level == fifo->size) {
        bcm2835_fifo_lose(fifo, 1);
        return false;
    }
    fifo->words[(fifo->first + fifo->level++) % fifo->size] = word;
    fifo->put++;
    return true;
}

void bcm2835_fifo_lose(BCM2835Fifo *fifo, uint64_t words)
{
    fifo->lost += words;
    fifo->overflows += !fifo->overflowing;
    fifo->overflowing = true;
}

bool bcm2835_fifo_take(BCM2835Fifo *fifo, uint32_t *word)
{
    *word = 0;
    if (!fifo->level) {
        fifo->missed++;
        return false;
    }
    *word = fifo->words[fifo->first];
    fifo->first = (fifo->first + 1) % fifo->size;
    fifo->level--;
    fifo->taken++;
    fifo->overflowing = false;
    if (fifo->copy) {
        uint8_t bytes[4];

        stl_le_p(bytes, *word);
        fwrite(bytes, sizeof(bytes), 1, fifo->copy);
    }
    return true;
}

void bcm2835_fifo_clear(BCM2835Fifo *fifo)
{
    fifo->cleared += fifo->level;
    fifo->first = fifo->level = 0;
    fifo->overflowing = false;
}

void bcm2835_fifo_copy_to(BCM2835Fifo *fifo, const char *path, Error **errp)
{
    if (!path) {
        return;
    }
    fifo->copy = fopen(path, "w");
    if (!fifo->copy) {
        error_setg_errno(errp, errno, "cannot write %s", path);
    }
}

void bcm2835_fifo_report(BCM2835Fifo *fifo, BCM2835DMAState *dma, const char *name)
{
    if (fifo->copy) {
        fflush(fifo->copy);
    }
    if (!fifo->put && !fifo->lost && !fifo->missed) {
        return;
    }
    bcm2835_dma_report_line(dma,
                            "{\"fifo\":\"%s\",\"put\":%" PRIu64 ",\"taken\":%" PRIu64
                            ",\"cleared\":%" PRIu64 ",\"left\":%u,\"lost\":%" PRIu64
                            ",\"overflows\":%" PRIu64 ",\"missed\":%" PRIu64 "}",
                            name, fifo->put, fifo->taken, fifo->cleared, fifo->level, fifo->lost,
                            fifo->overflows, fifo->missed);
}
