// SPDX-License-Identifier: MIT OR Apache-2.0
//! The PCM interface: its FIFOs, its clock, and how its DREQs hold a channel.

use dmaframe_emulator::{Block, Channel, Machine, bus, cprman, cs, pcm, ti};

const CHANNEL: Channel = Channel(4);
const BLOCK: u32 = 0x1_0000;
const SECOND: u32 = 0x1_0020;
const SOURCE: u32 = 0x2_0000;
const TARGET: u32 = 0x3_0000;
const DREQ_TX: u32 = 2;
const DREQ_RX: u32 = 3;
const INTERRUPT: u32 = 55;
/// 19.2 MHz by this, and 32 bits a frame, make 100,000 frames a second.
const DIVISOR: u32 = 6;
const FRAME_NS: u64 = 10_000;

/// A board whose PCM interface has frames of one channel, and is about to start.
fn board(properties: &[&str]) -> Machine {
    let mut board = Machine::start(properties);
    board.set_clock(cprman::PCM, DIVISOR);
    board.write(pcm::CS, pcm::EN);
    board.write(pcm::MODE, pcm::frame(32));
    board.write(pcm::RXC, pcm::MONO);
    board.write(pcm::TXC, pcm::MONO);
    board
}

fn drain(board: &mut Machine) -> Vec<u32> {
    let mut words = Vec::new();
    while board.read(pcm::CS) & pcm::RXD != 0 {
        words.push(board.read(pcm::FIFO));
    }
    words
}

/// A block that reads the FIFO.
fn reader(words: u32, burst: u32) -> Block {
    let ti = ti::DEST_INC | ti::SRC_DREQ | ti::permap(DREQ_RX) | ti::burst(burst);
    let source = bus::PERIPHERALS | pcm::FIFO;
    Block { ti, source, ..Block::copy(0, TARGET, 4 * words) }
}

#[test]
fn words_arrive_at_the_programmed_clock() {
    let mut board = board(&[]);
    board.write(pcm::CS, pcm::EN | pcm::RXON);
    board.pass(FRAME_NS - 1);
    assert_eq!(board.read(pcm::CS) & pcm::RXD, 0);
    board.pass(1);
    assert_eq!(drain(&mut board), [0]);
    board.pass(7 * FRAME_NS);
    assert_eq!(drain(&mut board), (1..8).collect::<Vec<u32>>());
    // Half the clock.
    board.set_clock(cprman::PCM, 2 * DIVISOR);
    board.pass(8 * FRAME_NS);
    assert_eq!(drain(&mut board), (8..12).collect::<Vec<u32>>());
    // Two channels a frame.
    board.write(pcm::RXC, pcm::STEREO);
    board.pass(8 * FRAME_NS);
    assert_eq!(drain(&mut board), (12..20).collect::<Vec<u32>>());
    assert_eq!(board.end().made(), 20);
}

#[test]
fn clock_of_the_other_side_and_its_frames_are_properties() {
    let mut board =
        board(&["bcm2835-pcm.external-clock=6400000", "bcm2835-pcm.external-frame=128"]);
    let (clkm, fsm) = (1 << 23, 1 << 21);
    board.write(pcm::MODE, pcm::frame(32) | clkm | fsm);
    board.write(pcm::CS, pcm::EN | pcm::RXON);
    board.pass(4 * 20_000);
    assert_eq!(drain(&mut board), [0, 1, 2, 3]);
}

#[test]
fn narrow_words_are_cut_extended_and_packed() {
    let mut board = board(&[]);
    let (sign_extend, packed) = (1 << 23, 1 << 25);
    // 8 bits: CH1WID 0 and CH1WEX 0.
    board.write(pcm::RXC, 0x4000_0000);
    board.write(pcm::CS, pcm::EN | pcm::RXON);
    // Counts to 127, which leaves the next byte negative.
    for _ in 0..4 {
        board.pass(32 * FRAME_NS);
        drain(&mut board);
    }
    board.write(pcm::CS, pcm::EN | pcm::RXON | sign_extend);
    board.pass(FRAME_NS);
    assert_eq!(drain(&mut board), [0xffff_ff80]);
    board.write(pcm::CS, pcm::EN | pcm::RXON);
    board.pass(FRAME_NS);
    assert_eq!(drain(&mut board), [0x81]);
    // Two channels of 16 bits in a word, the first in the lower half.
    board.write(pcm::MODE, pcm::frame(32) | packed);
    board.write(pcm::RXC, 0x4008_4108);
    board.pass(2 * FRAME_NS);
    assert_eq!(drain(&mut board), [0x0083_0082, 0x0085_0084]);
}

