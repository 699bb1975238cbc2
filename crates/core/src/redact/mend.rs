//! Checksums after a change: each is moved by as much as the bytes it covers were, so that a right
//! one stays right and a wrong one stays wrong by the same amount (RFC 1624, equation 3).

use super::layers::Sum;

/// Mends every checksum of `new`, whose bytes were `old`; `sums` names the outer ones first.
pub(super) fn mend(old: &[u8], new: &mut [u8], sums: &[Sum]) {
    // The inner ones are bytes that the outer ones cover.
    for sum in sums.iter().rev() {
        let Some(was) = word(old, sum.at) else { continue };
        if was == 0 && sum.zero_is_none {
            continue;
        }
        let moved = add(covered(new, sum), !covered(old, sum));
        let mut is = !add(!was, moved);
        if is == 0 && sum.zero_is_none {
            is = 0xffff;
        }
        // Not touched, it stays as it was written: 0 and 0xffff mean the same.
        if moved == 0 || moved == 0xffff {
            is = was;
        }
        if let Some(place) = new.get_mut(sum.at..sum.at + 2) {
            place.copy_from_slice(&is.to_be_bytes());
        }
    }
}

/// What a checksum adds up, but for itself and what never changes.
fn covered(bytes: &[u8], sum: &Sum) -> u16 {
    let to = sum.to.min(bytes.len());
    let before = bytes.get(sum.from..sum.at).unwrap_or_default();
    let after = bytes.get(sum.at + 2..to).unwrap_or_default();
    let pseudo = sum.pseudo.and_then(|(from, to)| bytes.get(from..to)).unwrap_or_default();
    [before, after, pseudo].into_iter().fold(0, |all, part| add(all, total(part)))
}

fn total(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| match *pair {
        [high, low] => u64::from(u16::from_be_bytes([high, low])),
        [high] => u64::from(high) << 8,
        _ => 0,
    });
    let mut all: u64 = words.sum();
    while all > 0xffff {
        all = (all & 0xffff) + (all >> 16);
    }
    all as u16
}

fn add(a: u16, b: u16) -> u16 {
    let (sum, carried) = a.overflowing_add(b);
    sum.wrapping_add(u16::from(carried))
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk::<2>().map(|raw| u16::from_be_bytes(*raw))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Adds up to all ones when it is right.
    fn checked(bytes: &[u8]) -> u16 {
        total(bytes)
    }

    #[test]
    fn right_stays_right_and_wrong_stays_as_wrong() {
        let sum = Sum { at: 4, from: 0, to: 10, pseudo: None, zero_is_none: false };
        let mut old = [0x45, 0x01, 0xff, 0xfe, 0, 0, 10, 0, 0, 12];
        let check = !total(&old);
        for wrong in [0, 1, 0x1234, 0xfffe] {
            old[4..6].copy_from_slice(&check.wrapping_add(wrong).to_be_bytes());
            let off = checked(&old);
            for change in [[192, 0, 2, 1], [0, 0, 0, 0], [255, 255, 255, 255], [10, 0, 0, 12]] {
                let mut new = old;
                new[6..].copy_from_slice(&change);
                mend(&old, &mut new, &[sum]);
                assert_eq!(checked(&new) % 0xffff, off % 0xffff, "{wrong} {change:?}");
            }
        }
    }

    #[test]
    fn a_checksum_that_is_not_there_is_not_made() {
        let sum = Sum { at: 0, from: 0, to: 4, pseudo: None, zero_is_none: true };
        let (old, mut new) = ([0, 0, 1, 2], [0, 0, 9, 9]);
        mend(&old, &mut new, &[sum]);
        assert_eq!(new, [0, 0, 9, 9]);
    }
}
