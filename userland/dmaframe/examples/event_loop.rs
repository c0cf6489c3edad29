// SPDX-License-Identifier: MIT OR Apache-2.0
//! Waits for a device and for standard input in one poll(2), until a line is entered.
//!
//! ```sh
//! cargo xtask build userland/dmaframe -- --example event_loop
//! cargo xtask guest --put target/build/event_loop -- /root/event_loop
//! ```

use dmaframe::Device;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::error::Error;
use std::io;
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::task::Poll;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let device = Device::open("/dev/dmaframe0")?;
    let mut stream = device.configure(device.config()?)?;
    stream.start()?;
    let input = io::stdin();
    let (mut frames, mut bytes) = (0_u64, 0);
    loop {
        // Frames that are ready cost no system call: sleep only when none is.
        match stream.try_next()? {
            Poll::Ready(Some(frame)) => {
                frames += 1;
                bytes += frame.len();
                continue;
            }
            Poll::Ready(None) => break,
            Poll::Pending => {}
        }
        let mut fds = [
            PollFd::new(stream.as_fd(), PollFlags::POLLIN),
            PollFd::new(input.as_fd(), PollFlags::POLLIN),
        ];
        poll(&mut fds, PollTimeout::NONE)?;
        if fds[1].any().unwrap_or_default() {
            break;
        }
    }
    stream.stop()?;
    println!("{frames} frames, {bytes} bytes, {} lost", stream.counters().lost);
    Ok(())
}
