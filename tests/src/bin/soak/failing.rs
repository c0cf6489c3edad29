// SPDX-License-Identifier: MIT OR Apache-2.0
//! A reader whose engine fails. Only the debug kernel's module can be made to: elsewhere it is a
//! reader as any other.

use crate::chance::Chance;
use crate::reader::Reader;
use crate::tally::Tally;
use dmaframe_abi::stream::Fault;
use dmaframe_tests::fault::Injector;
use std::thread;
use std::time::Duration;

/// What the BCM2835 tells of an error: `CS.ERROR`, and each bit of DEBUG.
const ERRORS: [u32; 4] = [1 << 8, 1, 2, 4];
/// Between two interrupts that the engine did not raise.
const PAUSE: Duration = Duration::from_millis(20);

/// Reads from `device`, whose number is `id`, through something that goes wrong.
pub(crate) fn read(device: &str, id: u32, chance: &mut Chance, tally: &Tally) {
    let reader = Reader::start(device, chance);
    let Some(injector) = Injector::find(id) else { return reader.run(chance, tally) };
    let arm = |fault: &str| injector.arm(fault).unwrap();
    match chance.below(6) {
        0 => {
            arm("withhold");
            reader.run_until_fault(Fault::Timeout, chance, tally);
        }
        1 if reader.has_long_chains() => {
            arm("half");
            reader.run_until_fault(Fault::Incomplete, chance, tally);
        }
        2 => {
            arm("stuck");
            reader.run(chance, tally);
            tally.fault();
        }
        3 => late(&injector, reader, chance, tally),
        _ => {
            arm(&format!("error {}", chance.one_of(&ERRORS)));
            reader.run_until_fault(Fault::Engine, chance, tally);
        }
    }
    arm("none");
}

/// An interrupt comes late, and others for nothing: the stream goes on.
fn late(injector: &Injector, reader: Reader, chance: &mut Chance, tally: &Tally) {
    let before = injector.injected();
    injector.arm("withhold").unwrap();
    thread::scope(|scope| {
        let reading = scope.spawn(|| reader.run(chance, tally));
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
