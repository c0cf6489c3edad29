// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0
//! The limits of a stream's parameters, each tested on both sides.

use dmaframe_abi::stream::{
    FRAME_BYTES_MAX, FRAME_BYTES_MIN, FRAME_GRANULARITY, Fault, INTERVAL_US_MAX, INTERVAL_US_MIN,
    Policy, RING_BYTES_MAX, SLOTS_MAX, SLOTS_MIN, Shape, ShapeError, State,
};

const PAGE: u32 = 4096;

const SHAPE: Shape =
    Shape { source: 0, frame_bytes: 4096, slots: 8, policy: Policy::Backpressure, interval_us: 0 };

fn check(shape: Shape) -> Result<(), ShapeError> {
    shape.check(3, PAGE)
}

#[test]
fn wire_constants() {
    assert_eq!([Policy::Backpressure as u32, Policy::Drop as u32], [0, 1]);
    let states = [State::Idle, State::Configured, State::Running, State::Faulted, State::Gone];
    assert_eq!(states.map(|state| state as u32), [0, 1, 2, 3, 4]);
    let faults = [Fault::None, Fault::Consumer, Fault::Engine, Fault::Timeout, Fault::Incomplete];
    assert_eq!(faults.map(|fault| fault as u32), [0, 1, 2, 3, 4]);
    assert_eq!((FRAME_BYTES_MIN, FRAME_BYTES_MAX, FRAME_GRANULARITY), (4, 16_777_216, 4));
    assert_eq!((SLOTS_MIN, SLOTS_MAX, RING_BYTES_MAX), (2, 1024, 268_435_456));
    assert_eq!((INTERVAL_US_MIN, INTERVAL_US_MAX), (50, 60_000_000));
}

#[test]
fn sources() {
    for source in 0..3 {
        assert_eq!(check(Shape { source, ..SHAPE }), Ok(()));
    }
    for source in [3, 4, u32::MAX] {
        assert_eq!(check(Shape { source, ..SHAPE }), Err(ShapeError::Source(source)));
    }
    assert_eq!(SHAPE.check(0, PAGE), Err(ShapeError::Source(0)));
}

#[test]
fn frame_bytes() {
    for frame_bytes in [4, 8, 4092, 600 * 1024, 16 << 20] {
        assert_eq!(check(Shape { frame_bytes, ..SHAPE }), Ok(()), "{frame_bytes}");
    }
    let max = 16 << 20;
    for frame_bytes in [0, 1, 2, 3, max + 1, max + 4, u32::MAX - 3, u32::MAX] {
        let expected = Err(ShapeError::FrameRange(frame_bytes));
        assert_eq!(check(Shape { frame_bytes, ..SHAPE }), expected);
    }
    for frame_bytes in [5, 4094, max - 1] {
        let expected = Err(ShapeError::FrameGranularity(frame_bytes));
        assert_eq!(check(Shape { frame_bytes, ..SHAPE }), expected);
    }
}

#[test]
fn slots() {
    for slots in (1..=10).map(|n| 1 << n) {
        assert_eq!(check(Shape { slots, ..SHAPE }), Ok(()));
    }
    for slots in [0, 1, 3, 6, 1023, 1025, 1536, 2048, 1 << 31, u32::MAX] {
        assert_eq!(check(Shape { slots, ..SHAPE }), Err(ShapeError::Slots(slots)));
    }
}

#[test]
fn intervals() {
    for interval_us in [0, 50, 51, 1000, 60_000_000] {
        assert_eq!(check(Shape { interval_us, ..SHAPE }), Ok(()));
    }
    for interval_us in [1, 49, 60_000_001, u32::MAX] {
        let expected = Err(ShapeError::Interval(interval_us));
        assert_eq!(check(Shape { interval_us, ..SHAPE }), expected);
    }
    assert_eq!((INTERVAL_US_MIN, INTERVAL_US_MAX), (50, 60_000_000));
}

