/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What the DMA controller reads and writes on its bus. */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "exec/address-spaces.h"
#include "hw/dma/bcm2835_dma.h"
#include "bcm2835_dma_bits.h"

/* The most that is read before it is written. */
#define CHUNK 4096
/* CLO and CHI of the system timer, which count microseconds (pages 172 and 173). */
#define SYSTEM_TIMER 0x7e003004u
#define SYSTEM_TIMER_END (SYSTEM_TIMER + 8)

static bool is_peripheral(uint32_t address)
{
    return address >= PERIPHERALS && address <= PERIPHERALS_END;
}

/*
 * Whether QEMU's map of the bus has memory at the address. It has memory behind the peripherals,
 * which the chip has not: an address there that no peripheral has is an error.
 */
static bool maps_memory(BCM2835DMAState *s, uint32_t address, bool write)
{
    hwaddr offset, length = 4;

    return memory_region_is_ram(address_space_translate(&s->dma_as, address, &offset, &length,
                                                        write, MEMTXATTRS_UNSPECIFIED));
}

/* Reads at an address of a peripheral, a word at a time. */
static bool read_words(BCM2835DMAState *s, uint32_t address, bool increments, uint8_t *to,
                       uint32_t bytes, Picoseconds beat, Picoseconds at)
{
    for (uint32_t done = 0; done < bytes; done += 4, at += beat) {
        uint32_t length = MIN(4, bytes - done);

        if (address >= SYSTEM_TIMER && address < SYSTEM_TIMER_END && address % 4 == 0) {
            /* The counter at the engine's time, which QEMU's model of it cannot know. */
            uint64_t count = at / PS_PER_NS / 1000 >> (address - SYSTEM_TIMER) * 8;
            uint8_t word[4];

            stl_le_p(word, count);
            memcpy(to + done, word, length);
        } else if (maps_memory(s, address, false)) {
            return false;
        } else {
            MemTxResult result;

            s->access = at;
            result = address_space_read(&s->dma_as, address, MEMTXATTRS_UNSPECIFIED, to + done,
                                        length);
            s->access = PS_NEVER;
            if (result != MEMTX_OK) {
                return false;
            }
        }
        if (increments) {
            address += 4;
        }
    }
    return true;
}

static bool read_source(BCM2835DMAChannel *c, uint8_t *to, uint32_t bytes, Picoseconds beat,
                        Picoseconds at)
{
    BCM2835DMAState *s = c->dma;
    bool increments = c->ti & TI_SRC_INC;
    uint32_t width = c->ti & TI_SRC_WIDTH128 ? 16 : 4;
    uint32_t length = increments ? bytes : MIN(width, bytes);

    if (is_peripheral(c->source_ad) || !maps_memory(s, c->source_ad, false)) {
        return read_words(s, c->source_ad, increments, to, bytes, beat, at);
    }
    if (address_space_read(&s->dma_as, c->source_ad, MEMTXATTRS_UNSPECIFIED, to, length) !=
        MEMTX_OK) {
        return false;
    }
    for (uint32_t done = length; done < bytes; done += width) {
        memcpy(to + done, to, MIN(width, bytes - done));
    }
    return true;
}

/* Nothing tells the channel of a write that fails: the datasheet has no bit for it. */
static void write_destination(BCM2835DMAChannel *c, const uint8_t *from, uint32_t bytes,
                              Picoseconds beat, Picoseconds at)
{
    BCM2835DMAState *s = c->dma;
    bool increments = c->ti & TI_DEST_INC;
    uint32_t width = c->ti & TI_DEST_WIDTH128 ? 16 : 4;
    uint32_t address = c->dest_ad;

    if (!is_peripheral(address) && maps_memory(s, address, true)) {
        if (!increments && bytes > width) {
            /* The last word is what remains. */
            uint32_t skip = ROUND_DOWN(bytes - 1, width);

            from += skip;
            bytes -= skip;
        }
        address_space_write(&s->dma_as, address, MEMTXATTRS_UNSPECIFIED, from, bytes);
        return;
    }
    for (uint32_t done = 0; done < bytes; done += 4, at += beat) {
        if (!maps_memory(s, address, true)) {
            s->access = at;
            address_space_write(&s->dma_as, address, MEMTXATTRS_UNSPECIFIED, from + done,
                                MIN(4, bytes - done));
            s->access = PS_NEVER;
        }
        if (increments) {
            address += 4;
        }
    }
}

bool bcm2835_dma_transfer(BCM2835DMAChannel *c, uint32_t bytes, Picoseconds beat, Picoseconds at)
{
    uint8_t chunk[CHUNK];

    while (bytes) {
        uint32_t part = MIN(bytes, CHUNK);

        /* A write without a read has all its strobes zero, and changes nothing (page 52). */
        if (!(c->ti & TI_SRC_IGNORE)) {
            if (!read_source(c, chunk, part, beat, at)) {
                return false;
            }
            if (!(c->ti & TI_DEST_IGNORE)) {
                write_destination(c, chunk, part, beat, at);
            }
        }
        if (c->ti & TI_SRC_INC) {
            c->source_ad += part;
        }
        if (c->ti & TI_DEST_INC) {
            c->dest_ad += part;
        }
        at += DIV_ROUND_UP(part, 4) * beat;
        bytes -= part;
    }
    return true;
}

bool bcm2835_dma_read_block(BCM2835DMAState *s, uint32_t address, uint32_t words[6])
{
    uint8_t bytes[BLOCK_WORDS * 4];

    if (address_space_read(&s->dma_as, address, MEMTXATTRS_UNSPECIFIED, bytes, sizeof(bytes)) !=
        MEMTX_OK) {
        return false;
    }
    for (unsigned n = 0; n < BLOCK_WORDS; n++) {
        words[n] = ldl_le_p(bytes + 4 * n);
    }
    return true;
}
