//! The secret a redaction is made with: a keyed function from bytes to a number that nobody without
//! the key can foretell (SipHash-2-4; Aumasson and Bernstein, INDOCRYPT 2012).

use std::fmt;

/// Sixteen secret bytes. The same key gives the same pseudonyms, everywhere and always; whoever
/// has it can undo them by trying.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Key([u8; 16]);

impl Key {
    /// A key of these bytes, which should come from the system's source of randomness.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Reads what [`fmt::Display`] writes: 32 hexadecimal digits; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        u128::from_str_radix(text, 16).ok().map(|number| Self(number.to_be_bytes()))
    }

    /// A number that depends on every bit of the key, of `domain` and of `message`.
    pub(super) fn number(&self, domain: u8, message: &[u8]) -> u64 {
        let [low, high] = self.halves();
        let mut state = State::new(low, high);
        let length = message.len() as u64 + 1;
        let mut word = [domain, 0, 0, 0, 0, 0, 0, 0];
        let mut filled = 1;
        for byte in message {
            if let Some(place) = word.get_mut(filled) {
                *place = *byte;
            }
            filled += 1;
            if filled == 8 {
                state.take(u64::from_le_bytes(word));
                (word, filled) = ([0; 8], 0);
            }
        }
        state.take(u64::from_le_bytes(word) | length << 56);
        state.finish()
    }

    fn halves(&self) -> [u64; 2] {
        let number = u128::from_le_bytes(self.0);
        [number as u64, (number >> 64) as u64]
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// A secret does not end up in a message about something else.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

struct State([u64; 4]);

impl State {
    fn new(low: u64, high: u64) -> Self {
        Self([
            low ^ 0x736f_6d65_7073_6575,
            high ^ 0x646f_7261_6e64_6f6d,
            low ^ 0x6c79_6765_6e65_7261,
            high ^ 0x7465_6462_7974_6573,
        ])
    }

    fn round(&mut self) {
        let [a, b, c, d] = &mut self.0;
        *a = a.wrapping_add(*b);
        *b = b.rotate_left(13) ^ *a;
        *a = a.rotate_left(32);
        *c = c.wrapping_add(*d);
        *d = d.rotate_left(16) ^ *c;
        *a = a.wrapping_add(*d);
        *d = d.rotate_left(21) ^ *a;
        *c = c.wrapping_add(*b);
        *b = b.rotate_left(17) ^ *c;
        *c = c.rotate_left(32);
    }

    fn take(&mut self, word: u64) {
        self.0[3] ^= word;
        self.round();
        self.round();
        self.0[0] ^= word;
    }

    fn finish(mut self) -> u64 {
        self.0[2] ^= 0xff;
        (0..4).for_each(|_| self.round());
        let [a, b, c, d] = self.0;
        a ^ b ^ c ^ d
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_papers_own_example() {
        // Appendix A: key 00…0f, message 00…0e.
        let key = Key(std::array::from_fn(|i| i as u8));
        let message: Vec<u8> = (1..15).collect();
        assert_eq!(key.number(0, &message), 0xa129_ca61_49be_45e5);
    }

    #[test]
    fn a_key_is_read_back_and_never_shown_by_accident() {
        let key = Key(std::array::from_fn(|i| 0xf0 ^ i as u8));
        assert_eq!(Key::parse(&key.to_string()), Some(key));
        assert!(!format!("{key:?}").contains("f0f1"));
        for bad in
            ["", "12", "+0000000000000000000000000000000", "g0000000000000000000000000000000"]
        {
            assert_eq!(Key::parse(bad), None, "{bad}");
        }
    }
}
