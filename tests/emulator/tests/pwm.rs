// SPDX-License-Identifier: MIT OR Apache-2.0
//! The PWM controller: its FIFO, and how its DREQ holds a channel.

use dmaframe_emulator::{Block, Channel, Machine, bus, cprman, cs, pwm, ti};

const CHANNEL: Channel = Channel(5);
const BLOCK: u32 = 0x1_0000;
const SOURCE: u32 = 0x2_0000;
const DREQ_PWM: u32 = 5;
/// 19.2 MHz by this, and 32 clocks a word, make 100,000 words a second.
const DIVISOR: u32 = 6;
const WORD_NS: u64 = 10_000;

fn board() -> Machine {
    let mut board = Machine::start(&[]);
    board.set_clock(cprman::PWM, DIVISOR);
    board.write(pwm::RNG1, 32);
    board
}

#[test]
fn words_leave_the_fifo_at_the_pace_of_the_clock() {
    let mut board = board();
    for word in 1..=8 {
        assert_eq!(board.read(pwm::STA) & pwm::FULL, 0);
        board.write(pwm::FIF1, word);
    }
    assert_eq!(board.read(pwm::STA) & (pwm::FULL | pwm::WERR), pwm::FULL);
    board.write(pwm::FIF1, 9);
    assert_eq!(board.read(pwm::STA) & (pwm::FULL | pwm::WERR), pwm::FULL | pwm::WERR);
    board.write(pwm::STA, pwm::WERR);
    board.write(pwm::CTL, pwm::PWEN1 | pwm::USEF1);
    board.pass(WORD_NS - 1);
    assert_ne!(board.read(pwm::STA) & pwm::FULL, 0);
    board.pass(1);
    assert_eq!(board.read(pwm::STA) & (pwm::FULL | pwm::EMPT | pwm::WERR), 0);
    board.pass(7 * WORD_NS);
    assert_eq!(board.read(pwm::STA) & (pwm::EMPT | pwm::GAPO1), pwm::EMPT);
    board.pass(3 * WORD_NS);
    assert_eq!(board.read(pwm::STA) & (pwm::EMPT | pwm::GAPO1), pwm::EMPT | pwm::GAPO1);
    let report = board.end();
    assert_eq!(report.pwm, (1..=8).collect::<Vec<u32>>());
    assert_eq!(["lost", "missed"].map(|name| report.fifo("pwm", name)), [1, 3]);
}

#[test]
fn dreq_holds_the_writes_of_a_channel() {
    let mut board = board();
    board.store_words(SOURCE, &(1..=100).collect::<Vec<u32>>());
    let ti = ti::SRC_INC | ti::DEST_DREQ | ti::permap(DREQ_PWM) | ti::INTEN;
    let fifo = bus::PERIPHERALS | pwm::FIF1;
    Block { ti, destination: fifo, ..Block::copy(SOURCE, 0, 400) }.store(&mut board, BLOCK);
    CHANNEL.start(&mut board, BLOCK);
    board.pass(10_000);
    assert_ne!(CHANNEL.status(&mut board) & cs::DREQ_STOPS, 0);
    // Up to four words are asked for, and a fifth then.
    board.write(pwm::DMAC, 1 << 31 | 4);
    board.pass(10_000);
    assert_eq!(CHANNEL.read(&mut board, Channel::TXFR_LEN), 400 - 20);
    board.write(pwm::CTL, pwm::PWEN1 | pwm::USEF1);
    board.pass(95 * WORD_NS - 1_000);
    assert!(!board.interrupted(CHANNEL.interrupt()));
    board.pass(2_000);
    assert!(board.interrupted(CHANNEL.interrupt()));
    board.pass(5 * WORD_NS);
    let report = board.end();
    assert_eq!(report.pwm, (1..=100).collect::<Vec<u32>>());
    assert_eq!(report.fifo("pwm", "lost"), 0);
}
