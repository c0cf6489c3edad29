// SPDX-License-Identifier: MIT OR Apache-2.0
//! Prints the events of all devices, as they come.
//!
//! ```sh
//! cargo xtask build userland/dmaframe -- --example monitor_events
//! cargo xtask guest --put target/build/monitor_events -- /root/monitor_events
//! ```

use dmaframe::Error;
use dmaframe::netlink::Client;
use std::process::ExitCode;
use std::time::Duration;

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
    let mut events = Client::connect()?.events()?;
    loop {
        match events.next_timeout(Duration::from_secs(1)) {
            Ok(Some(event)) => println!(
                "{}: {:?}, {} frames, {} lost",
                event.name.unwrap_or_default(),
                event.event,
                event.frames.unwrap_or_default(),
                event.lost.unwrap_or_default()
            ),
            Ok(None) => {}
            // Later events follow after either.
            Err(error @ (Error::EventsLost | Error::Unloaded)) => eprintln!("{error}"),
            Err(error) => return Err(error),
        }
    }
}
