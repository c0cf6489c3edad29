// SPDX-License-Identifier: MIT OR Apache-2.0
use super::*;
use crate::mapping::fake::{Driver, FRAME_BYTES, SLOTS};
use dmaframe_abi::ring::{DETACHED, FAULTED, NEED_KICK, STOPPED};
use dmaframe_abi::stream::Fault;

fn stream() -> (Driver, Stream) {
    let (driver, file) = Driver::new();
    let ring = Ring::map(&file, &Driver::config()).unwrap();
    let mut stream = Stream::new(Arc::new(Handle::of(file)), ring);
    stream.started = true;
    (driver, stream)
}

#[test]
fn frames_come_in_order_and_their_slots_go_back() {
    let (mut driver, mut stream) = stream();
    // The driver asks for kicks, which the file refuses: that must not disturb.
    driver.raise(NEED_KICK);
    for round in 0..10_u64 {
        (0..SLOTS).for_each(|_| driver.publish());
        assert_eq!(driver.free(), 0);
        for at in 0..u64::from(SLOTS) {
            let frame = stream.next().unwrap().unwrap();
            let sequence = round * u64::from(SLOTS) + at;
            assert_eq!(frame.sequence(), sequence);
            assert_eq!(*frame, [sequence as u8; FRAME_BYTES as usize]);
            assert_eq!(frame.as_slice_of::<[u8; 4]>().unwrap().len(), 16);
            let refused = frame.as_slice_of::<[u8; 3]>().unwrap_err().to_string();
            assert!(refused.contains("64 bytes") && refused.contains("[u8; 3]"), "{refused}");
            let stamps = frame.device_stamps();
            assert_eq!((stamps.start, stamps.end), (3, 5));
            assert_eq!(driver.free(), at as u32);
            drop(frame);
            assert_eq!(driver.free(), at as u32 + 1);
        }
    }
    assert!(stream.try_next().unwrap().is_pending());
}

#[test]
fn a_frame_that_is_forgotten_stays_the_oldest() {
    let (mut driver, mut stream) = stream();
    driver.publish();
    std::mem::forget(stream.next().unwrap());
    assert_eq!(stream.next().unwrap().unwrap().sequence(), 0);
    assert_eq!(driver.free(), SLOTS);
}

#[test]
fn what_was_published_is_read_before_the_end() {
    for (flags, fault) in [(STOPPED, None), (DETACHED, None), (FAULTED, Some(Fault::Timeout))] {
        let (mut driver, mut stream) = stream();
        driver.publish();
        driver.publish();
        if let Some(fault) = fault {
            driver.meta().fault.store(fault as u32, Ordering::Relaxed);
        }
        driver.raise(flags);
        assert_eq!(stream.next().unwrap().unwrap().sequence(), 0);
        assert_eq!(stream.next().unwrap().unwrap().sequence(), 1);
        match (stream.next(), flags) {
            (Ok(None), STOPPED) => {}
            (Err(Error::Gone { .. }), DETACHED) => {}
            (Err(Error::Faulted { fault: Fault::Timeout, .. }), FAULTED) => {}
            (other, _) => panic!("flags {flags}: {other:?}"),
        }
    }
}

#[test]
fn waiting_ends_with_the_timeout_or_a_frame() {
    let (mut driver, mut stream) = stream();
    let timeout = Duration::from_millis(20);
    let began = Instant::now();
    assert!(stream.next_timeout(timeout).unwrap().is_pending());
    assert!(began.elapsed() >= timeout);
    let publisher = std::thread::spawn(move || {
        std::thread::sleep(timeout);
        driver.publish();
    });
    let Poll::Ready(Some(frame)) = stream.next_timeout(Duration::from_secs(20)).unwrap() else {
        panic!("no frame came")
    };
    assert_eq!(frame.sequence(), 0);
    drop(frame);
    publisher.join().unwrap();
}

#[test]
fn a_stream_that_was_not_started_is_not_waited_for() {
    let (_driver, mut stream) = stream();
    stream.started = false;
    assert!(matches!(stream.next(), Err(Error::NotStarted { .. })));
}

#[test]
fn owned_frames_go_back_in_order_whatever_the_order_of_their_drops() {
    let (mut driver, mut stream) = stream();
    (0..SLOTS).for_each(|_| driver.publish());
    let mut frames = stream.take_ready(SLOTS as usize + 1).unwrap();
    let sequences: Vec<_> = frames.iter().map(OwnedFrame::sequence).collect();
    assert_eq!(sequences, [0, 1, 2, 3]);
    assert!(stream.try_next().unwrap().is_pending());
    // 2, then 0, then 1: the driver gets 0, then 1 and 2.
    drop(frames.remove(2));
    assert_eq!(driver.free(), 0);
    drop(frames.remove(0));
    assert_eq!(driver.free(), 1);
    drop(frames.remove(0));
    assert_eq!(driver.free(), 3);
    assert_eq!((frames[0].sequence(), *frames[0] == [3; FRAME_BYTES as usize]), (3, true));
    // A lent frame behind one that is held.
    driver.publish();
    let lent = stream.next().unwrap().unwrap();
    assert_eq!(lent.sequence(), 4);
    drop(lent);
    assert_eq!(driver.free(), 2);
    // From another thread, while the stream goes on, and after it.
    let held = frames.remove(0);
    drop(stream);
    std::thread::spawn(move || drop(held)).join().unwrap();
    assert_eq!(driver.free(), 4);
}

#[test]
fn a_restart_forgets_frames_that_read_has_returned() {
    let (mut driver, mut stream) = stream();
    driver.publish();
    driver.publish();
    let held = stream.next().unwrap().unwrap().into_owned();
    // The driver's read(2) returns both.
    driver.return_all();
    stream.ring().resume().unwrap();
    drop(held);
    driver.publish();
    assert_eq!(driver.free(), 3);
    let frame = stream.next().unwrap().unwrap();
    assert_eq!(frame.sequence(), 2);
    drop(frame);
    assert_eq!(driver.free(), 4);
}

#[test]
fn a_wait_is_cancelled_from_another_thread_and_once() {
    let (mut driver, mut stream) = stream();
    let canceller = stream.canceller().unwrap();
    let thread = std::thread::spawn({
        let canceller = canceller.clone();
        move || canceller.cancel()
    });
    let cancelled = loop {
        // The file of these tests is always readable.
        match stream.next_timeout(Duration::from_secs(20)) {
            Err(error) => break error,
            Ok(ready) => assert!(ready.is_pending()),
        }
    };
    assert!(matches!(cancelled, Error::Cancelled), "{cancelled}");
    thread.join().unwrap();
    canceller.cancel();
    driver.publish();
    assert_eq!(stream.next().unwrap().unwrap().sequence(), 0);
    assert!(matches!(stream.next(), Err(Error::Cancelled)));
    assert!(stream.next_timeout(Duration::from_millis(1)).unwrap().is_pending());
}

#[test]
fn the_fill_counts_frames_until_they_are_returned() {
    let (mut driver, mut stream) = stream();
    assert_eq!(stream.fill().unwrap(), 0);
    driver.publish();
    driver.publish();
    assert_eq!(stream.fill().unwrap(), 2);
    let Poll::Ready(Some(frame)) = stream.try_next().unwrap() else { panic!() };
    let frame = frame.into_owned();
    assert_eq!(stream.fill().unwrap(), 2);
    drop(frame);
    assert_eq!(stream.fill().unwrap(), 1);
}
