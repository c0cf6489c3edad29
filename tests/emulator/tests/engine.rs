// SPDX-License-Identifier: MIT OR Apache-2.0
//! A channel runs beside the CPU: its pace, its registers, its control blocks.

use dmaframe_emulator::{Block, Channel, Machine, bus, cs, debug, ti};

const CHANNEL: Channel = Channel(4);
const LITE: Channel = Channel(8);
/// Addresses of control blocks, sources and destinations.
const BLOCK: u32 = 0x1_0000;
const SECOND: u32 = 0x1_0020;
const THIRD: u32 = 0x1_0040;
const SOURCE: u32 = 0x2_0000;
const OTHER: u32 = 0x2_8000;
const TARGET: u32 = 0x3_0000;
/// The emulator's defaults: a word at 100 MB/s, a fetch, a write's response.
const WORD_NS: u64 = 40;
const FETCH_NS: u64 = 100;
const RESPONSE_NS: u64 = 200;

fn words(count: u32, from: u32) -> Vec<u32> {
    (from..from + count).collect()
}

/// A board with 256 words at `SOURCE`, and others at `OTHER`.
fn board(properties: &[&str]) -> Machine {
    let mut board = Machine::start(properties);
    board.store_words(SOURCE, &words(256, 1));
    board.store_words(OTHER, &words(256, 1001));
    board
}

#[test]
fn transfer_takes_its_time_and_shows_how_far_it_is() {
    let mut board = board(&[]);
    Block::copy(SOURCE, TARGET, 400).with(ti::INTEN).store(&mut board, BLOCK);
    CHANNEL.start(&mut board, BLOCK);
    assert_eq!(CHANNEL.read(&mut board, Channel::TXFR_LEN), 0);
    board.pass(FETCH_NS + 30 * WORD_NS);
    assert_eq!(CHANNEL.read(&mut board, Channel::TXFR_LEN), 400 - 120);
    assert_eq!(CHANNEL.read(&mut board, Channel::SOURCE_AD), bus::MEMORY + SOURCE + 120);
    assert_eq!(CHANNEL.read(&mut board, Channel::DEST_AD), bus::MEMORY + TARGET + 120);
    assert_eq!(CHANNEL.read(&mut board, Channel::CONBLK_AD), bus::MEMORY + BLOCK);
    assert_eq!(board.load_words(TARGET, 31), [words(30, 1), vec![0]].concat());
    assert_eq!(CHANNEL.status(&mut board), cs::ACTIVE | cs::DREQ);
    assert!(!board.interrupted(CHANNEL.interrupt()));
    board.pass(70 * WORD_NS + 1);
    // Nothing waits for the last writes, which are still on their way.
    let ended = cs::END | cs::INT | cs::DREQ;
    assert_eq!(CHANNEL.status(&mut board), ended | cs::WAITING_FOR_WRITES);
    board.pass(RESPONSE_NS);
    assert_eq!(CHANNEL.status(&mut board), ended);
    assert_eq!(CHANNEL.read(&mut board, Channel::CONBLK_AD), 0);
    assert!(board.interrupted(CHANNEL.interrupt()));
    assert_eq!(board.load_words(TARGET, 101), [words(100, 1), vec![0]].concat());
    CHANNEL.write(&mut board, Channel::CS, cs::END | cs::INT);
    assert_eq!(CHANNEL.status(&mut board), cs::DREQ);
    assert!(!board.interrupted(CHANNEL.interrupt()));
    assert_eq!(board.end().violations("violations"), 0);
}

#[test]
fn rate_and_wait_cycles_can_be_set() {
    let mut board = board(&["bcm2835-dma.bytes-per-second=10000000"]);
    Block::copy(SOURCE, TARGET, 40).store(&mut board, BLOCK);
    CHANNEL.start(&mut board, BLOCK);
    board.pass(FETCH_NS + 10 * 400 - 1);
    assert_eq!(CHANNEL.read(&mut board, Channel::TXFR_LEN), 4);
    board.pass(2);
    assert_eq!(CHANNEL.status(&mut board) & cs::ACTIVE, 0);
    // 5 cycles of 4 ns after each read and each write.
    Block::copy(SOURCE, TARGET, 40).with(ti::waits(5)).store(&mut board, BLOCK);
    CHANNEL.start(&mut board, BLOCK);
    board.pass(FETCH_NS + 10 * 440 - 1);
    assert_eq!(CHANNEL.read(&mut board, Channel::TXFR_LEN), 4);
}

