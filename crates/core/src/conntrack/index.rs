//! From a tuple's hash to the places that may have it: open addressing with linear probing.
//!
//! A cell holds a hash and a place and no tuple: whoever looks a tuple up must read the entry
//! anyway, and at many flows it is the memory read that costs. Refused: knowing tuples; the caller
//! compares.

use std::hash::{Hash, Hasher};

use super::hash::Fold;
use super::packet::Tuple;
use super::state::Dir;

/// Where a tuple leads: a slot of the table and which of the entry's two tuples it is.
pub(super) type Place = (u32, Dir);

/// Hash of a tuple, as the index wants it.
pub(super) fn hash_of(tuple: &Tuple) -> u32 {
    let mut hasher = Fold::default();
    tuple.hash(&mut hasher);
    let wide = hasher.finish();
    (wide >> 32) as u32 ^ wide as u32
}

/// One cell; a place of 0 is empty.
#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    hash: u32,
    place: u32,
}

/// The index.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    /// A power of two of them, or none.
    cells: Vec<Cell>,
    used: usize,
}

/// Places are told apart from "empty" by one, and carry the direction in the lowest bit.
const fn pack((slot, dir): Place) -> u32 {
    (slot << 1 | dir as u32).wrapping_add(1)
}

const fn unpack(place: u32) -> Place {
    let place = place.wrapping_sub(1);
    (place >> 1, if place & 1 == 0 { Dir::Original } else { Dir::Reply })
}

impl Index {
    /// The first place with this hash that `fits`.
    pub(super) fn find(&self, hash: u32, mut fits: impl FnMut(Place) -> bool) -> Option<Place> {
        let mask = self.cells.len().wrapping_sub(1);
        let mut at = hash as usize & mask;
        loop {
            let cell = self.cells.get(at)?;
            if cell.place == 0 {
                return None;
            }
            if cell.hash == hash && fits(unpack(cell.place)) {
                return Some(unpack(cell.place));
            }
            at = (at + 1) & mask;
        }
    }

    /// Adds a place.
    pub(super) fn insert(&mut self, hash: u32, place: Place) {
        // At most half full: probes stay short, and there is always an empty cell to stop at.
        if self.used * 2 >= self.cells.len() {
            self.grow();
        }
        self.put(Cell { hash, place: pack(place) });
        self.used += 1;
    }

    /// Removes a place that was added with this hash.
    pub(super) fn remove(&mut self, hash: u32, place: Place) {
        let mask = self.cells.len().wrapping_sub(1);
        let wanted = pack(place);
        let mut hole = hash as usize & mask;
        loop {
            match self.cells.get(hole) {
                None | Some(Cell { place: 0, .. }) => return,
                Some(cell) if (cell.hash, cell.place) == (hash, wanted) => break,
                Some(_) => hole = (hole + 1) & mask,
            }
        }
        self.used -= 1;
        self.close(hole, mask);
    }

    /// Moves cells back into a hole, so that no probe ends too early.
    fn close(&mut self, mut hole: usize, mask: usize) {
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let cell = self.cells.get(at).copied().unwrap_or_default();
            if cell.place == 0 {
                break;
            }
            let home = cell.hash as usize & mask;
            // It may move if its home does not lie behind the hole.
            if at.wrapping_sub(home) & mask >= at.wrapping_sub(hole) & mask {
                self.set(hole, cell);
                hole = at;
            }
        }
        self.set(hole, Cell::default());
    }

    fn grow(&mut self) {
        let size = (self.cells.len() * 2).max(64);
        let old = std::mem::replace(&mut self.cells, vec![Cell::default(); size]);
        for cell in old.into_iter().filter(|cell| cell.place != 0) {
            self.put(cell);
        }
    }

    fn put(&mut self, cell: Cell) {
        let mask = self.cells.len().wrapping_sub(1);
        let mut at = cell.hash as usize & mask;
        while self.cells.get(at).is_some_and(|cell| cell.place != 0) {
            at = (at + 1) & mask;
        }
        self.set(at, cell);
    }

    fn set(&mut self, at: usize, cell: Cell) {
        if let Some(place) = self.cells.get_mut(at) {
            *place = cell;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    /// Few hashes, so that everything collides; held against a set.
    #[test]
    fn what_was_added_is_found_until_it_is_removed() {
        let mut index = Index::default();
        let mut all: HashSet<(u32, u32)> = HashSet::new();
        let mut seed = 7u32;
        for _ in 0..20_000 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let (hash, slot) = (seed >> 28 | (seed >> 20 & 3) << 30, seed >> 8 & 0x3f);
            let place = (slot, Dir::Reply);
            if all.contains(&(hash, slot)) {
                index.remove(hash, place);
                all.remove(&(hash, slot));
            } else {
                index.insert(hash, place);
                all.insert((hash, slot));
            }
            assert_eq!(index.used, all.len());
        }
        for hash in (0..16).chain((1..4).map(|high| high << 30)) {
            for slot in 0..64 {
                let found = index.find(hash, |place| place == (slot, Dir::Reply)).is_some();
                assert_eq!(found, all.contains(&(hash, slot)), "{hash} {slot}");
            }
        }
    }
}
