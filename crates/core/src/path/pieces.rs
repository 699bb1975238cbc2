//! Segments that one capture has whole and the other in pieces: a sender's card cuts what its host
//! captured as one (TSO), a receiver's puts together what came apart (GRO), and so do boxes.
//!
//! Bytes are compared, not packets: of each packet without a counterpart it is asked which others
//! carry its bytes at the other capture. What is left over of one was lost, or missed, for itself.

use super::same::{Item, Same, Telling};
use crate::terms::Side;
use std::collections::BTreeMap;

/// Packets of the other capture that may hold bytes of one: half a megabyte in small segments.
const NEIGHBOURS_MAX: usize = 1024;

/// A packet that the other capture has in other pieces.
#[derive(Clone, Debug)]
pub(super) struct Pieces {
    /// The first packet there that holds bytes of it, by its place.
    pub first: u32,
    /// What the other capture does not have of it: from a number up to one.
    pub missing: Vec<(u32, u32)>,
}

/// Bytes of one side in one packet, relative to `base` of its side; what no piece has claimed yet.
struct Run {
    at: u32,
    from: i32,
    to: i32,
    left: Vec<(i32, i32)>,
    first: Option<u32>,
}

/// Finds the pieces of what is alone in either capture. Packets whose bytes are the same to the
/// last are none: why those are not one packet was asked before.
pub(super) fn find(same: &mut Same, telling: &Telling) {
    for side in [Side::Client, Side::Server] {
        let base = same.items.iter().flatten().find(|i| i.side == side).map(|i| i.seq);
        let Some(base) = base else { continue };
        let [mut own, mut its] = [0, 1].map(|point| runs(same, point, (side, base)));
        if own.is_empty() || its.is_empty() {
            continue;
        }
        for (left, right) in fitting(same, [&own, &its], telling) {
            let (Some(one), Some(other)) = (own.get_mut(left), its.get_mut(right)) else {
                continue;
            };
            if one.shares(other) {
                let (at, there) = (one.at, other.at);
                one.first = Some(one.first.map_or(there, |first| first.min(there)));
                other.first = Some(other.first.map_or(at, |first| first.min(at)));
                if telling.same_stamps(same.item(0, at), same.item(1, there)) {
                    same.sure.push((at, there));
                }
            }
        }
        for (pieces, runs) in same.pieces.iter_mut().zip([own, its]) {
            pieces.extend(runs.into_iter().filter_map(|run| run.told(base)));
        }
    }
}

/// What one side sent and has no counterpart, in order of its numbers.
fn runs(same: &Same, point: usize, (side, base): (Side, u32)) -> Vec<Run> {
    let (Some(items), Some(twins)) = (same.items.get(point), same.twin.get(point)) else {
        return Vec::new();
    };
    let is_data = |i: &Item| {
        let flags = i.seen.flags();
        i.side == side && i.seen.length() > 0 && !flags.syn() && !flags.rst()
    };
    let alone =
        items.iter().zip(twins).zip(0..).filter(|((i, twin), _)| twin.is_none() && is_data(i));
    let mut all: Vec<Run> = alone
        .map(|((item, _), at)| {
            let from = item.seq.wrapping_sub(base).cast_signed();
            let to = from.saturating_add(item.seen.length().cast_signed());
            Run { at, from, to, left: vec![(from, to)], first: None }
        })
        .collect();
    all.sort_by_key(|run| (run.from, run.to, run.at));
    all
}

/// Pairs that share bytes and may be whole and piece, those nearest in time first.
fn fitting(same: &Same, [own, its]: [&[Run]; 2], telling: &Telling) -> Vec<(usize, usize)> {
    let longest = its.iter().map(|run| run.to - run.from).max().unwrap_or(0);
    let mut all: Vec<(i64, usize, usize)> = Vec::new();
    for (left, one) in own.iter().enumerate() {
        let after = its.partition_point(|run| run.from < one.to);
        let before = its.get(..after).unwrap_or_default().iter().enumerate().rev();
        let near = before.take_while(|(_, run)| run.from > one.from.saturating_sub(longest));
        for (right, other) in near.take(NEIGHBOURS_MAX) {
            let apart = other.to > one.from && (one.from, one.to) != (other.from, other.to);
            let items = same.item(0, one.at).zip(same.item(1, other.at)).filter(|_| apart);
            if let Some((a, b)) = items.filter(|(a, b)| telling.may_be_pieces(a, b)) {
                all.push((telling.apart(a, b), left, right));
            }
        }
    }
    all.sort_unstable();
    all.into_iter().map(|(_, left, right)| (left, right)).collect()
}

impl Run {
    /// Takes the bytes that neither has given away yet for the same ones.
    fn shares(&mut self, other: &mut Run) -> bool {
        let mut shared = Vec::new();
        for (from, to) in &self.left {
            for (its_from, its_to) in &other.left {
                let both = (*from.max(its_from), *to.min(its_to));
                shared.extend((both.0 < both.1).then_some(both));
            }
        }
        self.left = without(&self.left, &shared);
        other.left = without(&other.left, &shared);
        !shared.is_empty()
    }

    fn told(self, base: u32) -> Option<(u32, Pieces)> {
        let number = |relative: i32| base.wrapping_add(relative.cast_unsigned());
        let missing = self.left.iter().map(|(from, to)| (number(*from), number(*to))).collect();
        Some((self.at, Pieces { first: self.first?, missing }))
    }
}

/// Ranges less others that lie within them.
pub(super) fn without(ranges: &[(i32, i32)], less: &[(i32, i32)]) -> Vec<(i32, i32)> {
    let mut left = ranges.to_vec();
    for (from, to) in less {
        left = left
            .into_iter()
            .flat_map(|(start, end)| {
                let (before, after) = ((start, end.min(*from)), (start.max(*to), end));
                [before, after]
            })
            .filter(|(start, end)| start < end)
            .collect();
    }
    left
}

/// Packets in pieces, by their place.
pub(super) type InPieces = BTreeMap<u32, Pieces>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_in_the_middle_leaves_two() {
        assert_eq!(without(&[(0, 10)], &[(3, 5)]), [(0, 3), (5, 10)]);
        assert_eq!(without(&[(0, 4), (6, 9)], &[(0, 4), (7, 9)]), [(6, 7)]);
        assert_eq!(without(&[(0, 4)], &[(0, 4)]), []);
    }

    #[test]
    fn bytes_belong_to_one_piece_alone() {
        let run = |from, to| Run { at: 0, from, to, left: vec![(from, to)], first: None };
        let (mut first, mut again, mut piece) = (run(0, 10), run(4, 8), run(2, 6));
        assert!(first.shares(&mut piece));
        assert!(!again.shares(&mut piece));
        assert_eq!((first.left, again.left), (vec![(0, 2), (6, 10)], vec![(4, 8)]));
    }
}