#[test]
fn memory_is_written_while_nobody_looks_at_the_registers() {
    let mut board = board(&[]);
    Block::copy(SOURCE, TARGET, 1024).store(&mut board, BLOCK);
    CHANNEL.start(&mut board, BLOCK);
    board.pass(10_200);
    let done = board.load_words(TARGET, 256).iter().filter(|word| **word != 0).count();
    assert!((240..256).contains(&done), "{done}");
}

#[test]
fn words_of_a_block_are_loaded_together_at_its_fetch() {
    let mut board = board(&[]);
    Block::copy(SOURCE, TARGET, 400).then(SECOND).store(&mut board, BLOCK);
    Block::copy(SOURCE, TARGET + 400, 4).store(&mut board, SECOND);
    CHANNEL.start(&mut board, BLOCK);
    board.pass(FETCH_NS + WORD_NS);
    // Too late for the first block, not for the second.
    Block::copy(OTHER, TARGET, 4).store(&mut board, BLOCK);
    Block::copy(OTHER, TARGET + 400, 8).store(&mut board, SECOND);
    board.pass(10_000);
    assert_eq!(board.load_words(TARGET, 103), [words(100, 1), words(2, 1001), vec![0]].concat());
}

#[test]
fn block_that_was_prefetched_is_not_read_again() {
    let mut board = board(&["bcm2835-dma.prefetch=on"]);
    Block::copy(SOURCE, TARGET, 400).then(SECOND).store(&mut board, BLOCK);
    Block::copy(SOURCE, TARGET + 400, 4).then(THIRD).store(&mut board, SECOND);
    Block::copy(SOURCE, TARGET + 404, 4).store(&mut board, THIRD);
    CHANNEL.start(&mut board, BLOCK);
    board.pass(FETCH_NS + WORD_NS);
    // The second block is in the channel already, the third is not: one block is prefetched.
    Block::copy(OTHER, TARGET + 400, 4).then(THIRD).store(&mut board, SECOND);
    Block::copy(OTHER, TARGET + 404, 4).store(&mut board, THIRD);
    board.pass(10_000);
    assert_eq!(board.load_words(TARGET + 400, 3), [1, 1001, 0]);
}

#[test]
fn write_to_nextconbk_discards_the_prefetched_block() {
    let mut board = board(&["bcm2835-dma.prefetch=on"]);
    Block::copy(SOURCE, TARGET, 400).then(SECOND).store(&mut board, BLOCK);
    Block::copy(SOURCE, TARGET + 400, 4).store(&mut board, SECOND);
    Block::copy(OTHER, TARGET + 400, 4).store(&mut board, THIRD);
    CHANNEL.start(&mut board, BLOCK);
    board.pass(FETCH_NS + WORD_NS);
    CHANNEL.write(&mut board, Channel::CS, 0);
    CHANNEL.write(&mut board, Channel::NEXTCONBK, bus::MEMORY | THIRD);
    CHANNEL.write(&mut board, Channel::CS, cs::ACTIVE);
    board.pass(10_000);
    assert_eq!(board.load_words(TARGET + 400, 2), [1001, 0]);
    assert_eq!(board.end().violations("violations"), 0);
}

