// SPDX-License-Identifier: MIT OR Apache-2.0
//! Drives a pin through the gpio character device, without dmaframe.
//!
//! `drive_pin CHIP LINE` reads levels from its input, 0 or 1, one on each line. It sets the pin to
//! each and then prints the level.

use gpiocdev::Request;
use gpiocdev::line::Value;
use std::error::Error;
use std::io::{Write, stdin, stdout};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, chip, line] = arguments.as_slice() else {
        return Err("usage: drive_pin CHIP LINE".into());
    };
    let line = line.parse()?;
    let request =
        Request::builder().on_chip(chip).with_line(line).as_output(Value::Inactive).request()?;
    for level in stdin().lines() {
        let level = level?;
        let value = if level == "1" { Value::Active } else { Value::Inactive };
        request.set_value(line, value)?;
        let mut out = stdout();
        writeln!(out, "{level}")?;
        out.flush()?;
    }
    Ok(())
}
