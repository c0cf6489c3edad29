// SPDX-License-Identifier: MIT OR Apache-2.0
//! Continues a stream that another process started, on an open file that this process got from it.
//!
//! With `continue_stream inherited DESCRIPTOR` the descriptor, which survived exec(2), is the file.
//! With `continue_stream received DESCRIPTOR` it is a socket on which the file arrives. Each line
//! of input is a command:
//!
//! - `read N`, `map N` and `fork N` take N frames: with read(2), from the mapping, or from the
//!   mapping in a forked child. Every byte is checked. The answer is the sequence number of the
//!   first frame and the one after the last frame.
//! - `keep-mapping` forks a child that keeps a mapping and no file. The answer is its process id.
//!
//! The program ends at the end of input.

use dmaframe_abi::frame::parse;
use dmaframe_abi::ring::{Consumer, MAP_CONSUMER, MAP_META, MAP_SLOTS};
use dmaframe_abi::uapi;
use dmaframe_tests::frames::{Account, SHAPE};
use dmaframe_tests::mapping::{Mapping, PAGE};
use dmaframe_tests::raw::Raw;
use dmaframe_tests::{scm_rights, wait};
use libc::{MAP_SHARED, PROT_READ, PROT_WRITE};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{self, ForkResult};
use std::error::Error;
use std::fs::File;
use std::io::{Read, Write, stdin, stdout};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::process::exit;
use std::sync::atomic::Ordering::Relaxed;

/// Bytes that read(2) gives for a frame of [`SHAPE`].
const FRAME_BYTES: usize = 64 + SHAPE.frame_bytes as usize;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, how, descriptor] = arguments.as_slice() else {
        return Err("usage: continue_stream inherited|received DESCRIPTOR".into());
    };
    let descriptor: RawFd = descriptor.parse()?;
    // SAFETY: the test left the descriptor open for this program, which alone uses it.
    let given = unsafe { OwnedFd::from_raw_fd(descriptor) };
    let file = if how == "received" {
        let socket = UnixDatagram::from(given);
        wait::until("a file", || scm_rights::receive(&socket).ok())
    } else {
        given
    };
    let raw = Raw::from(File::from(file));
    for line in stdin().lines() {
        let line = line?;
        let answer = match line.split_once(' ') {
            Some(("read", frames)) => read(&raw, frames.parse()?)?.answer(),
            Some(("map", frames)) => Mapped::of(&raw)?.take(&raw, frames.parse()?)?.answer(),
            Some(("fork", frames)) => fork(&raw, frames.parse()?)?,
            None if line == "keep-mapping" => keep_mapping(&raw)?,
            _ => return Err(format!("unknown command {line}").into()),
        };
        let mut out = stdout();
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}

/// Frames taken from the middle of a stream.
#[derive(Default)]
struct Taken {
    first: u64,
    account: Option<Account>,
}

impl Taken {
    fn answer(&self) -> String {
        let next = self.account.as_ref().map_or(self.first, |account| account.next);
        format!("{} {next}", self.first)
    }

    fn take(&mut self, bytes: &[u8]) {
        let (header, payload) = parse(bytes).unwrap();
        let account = self.account.get_or_insert_with(|| {
            self.first = header.sequence.get();
            let mut account = Account::new(SHAPE, header.stream.get());
            account.next = self.first - header.lost.get();
            account
        });
        account.take(header, payload);
    }
}

fn read(raw: &Raw, frames: u64) -> Result<Taken, Box<dyn Error>> {
    let mut taken = Taken::default();
    let mut frame = [0; FRAME_BYTES];
    for _ in 0..frames {
        (&mut raw.file()).read_exact(&mut frame)?;
        taken.take(&frame);
    }
    Ok(taken)
}

/// The three regions of the ring.
struct Mapped {
    meta: Mapping,
    page: Mapping,
    slots: Mapping,
    stride: usize,
}

impl Mapped {
    fn of(raw: &Raw) -> Result<Self, Box<dyn Error>> {
        let config = raw.exchange(uapi::GET_CONFIG, uapi::Config::default())?;
        Ok(Self {
            meta: Mapping::read_only(raw, MAP_META, PAGE)?,
            page: Mapping::new(raw, MAP_CONSUMER, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED)?,
            slots: Mapping::read_only(raw, MAP_SLOTS, config.slots_bytes as usize)?,
            stride: config.slot_stride as usize,
        })
    }

    fn take(&self, raw: &Raw, frames: u64) -> Result<Taken, Box<dyn Error>> {
        let (meta, page) = (self.meta.meta(), self.page.consumer());
        let mut consumer = Consumer::new(meta, page).map_err(|_| "no ring is mapped")?;
        let mut taken = Taken::default();
        for _ in 0..frames {
            wait::until("a frame", || (consumer.ready(meta).unwrap() > 0).then_some(()));
            taken.take(&self.slots.copy(consumer.slot() * self.stride, FRAME_BYTES));
            if consumer.release(meta, page) {
                raw.request(uapi::KICK, 0)?;
            }
        }
        Ok(taken)
    }
}

/// Takes the frames in a forked child, through the mapping of the parent.
fn fork(raw: &Raw, frames: u64) -> Result<String, Box<dyn Error>> {
    let mapped = Mapped::of(raw)?;
    let (mut answer, mut told) = UnixStream::pair()?;
    // SAFETY: this process has one thread.
    match unsafe { unistd::fork() }? {
        ForkResult::Child => {
            let taken = mapped.take(raw, frames)?;
            write!(told, "{}", taken.answer())?;
            exit(0)
        }
        ForkResult::Parent { child } => {
            drop(told);
            let mut line = String::new();
            answer.read_to_string(&mut line)?;
            match waitpid(child, None)? {
                WaitStatus::Exited(_, 0) => Ok(line),
                other => Err(format!("the child ended with {other:?}").into()),
            }
        }
    }
}

/// Forks a child that keeps one mapping and closes everything else.
fn keep_mapping(raw: &Raw) -> Result<String, Box<dyn Error>> {
    let mapped = Mapped::of(raw)?;
    // SAFETY: this process has one thread.
    match unsafe { unistd::fork() }? {
        ForkResult::Child => {
            let page = mapped.page;
            drop((mapped.meta, mapped.slots));
            // SAFETY: nothing in this child uses the descriptor any more.
            unsafe { libc::close(raw.as_fd().as_raw_fd()) };
            // The test waits for the end of these pipes.
            for descriptor in 0..3 {
                // SAFETY: as above.
                unsafe { libc::close(descriptor) };
            }
            loop {
                page.consumer().consumer.load(Relaxed);
                unistd::sleep(3600);
            }
        }
        ForkResult::Parent { child } => Ok(child.to_string()),
    }
}
