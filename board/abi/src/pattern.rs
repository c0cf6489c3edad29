// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0
//! The `pattern` source: memory whose bytes a reader can compute, to verify that they arrived.
//!
//! The driver fills a block of [`REFERENCE_BYTES`] once ([`fill`]). Frame `n` is read from that
//! block, starting at [`offset`]`(n)` and continuing at the block's start whenever its end is
//! reached. The formula is part of the interface:
//! `driver/Documentation/userspace-api/dmaframe.rst`, "Pattern".

/// Length of the reference block in bytes.
pub const REFERENCE_BYTES: usize = 256 * 1024;
const WORDS: usize = REFERENCE_BYTES / 4;
// Odd, so that 65,536 consecutive frames begin at 65,536 different offsets.
const STEP_WORDS: u64 = 24_571;

/// The offset in bytes at which frame `sequence` begins in the reference block.
pub const fn offset(sequence: u64) -> u32 {
    (sequence.wrapping_mul(STEP_WORDS) % WORDS as u64) as u32 * 4
}

/// Word `index` of the reference block, stored little-endian.
///
/// This is the finalizer of MurmurHash3 (Austin Appleby, `fmix32`), a bijection: no two words of
/// the block are equal.
pub const fn word(index: u32) -> u32 {
    let mut x = index;
    x = (x ^ (x >> 16)).wrapping_mul(0x85eb_ca6b);
    x = (x ^ (x >> 13)).wrapping_mul(0xc2b2_ae35);
    x ^ (x >> 16)
}

/// Fills `block` with the reference block's words, from word 0 on. A rest of less than 4 bytes is
/// left unchanged.
pub fn fill(block: &mut [u8]) {
    for (index, bytes) in block.chunks_exact_mut(4).enumerate() {
        bytes.copy_from_slice(&word(index as u32).to_le_bytes());
    }
}

/// Compares `payload` with frame `sequence` of the pattern. Returns the index of the first byte
/// that differs, or `None` if all are equal.
///
/// `reference` is a block of [`REFERENCE_BYTES`] that [`fill`] filled.
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
