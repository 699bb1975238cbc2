//! A quick hash for tuples: multiply and fold. Refused: any claim against chosen input.
//!
//! A capture made to collide costs its owner time and nothing else; five million packets a second
//! are not to be had with the standard library's keyed hash.

use std::hash::{BuildHasherDefault, Hasher};

/// State of the hash.
#[derive(Clone, Copy, Default)]
pub(super) struct Fold(u64);

/// Odd, with its bits well spread: 2⁶⁴ divided by the golden ratio.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

impl Hasher for Fold {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.write_u64(u64::from_le_bytes(*word));
        }
        if !rest.is_empty() {
            self.write_u64(rest.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)));
        }
    }

    #[inline]
    fn write_u32(&mut self, word: u32) {
        self.write_u64(u64::from(word));
    }

    #[inline]
    fn write_u64(&mut self, word: u64) {
        let wide = u128::from(self.0 ^ word) * u128::from(SPREAD);
        self.0 = (wide as u64) ^ ((wide >> 64) as u64).rotate_left(23);
    }

    fn write_u128(&mut self, word: u128) {
        self.write_u64(word as u64);
        self.write_u64((word >> 64) as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// For maps keyed by tuple.
pub(super) type Quick = BuildHasherDefault<Fold>;
