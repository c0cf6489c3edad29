// SPDX-License-Identifier: MIT OR Apache-2.0
//! A reader whose engine fails. Only the debug kernel's module can inject faults; with another
//! module this is an ordinary reader.

use crate::reader::Reader;
use crate::tally::Tally;
use dmaframe_abi::stream::Fault;
use dmaframe_tests::Random;
use dmaframe_tests::fault::Injector;
use std::thread;
use std::time::Duration;

/// The error bits of the BCM2835: `CS.ERROR`, and each bit of DEBUG.
const ERRORS: [u32; 4] = [1 << 8, 1, 2, 4];
/// Between two injected interrupts.
const PAUSE: Duration = Duration::from_millis(20);

/// Reads from `device`, whose number is `id`, while a random fault is injected.
pub(crate) fn read(device: &str, id: u32, random: &mut Random, tally: &Tally) {
    let reader = Reader::start(device, random);
    let Some(injector) = Injector::find(id) else { return reader.run(random, tally) };
    let arm = |fault: &str| injector.arm(fault).unwrap();
    match random.below(6) {
        0 => {
            arm("withhold");
            reader.run_until_fault(Fault::Timeout, random, tally);
        }
        1 if reader.has_long_chains() => {
            arm("half");
            reader.run_until_fault(Fault::Incomplete, random, tally);
        }
        2 => {
            arm("stuck");
            reader.run(random, tally);
            tally.fault();
        }
        3 => late(&injector, reader, random, tally),
        _ => {
            arm(&format!("error {}", random.pick(&ERRORS)));
            reader.run_until_fault(Fault::Engine, random, tally);
        }
    }
    arm("none");
}

/// Interrupts come late, and some without a reason: the stream continues.
fn late(injector: &Injector, reader: Reader, random: &mut Random, tally: &Tally) {
    let before = injector.injected();
    injector.arm("withhold").unwrap();
    thread::scope(|scope| {
        let reading = scope.spawn(|| reader.run(random, tally));
        while !reading.is_finished() {
            thread::sleep(PAUSE);
            injector.interrupt();
        }
    });
    // A stream may end before its first chain does.
    if injector.injected() > before {
        tally.fault();
    }
}