#[test]
fn channel_pauses_in_the_middle_of_a_block_and_resumes() {
    let mut board = board(&[]);
    Block::copy(SOURCE, TARGET, 400).store(&mut board, BLOCK);
    CHANNEL.start(&mut board, BLOCK);
    board.pass(FETCH_NS + 50 * WORD_NS);
    CHANNEL.write(&mut board, Channel::CS, 0);
    // 50 words are written, and 6 of them await their response.
    let status = CHANNEL.status(&mut board);
    assert_eq!(status, cs::PAUSED | cs::DREQ | cs::WAITING_FOR_WRITES);
    let outstanding = |board: &mut Machine| debug::outstanding(CHANNEL.read(board, Channel::DEBUG));
    assert_eq!(outstanding(&mut board), 6);
    board.pass(RESPONSE_NS);
    assert_eq!(outstanding(&mut board), 0);
    assert_eq!(CHANNEL.status(&mut board), cs::PAUSED | cs::DREQ);
    board.pass(1_000_000);
    assert_eq!(CHANNEL.read(&mut board, Channel::TXFR_LEN), 200);
    CHANNEL.write(&mut board, Channel::CS, cs::ACTIVE);
    board.pass(50 * WORD_NS + 1);
    assert_eq!(CHANNEL.status(&mut board) & (cs::ACTIVE | cs::END), cs::END);
    assert_eq!(board.load_words(TARGET, 100), words(100, 1));
    CHANNEL.write(&mut board, Channel::CS, cs::RESET);
    assert_eq!(board.end().run(CHANNEL.0, 0, "paused_ns"), RESPONSE_NS + 1_000_000);
}

#[test]
fn block_ends_with_the_response_to_its_last_write() {
    let mut board = board(&[]);
    for (bits, status) in [(ti::WAIT_RESP, 0), (0, cs::WAIT_FOR_WRITES)] {
        Block::copy(SOURCE, TARGET, 40).with(bits).store(&mut board, BLOCK);
        CHANNEL.write(&mut board, Channel::CONBLK_AD, bus::MEMORY | BLOCK);
        CHANNEL.write(&mut board, Channel::CS, cs::ACTIVE | status);
        board.pass(FETCH_NS + 10 * WORD_NS + 1);
        assert_eq!(board.load_words(TARGET, 10), words(10, 1));
        let waits = CHANNEL.status(&mut board) & (cs::ACTIVE | cs::END | cs::WAITING_FOR_WRITES);
        assert_eq!(waits, cs::ACTIVE | cs::WAITING_FOR_WRITES);
        board.pass(RESPONSE_NS);
        assert_eq!(CHANNEL.status(&mut board) & (cs::ACTIVE | cs::END), cs::END);
        CHANNEL.write(&mut board, Channel::CS, cs::END);
    }
}

#[test]
fn abort_leaves_the_block_for_the_next() {
    let mut board = board(&[]);
    Block::copy(SOURCE, TARGET, 400).with(ti::INTEN).then(SECOND).store(&mut board, BLOCK);
    Block::copy(OTHER, TARGET + 400, 4).store(&mut board, SECOND);
    CHANNEL.start(&mut board, BLOCK);
    board.pass(FETCH_NS + 10 * WORD_NS);
    CHANNEL.write(&mut board, Channel::CS, cs::ABORT | cs::ACTIVE);
    board.pass(10_000);
    assert_eq!(board.load_words(TARGET, 11), [words(10, 1), vec![0]].concat());
    assert_eq!(board.load_words(TARGET + 400, 1), [1001]);
    assert_eq!(CHANNEL.status(&mut board), cs::END | cs::DREQ);
}

#[test]
fn reset_clears_the_channel() {
    let mut board = board(&[]);
    Block::copy(SOURCE, TARGET, 400).with(ti::INTEN).store(&mut board, BLOCK);
    CHANNEL.start(&mut board, BLOCK);
    board.pass(10_000);
    assert!(board.interrupted(CHANNEL.interrupt()));
    CHANNEL.write(&mut board, Channel::CS, cs::RESET);
    for register in (Channel::CONBLK_AD..=Channel::NEXTCONBK).step_by(4) {
        assert_eq!(CHANNEL.read(&mut board, register), 0, "{register:#x}");
    }
    assert_eq!(CHANNEL.status(&mut board), cs::DREQ);
    assert!(!board.interrupted(CHANNEL.interrupt()));
}

