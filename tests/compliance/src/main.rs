// SPDX-License-Identifier: MIT OR Apache-2.0
//! Checks a dmaframe device against the rules of its documented interfaces.

mod attribute;
mod check;
mod isolation;
mod outcome;
mod reader;
mod report;
mod section;
mod settings;
mod sleeper;
mod target;
mod wire;

use crate::check::{Check, Section};
use crate::report::{Report, Style};
use crate::settings::Settings;
use crate::target::Target;
use clap::Parser;
use std::io::{self, Write};
use std::process::ExitCode;

/// The exit status of a run that was impossible or incomplete.
const COULD_NOT_RUN: u8 = 2;

/// Check a dmaframe device against the rules of its documented interfaces
///
/// No other program may use the device meanwhile. The settings of the device are restored at the
/// end.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Exit status: 0 if no check failed, 1 if a check failed, 2 if the run was impossible."
)]
struct Arguments {
    /// The device: a path, dmaframeN, or N
    #[arg(long, default_value = "/dev/dmaframe0")]
    device: String,
    /// Print the numbers and names of the checks without running them
    #[arg(long)]
    list: bool,
    /// Run only this section or this check
    #[arg(long, value_name = "SECTION[.NUMBER]")]
    only: Option<Only>,
    /// Print the results as one JSON object
    #[arg(long)]
    json: bool,
    /// Print the document and heading of each rule
    #[arg(long)]
    verbose: bool,
    /// Also check what happens at an unbind. This unbinds the driver from all devices, and binds it
    /// again
    #[arg(long)]
    unbind: bool,
}

/// A section, or one check of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Only {
    section: u32,
    check: Option<u32>,
}

impl std::str::FromStr for Only {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a SECTION or SECTION.NUMBER of --list");
        let (section, check) = match text.split_once('.') {
            Some((section, check)) => (section, Some(check.parse().map_err(|_| wrong())?)),
            None => (text, None),
        };
        let only = Self { section: section.parse().map_err(|_| wrong())?, check };
        let one = section::ALL
            .iter()
            .any(|section| section.checks.iter().any(|check| only.wants(section, check)));
        if one { Ok(only) } else { Err(wrong()) }
    }
}

impl Only {
    fn wants(self, section: &Section, check: &Check) -> bool {
        self.section == section.number && self.check.is_none_or(|number| number == check.number)
    }
}

fn main() -> ExitCode {
    match perform(&Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("dmaframe-compliance: {error}");
            ExitCode::from(COULD_NOT_RUN)
        }
    }
}

fn perform(arguments: &Arguments) -> Result<ExitCode, String> {
    let wanted = |section: &Section, check: &Check| {
        arguments.only.is_none_or(|only| only.wants(section, check))
    };
    let written = |error: io::Error| format!("cannot write to standard output: {error}");
    if arguments.list {
        let mut out = io::stdout().lock();
        for section in section::ALL {
            for check in section.checks.iter().filter(|check| wanted(section, check)) {
                let number = report::number(section, check);
                writeln!(out, "{number:>6} {}", check.name).map_err(written)?;
            }
        }
        return Ok(ExitCode::SUCCESS);
    }

    isolation::catch_signals().map_err(|errno| format!("sigaction: {errno}"))?;
    let path = path(&arguments.device);
    let target = Target::discover(&path, arguments.unbind)?;
    let settings = Settings::of(target.sysfs());
    let other = target.other().ok().map(|other| Settings::of(other.sysfs()));
    let style = Style { json: arguments.json, verbose: arguments.verbose };
    let mut report = Report::new(style);
    let mut unrestored = None;
    for section in section::ALL {
        if section.checks.iter().any(|check| wanted(section, check)) {
            report.section(section).map_err(written)?;
        }
        for check in section.checks.iter().filter(|check| wanted(section, check)) {
            let outcome = isolation::run(&target, check);
            if target.is_root() {
                for settings in [Some(&settings), other.as_ref()].into_iter().flatten() {
                    unrestored = settings.restore().err().or(unrestored);
                }
            }
            if isolation::interrupted() {
                return Err("interrupted; the settings of the device are restored".to_owned());
            }
            report.add(section, check, &outcome).map_err(written)?;
        }
    }
    let good = report.close(&path).map_err(written)?;
    match unrestored {
        Some(what) => Err(format!("{path}: {what}")),
        None => Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }),
    }
}

/// The path of a device that is given as a path, a name or a number.
fn path(device: &str) -> String {
    match device {
        path if path.contains('/') => path.to_owned(),
        number if number.parse::<u32>().is_ok() => format!("/dev/dmaframe{number}"),
        name => format!("/dev/{name}"),
    }
}
