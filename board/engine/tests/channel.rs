// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0
//! The register accesses of a channel, on a model of the datasheet's registers. Values are written
//! as the datasheet's bits give them, not in the crate's names.

use dmaframe_engine::channel::{Busy, Channel, Interrupt, OutstandingWrites, Position, Registers};
use dmaframe_engine::register::{CONBLK_AD, CS, DEBUG, TXFR_LEN};
use std::cell::{Cell, RefCell};

/// CS of a channel that runs: 28 WAIT_FOR_OUTSTANDING_WRITES, 29 DISDEBUG, 23:20 and 19:16
/// priorities of 8, 0 ACTIVE.
const RUN: u32 = 0x3088_0001;
const PAUSED: u32 = 0x3088_0000;
const RESET: u32 = 1 << 31;
const ACTIVE: u32 = 1;
const INT_END: u32 = 0b110;
const DREQ_STOPS: u32 = 1 << 5;
const WAITING: u32 = 1 << 6;
const ERROR: u32 = 1 << 8;
/// The bits of CS that keep what is written.
const CS_WRITABLE: u32 = 0x30ff_0001;
const BLOCK: u32 = 0xc012_3460;

#[derive(Default)]
struct Model {
    cs: Cell<u32>,
    block: Cell<u32>,
    left: Cell<u32>,
    /// DEBUG's error bits.
    errors: Cell<u32>,
    /// DEBUG's other bits, except for the count of outstanding writes.
    properties: u32,
    outstanding: Cell<u32>,
    /// When the outstanding writes are responded to, in microseconds.
    settles: Option<u32>,
    /// CS.WAITING_FOR_WRITES, if it does not follow the count of writes.
    waiting: Option<bool>,
    now: Cell<u32>,
    writes: RefCell<Vec<(usize, u32)>>,
}

impl Model {
    /// A channel in the middle of a chain.
    fn running() -> Self {
        let model = Self::default();
        model.cs.set(RUN);
        model.block.set(BLOCK);
        model.left.set(4096);
        model
    }

    /// A channel whose chain has ended with INT and END. Hardware has cleared ACTIVE.
    fn ended() -> Self {
        let model = Self::default();
        model.cs.set(PAUSED | INT_END);
        model
    }

    fn runs(&self) -> bool {
        self.cs.get() & ACTIVE != 0 && self.block.get() != 0
    }

    fn settled(&self) -> bool {
        self.outstanding.get() == 0 || self.settles.is_some_and(|at| self.now.get() >= at)
    }

    fn written(&self) -> Vec<(usize, u32)> {
        self.writes.borrow().clone()
    }
}

impl Registers for &Model {
    fn read(&self, register: usize) -> u32 {
        match register {
            CS => {
                let waiting = self.waiting.unwrap_or(!self.settled());
                self.cs.get()
                    | if waiting { WAITING } else { 0 }
                    | if self.errors.get() != 0 { ERROR } else { 0 }
            }
            CONBLK_AD => self.block.get(),
            TXFR_LEN => self.left.get(),
            DEBUG => {
                let count = if self.settled() { 0 } else { self.outstanding.get() };
                self.properties | count << 4 | self.errors.get()
            }
            other => panic!("a read of register {other:#x}"),
        }
    }

    fn write(&self, register: usize, value: u32) {
        self.writes.borrow_mut().push((register, value));
        match register {
            CS if value & RESET != 0 => {
                self.cs.set(0);
                self.block.set(0);
                self.outstanding.set(0);
            }
            CS => {
                let kept = self.cs.get() & !CS_WRITABLE & !(value & INT_END);
                self.cs.set(kept | value & CS_WRITABLE);
            }
            CONBLK_AD => self.block.set(value),
            DEBUG => self.errors.set(self.errors.get() & !(value & 7)),
            other => panic!("a write to register {other:#x}"),
        }
    }

    fn wait(&self, microseconds: u32) {
        self.now.set(self.now.get() + microseconds);
    }
}

#[test]
fn a_start() {
    let model = Model::default();
    assert_eq!(Channel::new(&model).start(BLOCK), Ok(()));
    assert_eq!(model.written(), [(CONBLK_AD, BLOCK), (CS, RUN)]);
    assert!(model.runs());
}

#[test]
fn a_start_clears_errors_that_an_earlier_chain_left() {
    for errors in 1..8 {
        let model = Model::default();
        model.errors.set(errors);
        assert_eq!(Channel::new(&model).start(BLOCK), Ok(()));
        assert_eq!(model.written(), [(DEBUG, errors), (CONBLK_AD, BLOCK), (CS, RUN)]);
        assert_eq!(model.errors.get(), 0);
    }
}

/// ACTIVE tells nothing: it may be set in an idle channel, and clear in one that is paused.
#[test]
fn a_channel_with_a_control_block_is_busy() {
    for status in [0, RUN, PAUSED] {
        let model = Model::default();
        model.cs.set(status);
        assert_eq!(Channel::new(&model).check_idle(), Ok(()));
        model.block.set(BLOCK);
        let busy = Err(Busy { status, block: BLOCK });
        assert_eq!(Channel::new(&model).check_idle(), busy);
        assert_eq!(Channel::new(&model).start(0xc000_0000), busy);
        assert_eq!(model.written(), []);
    }
}

#[test]
fn an_acknowledgement_of_the_end() {
    let model = Model::ended();
    assert_eq!(Channel::new(&model).acknowledge(), Interrupt::Done);
    assert_eq!(model.written(), [(CS, RUN | INT_END)]);
    // The channel stays idle, although ACTIVE was written.
    assert!(!model.runs() && model.cs.get() & INT_END == 0);
    assert_eq!(Channel::new(&model).acknowledge(), Interrupt::NotOurs);
}

