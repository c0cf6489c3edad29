// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the datasheet forbids is told.

use dmaframe_emulator::{Block, Channel, Machine, bus, cs, ti};

const CHANNEL: Channel = Channel(4);
const BLOCK: u32 = 0x1_0000;
const SOURCE: u32 = 0x2_0000;
const TARGET: u32 = 0x3_0000;

/// Runs a board, and checks that it tells `count` violations of this kind and no other.
fn expect(kind: &str, count: u64, act: impl FnOnce(&mut Machine)) {
    let mut board = Machine::start(&[]);
    act(&mut board);
    board.pass(1_000_000);
    let report = board.end();
    assert_eq!(report.violations(kind), count, "{:?}", report.complaints());
    assert_eq!(report.violations("violations"), count, "{:?}", report.complaints());
    assert_eq!(report.complaints().len() as u64, count);
}

fn run(board: &mut Machine, channel: Channel, block: Block) {
    block.store(board, BLOCK);
    channel.start(board, BLOCK);
    board.pass(1_000_000);
}

#[test]
fn burst_longer_than_the_fifo() {
    let wide = ti::SRC_WIDTH128;
    // Channel, longest burst of 32 bits, longest burst of 128 bits.
    for (channel, narrow_beats, wide_beats) in [(0, 16, 9), (4, 8, 2), (8, 4, 1)] {
        for (bits, beats) in [(0, narrow_beats), (wide, wide_beats)] {
            let block = |beats| Block::copy(SOURCE, TARGET, 64).with(bits | ti::burst(beats));
            expect("burst", 0, |board| run(board, Channel(channel), block(beats)));
            if beats < 16 {
                expect("burst", 1, |board| run(board, Channel(channel), block(beats + 1)));
            }
        }
    }
}

#[test]
fn address_registers_written_while_active() {
    for register in [Channel::CONBLK_AD, Channel::NEXTCONBK] {
        expect("active", 1, |board| {
            Block::copy(SOURCE, TARGET, 64).store(board, BLOCK);
            CHANNEL.start(board, BLOCK);
            CHANNEL.write(board, register, 0);
        });
    }
    // Paused, NEXTCONBK may be written (page 55).
    expect("active", 0, |board| {
        Block::copy(SOURCE, TARGET, 64).store(board, BLOCK);
        CHANNEL.start(board, BLOCK);
        CHANNEL.write(board, Channel::CS, 0);
        CHANNEL.write(board, Channel::NEXTCONBK, 0);
    });
}

#[test]
fn registers_that_only_a_control_block_sets() {
    for register in
        [Channel::TI, Channel::SOURCE_AD, Channel::DEST_AD, Channel::TXFR_LEN, Channel::STRIDE]
    {
        expect("read_only", 1, |board| CHANNEL.write(board, register, 4));
    }
}

#[test]
fn memory_in_the_wrong_alias() {
    let good = Block::copy(SOURCE, TARGET, 64);
    for alias in [0, 0x4000_0000, 0x8000_0000] {
        let source = Block { source: alias | SOURCE, ..good };
        expect("alias", 1, |board| run(board, CHANNEL, source));
        let destination = Block { destination: alias | TARGET, ..good };
        expect("alias", 1, |board| run(board, CHANNEL, destination));
        expect("alias", 1, |board| {
            good.store(board, BLOCK);
            CHANNEL.write(board, Channel::CONBLK_AD, alias | BLOCK);
            CHANNEL.write(board, Channel::CS, cs::ACTIVE);
        });
    }
    // The CPU's address of a peripheral.
    let gpio = Block { source: 0x3f20_0034, ..good };
    expect("alias", 1, |board| run(board, CHANNEL, gpio));
}

#[test]
fn control_block_that_is_not_aligned() {
    for first in [0, 16] {
        expect("alignment", 1, |board| {
            let odd = BLOCK + 16;
            let block = Block {
                next: if first == 0 { bus::MEMORY | odd } else { 0 },
                ..Block::copy(SOURCE, TARGET, 4)
            };
            // Where the engine looks instead.
            Block::copy(SOURCE, TARGET, 4).store(board, BLOCK);
            if first == 0 {
                block.store(board, BLOCK + 0x100);
                CHANNEL.start(board, BLOCK + 0x100);
            } else {
                CHANNEL.start(board, odd);
            }
        });
    }
}

#[test]
fn channel_of_somebody_else() {
    // The firmware keeps these.
    for channel in [1, 3, 6, 7, 15] {
        expect("channel", 1, |board| Channel(channel).write(board, Channel::CS, cs::END));
        expect("channel", 0, |board| {
            Channel(channel).status(board);
        });
    }
    let mut board = Machine::start(&["bcm2835-dma.channel-mask=0xffef"]);
    CHANNEL.write(&mut board, Channel::CS, cs::END);
    assert_eq!(board.end().violations("channel"), 1);
}

#[test]
fn reset_while_writes_are_outstanding() {
    expect("reset", 1, |board| {
        Block::copy(SOURCE, TARGET, 64).store(board, BLOCK);
        CHANNEL.start(board, BLOCK);
        board.pass(200);
        CHANNEL.write(board, Channel::CS, 0);
        CHANNEL.write(board, Channel::CS, cs::RESET);
    });
    expect("reset", 0, |board| {
        Block::copy(SOURCE, TARGET, 64).store(board, BLOCK);
        CHANNEL.start(board, BLOCK);
        board.pass(200);
        CHANNEL.write(board, Channel::CS, 0);
        board.pass(200);
        CHANNEL.write(board, Channel::CS, cs::RESET);
    });
}

#[test]
fn empty_block() {
    expect("length", 1, |board| run(board, CHANNEL, Block::copy(SOURCE, TARGET, 0)));
}
