// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lists the sources of all devices, then streams ten frames of the one named on the command line.
//!
//! ```sh
//! cargo xtask build userland/dmaframe -- --example choose_source
//! cargo xtask guest --put target/build/choose_source -- /root/choose_source gpio
//! ```

use dmaframe::netlink::Client;
use dmaframe::{Device, Policy, Shape};
use std::process::ExitCode;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> dmaframe::Result<()> {
    // Devices that are in use are listed too.
    for (device, source) in Client::connect()?.sources()? {
        println!("dmaframe{device}: {} ({} bytes a frame)", source.name, source.frame_bytes);
    }
    let Some(name) = std::env::args().nth(1) else { return Ok(()) };
    let device = Device::open("/dev/dmaframe0")?;
    let source = device.source(&name)?;
    let mut stream = device.configure(Shape {
        source: source.index,
        frame_bytes: source.frame_bytes,
        slots: 16,
        // A frame every millisecond. One that is due while no slot is free is lost and counted.
        policy: Policy::Drop,
        interval_us: 1000,
    })?;
    stream.start()?;
    for _ in 0..10 {
        let Some(frame) = stream.next()? else { break };
        println!("frame {} of {name}: {:02x?}", frame.sequence(), &frame[..4]);
    }
    stream.stop()
}
