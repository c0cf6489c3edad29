// SPDX-License-Identifier: MIT OR Apache-2.0
//! Life cycle under load: the driver is unbound and the module removed, again and again, while
//! processes stream, read, poll, ask, and look at what they have mapped.
//!
//! The program `lifecycle` is all of these processes. Each tells on standard output what it saw,
//! as lines of `name=number`; their sums are the [`Figures`].

mod load;
mod memory;

use crate::frames::{Account, SHAPE, start};
use crate::process::{Run, Running};
use crate::{DEVICES, driver, wait};
use dmaframe::sysfs::{Attribute, Attributes};
use memory::Memory;
use nix::errno::Errno;
use nix::sys::signal::Signal;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

pub use load::serve;

/// While this file is there, the load lets go of the device.
const REST: &str = "/tmp/lifecycle-rest";
/// So many cycles from one killed process to the next.
const KILL_EVERY: u32 = 10;
/// Cycles of each kind before memory is measured for the first time: caches fill up.
const WARM_UP: u32 = 5;

/// What is done.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Cycles of unbind and bind.
    pub unbinds: u32,
    /// Cycles of removing and loading the module.
    pub reloads: u32,
    /// Decides the order and every delay.
    pub seed: u64,
}

/// What was seen, by name.
#[derive(Debug, Default)]
pub struct Figures(BTreeMap<String, i64>);

impl Figures {
    /// A figure; 0 if nothing was seen.
    pub fn get(&self, name: &str) -> i64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    fn add(&mut self, name: &str, number: i64) {
        *self.0.entry(name.to_owned()).or_default() += number;
    }

    fn add_line(&mut self, line: &str) {
        for (name, number) in line.split(' ').filter_map(|word| word.split_once('=')) {
            self.add(name, number.parse().unwrap());
        }
    }
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (name, number) in &self.0 {
            writeln!(f, "{name}={number}")?;
        }
        Ok(())
    }
}

/// Numbers that a seed decides.
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % limit
    }

    fn rest(&mut self, limit_us: u64) {
        sleep(Duration::from_micros(self.below(limit_us)));
    }
}

/// What the processes of the load are, and the device of each.
const ROLES: [(&str, &str); 3] = [("stream", "0"), ("read", "1"), ("ask", "0")];

/// The load: `ROLES`, each with the processes that it forks.
struct Load {
    running: Vec<Running>,
    seed: u64,
}

impl Load {
    fn start(seed: u64) -> Self {
        let mut load = Self { running: Vec::new(), seed };
        for role in 0..ROLES.len() {
            let running = load.launch(role);
            load.running.push(running);
        }
        load
    }

    fn launch(&mut self, role: usize) -> Running {
        self.seed += 1;
        let (name, device) = ROLES[role];
        Run::of("lifecycle", &["load", name, device, &self.seed.to_string()]).start()
    }

    fn hear(&self, figures: &mut Figures) {
        for running in &self.running {
            while let Some(line) = running.try_line() {
                figures.add_line(&line);
            }
        }
    }

    /// None of it ends by itself.
    fn check(&mut self) {
        if let Some(ended) = self.running.iter_mut().position(Running::has_ended) {
            let done = self.running.swap_remove(ended).finish();
            panic!("a process of the load has ended: {done:?}");
        }
    }

    /// A process is told to end, and another takes its place.
    fn replace(&mut self, role: usize, figures: &mut Figures) {
        let fresh = self.launch(role);
        let old = std::mem::replace(&mut self.running[role], fresh);
        end(old, figures);
    }

    fn end(self, figures: &mut Figures) {
        for running in self.running {
            end(running, figures);
        }
    }
}

/// Ends a process in the middle of what it does, with all that it forked: its output is closed
/// only when they are gone too.
fn end(running: Running, figures: &mut Figures) {
    running.signal(Signal::SIGTERM);
    let done = running.finish();
    assert_eq!(
        done.status.signal(),
        Some(Signal::SIGTERM as i32),
        "a process of the load had ended by itself: {done:?}"
    );
    done.stdout.lines().for_each(|line| figures.add_line(line));
    figures.add("terminated", 1);
}

fn running(device: u32) -> bool {
    let attributes = Attributes::of(device);
    let state = attributes.read(Attribute::State);
    let frames = attributes.number(Attribute::Frames);
    state.is_ok_and(|state| state == "running") && frames.is_ok_and(|frames| frames > 0)
}

fn both_running(load: &mut Load) {
    wait::until("both devices to stream", || {
        load.check();
        (0..2).all(running).then_some(())
    });
}

