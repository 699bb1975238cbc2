//! A replay that knows the box's rules: how each connection is translated when it begins, and
//! which packets a rule stops.
//!
//! Where the kernel draws a port, a copy that leaves tells which; until one is seen the answer is
//! the set of ports. Refused: policy routing, rules by mark or set, and whatever else
//! [`super::nat`] cannot say; such connections leave as nothing that is claimed.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::hash::Quick;
use super::judged::{CtState, Judged, Verdict};
use super::nat::{CannotSay, Firewall, Known, Mapping};
use super::packet::{Body, Packet, Tuple, flag};
use super::reach::Reaches;
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
    firewall: Arc<Firewall>,
    /// By original direction: connections whose port was drawn.
    drawn: HashMap<Tuple, Mapping, Quick>,
    /// Connections of which nothing can be said.
    unsaid: HashMap<Tuple, (), Quick>,
    sources: HashMap<(IpAddr, u16), Vec<(IpAddr, u16)>>,
    /// Why, of the first of them.
    why: Option<CannotSay>,
}

/// The table, as the kernel looks at it for a free port.
struct Seen<'a>(&'a dyn Fn(&Tuple) -> bool, &'a HashMap<(IpAddr, u16), Vec<(IpAddr, u16)>>);

impl Known for Seen<'_> {
    fn is_taken(&self, reply: &Tuple) -> bool {
        (self.0)(reply)
    }

    fn leaves_from(&self, source: (IpAddr, u16)) -> Vec<(IpAddr, u16)> {
        self.1.get(&source).into_iter().flatten().rev().copied().collect()
    }
}

impl Routed {
    pub(super) fn new(firewall: Arc<Firewall>) -> Self {
        Self {
            firewall,
            drawn: HashMap::default(),
            unsaid: HashMap::default(),
            sources: HashMap::new(),
            why: None,
        }
    }

    /// Whether the box's own addresses are known, without which rules of translation say little.
    pub(super) fn knows_addresses(&self) -> bool {
        self.firewall.interfaces.iter().any(|i| !i.addresses.is_empty())
    }

    pub(super) fn firewall(&self) -> &Firewall {
        &self.firewall
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
    /// `has` says whether the table has an entry for such packets.
    pub(super) fn opens(&mut self, packet: &Packet, has: &dyn Fn(&Tuple) -> bool) -> Option<Tuple> {
        let Body::Tcp(tcp) = &packet.body else { return None };
        let begins = tcp.flags & (flag::FIN | flag::RST) == 0
            && tcp.flags & (flag::SYN | flag::ACK) != flag::SYN | flag::ACK;
        if !begins || has(&packet.tuple) {
            return None;
        }
        let original = packet.tuple;
        self.drawn.remove(&original);
        self.unsaid.remove(&original);
        match self.firewall.mapping(&original, &Seen(has, &self.sources)) {
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
        let arrived = (packet.tuple, packet.flags());
        (leaves, outcomes(&self.firewall, arrived, judged, (behind, Reaches::Peer)))
    }

    /// What is known of a packet's way before anything judges it.
    pub(super) fn way(&self, tuple: &Tuple) -> Way {
        Way { drawn: self.drawn.get(tuple).copied(), unsaid: self.is_unsaid(tuple) }
    }

    fn is_unsaid(&self, tuple: &Tuple) -> bool {
        let either = [Some(*tuple), tuple.inverse()];
        !self.unsaid.is_empty() && either.iter().flatten().any(|t| self.unsaid.contains_key(t))
    }
}

/// What is known of how a packet leaves, whatever the table says of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Way {
    /// Its source port is drawn.
    pub(super) drawn: Option<Mapping>,
    /// Nothing is known of how its connection is translated.
    unsaid: bool,
}

/// What rules do with a judged packet whose ends are `behind` translation; where the box's own
/// addresses are not known, `reaches` says whether it is for the box.
fn outcomes(
    firewall: &Firewall,
    (tuple, flags): (Tuple, u8),
    judged: &Judged,
    (behind, reaches): (Tuple, Reaches),
) -> Vec<Ruled> {
    let ends = Tuple { dst: behind.dst, dport: behind.dport, ..tuple };
    let state = match judged.ct_state {
        CtState::New => Asked::New,
        CtState::Established => Asked::Established,
        CtState::Related => Asked::Related,
        CtState::Invalid => Asked::Invalid,
        CtState::Untracked => Asked::Untracked,
    };
    let own = firewall.is_own(ends.dst).unwrap_or(reaches == Reaches::Box);
    firewall.fate_where(own, &ends, flags, state)
}

/// What rules surely do with a judged packet, told by its tuple as it arrived and its TCP flags;
/// `None` where they leave it open, and of what no table tracks.
pub(super) fn surely(
    firewall: &Firewall,
    arrived: (Tuple, u8),
    judged: &Judged,
    (way, reaches): (Way, Reaches),
) -> Option<Ruled> {
    let translated = judged.verdict != Verdict::Invalid;
    if judged.verdict == Verdict::Untracked
        || judged.verdict == Verdict::Drop
        || (translated && way.unsaid)
    {
        return None;
    }
    let drawn = way.drawn.filter(|_| translated);
    let behind = drawn.map_or(judged.leaves_as, |mapping| mapping.leaves_as);
    let [one] = outcomes(firewall, arrived, judged, (behind, reaches)).try_into().ok()?;
    match one.does {
        Does::Passes | Does::Drops | Does::Resets | Does::Refuses => Some(one),
        Does::Translates(_) | Does::Untracks | Does::NotUnderstood => None,
    }
}

/// Whether rules surely let no such packet pass.
pub(super) fn is_stopped(ruled: &[Ruled]) -> bool {
    matches!(ruled, [Ruled { does: Does::Drops | Does::Resets | Does::Refuses, .. }])
}
