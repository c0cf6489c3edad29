// SPDX-License-Identifier: MIT OR Apache-2.0
//! The trigger: what a recording waits for.

use crate::FrameRef;
use crate::channel::Channel;

/// Waits for a word, an edge or a loss.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    condition: Condition,
    word_bytes: usize,
    /// Level of the channel in the last word.
    before: Option<bool>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Condition {
    Level(u32, bool),
    Edge(u32, bool),
    Above(u64),
    Below(u64),
    Equal(u64),
    Lost,
}

const EXPECTED: &str = "expected N=high, N=low, N=rising, N=falling (N is a bit), word>V, word<V, \
    word=V or lost";

impl Trigger {
    /// A condition as text: `17=rising`, `4=high`, `word>1000`, `lost`.
    ///
    /// # Errors
    ///
    /// Words about what is expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let value = |digits: &str| match digits.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16).ok(),
            None => digits.parse().ok(),
        };
        let condition = if text == "lost" {
            Some(Condition::Lost)
        } else if let Some(rest) = text.strip_prefix("word") {
            rest.get(1..).and_then(value).and_then(|value| match rest.as_bytes()[0] {
                b'>' => Some(Condition::Above(value)),
                b'<' => Some(Condition::Below(value)),
                b'=' => Some(Condition::Equal(value)),
                _ => None,
            })
        } else {
            let bit = |bit: &str| bit.parse().ok().filter(|&bit: &u32| bit < 64);
            text.split_once('=').and_then(|(number, what)| match what {
                "high" => bit(number).map(|bit| Condition::Level(bit, true)),
                "low" => bit(number).map(|bit| Condition::Level(bit, false)),
                "rising" => bit(number).map(|bit| Condition::Edge(bit, true)),
                "falling" => bit(number).map(|bit| Condition::Edge(bit, false)),
                _ => None,
            })
        };
        let condition = condition.ok_or(EXPECTED)?;
        Ok(Self { condition, word_bytes: 4, before: None })
    }

    /// The trigger for words of `word_bytes`, 4 if this is not called.
    #[must_use]
    pub fn for_words(self, word_bytes: u32) -> Self {
        Self { word_bytes: word_bytes.max(1) as usize, ..self }
    }

    /// Whether the condition is met in this frame, which follows those seen before.
    pub fn fires(&mut self, frame: FrameRef<'_>) -> bool {
        if self.condition == Condition::Lost {
            return frame.lost() > 0;
        }
        if frame.lost() > 0 {
            // An edge in the gap is not known.
            self.before = None;
        }
        // All words are seen, for the level that the next frame begins with.
        let mut met = false;
        for word in frame.payload.chunks_exact(self.word_bytes) {
            met |= self.meets(word);
        }
        met
    }

    fn meets(&mut self, word: &[u8]) -> bool {
        let value = || word.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte));
        match self.condition {
            Condition::Level(bit, level) => Channel::numbered(bit).is_high(word) == level,
            Condition::Edge(bit, level) => {
                let now = Channel::numbered(bit).is_high(word);
                let before = self.before.replace(now);
                now == level && before == Some(!level)
            }
            Condition::Above(limit) => value() > limit,
            Condition::Below(limit) => value() < limit,
            Condition::Equal(limit) => value() == limit,
            Condition::Lost => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dmaframe_abi::frame::Header;

    fn fires(trigger: &mut Trigger, words: &[u32], lost: u64) -> bool {
        let payload: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let header = Header { lost: lost.into(), ..Header::default() };
        trigger.fires(FrameRef { header: &header, payload: &payload })
    }

    #[test]
    fn levels_and_values_are_met_by_any_word() {
        for (text, words, met) in [
            ("4=high", [0, 0x10], true),
            ("4=high", [0, 0x20], false),
            ("4=low", [0x10, 0x10], false),
            ("word>0xff", [0, 0x100], true),
            ("word>256", [0, 0x100], false),
            ("word<1", [5, 0], true),
            ("word=7", [7, 0], true),
        ] {
            let mut trigger = Trigger::parse(text).unwrap();
            assert_eq!(fires(&mut trigger, &words, 0), met, "{text}");
        }
    }

    #[test]
    fn edges_cross_frames_but_not_gaps() {
        let mut rising = Trigger::parse("0=rising").unwrap();
        assert!(!fires(&mut rising, &[1, 0], 0) && fires(&mut rising, &[1, 1], 0));
        assert!(!fires(&mut rising, &[0], 0) && !fires(&mut rising, &[1], 2));
        let mut falling = Trigger::parse("0=falling").unwrap();
        assert!(fires(&mut falling, &[1, 0, 1], 0));
    }

    #[test]
    fn a_loss_is_a_trigger() {
        let mut trigger = Trigger::parse("lost").unwrap();
        assert!(!fires(&mut trigger, &[1], 0) && fires(&mut trigger, &[1], 1));
    }

    #[test]
    fn other_words_are_refused() {
        for text in ["", "word", "word>", "word~3", "64=high", "4=up", "losts", "4", "word>-1"] {
            assert!(Trigger::parse(text).unwrap_err().contains("expected"), "{text}");
        }
    }
}
