// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads 100 frames of the first device and prints what their headers tell.
//!
//! ```sh
//! cargo xtask build userland/dmaframe -- --example read_frames
//! cargo xtask guest --put target/build/read_frames -- /root/read_frames
//! ```

use dmaframe::Device;
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
    let device = Device::open("/dev/dmaframe0")?;
    // The device's own settings; change a field for another stream.
    let mut stream = device.configure(device.config()?)?;
    stream.start()?;
    for _ in 0..100 {
        let Some(frame) = stream.next()? else { break };
        let words = frame.as_slice_of::<u32>()?;
        println!(
            "frame {}: {} words, first {:#010x}, {} lost before it",
            frame.sequence(),
            words.len(),
            words[0],
            frame.lost()
        );
        // Dropping the frame returns its slot.
    }
    stream.stop()
}