#[test]
fn drop_needs_an_interval() {
    let drop = Shape { policy: Policy::Drop, ..SHAPE };
    assert_eq!(check(drop), Err(ShapeError::DropUnpaced));
    assert_eq!(check(Shape { interval_us: 50, ..drop }), Ok(()));
}

#[test]
fn ring_bytes() {
    // 1,024 slots of 256 KiB are exactly the limit; a page more in each is over it.
    let shape = Shape { slots: 1024, frame_bytes: 256 * 1024 - 64, ..SHAPE };
    assert_eq!(u64::from(shape.slot_stride(PAGE)) * 1024, RING_BYTES_MAX);
    assert_eq!(check(shape), Ok(()));
    let over = (256 * 1024 + 4096) * 1024;
    let shape = Shape { frame_bytes: 256 * 1024 - 60, ..shape };
    assert_eq!(check(shape), Err(ShapeError::RingBytes(over)));
    // The largest possible product does not overflow.
    let shape = Shape { slots: 1024, frame_bytes: FRAME_BYTES_MAX, ..SHAPE };
    assert_eq!(check(shape), Err(ShapeError::RingBytes(((16 << 20) + 4096) * 1024)));
    // Larger pages round further up.
    let shape = Shape { slots: 1024, frame_bytes: 250_000, ..SHAPE };
    assert_eq!(shape.check(1, 4096), Ok(()));
    assert_eq!(shape.check(1, 65_536), Ok(()));
    assert_eq!(shape.check(1, 1 << 19), Err(ShapeError::RingBytes(1 << 29)));
}

#[test]
fn strides_are_whole_pages() {
    for (frame_bytes, stride) in [
        (4, 4096),
        (4096 - 64, 4096),
        (4096 - 60, 8192),
        (4096, 8192),
        (FRAME_BYTES_MAX, FRAME_BYTES_MAX + 4096),
    ] {
        assert_eq!(Shape { frame_bytes, ..SHAPE }.slot_stride(PAGE), stride);
    }
}

#[test]
fn numbers_have_one_meaning() {
    for raw in 0..8 {
        assert_eq!(Policy::try_from(raw).map(|it| it as u32), (raw < 2).then_some(raw).ok_or(raw));
        assert_eq!(State::try_from(raw).map(|it| it as u32), (raw < 5).then_some(raw).ok_or(raw));
        assert_eq!(Fault::try_from(raw).map(|it| it as u32), (raw < 5).then_some(raw).ok_or(raw));
    }
    assert!(Policy::try_from(u32::MAX).is_err() && State::try_from(u32::MAX).is_err());
}

#[test]
fn messages_name_the_value() {
    for (error, value) in [
        (ShapeError::Source(41), "41"),
        (ShapeError::FrameRange(42), "42"),
        (ShapeError::FrameGranularity(46), "46"),
        (ShapeError::FrameWidth { bytes: 47, width: 16 }, "47"),
        (ShapeError::FrameLimit { bytes: 48, most: 8 }, "48"),
        (ShapeError::Slots(43), "43"),
        (ShapeError::RingBytes(44), "44"),
        (ShapeError::Interval(45), "45"),
        (ShapeError::DropUnpaced, "interval-us"),
    ] {
        assert!(error.to_string().contains(value), "{error}");
    }
}

/// An extended acknowledgement of netlink holds 79 bytes (`NETLINK_MAX_FMTMSG_LEN`).
#[test]
fn messages_fit_an_extended_acknowledgement() {
    for error in [
        ShapeError::Source(u32::MAX),
        ShapeError::FrameRange(u32::MAX),
        ShapeError::FrameGranularity(u32::MAX),
        ShapeError::FrameWidth { bytes: u32::MAX, width: 16 },
        ShapeError::FrameLimit { bytes: u32::MAX, most: u32::MAX },
        ShapeError::Slots(u32::MAX),
        ShapeError::RingBytes(u64::MAX),
        ShapeError::Interval(u32::MAX),
        ShapeError::DropUnpaced,
    ] {
        assert!(error.to_string().len() < 80, "{error}");
    }
}
