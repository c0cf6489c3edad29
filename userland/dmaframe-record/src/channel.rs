// SPDX-License-Identifier: MIT OR Apache-2.0
//! The channel: a bit of each word, as formats of logic analysers have it.

use crate::{Description, Error, Result};

/// A bit of each word, and its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// The bit, counted from the least significant one.
    pub bit: u32,
    /// The name in the file.
    pub name: String,
}

impl Channel {
    /// Channels as text: `4,17-19` or `17=CLK,18=DATA`.
    ///
    /// # Errors
    ///
    /// Words about the part that does not fit.
    pub fn parse(text: &str) -> std::result::Result<Vec<Self>, String> {
        let mut channels = Vec::new();
        for part in text.split(',') {
            let expected = || format!("expected bits such as 4,17-19 or 17=CLK, and not {part:?}");
            let bit = |text: &str| text.parse::<u32>().ok().filter(|&bit| bit < 128);
            if let Some((number, name)) = part.split_once('=') {
                let good = |character: char| character.is_ascii_alphanumeric() || character == '_';
                if name.is_empty() || name.len() > 32 || !name.chars().all(good) {
                    return Err(format!("{name:?} is no name: use letters, digits and _"));
                }
                let bit = bit(number).ok_or_else(expected)?;
                channels.push(Self { bit, name: name.to_owned() });
            } else {
                let (first, last) = part.split_once('-').unwrap_or((part, part));
                let (first, last) =
                    bit(first).zip(bit(last)).filter(|(a, b)| a <= b).ok_or_else(expected)?;
                channels.extend((first..=last).map(Self::numbered));
            }
        }
        for (at, channel) in channels.iter().enumerate() {
            if channels[..at].iter().any(|it| it.bit == channel.bit || it.name == channel.name) {
                return Err(format!("bit {} or its name is there twice", channel.bit));
            }
        }
        Ok(channels)
    }

    pub(crate) fn numbered(bit: u32) -> Self {
        Self { bit, name: format!("D{bit}") }
    }

    /// The chosen channels, or all bits of a word.
    pub(crate) fn chosen(chosen: &[Self], description: &Description) -> Result<Vec<Self>> {
        let bits = description.word_bytes * 8;
        if let Some(channel) = chosen.iter().find(|channel| channel.bit >= bits) {
            return Err(Error::Refused(format!(
                "bit {} is not in a word of {}, which has {bits} bits",
                channel.bit, description.source
            )));
        }
        Ok(match chosen {
            [] => (0..bits).map(Self::numbered).collect(),
            chosen => chosen.to_vec(),
        })
    }

    /// Whether the channel is high in this word.
    pub(crate) fn is_high(&self, word: &[u8]) -> bool {
        word.get(self.bit as usize / 8).is_some_and(|byte| byte >> (self.bit % 8) & 1 != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_bits_ranges_and_names() {
        let bits = |text: &str| {
            let channels = Channel::parse(text).unwrap();
            channels.into_iter().map(|it| (it.bit, it.name)).collect::<Vec<_>>()
        };
        let owned = |bit, name: &str| (bit, name.to_owned());
        assert_eq!(bits("4,17-18"), [owned(4, "D4"), owned(17, "D17"), owned(18, "D18")]);
        assert_eq!(bits("17=CLK"), [owned(17, "CLK")]);
        for text in ["", "4,", "x", "128", "5-4", "4,4", "4=A,5=A", "4=", "4=a b", "-1", "4=D5,5"] {
            assert!(Channel::parse(text).is_err(), "{text}");
        }
    }
}
