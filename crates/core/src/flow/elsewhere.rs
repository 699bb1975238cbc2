//! Where else a connection was seen: at other places, and under other ends where a translation
//! rewrites them. Counted, and never taken for packets of their own.

use super::BySide;
use super::life::End;
use crate::terms::Side;
use crate::wire::Segment;

/// Other pairs of ends kept of one connection.
pub(super) const NAMES_MAX: usize = 7;

/// A pair of ends a connection goes by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Name {
    pub client: End,
    pub server: End,
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
    /// Other pairs of ends; numbered from 1, since 0 is the pair it was first seen under.
    pub names: Vec<Name>,
    /// Under which pair each side's packets come in.
    pub enters: BySide<u8>,
    /// The TTL each side's packets last had where they leave, and under which pair.
    pub leaves: BySide<Option<(u8, u8)>>,
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
        if let Some(name) = usize::from(name).checked_sub(1).and_then(|at| self.names.get_mut(at)) {
            let count = name.seen.of_mut(side);
            *count = count.saturating_add(1);
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
        if self.names.is_empty() || *self.enters.of(side) == name {
            return None;
        }
        let usual_ttl = self.leaves.of(side).filter(|(at, _)| *at == name).map(|(_, ttl)| ttl);
        Some(OneSided { src, usual_ttl })
    }
}
