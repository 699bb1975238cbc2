//! A replay that knows the box's rules: how each connection is translated when it begins, and
//! which packets a rule stops.
//!
//! Where the kernel draws a port, a copy that leaves tells which; until one is seen the answer is
//! the set of ports. Refused: policy routing, rules by mark or set, and whatever else
//! [`super::nat`] cannot say; such connections leave as nothing that is claimed.

use std::collections::HashMap;
use std::net::IpAddr;

use super::hash::Quick;
use super::judged::{CtState, Judged, Verdict};
use super::nat::{CannotSay, Firewall, Known, Mapping};
use super::packet::{Body, Packet, Tuple, flag};
use super::table::Table;
use crate::dump::rules::CtState as Asked;
use crate::dump::rules::ask::{Does, Ruled};

/// How a packet leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaves {
    /// As the table says.
    AsJudged,
    /// With a source port that was drawn, and was not seen.
    Drawn(Mapping),
    /// A rule decides that is not understood, or something that is not known.
    Unsaid,
}

/// What is kept while packets go by.
#[derive(Clone, Debug)]
pub(super) struct Routed {
    firewall: Firewall,
    /// By original direction: connections whose port was drawn.
    drawn: HashMap<Tuple, Mapping, Quick>,
    /// Connections of which nothing can be said.
    unsaid: HashMap<Tuple, (), Quick>,
    sources: HashMap<(IpAddr, u16), Vec<(IpAddr, u16)>>,
    /// Why, of the first of them.
    why: Option<CannotSay>,
}

/// The table, as the kernel looks at it for a free port.
struct Seen<'a>(&'a Table, &'a HashMap<(IpAddr, u16), Vec<(IpAddr, u16)>>);

impl Known for Seen<'_> {
    fn is_taken(&self, reply: &Tuple) -> bool {
        self.0.find(reply).is_some()
    }

    fn leaves_from(&self, source: (IpAddr, u16)) -> Vec<(IpAddr, u16)> {
        self.1.get(&source).into_iter().flatten().rev().copied().collect()
    }
}

impl Routed {
    pub(super) fn new(firewall: Firewall) -> Self {
        Self {
            firewall,
            drawn: HashMap::default(),
            unsaid: HashMap::default(),
            sources: HashMap::new(),
            why: None,
        }
    }

    /// Connections of which it cannot be said how they leave, and why, of the first.
    pub(super) fn unsaid(&self) -> Option<(usize, &CannotSay)> {
        self.why.as_ref().map(|why| (self.unsaid.len(), why))
    }

    /// The connection a packet belongs to that left with a drawn port.
    pub(super) fn left_as(&mut self, left: &Tuple) -> Option<Tuple> {
        let own = self.drawn.iter().filter(|(_, mapping)| mapping.admits(left));
        let mut own = own.map(|(original, _)| *original);
        // Two that could both have drawn it: neither is claimed.
        let original = own.next().filter(|_| own.next().is_none())?;
        self.drawn.remove(&original);
        self.source(&original, (left.src, left.sport));
        Some(original)
    }

    fn source(&mut self, original: &Tuple, leaves: (IpAddr, u16)) {
        self.sources.entry((original.src, original.sport)).or_default().push(leaves);
    }

    /// A packet that may begin a connection; how its answers arrive, where it is translated.
    pub(super) fn opens(&mut self, packet: &Packet, table: &Table) -> Option<Tuple> {
        let Body::Tcp(tcp) = &packet.body else { return None };
        let begins = tcp.flags & (flag::FIN | flag::RST) == 0
            && tcp.flags & (flag::SYN | flag::ACK) != flag::SYN | flag::ACK;
        if !begins || table.find(&packet.tuple).is_some() {
            return None;
        }
        let original = packet.tuple;
        self.drawn.remove(&original);
        self.unsaid.remove(&original);
        match self.firewall.mapping(&original, &Seen(table, &self.sources)) {
            Err(why) => {
                self.unsaid.insert(original, ());
                self.why.get_or_insert(why);
                None
            }
            Ok(mapping) if mapping.drawn.is_some() => {
                self.drawn.insert(original, mapping);
                None
            }
            Ok(mapping) => {
                self.source(&original, (mapping.leaves_as.src, mapping.leaves_as.sport));
                mapping.reply().filter(|reply| Some(*reply) != original.inverse())
            }
        }
    }

    /// How a judged packet leaves, and what rules do with it: one outcome, or more where it
    /// cannot be said, or none of what no table tracks: it is mostly for neighbours and not
    /// forwarded.
    pub(super) fn tell(&self, packet: &Packet, judged: &Judged) -> (Leaves, Vec<Ruled>) {
        if judged.verdict == Verdict::Untracked {
            return (Leaves::AsJudged, Vec::new());
        }
        let translated = judged.verdict != Verdict::Invalid;
        let drawn = self.drawn.get(&packet.tuple).filter(|_| translated);
        let leaves = match drawn {
            Some(mapping) => Leaves::Drawn(*mapping),
            None if translated && self.is_unsaid(&packet.tuple) => Leaves::Unsaid,
            // Of other protocols rules are not asked how they leave; a dump may tell.
            None if !matches!(packet.body, Body::Tcp(_))
                && judged.leaves_as == packet.tuple
                && self.firewall.translates() =>
            {
                Leaves::Unsaid
            }
            None => Leaves::AsJudged,
        };
        let behind = drawn.map_or(judged.leaves_as, |mapping| mapping.leaves_as);
        let ends = Tuple { dst: behind.dst, dport: behind.dport, ..packet.tuple };
        let state = match judged.ct_state {
            CtState::New => Asked::New,
            CtState::Established => Asked::Established,
            CtState::Related => Asked::Related,
            CtState::Invalid => Asked::Invalid,
            CtState::Untracked => Asked::Untracked,
        };
        let flags = if let Body::Tcp(tcp) = &packet.body { tcp.flags } else { 0 };
        (leaves, self.firewall.fate(&ends, flags, state))
    }

    fn is_unsaid(&self, tuple: &Tuple) -> bool {
        let either = [Some(*tuple), tuple.inverse()];
        !self.unsaid.is_empty() && either.iter().flatten().any(|t| self.unsaid.contains_key(t))
    }
}

/// Whether rules surely let no such packet pass.
pub(super) fn is_stopped(ruled: &[Ruled]) -> bool {
    matches!(ruled, [Ruled { does: Does::Drops | Does::Resets | Does::Refuses, .. }])
}
