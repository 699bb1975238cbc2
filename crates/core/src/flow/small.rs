//! Numbers in as many bytes as they need, without the holes that alignment leaves: there are a
//! dozen of them in each of a million connections. What does not fit stays at the largest.

use super::Mark;
use crate::time::Moment;

/// A whole number of `N` bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Small<const N: usize>([u8; N]);

impl<const N: usize> Small<N> {
    pub(super) const ZERO: Self = Self([0; N]);

    #[inline]
    pub(super) fn new(value: u64) -> Self {
        const { assert!(N > 0 && N <= 8) }
        let most = u64::MAX >> (64 - 8 * N as u32);
        let all = value.min(most).to_le_bytes();
        let mut bytes = [0; N];
        bytes.copy_from_slice(all.first_chunk::<N>().map_or(&[], |few| few));
        Self(bytes)
    }

    /// Put together from wide loads: byte by byte through memory would wait for its own stores.
    #[inline]
    pub(super) fn get(self) -> u64 {
        let (low, rest) = match self.0.split_first_chunk::<4>() {
            Some((low, rest)) => (u64::from(u32::from_le_bytes(*low)), rest),
            None => (0, self.0.as_slice()),
        };
        let shift = 8 * (N - rest.len()) as u32;
        let high = rest.iter().rev().fold(0, |high, byte| high << 8 | u64::from(*byte));
        low | high << shift
    }

    #[inline]
    pub(super) fn add(&mut self, more: u64) {
        *self = Self::new(self.get().saturating_add(more));
    }
}

/// A [`Mark`] in 13 bytes: no capture holds more packets than five bytes count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct SmallMark {
    packet: Small<5>,
    at: [u8; 8],
}

impl SmallMark {
    /// No mark yet: packets count from 1.
    pub(super) const NONE: Self = Self { packet: Small::ZERO, at: [0; 8] };

    #[inline]
    pub(super) fn mark(self) -> Mark {
        Mark { packet: self.packet.get(), at: Moment::from_ns(i64::from_ne_bytes(self.at)) }
    }
}

impl From<Mark> for SmallMark {
    #[inline]
    fn from(mark: Mark) -> Self {
        Self { packet: Small::new(mark.packet), at: mark.at.ns().to_ne_bytes() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_comes_back_and_the_rest_stays_at_the_largest() {
        let most = (1_u64 << 40) - 1;
        for (value, kept) in [(0, 0), (77, 77), (most, most), (most + 1, most), (u64::MAX, most)] {
            assert_eq!(Small::<5>::new(value).get(), kept);
        }
        let mut count = Small::<3>::new(0xff_fffe);
        count.add(1);
        count.add(1);
        assert_eq!(count.get(), 0xff_ffff);
        let mark = Mark { packet: 9, at: Moment::from_ns(-5) };
        assert_eq!(SmallMark::from(mark).mark(), mark);
        assert_eq!((size_of::<SmallMark>(), align_of::<SmallMark>()), (13, 1));
    }
}
