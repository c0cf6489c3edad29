// SPDX-License-Identifier: MIT OR Apache-2.0
//! `dmaframe plot`.

use super::Outcome;
use super::payload_file::{PayloadFile, Recorded};
use super::traces::Traces;
use crate::scope::picture::{COLUMNS, Format, Picture};
use crate::scope::samples::{Column, Samples};
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

/// Draw a file of payloads as an SVG or PNG picture
///
/// The file is what `dmaframe stream --output` writes. Each column of the picture shows the smallest
/// and the largest of its samples, so that a single spike shows in a file of any length.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    dmaframe stream --source systimer --frames 100 --output timer.bin\n  \
    dmaframe plot timer.bin --output timer.svg\n  \
    dmaframe plot pins.bin --pins 17,22 --output pins.png")]
pub(crate) struct Arguments {
    /// The file
    file: PathBuf,
    /// The picture, whose name ends in .svg or .png
    #[arg(short, long, value_name = "PICTURE")]
    output: PathBuf,
    #[command(flatten)]
    traces: Traces,
}

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let Arguments { file, output, traces } = arguments;
    // Before the file is read, which may take minutes.
    Format::of(output)?;
    let mut recorded = PayloadFile::open(file, traces.word, traces.rate)?;
    let columns = columns(&mut recorded, COLUMNS)?;
    let picture = Picture {
        title: file.display().to_string(),
        columns: &columns,
        traces: &traces.of(None),
        unit: recorded.unit(),
        from: 0.0,
        span: recorded.length(),
    };
    picture.save(output)?;
    Ok(ExitCode::SUCCESS)
}

/// Decimates a recording of any length, of which it keeps one part in memory.
fn columns(recorded: &mut impl Recorded, count: usize) -> Result<Vec<Column>, Box<dyn Error>> {
    let span = recorded.length();
    let mut columns = vec![Column::default(); count];
    while let Some(run) = recorded.next_run()? {
        let mut samples = Samples::new(0);
        samples.push(run);
        for (column, more) in columns.iter_mut().zip(samples.columns(0.0, span, count)) {
            *column = column.and(more);
        }
    }
    Ok(columns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scope::word::Word;
    use std::fs;

    #[test]
    fn a_spike_shows_in_the_picture_of_a_long_file() {
        let path = std::env::temp_dir().join(format!("dmaframe-plot-{}", std::process::id()));
        let mut bytes = vec![7; 1_000_000];
        bytes[900_000] = 200;
        fs::write(&path, &bytes).unwrap();
        let mut file = PayloadFile::open(&path, Word::U8, None).unwrap();
        let columns = columns(&mut file, 100).unwrap();
        for (at, column) in columns.iter().enumerate() {
            let expected = if at == 90 { (7, 200) } else { (7, 7) };
            assert_eq!(column.range, Some(expected), "{at}");
        }
        fs::remove_file(path).unwrap();
    }
}
