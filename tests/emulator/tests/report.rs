// SPDX-License-Identifier: MIT OR Apache-2.0
//! The report: how busy a channel was, and the gaps between its frames.

use dmaframe_emulator::{Block, Channel, Machine, Report, cs, ti};

const CHANNEL: Channel = Channel(4);
const BLOCK: u32 = 0x1_0000;
const SECOND: u32 = 0x1_0020;
const SOURCE: u32 = 0x2_0000;
const TARGET: u32 = 0x3_0000;
/// A block of 400 bytes: its fetch, and 100 words.
const BLOCK_NS: u64 = 100 + 100 * 40;

/// Three frames of two blocks each. The first two follow each other; `late` passes before the third.
fn frames(late: u64) -> Report {
    let mut board = Machine::start(&[]);
    let block = Block::copy(SOURCE, TARGET, 400);
    for (address, next, bits) in
        [(BLOCK, SECOND, 0), (SECOND, SECOND + 0x20, ti::INTEN), (SECOND + 0x20, SECOND + 0x40, 0)]
    {
        block.with(bits).then(next).store(&mut board, address);
    }
    block.with(ti::INTEN).store(&mut board, SECOND + 0x40);
    CHANNEL.start(&mut board, BLOCK);
    board.pass(4 * BLOCK_NS + late);
    CHANNEL.write(&mut board, Channel::CS, cs::INT);
    block.with(ti::INTEN).store(&mut board, BLOCK);
    CHANNEL.start(&mut board, BLOCK);
    board.pass(BLOCK_NS + 1_000);
    CHANNEL.write(&mut board, Channel::CS, cs::RESET);
    board.end()
}

#[test]
fn busy_and_idle_time_and_gaps_are_exact() {
    let report = frames(7_000);
    let run = |name| report.run(CHANNEL.0, 0, name);
    assert_eq!(run("blocks"), 5);
    assert_eq!(run("frames"), 3);
    assert_eq!(run("bytes"), 2000);
    assert_eq!(run("busy_ns"), 5 * BLOCK_NS);
    assert_eq!(run("idle_ns"), 7_000);
    assert_eq!(run("last_ns") - run("first_ns"), 5 * BLOCK_NS + 7_000);
    assert_eq!(["gaps", "idle_gaps", "gap_sum_ns"].map(run), [2, 1, 7_000]);
    assert_eq!(["gap_p50_ns", "gap_max_ns"].map(run), [0, 7_000]);
}

#[test]
fn reset_begins_a_new_run() {
    let mut board = Machine::start(&[]);
    for bytes in [4, 8] {
        Block::copy(SOURCE, TARGET, bytes).store(&mut board, BLOCK);
        CHANNEL.start(&mut board, BLOCK);
        board.pass(10_000);
        CHANNEL.write(&mut board, Channel::CS, cs::RESET);
    }
    let report = board.end();
    assert_eq!([0, 1].map(|run| report.run(CHANNEL.0, run, "bytes")), [4, 8]);
}

#[test]
fn runs_repeat_exactly() {
    assert_eq!(frames(123).text(), frames(123).text());
    assert_ne!(frames(123).text(), frames(124).text());
}