#[test]
fn interrupts_of_several_blocks_merge() {
    let mut board = board(&[]);
    for (address, next) in [(BLOCK, SECOND), (SECOND, THIRD)] {
        Block::copy(SOURCE, TARGET, 40).with(ti::INTEN).then(next).store(&mut board, address);
    }
    Block::copy(SOURCE, TARGET, 40).with(ti::INTEN).store(&mut board, THIRD);
    CHANNEL.start(&mut board, BLOCK);
    board.pass(2 * (FETCH_NS + 10 * WORD_NS) + WORD_NS);
    // Acknowledged while it runs: two interrupts in one, and a third to come.
    CHANNEL.write(&mut board, Channel::CS, cs::ACTIVE | cs::INT | cs::END);
    assert!(!board.interrupted(CHANNEL.interrupt()));
    board.pass(10_000);
    assert!(board.interrupted(CHANNEL.interrupt()));
    let report = board.end();
    assert_eq!(report.run(CHANNEL.0, 0, "frames"), 3);
    assert_eq!(report.run(CHANNEL.0, 0, "interrupts"), 2);
}

#[test]
fn channels_11_to_14_share_an_interrupt() {
    let mut board = board(&[]);
    Block::copy(SOURCE, TARGET, 4).with(ti::INTEN).store(&mut board, BLOCK);
    for channel in [Channel(11), Channel(14)] {
        channel.start(&mut board, BLOCK);
        board.pass(1_000);
        assert!(board.interrupted(27), "{channel:?}");
        channel.write(&mut board, Channel::CS, cs::INT);
        assert!(!board.interrupted(27), "{channel:?}");
    }
}

#[test]
fn lite_channels_have_half_the_rate_and_other_limits() {
    let mut board = board(&[]);
    assert_ne!(LITE.read(&mut board, Channel::DEBUG) & debug::LITE, 0);
    assert_eq!(CHANNEL.read(&mut board, Channel::DEBUG) & debug::LITE, 0);
    Block::copy(SOURCE, TARGET, 40).store(&mut board, BLOCK);
    LITE.start(&mut board, BLOCK);
    board.pass(FETCH_NS + 5 * 2 * WORD_NS);
    assert_eq!(LITE.read(&mut board, Channel::TXFR_LEN), 20);
    board.pass(10_000);
    // The length has 16 bits, and there are neither rows nor ignored sides.
    let absent = ti::TDMODE | ti::SRC_IGNORE | ti::DEST_IGNORE;
    Block::copy(OTHER, TARGET, 0x1_0008).with(absent).store(&mut board, BLOCK);
    LITE.start(&mut board, BLOCK);
    board.pass(10_000);
    assert_eq!(board.load_words(TARGET, 3), [1001, 1002, 3]);
    let report = board.end();
    assert_eq!(report.violations("length"), 1);
    assert_eq!(report.violations("lite"), 1);
    assert_eq!(report.violations("violations"), 2);
}

#[test]
fn rows_of_a_2d_transfer_have_a_stride() {
    let mut board = board(&[]);
    // Three rows of two words; 8 bytes are left out after each row read, 4 before each written.
    let stride = (-12_i16 as u16 as u32) << 16 | 8;
    let block = Block { length: 2 << 16 | 8, stride, ..Block::copy(SOURCE, TARGET, 0) };
    block.with(ti::TDMODE).store(&mut board, BLOCK);
    CHANNEL.start(&mut board, BLOCK);
    board.pass(FETCH_NS + WORD_NS);
    assert_eq!(CHANNEL.read(&mut board, Channel::TXFR_LEN), 2 << 16 | 4);
    board.pass(10_000);
    // Each row starts 4 bytes before the row that precedes it.
    assert_eq!(board.load_words(TARGET - 8, 5), [9, 10, 6, 2, 0]);
}

#[test]
fn ignored_sides_are_neither_read_nor_written() {
    let mut board = board(&[]);
    board.store_words(TARGET, &[7, 7]);
    for (number, side) in [ti::SRC_IGNORE, ti::DEST_IGNORE].into_iter().enumerate() {
        Block::copy(SOURCE, TARGET, 8).with(side).store(&mut board, BLOCK);
        CHANNEL.start(&mut board, BLOCK);
        board.pass(10_000);
        assert_eq!(board.load_words(TARGET, 2), [7, 7], "{number}");
        assert_eq!(CHANNEL.status(&mut board) & cs::ACTIVE, 0);
    }
}