#[test]
fn an_acknowledgement_stops_no_running_channel() {
    let model = Model::running();
    model.cs.set(RUN | INT_END);
    assert_eq!(Channel::new(&model).acknowledge(), Interrupt::Done);
    assert!(model.runs());
    assert_eq!(model.cs.get(), RUN);
}

#[test]
fn an_interrupt_of_another_channel_changes_nothing() {
    for status in [0, RUN, PAUSED, RUN | 0b10, RUN | DREQ_STOPS] {
        let model = Model::default();
        model.cs.set(status);
        assert_eq!(Channel::new(&model).acknowledge(), Interrupt::NotOurs);
        assert_eq!(model.written(), []);
    }
}

#[test]
fn an_acknowledgement_tells_of_errors_and_clears_them() {
    for errors in 1..8 {
        for status in [PAUSED | INT_END, RUN] {
            let model = Model::running();
            model.cs.set(status);
            model.errors.set(errors);
            let told = Channel::new(&model).acknowledge();
            assert_eq!(told, Interrupt::Error(ERROR | errors), "{status:#x}");
            // It pauses: the stream has failed.
            assert_eq!(model.written(), [(DEBUG, errors), (CS, PAUSED | INT_END)]);
            assert!(!model.runs() && model.errors.get() == 0);
        }
    }
}

#[test]
fn a_stop_of_an_idle_channel_does_not_wait() {
    let model = Model::ended();
    assert_eq!(Channel::new(&model).stop(), Ok(()));
    assert_eq!(model.written(), [(CS, PAUSED), (CS, RESET), (CS, INT_END)]);
    assert_eq!((model.now.get(), model.cs.get()), (0, 0));
}

#[test]
fn a_stop_of_a_running_channel_waits_for_a_read() {
    let model = Model::running();
    assert_eq!(Channel::new(&model).stop(), Ok(()));
    assert_eq!(model.written(), [(CS, PAUSED), (CS, RESET), (CS, INT_END)]);
    assert_eq!(model.now.get(), 20);
    assert!(!model.runs() && model.block.get() == 0);
}

#[test]
fn a_stop_waits_for_writes() {
    for (settles, waited) in [(1, 20), (20, 20), (21, 30), (55, 60), (100, 100)] {
        let model = Model { settles: Some(settles), ..Model::running() };
        model.outstanding.set(13);
        assert_eq!(Channel::new(&model).stop(), Ok(()), "{settles}");
        assert_eq!(model.now.get(), waited, "{settles}");
    }
    // CONBLK_AD is zero before the last block's writes have their responses (page 47).
    let model = Model { settles: Some(30), ..Model::ended() };
    model.outstanding.set(1);
    assert_eq!(Channel::new(&model).stop(), Ok(()));
    assert_eq!(model.now.get(), 30);
}

/// CS.WAITING_FOR_WRITES is set at the end of a block only: a channel that was paused before has
/// writes outstanding without it.
#[test]
fn a_stop_waits_for_writes_that_only_debug_counts() {
    let model = Model { settles: Some(50), waiting: Some(false), ..Model::running() };
    model.outstanding.set(2);
    assert_eq!(Channel::new(&model).stop(), Ok(()));
    assert_eq!(model.now.get(), 50);
}

#[test]
fn a_stop_gives_up_writes_without_a_response() {
    let model = Model::running();
    model.outstanding.set(3);
    assert_eq!(Channel::new(&model).stop(), Err(OutstandingWrites(3)));
    assert_eq!(model.now.get(), 100);
    assert_eq!(model.written(), [(CS, PAUSED), (CS, RESET), (CS, INT_END)]);
}

/// Held by its DREQ, a channel has no write outstanding, whatever CS says.
#[test]
fn a_stop_complains_of_counted_writes_only() {
    let model = Model { waiting: Some(true), ..Model::running() };
    model.cs.set(RUN | DREQ_STOPS);
    assert_eq!(Channel::new(&model).stop(), Ok(()));
    assert_eq!(model.now.get(), 100);
}

#[test]
fn a_stop_clears_interrupt_end_and_errors() {
    let model = Model::running();
    model.cs.set(RUN | INT_END);
    model.errors.set(0b101);
    assert_eq!(Channel::new(&model).stop(), Ok(()));
    assert_eq!(model.written(), [(CS, PAUSED), (CS, RESET), (CS, INT_END), (DEBUG, 0b101)]);
    assert_eq!((model.cs.get(), model.errors.get()), (0, 0));
    assert_eq!(Channel::new(&model).acknowledge(), Interrupt::NotOurs);
}

#[test]
fn a_position_changes_with_the_data_and_writes_nothing() {
    let model = Model::running();
    let channel = Channel::new(&model);
    let first = channel.position();
    assert_eq!(first, Position { mark: u64::from(BLOCK) << 32 | 4096, waiting: false });
    model.left.set(4092);
    assert_ne!(channel.position(), first);
    model.cs.set(RUN | DREQ_STOPS);
    assert!(channel.position().waiting);
    assert_eq!(model.written(), []);
}

#[test]
fn lite_channels_say_so() {
    // A full channel, then a lite one: 28 LITE, 27:25 VERSION 2, 15:8 DMA_ID.
    for (properties, lite) in [(0x0400_0500, false), (0x1400_0800, true)] {
        let model = Model { properties, ..Model::default() };
        assert_eq!(Channel::new(&model).is_lite(), lite);
    }
}