#[test]
fn overflow_is_a_jump_and_sets_rxerr() {
    let mut board = board(&[]);
    board.write(pcm::CS, pcm::EN | pcm::RXON);
    board.pass(64 * FRAME_NS);
    assert_eq!(board.read(pcm::CS) & (pcm::RXF | pcm::RXERR), pcm::RXF);
    board.pass(36 * FRAME_NS);
    assert_eq!(board.read(pcm::CS) & (pcm::RXF | pcm::RXERR), pcm::RXF | pcm::RXERR);
    assert_eq!(drain(&mut board), (0..64).collect::<Vec<u32>>());
    board.write(pcm::CS, pcm::EN | pcm::RXON | pcm::RXERR);
    assert_eq!(board.read(pcm::CS) & pcm::RXERR, 0);
    board.pass(2 * FRAME_NS);
    assert_eq!(drain(&mut board), [100, 101]);
    board.pass(3 * FRAME_NS);
    board.write(pcm::CS, pcm::EN | pcm::RXON | pcm::RXCLR);
    assert!(drain(&mut board).is_empty());
    let report = board.end();
    let account = ["put", "taken", "cleared", "left", "lost", "overflows"];
    assert_eq!(account.map(|name| report.fifo("pcm_rx", name)), [69, 66, 3, 0, 36, 1]);
    assert_eq!(report.made(), 69 + 36);
}

#[test]
fn read_of_an_empty_fifo_is_an_error() {
    let mut board = board(&[]);
    assert_eq!(board.read(pcm::FIFO), 0);
    assert_ne!(board.read(pcm::CS) & pcm::RXERR, 0);
    assert_eq!(board.end().fifo("pcm_rx", "missed"), 1);
}

#[test]
fn thresholds_show_in_the_status_and_interrupt() {
    let mut board = board(&[]);
    // RXTHR 1: at least a quarter.
    let rxthr = 1 << 7;
    board.write(pcm::INTEN, 1 << 1);
    board.write(pcm::CS, pcm::EN | pcm::RXON | rxthr);
    board.pass(15 * FRAME_NS);
    assert_eq!(board.read(pcm::CS) & pcm::RXR, 0);
    assert!(!board.interrupted(INTERRUPT));
    board.pass(FRAME_NS + 1);
    assert!(board.interrupted(INTERRUPT));
    assert_ne!(board.read(pcm::CS) & pcm::RXR, 0);
    drain(&mut board);
    assert_eq!(board.read(pcm::INTSTC), 1 << 1);
    board.write(pcm::INTSTC, 1 << 1);
    assert!(!board.interrupted(INTERRUPT));
}

#[test]
fn sync_is_echoed_after_two_clocks() {
    let mut board = board(&[]);
    board.write(pcm::CS, pcm::EN | pcm::SYNC);
    board.pass(600);
    assert_eq!(board.read(pcm::CS) & pcm::SYNC, 0);
    board.pass(100);
    assert_ne!(board.read(pcm::CS) & pcm::SYNC, 0);
}

#[test]
fn dreq_holds_the_reads_of_a_channel() {
    let mut board = board(&[]);
    // RX DREQ above 8 words.
    board.write(pcm::DREQ, 8);
    reader(200, 4).with(ti::INTEN).store(&mut board, BLOCK);
    CHANNEL.start(&mut board, BLOCK);
    board.pass(10_000);
    let held = cs::ACTIVE | cs::PAUSED | cs::DREQ_STOPS;
    assert_eq!(CHANNEL.status(&mut board), held);
    board.write(pcm::CS, pcm::EN | pcm::RXON | pcm::DMAEN);
    // The ninth word raises it, and four words go at once.
    board.pass(8 * FRAME_NS);
    assert_eq!(CHANNEL.status(&mut board), held);
    assert_eq!(CHANNEL.read(&mut board, Channel::TXFR_LEN), 800);
    board.pass(FRAME_NS + 1_000);
    assert_eq!(CHANNEL.read(&mut board, Channel::TXFR_LEN), 800 - 16);
    assert_eq!(CHANNEL.status(&mut board), held);
    // The last burst needs 9 words in the FIFO: those of the burst, and 5 that are left.
    board.pass((200 + 5 - 9) * FRAME_NS - 2_000);
    assert_ne!(CHANNEL.status(&mut board) & cs::ACTIVE, 0);
    assert!(!board.interrupted(CHANNEL.interrupt()));
    board.pass(2_000);
    assert!(board.interrupted(CHANNEL.interrupt()));
    assert_eq!(board.load_words(TARGET, 200), (0..200).collect::<Vec<u32>>());
    let report = board.end();
    assert_eq!(report.fifo("pcm_rx", "lost"), 0);
    assert_eq!(report.fifo("pcm_rx", "taken"), 200);
}

