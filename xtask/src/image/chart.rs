// SPDX-License-Identifier: MIT OR Apache-2.0
//! The boot chart of an SD card image: where the time from the kernel's start to the first verified
//! frame goes. It is computed from the kernel's log.

use std::fmt::Write;

use anyhow::{Context, Result};

/// Parameters of the kernel: it logs each initcall and each probe of a device, and the log holds
/// them all.
pub(crate) const PARAMETERS: &str = "initcall_debug log_buf_len=1M";

/// Streams one frame, with a line in the kernel's log before and after it, and prints the log.
pub(crate) const COMMAND: &str = "echo '<6>first frame: begin' >/dev/kmsg && \
    dmaframe stream --frames 1 --verify >/dev/null && \
    echo '<6>first frame: verified' >/dev/kmsg && dmesg";

/// The start of the line that begins a phase, and the phase. A line of rcS names its script.
const PHASES: &[(&str, &str)] = &[
    ("calling ", "kernel: drivers"),
    ("Waiting for root device", "kernel: wait for the card"),
    ("EXT4-fs (mmcblk", "kernel: root mounted"),
    ("Run /sbin/init", "init: file systems"),
    ("rcS: done", LOGIN),
    ("first frame: begin", "first frame"),
];
const START: &str = "kernel: start";
const LOGIN: &str = "login, not counted";
const SCRIPT: &str = "rcS: ";
const END: &str = "first frame: verified";

/// Initcalls and probes that take less are not listed.
const STEP_US: u64 = 10_000;
/// Characters of the longest bar.
const BAR: u64 = 40;

struct Phase<'a> {
    name: &'a str,
    start_us: u64,
    length_us: u64,
}

/// The chart of a kernel's log.
pub(crate) fn chart(log: &str) -> Result<String> {
    let phases = phases(log).context(
        "the kernel's log does not reach from its start to the first verified frame: \
         was the image built from this checkout?",
    )?;
    let counted = || phases.iter().filter(|phase| phase.name != LOGIN);
    let total: u64 = counted().map(|phase| phase.length_us).sum();
    let longest = counted().map(|phase| phase.length_us).max().unwrap_or(0).max(1);
    let mut text = "start s  length s\n".to_owned();
    for phase in &phases {
        let bar = if phase.name == LOGIN { 0 } else { phase.length_us * BAR / longest };
        let (start, length) = (seconds(phase.start_us), seconds(phase.length_us));
        let bar = "#".repeat(usize::try_from(bar)?);
        writeln!(text, "{start:>7}  {length:>8}  {:<26} {bar}", phase.name)?;
    }
    writeln!(text, "first verified frame after {} s", seconds(total))?;
    let steps = steps(log);
    if !steps.is_empty() {
        writeln!(
            text,
            "\nsteps of the kernel of {} ms or more; one may contain others",
            STEP_US / 1000
        )?;
        for (length, name) in steps {
            writeln!(text, "{:>17}  {name}", seconds(length))?;
        }
    }
    Ok(text)
}

fn phases(log: &str) -> Option<Vec<Phase<'_>>> {
    let mut phases = vec![Phase { name: START, start_us: 0, length_us: 0 }];
    for (time, text) in log.lines().filter_map(line) {
        let last = phases.last_mut()?;
        let begun = PHASES.iter().find(|(start, _)| text.starts_with(start)).map(|(_, name)| *name);
        let Some(name) = begun.or_else(|| text.strip_prefix(SCRIPT)) else {
            if text.starts_with(END) {
                last.length_us = time.checked_sub(last.start_us)?;
                return Some(phases);
            }
            continue;
        };
        // Of several lines only the first begins the phase.
        if phases.iter().any(|phase| phase.name == name) {
            continue;
        }
        let last = phases.last_mut()?;
        last.length_us = time.checked_sub(last.start_us)?;
        phases.push(Phase { name, start_us: time, length_us: 0 });
    }
    None
}

/// The initcalls and probes that take [`STEP_US`] or more, the longest first.
fn steps(log: &str) -> Vec<(u64, &str)> {
    let mut steps: Vec<_> = log
        .lines()
        .filter_map(line)
        .filter_map(|(_, text)| {
            let step = text.strip_prefix("initcall ").or_else(|| text.strip_prefix("probe of "))?;
            let (name, rest) = step.split_once(" returned ")?;
            let length = rest.split_once(" after ")?.1.strip_suffix(" usecs")?.parse().ok()?;
            Some((length, name.split('+').next()?))
        })
        .filter(|(length, _)| *length >= STEP_US)
        .collect();
    steps.sort_by(|a, b| b.cmp(a));
    steps
}

/// The time in microseconds and the text of a line of the log.
fn line(line: &str) -> Option<(u64, &str)> {
    let (time, text) = line.strip_prefix('[')?.split_once("] ")?;
    let (whole, fraction) = time.trim_start().split_once('.')?;
    let whole: u64 = whole.parse().ok()?;
    let fraction: u64 = fraction.parse().ok().filter(|_| fraction.len() == 6)?;
    Some((whole * 1_000_000 + fraction, text))
}

fn seconds(microseconds: u64) -> String {
    format!("{}.{:03}", microseconds / 1_000_000, microseconds / 1000 % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
[    0.000000] Booting Linux on physical CPU 0x0
[    0.200000] calling  init_a+0x0/0x10 @ 1
[    0.300000] initcall init_a+0x0/0x10 returned 0 after 100000 usecs
[    0.300000] calling  init_b+0x0/0x10 @ 1
[    0.301000] initcall init_b+0x0/0x10 returned 0 after 1000 usecs
[    0.350000] probe of 3f202000.mmc with driver sdhost returned 0 after 20000 usecs
[    0.400000] Waiting for root device PARTUUID=646d6166-02...
[    0.500000] EXT4-fs (mmcblk0p2): mounted filesystem
[    0.550000] Run /sbin/init as init process
[    0.600000] EXT4-fs (mmcblk0p2): re-mounted r/w
[    0.700000] rcS: S20dmaframe
[    1.000000] rcS: done
[   99.000000] first frame: begin
[   99.500000] first frame: verified
";

    #[test]
    fn time_is_divided_among_the_phases() {
        let phases = phases(LOG).unwrap();
        let short: Vec<_> =
            phases.iter().map(|phase| (phase.name, phase.length_us / 1000)).collect();
        assert_eq!(
            short,
            [
                (START, 200),
                ("kernel: drivers", 200),
                ("kernel: wait for the card", 100),
                ("kernel: root mounted", 50),
                ("init: file systems", 150),
                ("S20dmaframe", 300),
                (LOGIN, 98_000),
                ("first frame", 500),
            ]
        );
    }

    #[test]
    fn login_is_not_part_of_the_sum() {
        let chart = chart(LOG).unwrap();
        assert!(chart.contains("first verified frame after 1.500 s\n"), "{chart}");
    }

    #[test]
    fn only_long_steps_are_listed() {
        assert_eq!(steps(LOG), [(100_000, "init_a"), (20_000, "3f202000.mmc with driver sdhost")]);
    }

    #[test]
    fn log_without_the_frame_is_refused() {
        let (log, _) = LOG.split_once("[   99.5").unwrap();
        assert!(chart(log).is_err());
        assert!(chart("").is_err());
    }
}
