// SPDX-License-Identifier: MIT OR Apache-2.0
//! System calls per frame, counted in a traced child between two marks that the child makes.

use crate::samples::{Sample, Samples, say};
use crate::video::Video;
use crate::{Extent, Result, stream};
use nix::sys::ptrace;
use nix::sys::signal::{Signal, raise};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, getpgid};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// The first argument of the traced child.
pub(crate) const CHILD: &str = "counted";
/// The system call that marks begin and end of the count. The child makes it for nothing else.
const MARK: i64 = libc::SYS_getpgid;

const SATURATED_FRAMES: u32 = 2000;
const SATURATED_SIZES: [u32; 3] = [4096, 65536, 614_400];
/// The time that the slow reader spends per byte: more than the engine of QEMU needs.
const BUSY_A_BYTE: Duration = Duration::from_nanos(25);
const PACED_US: u32 = 5000;
const PACED_BYTES: u32 = 4096;

pub(crate) fn measure(extent: Extent, samples: &mut Samples) -> Result<()> {
    for round in 0..extent.rounds.min(3) {
        say("calls", round, extent.rounds.min(3));
        let mut add = |subject, key: u32, calls: f64| {
            samples.add(Sample { measure: "calls", subject, key: key.into(), round }, &[calls])
        };
        for bytes in SATURATED_SIZES {
            let frames = (SATURATED_FRAMES * 4096 / bytes).max(50);
            add("saturated", bytes, counted("saturated", bytes, frames)?)?;
            // This reader is slower than the engine, so the ring is never empty.
            add("busy", bytes, counted("busy", bytes, frames)?)?;
        }
        add("paced", PACED_BYTES, counted("paced", PACED_BYTES, 100)?)?;
        add("v4l2", crate::video::BYTES, counted("v4l2", crate::video::BYTES, 20)?)?;
    }
    Ok(())
}

/// Runs a child. Returns its calls per frame.
fn counted(kind: &str, bytes: u32, frames: u32) -> Result<f64> {
    let mut child = Command::new("/proc/self/exe")
        .args([CHILD, kind, &bytes.to_string(), &frames.to_string()])
        .spawn()?;
    let calls = count(&child).map_err(|error| {
        // The child may be stopped.
        let _ = child.kill();
        format!("counting the calls of {kind}: {error}")
    });
    let status = child.wait();
    let calls = calls?;
    // The trace has waited for the child already.
    drop(status);
    Ok(calls as f64 / f64::from(frames))
}

/// Traces a child to its end. Returns the number of its calls between the marks.
fn count(child: &Child) -> Result<u64> {
    let pid = Pid::from_raw(i32::try_from(child.id())?);
    let (mut marks, mut calls) = (0, 0_u64);
    let mut first = true;
    loop {
        match waitpid(pid, None)? {
            WaitStatus::Stopped(_, Signal::SIGSTOP) if first => {
                ptrace::setoptions(pid, ptrace::Options::PTRACE_O_TRACESYSGOOD)?;
                first = false;
                ptrace::syscall(pid, None)?;
            }
            WaitStatus::Stopped(_, signal) => ptrace::syscall(pid, signal)?,
            WaitStatus::PtraceSyscall(_) => {
                match entered(pid)? {
                    Some(MARK) => marks += 1,
                    Some(_) if marks == 1 => calls += 1,
                    _ => {}
                }
                ptrace::syscall(pid, None)?;
            }
            WaitStatus::Exited(_, 0) if marks == 2 => return Ok(calls),
            other => {
                return Err(format!("the child ended with {other:?} after {marks} marks").into());
            }
        }
    }
}

/// The number of the call that a stopped child enters, or `None` if it returns from one.
fn entered(pid: Pid) -> Result<Option<i64>> {
    let info = ptrace::syscall_info(pid)?;
    if info.op != libc::PTRACE_SYSCALL_INFO_ENTRY {
        return Ok(None);
    }
    // SAFETY: `op` says that the kernel has filled in this variant.
    let number = unsafe { info.u.entry.nr };
    Ok(Some(i64::try_from(number)?))
}

/// Runs the reader whose calls are counted.
pub(crate) fn child(arguments: &[&str]) -> Result<()> {
    let [kind, bytes, frames] = arguments else { return Err(crate::USAGE.into()) };
    let (bytes, frames) = (bytes.parse()?, frames.parse()?);
    ptrace::traceme()?;
    raise(Signal::SIGSTOP)?;
    match *kind {
        "saturated" => streamed(bytes, 0, frames, false),
        "busy" => streamed(bytes, 0, frames, true),
        "paced" => streamed(bytes, PACED_US, frames, false),
        "v4l2" => {
            let mut video = Video::open()?;
            for _ in 0..4 {
                video.take()?;
            }
            marked(|| (0..frames).try_for_each(|_| video.take()))
        }
        _ => Err(crate::USAGE.into()),
    }
}

fn streamed(bytes: u32, interval_us: u32, frames: u32, busy: bool) -> Result<()> {
    let mut stream = stream::start(stream::DEVICE, bytes, stream::slots(bytes), interval_us)?;
    stream::skip(&mut stream, 8)?;
    marked(|| {
        for _ in 0..frames {
            let frame = stream.next()?.ok_or("the stream ended")?;
            if busy {
                let held = Instant::now();
                while held.elapsed() < BUSY_A_BYTE * bytes {
                    std::hint::spin_loop();
                }
            }
            drop(frame);
        }
        Ok(())
    })
}

fn marked(work: impl FnOnce() -> Result<()>) -> Result<()> {
    getpgid(None)?;
    work()?;
    getpgid(None)?;
    Ok(())
}