#[test]
fn addresses_that_do_not_increment_repeat_a_word() {
    let mut board = board(&[]);
    let block = Block::copy(SOURCE, TARGET, 12);
    Block { ti: ti::DEST_INC, ..block }.then(SECOND).store(&mut board, BLOCK);
    Block { ti: ti::SRC_INC, ..Block::copy(SOURCE, TARGET + 12, 12) }.store(&mut board, SECOND);
    CHANNEL.start(&mut board, BLOCK);
    board.pass(10_000);
    assert_eq!(board.load_words(TARGET, 5), [1, 1, 1, 3, 0]);
}

#[test]
fn system_timer_is_read_at_the_time_of_each_word() {
    let mut board = board(&["bcm2835-dma.bytes-per-second=4000000"]);
    let clo = bus::PERIPHERALS | 0x3004;
    let block = Block { ti: ti::DEST_INC, source: clo, ..Block::copy(0, TARGET, 40) };
    block.store(&mut board, BLOCK);
    board.pass(5_000 - FETCH_NS);
    CHANNEL.start(&mut board, BLOCK);
    // All ten words are written late, and at once.
    board.pass(1_000_000);
    assert_eq!(board.load_words(TARGET, 10), words(10, 5));
}

#[test]
fn read_error_stops_the_channel_until_it_is_cleared() {
    let mut board = board(&[]);
    // No peripheral is there.
    let nowhere = bus::PERIPHERALS | 0x5000;
    let block = Block { source: nowhere, ..Block::copy(SOURCE, TARGET, 40) };
    block.then(SECOND).store(&mut board, BLOCK);
    Block::copy(SOURCE, TARGET, 4).store(&mut board, SECOND);
    CHANNEL.start(&mut board, BLOCK);
    board.pass(10_000);
    let status = CHANNEL.status(&mut board);
    assert_eq!(status, cs::ERROR | cs::INT | cs::PAUSED | cs::DREQ);
    assert_ne!(CHANNEL.read(&mut board, Channel::DEBUG) & debug::READ_ERROR, 0);
    assert!(board.interrupted(CHANNEL.interrupt()));
    CHANNEL.write(&mut board, Channel::CS, cs::ACTIVE | cs::INT);
    assert_eq!(CHANNEL.status(&mut board) & cs::ACTIVE, 0);
    // "clearing the NEXTCONBK register and restarting the DMA with the ABORT bit set" (page 64);
    // here the next block is to run.
    CHANNEL.write(&mut board, Channel::DEBUG, debug::READ_ERROR);
    CHANNEL.write(&mut board, Channel::CS, cs::ABORT | cs::ACTIVE);
    board.pass(10_000);
    assert_eq!(CHANNEL.status(&mut board), cs::END | cs::DREQ);
    assert_eq!(board.load_words(TARGET, 2), [1, 0]);
}

#[test]
fn fifo_error_is_latched_where_the_fifo_is() {
    for (channel, beats) in [(Channel(0), 10), (CHANNEL, 3)] {
        let mut board = board(&[]);
        let bits = ti::SRC_WIDTH128 | ti::burst(beats);
        Block::copy(SOURCE, TARGET, 256).with(bits).store(&mut board, BLOCK);
        channel.start(&mut board, BLOCK);
        board.pass(100_000);
        let error = channel.read(&mut board, Channel::DEBUG) & debug::FIFO_ERROR != 0;
        assert_eq!(error, channel.0 == 0);
        // The channel goes on: the datasheet stops it at a read error only.
        assert_eq!(channel.status(&mut board) & (cs::ACTIVE | cs::END), cs::END);
        assert_eq!(board.end().violations("burst"), 1);
    }
}

#[test]
fn channel_that_is_not_enabled_waits() {
    let mut board = board(&[]);
    Block::copy(SOURCE, TARGET, 40).store(&mut board, BLOCK);
    let enable = 0x7ff0;
    board.write(enable, 0x7fff & !(1 << CHANNEL.0));
    CHANNEL.start(&mut board, BLOCK);
    board.pass(10_000);
    assert_eq!(board.load_words(TARGET, 1), [0]);
    board.write(enable, 0x7fff);
    board.pass(FETCH_NS + 5 * WORD_NS);
    assert_eq!(CHANNEL.read(&mut board, Channel::TXFR_LEN), 20);
}
