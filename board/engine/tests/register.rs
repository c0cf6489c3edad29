// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0
//! Registers, compared with the datasheet's tables: bits by number.

use dmaframe_engine::register::*;

#[test]
fn offsets() {
    assert_eq!([CS, CONBLK_AD, TI, SOURCE_AD], [0x00, 0x04, 0x08, 0x0c]);
    assert_eq!([DEST_AD, TXFR_LEN, NEXTCONBK, DEBUG], [0x10, 0x14, 0x1c, 0x20]);
    assert_eq!((CHANNEL_STRIDE, CHANNEL_BYTES), (0x100, DEBUG + 4));
    assert_eq!((SYSTEM_TIMER_BUS, SYSTEM_TIMER_HZ), (0x7e00_3004, 1_000_000));
    assert_eq!((CLO, CHI, SYSTEM_TIMER_BYTES), (0x04, 0x08, 0x0c));
}

#[test]
fn control_and_status() {
    let bits = [
        (ControlStatus::ACTIVE, 0),
        (ControlStatus::END, 1),
        (ControlStatus::INT, 2),
        (ControlStatus::PAUSED, 4),
        (ControlStatus::WAITING_FOR_WRITES, 6),
        (ControlStatus::ERROR, 8),
        (ControlStatus::WAIT_FOR_OUTSTANDING_WRITES, 28),
        (ControlStatus::DISABLE_DEBUG_PAUSE, 29),
        (ControlStatus::ABORT, 30),
        (ControlStatus::RESET, 31),
    ];
    for (register, bit) in bits {
        assert_eq!(register.0, 1u32 << bit);
    }
    // 19:16 PRIORITY and 23:20 PANIC.
    assert_eq!(ControlStatus::PRIORITY.0, 0x0088_0000);
}

#[test]
fn transfer_information() {
    let bits = [
        (TransferInformation::INTEN, 0),
        (TransferInformation::WAIT_RESP, 3),
        (TransferInformation::DEST_INC, 4),
        (TransferInformation::DEST_WIDTH128, 5),
        (TransferInformation::SRC_INC, 8),
        (TransferInformation::SRC_WIDTH128, 9),
        (TransferInformation::SRC_DREQ, 10),
        (TransferInformation::NO_WIDE_BURSTS, 26),
    ];
    for (register, bit) in bits {
        assert_eq!(register.0, 1u32 << bit);
    }
    for dreq in 0..32 {
        assert_eq!(TransferInformation::permap(dreq).0, u32::from(dreq) << 16);
    }
    for beats in 1..=16 {
        assert_eq!(TransferInformation::burst(beats).0, u32::from(beats - 1) << 12);
    }
    // Values out of range stay within their fields.
    for any in 0..=255 {
        assert_eq!(TransferInformation::permap(any).0 & !(0x1f << 16), 0);
        assert_eq!(TransferInformation::burst(any).0 & !(0xf << 12), 0);
    }
}

#[test]
fn debug() {
    let bits = [Debug::READ_LAST_NOT_SET, Debug::FIFO_ERROR, Debug::READ_ERROR];
    assert_eq!(bits.map(|bit| bit.0), [1, 2, 4]);
    assert_eq!((Debug::ERRORS.0, Debug::OUTSTANDING_WRITES.0, Debug::LITE.0), (7, 0xf0, 1 << 28));
}

#[test]
fn sets_of_bits() {
    let both = ControlStatus::ACTIVE.with(ControlStatus::INT);
    assert_eq!(both.0, 0b101);
    assert!(both.has(ControlStatus::INT) && !both.has(ControlStatus::END));
    assert!(both.has(ControlStatus::END.with(ControlStatus::INT)));
    assert_eq!(Debug(0xf123_4567).only(Debug::ERRORS), Debug(7));
    assert_eq!(both.only(ControlStatus::END), ControlStatus(0));
    assert_eq!(both.without(ControlStatus::INT), ControlStatus::ACTIVE);
}
