// SPDX-License-Identifier: MIT OR Apache-2.0
//! The controlling process: starts the workers and adds up their tallies.

use crate::call::{CALLS_PER_SUCCESS, KINDS};
use crate::options::Options;
use crate::tally::Tally;
use dmaframe_tests::background_stream::check_streams;
use nix::errno::Errno;
use std::error::Error;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};

/// The environment variable that holds the descriptor of a worker's socket.
pub(crate) const SOCKET: &str = "STORM_SOCKET";

/// Starts the workers, adds up their tallies, and checks that the devices still stream.
pub(crate) fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    println!(
        "storm: seed {}, {} calls, {} processes, {}",
        options.seed,
        options.calls,
        options.processes,
        options.devices.join(" ")
    );
    // Workers send each other open files through this pair.
    let (left, right) = UnixDatagram::pair()?;
    for socket in [&left, &right] {
        // SAFETY: the descriptor is open; its flags are the argument.
        Errno::result(unsafe { libc::fcntl(socket.as_raw_fd(), libc::F_SETFD, 0) })?;
    }
    let mut workers = Vec::new();
    for process in 0..options.processes {
        let socket = if process % 2 == 0 { &left } else { &right };
        let mut command = Command::new("/proc/self/exe");
        for (option, value) in [
            ("--seed", options.seed),
            ("--calls", options.calls / options.processes),
            ("--process", process),
            ("--processes", options.processes),
        ] {
            command.args([option, &value.to_string()]);
        }
        for device in &options.devices {
            command.args(["--device", device]);
        }
        command.env(SOCKET, socket.as_raw_fd().to_string());
        workers.push(command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?);
    }
    drop((left, right));
    let outcomes: Vec<_> = workers.into_iter().map(Child::wait_with_output).collect();
    let mut total = Tally::default();
    for outcome in outcomes {
        let outcome = outcome?;
        if !outcome.status.success() {
            return Err(format!("a process ended with {}", outcome.status).into());
        }
        total.add(&String::from_utf8(outcome.stdout)?)?;
    }
    print!("{total}");
    let devices: Vec<_> = options.devices.iter().map(String::as_str).collect();
    check_streams(&devices);
    println!("storm: done; an ordinary stream of each device passed");
    // A kind of calls that hardly ever succeeds tests only the first refusal.
    let got = total.good.iter().zip(total.calls);
    match KINDS.iter().zip(got).find(|(_, (good, calls))| **good * CALLS_PER_SUCCESS < *calls) {
        Some((kind, (good, calls))) if options.calls >= 20_000 => {
            let name = kind.name;
            Err(format!("of {calls} calls of the kind {name} only {good} succeeded").into())
        }
        _ => Ok(()),
    }
}