fn no_nodes() {
    for device in DEVICES {
        assert!(!Path::new(device).exists(), "{device} is there without its driver");
    }
}

fn unbind_and_bind(load: &mut Load, random: &mut Random, figures: &mut Figures) {
    // One time in four at any moment, also just after the last bind.
    if random.below(4) > 0 {
        both_running(load);
        figures.add("unbound_running", 1);
    }
    random.rest(5000);
    driver::unbind().unwrap();
    no_nodes();
    if random.below(2) == 0 {
        random.rest(5000);
    }
    driver::bind_alone().unwrap();
    figures.add("unbinds", 1);
}

fn unload_and_load(load: &mut Load, random: &mut Random, figures: &mut Figures) {
    both_running(load);
    random.rest(5000);
    let mut attempt = || match driver::unload() {
        Ok(()) => Some(()),
        Err(Errno::EWOULDBLOCK) => {
            figures.add("rmmod_refused", 1);
            None
        }
        Err(errno) => panic!("removing the module: {errno}"),
    };
    if attempt().is_none() {
        let unbound = random.below(2) == 0;
        if unbound {
            driver::unbind().unwrap();
        }
        // No wait for the load to have let go: attempts and last closes are to meet.
        fs::write(REST, "").unwrap();
        wait::until("the load to let go of the module", attempt);
        figures.add(if unbound { "rmmod_unbound" } else { "rmmod_bound" }, 1);
    }
    no_nodes();
    assert!(!Path::new("/sys/module/dmaframe").exists());
    driver::load().unwrap();
    fs::remove_file(REST).or_else(ignore_absent).unwrap();
    figures.add("reloads", 1);
}

fn ignore_absent(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

/// Processes that the kernel does not let go.
fn nobody_stuck() {
    wait::until("no process in uninterruptible sleep", || {
        let stuck = fs::read_dir("/proc").unwrap().any(|entry| {
            let stat = fs::read_to_string(entry.unwrap().path().join("stat")).unwrap_or_default();
            stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('D'))
        });
        (!stuck).then_some(())
    });
}

fn cycles(plan: Plan, figures: &mut Figures) {
    let mut random = Random::new(plan.seed);
    let mut load = Load::start(plan.seed);
    let (mut unbinds, mut reloads) = (plan.unbinds, plan.reloads);
    let mut cycle = 0;
    while unbinds + reloads > 0 {
        if random.below(u64::from(unbinds + reloads)) < unbinds.into() {
            unbinds -= 1;
            unbind_and_bind(&mut load, &mut random, figures);
        } else {
            reloads -= 1;
            unload_and_load(&mut load, &mut random, figures);
        }
        cycle += 1;
        if cycle % KILL_EVERY == 0 {
            load.replace(random.below(ROLES.len() as u64) as usize, figures);
        }
        load.hear(figures);
    }
    both_running(&mut load);
    load.end(figures);
    nobody_stuck();
}

/// Streams on each device as if nothing had been.
fn stream_on_both() {
    for device in DEVICES {
        let mut stream = start(device, SHAPE);
        let mut account = Account::of(&stream, SHAPE);
        while account.frames < 500 {
            account.take_next(&mut stream);
        }
        assert_eq!(account.lost, 0, "{device}");
    }
}

/// Runs a plan. The board is the caller's alone.
///
/// # Panics
///
/// If anything is not as it should be.
pub fn run(plan: Plan) -> Figures {
    let warm_up = Plan { unbinds: WARM_UP, reloads: WARM_UP, seed: plan.seed ^ 1 };
    cycles(warm_up, &mut Figures::default());
    stream_on_both();
    let before = Memory::settled();

    let mut figures = Figures::default();
    cycles(plan, &mut figures);
    stream_on_both();
    let after = Memory::settled();

    assert_eq!(figures.get("unbinds"), plan.unbinds.into());
    assert_eq!(figures.get("reloads"), plan.reloads.into());
    for (name, least) in [
        // Each unbind of two running devices is seen by both holders.
        ("gone", figures.get("unbound_running")),
        ("hung_up", figures.get("unbound_running")),
        ("frozen", figures.get("unbound_running")),
        ("frozen_across_bind", 1),
        ("rmmod_refused", plan.reloads.into()),
        ("events", 1),
        ("answers", 1),
    ] {
        assert!(figures.get(name) >= least, "{name} is not {least} at least:\n{figures}");
    }
    before.compare(&after, &mut figures);
    figures
}
