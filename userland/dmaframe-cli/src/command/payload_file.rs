// SPDX-License-Identifier: MIT OR Apache-2.0
//! Files of payloads without headers, as `dmaframe stream --output` writes them.

use crate::scope::duration::Unit;
use crate::scope::samples::Run;
use crate::scope::word::Word;
use std::error::Error;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

/// What has frames of samples, one after the other.
pub(super) trait Recorded {
    /// The next samples. `None` at the end.
    fn next_run(&mut self) -> Result<Option<Run>, Box<dyn Error>>;
    /// What the times of the samples count.
    fn unit(&self) -> Unit;
    /// Time from the first sample to the end.
    fn length(&self) -> f64;
}

/// Bytes that are read at once: a whole number of words.
const PART: usize = 1 << 18;

/// A file of words. It knows no times, so its samples are numbered, or have a rate that the user
/// tells.
#[derive(Debug)]
pub(super) struct PayloadFile {
    file: BufReader<File>,
    path: PathBuf,
    word: Word,
    rate: Option<f64>,
    samples: u64,
    taken: u64,
}

impl PayloadFile {
    /// Opens `path`, with `rate` samples per second if that is known.
    pub(super) fn open(path: &Path, word: Word, rate: Option<f64>) -> Result<Self, String> {
        let fail = |error| format!("cannot read {}: {error}", path.display());
        let file = File::open(path).map_err(fail)?;
        let metadata = file.metadata().map_err(fail)?;
        if !metadata.is_file() {
            return Err(format!("{} is not a file: its length must be known", path.display()));
        }
        let samples = metadata.len() / word.bytes() as u64;
        if samples == 0 {
            return Err(format!("{} has no samples of {} bytes", path.display(), word.bytes()));
        }
        let file = BufReader::new(file);
        Ok(Self { file, path: path.to_owned(), word, rate, samples, taken: 0 })
    }

    fn time(&self, sample: u64) -> f64 {
        sample as f64 / self.rate.unwrap_or(1.0)
    }
}

impl Recorded for PayloadFile {
    fn next_run(&mut self) -> Result<Option<Run>, Box<dyn Error>> {
        let mut bytes = Vec::new();
        // The file may grow meanwhile: its length was decided when it was opened.
        let left = (self.samples - self.taken).saturating_mul(self.word.bytes() as u64);
        let most = left.min(PART as u64);
        (&mut self.file)
            .take(most)
            .read_to_end(&mut bytes)
            .map_err(|error| format!("cannot read {}: {error}", self.path.display()))?;
        let values = self.word.values(&bytes);
        if values.is_empty() {
            return Ok(None);
        }
        let start = self.time(self.taken);
        self.taken += values.len() as u64;
        Ok(Some(Run { start, end: self.time(self.taken), lost: 0, values }))
    }

    fn unit(&self) -> Unit {
        if self.rate.is_some() { Unit::Seconds } else { Unit::Samples }
    }

    fn length(&self) -> f64 {
        self.time(self.samples)
    }
}

/// A number of samples per second.
pub(super) fn rate(given: &str) -> Result<f64, String> {
    let number = given.parse::<f64>().ok().filter(|rate| rate.is_finite() && *rate > 0.0);
    number.ok_or_else(|| "expected samples per second, such as 48000".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_file_is_read_in_parts_with_its_rate() {
        let path = std::env::temp_dir().join(format!("dmaframe-payload-{}", std::process::id()));
        let bytes: Vec<u8> = (0..PART as u32 / 4 + 1).flat_map(u32::to_le_bytes).collect();
        // A rest that is no word is left out.
        fs::write(&path, [&bytes[..], &[9, 9]].concat()).unwrap();
        let mut file = PayloadFile::open(&path, Word::U32, Some(4.0)).unwrap();
        let samples = PART as f64 / 4.0 + 1.0;
        assert_eq!((file.length(), file.unit()), (samples / 4.0, Unit::Seconds));
        let first = file.next_run().unwrap().unwrap();
        let second = file.next_run().unwrap().unwrap();
        assert_eq!((second.start, second.end), (first.end, samples / 4.0));
        assert_eq!(second.values, [PART as i64 / 4]);
        assert_eq!(file.next_run().unwrap(), None);
        fs::write(&path, [1]).unwrap();
        let empty = PayloadFile::open(&path, Word::U32, None).unwrap_err();
        assert!(empty.contains("has no samples of 4 bytes"), "{empty}");
        fs::remove_file(&path).unwrap();
        let absent = PayloadFile::open(&path, Word::U32, None).unwrap_err();
        assert!(absent.contains("cannot read"), "{absent}");
        assert!(rate("0").is_err() && rate("nan").is_err() && rate("48000") == Ok(48000.0));
    }
}
