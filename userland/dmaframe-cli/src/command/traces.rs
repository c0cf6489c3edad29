// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which traces are drawn, and how the words of a payload are read.

use super::payload_file::rate;
use crate::scope::screen::Trace;
use crate::scope::word::Word;

/// The options that say what is drawn.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Traces {
    /// Draw these bits as logic levels, such as 17,22 or 0-7
    #[arg(long, value_name = "BITS", value_parser = bits)]
    pins: Option<Bits>,
    /// Draw the values as a waveform, in addition to --pins
    #[arg(long)]
    wave: bool,
    /// Words of the payload: u8, i8, u16, i16, u32 or i32
    #[arg(long, default_value = "u32", value_name = "WORD", value_parser = Word::parse)]
    pub(super) word: Word,
    /// Samples per second of a file, which has no times of its own
    #[arg(long, value_name = "HZ", value_parser = rate)]
    pub(super) rate: Option<f64>,
}

/// Numbers of bits. A type of its own, because clap takes a vector for several values.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Bits(Vec<u32>);

/// The pins of the board's header.
const HEADER_PINS: std::ops::RangeInclusive<u32> = 2..=27;

impl Traces {
    /// The traces of a source: those that the user named, the pins of `gpio`, or a waveform.
    pub(super) fn of(&self, source: Option<&str>) -> Vec<Trace> {
        let pins: Vec<u32> = match (&self.pins, source) {
            (Some(Bits(bits)), _) => bits.clone(),
            (None, Some("gpio")) => HEADER_PINS.collect(),
            _ => Vec::new(),
        };
        let wave = self.wave || pins.is_empty();
        pins.into_iter().map(Trace::Pin).chain(wave.then_some(Trace::Wave)).collect()
    }
}

fn bits(given: &str) -> Result<Bits, String> {
    let bit = |text: &str| text.parse::<u32>().ok().filter(|bit| *bit < 32);
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(bit(first)?..=bit(last)?)
    };
    let all: Option<Vec<_>> = given.split(',').map(range).collect();
    let bits: Vec<u32> = all.into_iter().flatten().flatten().collect();
    if bits.is_empty() {
        return Err("expected bits from 0 to 31, such as 17,22 or 0-7".to_owned());
    }
    Ok(Bits(bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_lists_and_ranges() {
        assert_eq!(bits("17"), Ok(Bits(vec![17])));
        assert_eq!(bits("0-2,31"), Ok(Bits(vec![0, 1, 2, 31])));
        for wrong in ["", "32", "a", "1-", "3-1", "-1"] {
            assert!(bits(wrong).unwrap_err().contains("0 to 31"), "{wrong}");
        }
    }

    #[test]
    fn pins_of_gpio_and_a_waveform_of_others() {
        let traces = Traces { pins: None, wave: false, word: Word::U32, rate: None };
        assert_eq!(traces.of(Some("gpio")).len(), 26);
        assert_eq!(traces.of(Some("systimer")), [Trace::Wave]);
        let both = Traces { pins: Some(Bits(vec![4])), wave: true, ..traces };
        assert_eq!(both.of(None), [Trace::Pin(4), Trace::Wave]);
    }
}
