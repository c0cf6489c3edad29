// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pseudo-random numbers that a seed decides.

use std::thread::sleep;
use std::time::Duration;

/// A SplitMix64 generator.
#[derive(Clone, Debug)]
pub struct Random {
    state: u64,
}

impl Random {
    /// Makes a generator. Different `stream`s of one seed give unrelated numbers.
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut random = Self { state: seed };
        random.state = random.next() ^ stream.wrapping_mul(0xd134_2543_de82_ef95);
        random.next();
        random
    }

    /// The next 64 bits.
    #[expect(
        clippy::should_implement_trait,
        reason = "a generator never ends, so it is no iterator"
    )]
    pub fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.state;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// A number less than `end`, which must not be 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// True once in `times` calls, on average.
    pub fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// An element of `all`, which must not be empty.
    pub fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize]
    }

    /// A number of random magnitude, often near a power of two.
    pub fn number(&mut self) -> u64 {
        let magnitude = 1_u64 << self.below(64);
        match self.below(4) {
            0 => magnitude,
            1 => magnitude.wrapping_sub(1),
            2 => self.next() & magnitude.wrapping_sub(1),
            _ => self.next(),
        }
    }

    /// Sleeps for a random time shorter than `end`, which must be at least a microsecond.
    pub fn pause(&mut self, end: Duration) {
        sleep(Duration::from_micros(self.below(end.as_micros() as u64)));
    }

    /// Fills `bytes` with random bytes.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let word = self.next().to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
    }
}
