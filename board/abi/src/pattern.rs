// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0
//! The `pattern` source: memory whose every byte the reader can recompute.
//!
//! Frame `n` is a window of a reference block, beginning at [`offset`]`(n)` and going on at the
//! block's start where it ends.

/// Bytes of the reference block.
pub const REFERENCE_BYTES: usize = 256 * 1024;
const WORDS: usize = REFERENCE_BYTES / 4;
// Odd, so that all 65,536 offsets are used before one comes again.
const STEP_WORDS: u64 = 24_571;

/// Where in the reference block frame `sequence` begins, in bytes.
pub const fn offset(sequence: u64) -> u32 {
    (sequence.wrapping_mul(STEP_WORDS) % WORDS as u64) as u32 * 4
}

/// Word `index` of the reference block: the finalizer of MurmurHash3, which maps no two to one.
pub const fn word(index: u32) -> u32 {
    let mut x = index;
    x = (x ^ (x >> 16)).wrapping_mul(0x85eb_ca6b);
    x = (x ^ (x >> 13)).wrapping_mul(0xc2b2_ae35);
    x ^ (x >> 16)
}

/// Fills `block` with the reference, from its start.
pub fn fill(block: &mut [u8]) {
    for (index, bytes) in block.chunks_exact_mut(4).enumerate() {
        bytes.copy_from_slice(&word(index as u32).to_le_bytes());
    }
}

/// The first byte of `payload` that is not frame `sequence` of the pattern, or `None`.
///
/// `reference` is a filled block of [`REFERENCE_BYTES`].
pub fn mismatch(reference: &[u8], sequence: u64, payload: &[u8]) -> Option<usize> {
    let mut at = 0;
    let mut offset = offset(sequence) as usize;
    while at < payload.len() {
        let run = (payload.len() - at).min(reference.len() - offset);
        let (got, want) = (&payload[at..at + run], &reference[offset..offset + run]);
        if got != want {
            return got.iter().zip(want).position(|(got, want)| got != want).map(|i| at + i);
        }
        at += run;
        offset = 0;
    }
    None
}
