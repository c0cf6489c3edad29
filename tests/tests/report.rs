// SPDX-License-Identifier: MIT OR Apache-2.0
//! `dmaframe report`: one file with everything about a board.

use dmaframe_tests::process::Run;
use dmaframe_tests::{BoardLock, LIMIT};
use std::fs;

fn section<'a>(report: &'a str, name: &str) -> &'a str {
    let begin = format!("\n== {name} ==\n");
    let (_, rest) = report.split_once(&begin).unwrap_or_else(|| panic!("no {name} in {report}"));
    rest.split("\n== ").next().unwrap_or(rest)
}

#[test]
fn a_report_has_every_section() {
    let _board = BoardLock::acquire();
    let file = "/tmp/report";
    let done = Run::dmaframe(&["report", "--output", file]).within(10 * LIMIT).finish();
    assert_eq!((done.status.code(), &*done.stdout), (Some(0), ""), "{done:?}");
    let report = fs::read_to_string(file).unwrap();
    fs::remove_file(file).unwrap();

    assert!(section(&report, "versions").contains("Linux version 7."), "{report}");
    let tree = section(&report, "device tree");
    assert!(tree.contains("brcm,dma-channel-mask = <0x7f05>"), "{tree}");
    assert!(tree.contains("/compatible = \"dmaframe,bcm2835-dma\""), "{tree}");
    assert!(tree.contains("soc/dma-ranges = <0xc0000000 0x0 "), "{tree}");
    assert!(section(&report, "interrupts").contains("dmaframe"), "{report}");
    assert!(section(&report, "/dev/dmaframe1").contains("channel 5"), "{report}");
    let registers = section(&report, "registers");
    for id in [0, 1] {
        let file = format!("/sys/kernel/debug/dmaframe{id}/registers:\nCS 0x");
        assert!(registers.contains(&file), "{registers}");
    }
    for device in ["/dev/dmaframe0", "/dev/dmaframe1"] {
        let benchmark = section(&report, &format!("benchmark, {device}"));
        let sound = benchmark.matches("lost 0, errors 0 and of the engine 0").count();
        assert_eq!(sound, 3, "{benchmark}");
    }
    assert!(section(&report, "kernel log").contains("DMA channel 4"), "{report}");
    assert!(!report.contains("serial-number"), "{report}");
}

#[test]
fn a_report_describes_a_device_in_use_too() {
    let _board = BoardLock::acquire();
    let stream = Run::dmaframe(&["stream", "--stats"]).start();
    stream.error_line();
    let done = Run::dmaframe(&["report", "--quick"]).finish();
    stream.signal(nix::sys::signal::Signal::SIGINT);
    stream.finish();
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    let owner = "owner:       dmaframe (pid ";
    assert!(section(&done.stdout, "/dev/dmaframe0").contains(owner), "{done:?}");
    assert!(section(&done.stdout, "/dev/dmaframe1").contains("channel 5"), "{done:?}");
    assert!(!done.stdout.contains("== benchmark"), "{done:?}");
    assert_eq!(done.stderr, "", "{done:?}");
}
