// SPDX-License-Identifier: MIT OR Apache-2.0
//! The life cycle under load: the driver is unbound and the module unloaded repeatedly, while other
//! processes stream, read, poll, query, and read their mappings.
//!
//! The program `lifecycle` implements all of these processes. Each prints what it saw, as lines of
//! `name=number`; the sums are the [`Figures`].

mod load;
mod memory;

use crate::frames::{Account, SHAPE, start};
use crate::process::{Run, Running};
use crate::{DEVICES, Random, driver, wait};
use dmaframe::sysfs::{Attribute, Attributes};
use memory::Memory;
use nix::errno::Errno;
use nix::sys::signal::Signal;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::Duration;

pub use load::serve;

/// While this file exists, the load processes use no device.
const PAUSE: &str = "/tmp/lifecycle-pause";
/// Cycles between two terminated processes.
const KILL_EVERY: u32 = 10;
/// The longest pause within a cycle.
const CYCLE_PAUSE: Duration = Duration::from_millis(5);
/// Cycles of each kind before the first measurement of memory, which fill the caches.
const WARM_UP: u32 = 5;

/// What a run does.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Cycles of unbind and bind.
    pub unbinds: u32,
    /// Cycles of unloading and loading the module.
    pub reloads: u32,
    /// Decides the order and every delay.
    pub seed: u64,
}

/// Counts of what was seen, by name.
#[derive(Debug, Default)]
pub struct Figures(BTreeMap<String, i64>);

impl Figures {
    /// A count; 0 if nothing was seen.
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

/// The role and the device of each load process.
const ROLES: [(&str, &str); 3] = [("stream", "0"), ("read", "1"), ("query", "0")];

/// The load: one process for each of `ROLES`, with the processes that it forks.
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

    fn collect(&self, figures: &mut Figures) {
        for running in &self.running {
            while let Some(line) = running.try_line() {
                figures.add_line(&line);
            }
        }
    }

    /// Checks that no process has ended: none ends by itself.
    fn check(&mut self) {
        if let Some(ended) = self.running.iter_mut().position(Running::has_ended) {
            let done = self.running.swap_remove(ended).finish();
            panic!("a process of the load has ended: {done:?}");
        }
    }

    /// Terminates a process and starts another in its place.
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

/// Terminates a process in the middle of its work. Its output ends only when the processes that it
/// forked have ended too.
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
    // One unbind in four comes at any moment, perhaps just after the last bind.
    if random.below(4) > 0 {
        both_running(load);
        figures.add("unbound_running", 1);
    }
    random.pause(CYCLE_PAUSE);
    driver::unbind().unwrap();
    no_nodes();
    if random.below(2) == 0 {
        random.pause(CYCLE_PAUSE);
    }
    driver::bind_alone().unwrap();
    figures.add("unbinds", 1);
}

fn unload_and_load(load: &mut Load, random: &mut Random, figures: &mut Figures) {
    both_running(load);
    random.pause(CYCLE_PAUSE);
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
        // No wait for the load to let go: unloading must race with the last close.
        fs::write(PAUSE, "").unwrap();
        wait::until("the load to let go of the module", attempt);
        figures.add(if unbound { "rmmod_unbound" } else { "rmmod_bound" }, 1);
    }
    no_nodes();
    assert!(!Path::new("/sys/module/dmaframe").exists());
    driver::load().unwrap();
    fs::remove_file(PAUSE).or_else(ignore_absent).unwrap();
    figures.add("reloads", 1);
}

fn ignore_absent(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

/// Waits until no process is in uninterruptible sleep.
fn no_process_is_stuck() {
    wait::until("no process in uninterruptible sleep", || {
        let stuck = fs::read_dir("/proc").unwrap().any(|entry| {
            let stat = fs::read_to_string(entry.unwrap().path().join("stat")).unwrap_or_default();
            stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('D'))
        });
        (!stuck).then_some(())
    });
}

fn cycles(plan: Plan, figures: &mut Figures) {
    let mut random = Random::new(plan.seed, 0);
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
        load.collect(figures);
    }
    both_running(&mut load);
    load.end(figures);
    no_process_is_stuck();
}

/// Checks an ordinary stream on each device.
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

/// Runs a plan. The caller must hold the board lock.
///
/// # Panics
///
/// If the driver misbehaves.
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
        // Both processes that stream see each unbind of the running devices.
        ("gone", figures.get("unbound_running")),
        ("hung_up", figures.get("unbound_running")),
        ("frozen", figures.get("unbound_running")),
        ("frozen_across_bind", 1),
        ("rmmod_refused", plan.reloads.into()),
        ("events", 1),
        ("answers", 1),
    ] {
        assert!(figures.get(name) >= least, "{name} is less than {least}:\n{figures}");
    }
    before.compare(&after, &mut figures);
    figures
}
