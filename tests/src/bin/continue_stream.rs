// SPDX-License-Identifier: MIT OR Apache-2.0
//! Goes on with a stream that somebody else has started, in an open file that it was given.
//!
//! `continue_stream inherited DESCRIPTOR` has the file itself, `continue_stream received DESCRIPTOR` a socket on which it
//! comes; both descriptors stand as they were before exec(2). Each line of input is a command:
//!
//! - `read N`, `map N` and `fork N` take N frames: by read(2), in place, or in place in a child that
//!   has inherited the mapping. Every byte is checked; the answer is the sequence numbers of the
//!   first and after the last.
//! - `bequeath` leaves a child that has nothing but a mapping; the answer is its process id.
//!
//! At the end of input it ends.

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
    // SAFETY: whoever ran this program left the descriptor open for it.
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
            None if line == "bequeath" => bequeath(&raw)?,
            _ => return Err(format!("{line} is no command").into()),
        };
        let mut out = stdout();
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}

/// What was taken from a stream in its midst.
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

/// Takes the frames in a child, with what the parent had mapped.
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

/// Leaves a child that holds on to a mapping, and to nothing else.
fn bequeath(raw: &Raw) -> Result<String, Box<dyn Error>> {
    let mapped = Mapped::of(raw)?;
    // SAFETY: this process has one thread.
    match unsafe { unistd::fork() }? {
        ForkResult::Child => {
            let page = mapped.page;
            drop((mapped.meta, mapped.slots));
            // SAFETY: the descriptor is this child's own; nothing here uses it any more.
            unsafe { libc::close(raw.as_fd().as_raw_fd()) };
            // The pipes are the test's: their end is the end of this program's parent.
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
