/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Registers of a DMA channel and their bits: BCM2835 ARM Peripherals, pages 40 to 57. */

#ifndef BCM2835_DMA_BITS_H
#define BCM2835_DMA_BITS_H

#define DMA_CS                  0x00
#define DMA_CONBLK_AD           0x04
#define DMA_TI                  0x08
#define DMA_SOURCE_AD           0x0c
#define DMA_DEST_AD             0x10
#define DMA_TXFR_LEN            0x14
#define DMA_STRIDE              0x18
#define DMA_NEXTCONBK           0x1c
#define DMA_DEBUG               0x20
#define DMA_CHANNEL_BYTES       0x100
/* Of all channels 0 to 14. */
#define DMA_INT_STATUS          0xfe0
#define DMA_ENABLE              0xff0

#define CS_ACTIVE               (1u << 0)
#define CS_END                  (1u << 1)
#define CS_INT                  (1u << 2)
#define CS_DREQ                 (1u << 3)
#define CS_PAUSED               (1u << 4)
#define CS_DREQ_STOPS           (1u << 5)
#define CS_WAITING_FOR_WRITES   (1u << 6)
#define CS_ERROR                (1u << 8)
#define CS_PRIORITIES           (0xffu << 16)
#define CS_WAIT_FOR_WRITES      (1u << 28)
#define CS_DISDEBUG             (1u << 29)
#define CS_ABORT                (1u << 30)
#define CS_RESET                (1u << 31)
#define CS_STORED               (CS_ACTIVE | CS_PRIORITIES | CS_WAIT_FOR_WRITES | CS_DISDEBUG)

#define TI_INTEN                (1u << 0)
#define TI_TDMODE               (1u << 1)
#define TI_WAIT_RESP            (1u << 3)
#define TI_DEST_INC             (1u << 4)
#define TI_DEST_WIDTH128        (1u << 5)
#define TI_DEST_DREQ            (1u << 6)
#define TI_DEST_IGNORE          (1u << 7)
#define TI_SRC_INC              (1u << 8)
#define TI_SRC_WIDTH128         (1u << 9)
#define TI_SRC_DREQ             (1u << 10)
#define TI_SRC_IGNORE           (1u << 11)
#define TI_BURST(ti)            (((ti) >> 12) & 0xf)
#define TI_PERMAP(ti)           (((ti) >> 16) & 0x1f)
#define TI_WAITS(ti)            (((ti) >> 21) & 0x1f)

#define DEBUG_FIFO_ERROR        (1u << 1)
#define DEBUG_READ_ERROR        (1u << 2)
#define DEBUG_ERRORS            0x7u
#define DEBUG_OUTSTANDING(n)    ((uint32_t)(n) << 4)
#define DEBUG_ID(n)             ((uint32_t)(n) << 8)
#define DEBUG_STATE(n)          ((uint32_t)(n) << 16)
#define DEBUG_VERSION(n)        ((uint32_t)(n) << 25)
#define DEBUG_LITE              (1u << 28)

/* Where all peripherals are on the bus (page 6). */
#define PERIPHERALS             0x7e000000u
#define PERIPHERALS_END         0x7effffffu

/* The last two words of a control block are reserved. */
#define BLOCK_WORDS             6
#define BLOCK_ALIGNMENT         32u

#endif
