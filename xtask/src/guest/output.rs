// SPDX-License-Identifier: MIT OR Apache-2.0
//! The output of a command in the guest.

use std::io::{BufRead, Write};

use anyhow::{Context, Result};

/// Marks the start of the output of a command. The serial port may emit other bytes before it.
pub(crate) const MARK: &[u8] = b"\x02dmaframe\n";

/// Copies the output of a command to standard output without delay.
pub(crate) fn print(output: &mut dyn BufRead) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    loop {
        let bytes = output.fill_buf().context("reading the guest's output")?;
        if bytes.is_empty() {
            return Ok(());
        }
        stdout
            .write_all(bytes)
            .and_then(|()| stdout.flush())
            .context("writing to standard output")?;
        let length = bytes.len();
        output.consume(length);
    }
}

/// Reads up to and including [`MARK`], or to the end of the output.
pub(crate) fn skip_mark(output: &mut impl BufRead) -> Result<()> {
    let mut line = Vec::new();
    while !line.ends_with(MARK) {
        if output.read_until(b'\n', &mut line).context("reading the guest's output")? == 0 {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_before_the_mark_are_skipped() {
        let mut output: &[u8] = b"XX\nX\x02dmaframe\nyes\x02\n";
        skip_mark(&mut output).unwrap();
        assert_eq!(output, b"yes\x02\n");
        let mut output: &[u8] = b"XX";
        skip_mark(&mut output).unwrap();
        assert!(output.is_empty());
    }
}
