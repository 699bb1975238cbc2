//! A digest of where a packet was seen: file, interface, link-layer addresses, tunnels. Compared
//! for being equal and for nothing else; it names no place.

/// The digest so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Vantage(u64);

/// Odd, with its bits well spread: 2⁶⁴ divided by the golden ratio.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

impl Vantage {
    /// Of a capture among those read together, and an interface of it.
    #[inline]
    pub(super) fn of(capture: u32, interface: u32) -> Self {
        Self(0x811c_9dc5).with(u64::from(capture) << 32 | u64::from(interface))
    }

    /// With eight more bytes. Multiplying spreads upwards only; the shift brings it back down.
    #[inline]
    fn with(self, word: u64) -> Self {
        let spread = (self.0 ^ word).wrapping_mul(SPREAD);
        Self(spread ^ (spread >> 29))
    }

    /// With these bytes as well.
    #[inline]
    pub(super) fn and(self, bytes: &[u8]) -> Self {
        let (words, rest) = bytes.as_chunks::<8>();
        let whole = words.iter().fold(self, |seen, word| seen.with(u64::from_le_bytes(*word)));
        if rest.is_empty() {
            return whole;
        }
        // Its own length in front: some zeroes are not fewer zeroes.
        whole.with(rest.iter().fold(rest.len() as u64, |word, byte| word << 8 | u64::from(*byte)))
    }

    /// In the four bytes a segment has for it.
    #[inline]
    pub(super) fn digest(self) -> u32 {
        (self.0 ^ (self.0 >> 32)) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_counts() {
        let of = |bytes: &[u8]| Vantage::of(0, 0).and(bytes).digest();
        let frame = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
        for at in 0..frame.len() {
            let mut other = frame;
            other[at] ^= 1;
            assert_ne!(of(&frame), of(&other), "byte {at}");
        }
        assert_ne!(of(&[0; 3]), of(&[0; 4]));
        assert_ne!(Vantage::of(0, 1), Vantage::of(1, 0));
    }
}