#[test]
fn no_word_is_lost_however_late_the_host_looks() {
    // A million words a second into a FIFO of 64, read for 100 ms that pass at once.
    let mut board = board(&["bcm2835-pcm.external-clock=32000000"]);
    board.write(pcm::MODE, pcm::frame(32) | 1 << 23);
    for (address, target) in [(BLOCK, TARGET), (SECOND, TARGET + 200_000)] {
        let block = Block { destination: bus::MEMORY | target, ..reader(50_000, 8) };
        let next = if address == BLOCK { SECOND } else { 0 };
        let block = if next == 0 { block } else { block.then(next) };
        block.store(&mut board, address);
    }
    CHANNEL.start(&mut board, BLOCK);
    board.write(pcm::CS, pcm::EN | pcm::RXON | pcm::DMAEN);
    board.pass(100_100_000);
    assert_eq!(board.load_words(TARGET, 100_000), (0..100_000).collect::<Vec<u32>>());
    assert_eq!(CHANNEL.status(&mut board) & (cs::ACTIVE | cs::END), cs::END);
    // Nobody reads after the chain.
    board.pass(1_000_000);
    let report = board.end();
    let fifo = |name| report.fifo("pcm_rx", name);
    assert!(fifo("lost") > 900);
    assert_eq!(fifo("overflows"), 1);
    assert_eq!(fifo("taken") + fifo("left") + fifo("lost"), report.made());
    // The source paced it: it waited most of the time.
    assert!(report.run(CHANNEL.0, 0, "waiting_ns") > 90_000_000);
}

#[test]
fn dreq_holds_the_writes_of_a_channel() {
    let mut board = board(&[]);
    board.store_words(SOURCE, &(1..=200).collect::<Vec<u32>>());
    // TX DREQ below 32 words.
    board.write(pcm::DREQ, 32 << 8);
    let fifo = bus::PERIPHERALS | pcm::FIFO;
    let ti = ti::SRC_INC | ti::DEST_DREQ | ti::permap(DREQ_TX);
    Block { ti, destination: fifo, ..Block::copy(SOURCE, 0, 800) }.store(&mut board, BLOCK);
    CHANNEL.start(&mut board, BLOCK);
    board.write(pcm::CS, pcm::EN | pcm::DMAEN);
    board.pass(100_000);
    assert_eq!(CHANNEL.read(&mut board, Channel::TXFR_LEN), 800 - 4 * 32);
    board.write(pcm::CS, pcm::EN | pcm::DMAEN | pcm::TXON);
    board.pass(168 * FRAME_NS + 1_000);
    assert_eq!(CHANNEL.status(&mut board) & (cs::ACTIVE | cs::END), cs::END);
    assert_eq!(board.read(pcm::CS) & pcm::TXERR, 0);
    // The FIFO runs empty.
    board.pass(40 * FRAME_NS);
    assert_eq!(board.read(pcm::CS) & (pcm::TXERR | pcm::TXE), pcm::TXERR | pcm::TXE);
    let report = board.end();
    assert_eq!(report.pcm, (1..=200).collect::<Vec<u32>>());
    assert_eq!(report.fifo("pcm_tx", "missed"), 8);
}

#[test]
fn write_to_a_full_fifo_is_lost() {
    let mut board = board(&[]);
    for word in 0..65 {
        assert_eq!(board.read(pcm::CS) & pcm::TXERR, 0);
        board.write(pcm::FIFO, word);
    }
    assert_ne!(board.read(pcm::CS) & pcm::TXERR, 0);
    board.write(pcm::CS, pcm::EN | pcm::TXCLR | pcm::TXERR);
    assert_eq!(board.read(pcm::CS) & (pcm::TXERR | pcm::TXE), pcm::TXE);
    assert_eq!(board.end().fifo("pcm_tx", "lost"), 1);
}
