//! Where else a connection was seen: at other places, and under other ends where a translation
//! rewrites them. Counted, and never taken for packets of their own.

use super::BySide;
use super::ends::{End, Ends};
use crate::terms::Side;
use crate::wire::Segment;

/// Other pairs of ends kept of one connection.
pub(super) const NAMES_MAX: usize = 7;

/// A pair of ends a connection goes by.
#[derive(Clone, Debug)]
pub(super) struct Name {
    pub ends: Ends,
    /// The first packet seen under it.
    pub first: u64,
    /// Sightings under it, first ones and others.
    pub seen: BySide<u32>,
}

/// What is kept of further sightings.
#[derive(Clone, Debug, Default)]
pub(super) struct Elsewhere {
    pub again: BySide<u32>,
    pub again_bytes: BySide<u64>,
    /// Another pair of ends. Nearly always there is one at most: further ones are odd.
    name: Option<Name>,
    /// Under which pair each side's packets come in.
    pub enters: BySide<u8>,
    /// The TTL each side's packets last had where they leave, and under which pair.
    pub leaves: BySide<Option<(u8, u8)>>,
    pub odd: Option<Box<Odd>>,
}

/// What few of the connections have that were seen elsewhere.
#[derive(Clone, Debug, Default)]
pub(super) struct Odd {
    names: Vec<Name>,
    /// Packets of each side that went on with the ends they came with.
    pub untranslated: BySide<u32>,
    /// Packets of each side that first showed where its packets leave.
    pub one_sided: BySide<u32>,
}

/// A packet seen where its sender's packets leave, and not where they come in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct OneSided {
    pub src: End,
    /// The TTL of its sender's packets there, once one was seen.
    pub usual_ttl: Option<u8>,
}

impl Elsewhere {
    /// Counts a further sighting under the pair `name`.
    pub(super) fn again(&mut self, segment: &Segment, side: Side, name: u8) {
        let again = self.again.of_mut(side);
        *again = again.saturating_add(1);
        *self.again_bytes.of_mut(side) += u64::from(segment.payload);
        if *self.enters.of(side) != name {
            *self.leaves.of_mut(side) = Some((name, segment.ttl));
        }
        self.seen(side, name);
    }

    /// Counts a sighting of any kind under the pair `name`.
    pub(super) fn seen(&mut self, side: Side, name: u8) {
        let further = self.odd.iter_mut().flat_map(|odd| &mut odd.names);
        let mut names = self.name.iter_mut().chain(further);
        if let Some(name) = usize::from(name).checked_sub(1).and_then(|at| names.nth(at)) {
            let count = name.seen.of_mut(side);
            *count = count.saturating_add(1);
        }
    }

    /// Other pairs of ends; numbered from 1, since 0 is the pair it was first seen under.
    pub(super) fn names(&self) -> impl Iterator<Item = &Name> {
        self.name.iter().chain(self.odd.iter().flat_map(|odd| &odd.names))
    }

    /// It goes by more than one pair.
    pub(super) fn is_translated(&self) -> bool {
        self.name.is_some()
    }

    /// Gives it another pair of ends; the pair's number, or `None` when there are too many.
    pub(super) fn name(&mut self, ends: Ends, first: u64) -> Option<u8> {
        let count = self.names().count();
        if count >= NAMES_MAX {
            return None;
        }
        let name = Name { ends, first, seen: BySide::default() };
        if self.name.is_none() {
            self.name = Some(name);
        } else {
            self.odd.get_or_insert_default().names.push(name);
        }
        Some(count as u8 + 1)
    }

    /// Counts something odd of `side`, or takes it back.
    pub(super) fn odd(
        &mut self,
        side: Side,
        which: impl FnOnce(&mut Odd) -> &mut BySide<u32>,
        more: i32,
    ) {
        if more > 0 || (more < 0 && self.odd.is_some()) {
            let count = which(self.odd.get_or_insert_default()).of_mut(side);
            *count = count.saturating_add_signed(more);
        }
    }

    /// A packet of `side` was first seen under `from` and then under `to`, a pair not known before.
    pub(super) fn learn(&mut self, side: Side, from: u8, to: u8) {
        *self.enters.of_mut(side) = from;
        *self.enters.of_mut(side.peer()) = to;
    }

    /// Whether a packet of `side` that was not seen before shows on the wrong side of a
    /// translation.
    pub(super) fn one_sided(&self, src: End, side: Side, name: u8) -> Option<OneSided> {
        if !self.is_translated() || *self.enters.of(side) == name {
            return None;
        }
        let usual_ttl = self.leaves.of(side).filter(|(at, _)| *at == name).map(|(_, ttl)| ttl);
        Some(OneSided { src, usual_ttl })
    }
}
