//! One capture under many settings: a row each for how the table would have served the same
//! connections.
//!
//! Lanes share one table, the trunk, while nothing tells them apart: it keeps an entry as long as
//! the longest timer among them would, and knows when a verdict hangs on a switch. A lane leaves
//! the trunk for a connection once its own timer for it has run out, once a verdict would be
//! another under its switches, and once it sends a probe of its own; from then on it judges that
//! connection in a table of its own. Lanes that differ in what cannot be shared
//! (`nf_conntrack_max`, `tcp_no_window_check`) have one from the beginning.
//!
//! Every lane is exact up to the first packet of a connection that meets another fate than it met
//! when the capture was taken. From there the ends would have sent something else: the lane
//! plays the one reaction that RFC 9293 leaves no choice about (an acknowledgement of data that
//! now arrives), feeds no more of that connection's recorded packets to the table, and counts them
//! as `unsent`. Refused: a guess at what the ends would have said later.

mod flows;
mod lane;
mod probe;
#[cfg(test)]
mod tests;
mod trunk;
mod variant;

use std::sync::Arc;

use super::entry::Entry;
use super::front::{Front, Tally};
use super::judged::{Judged, Verdict};
use super::nat::{CannotSay, Firewall};
use super::packet::{Body, Packet, Tuple};
use super::reach::Translation;
use super::routed::{Routed, Way};
use super::settings::Settings;
use super::start::{self, Start, Taken};
use super::version::Kernel;
use crate::capture;
use crate::dump::conntrack as dump;
use crate::time::Moment;
use flows::{Flow, Flows, opens};
use lane::Lane;
pub use lane::{ENOUGH, Parted, Row, RunOut, Said, Turn};
use probe::Lines;
pub use probe::{Kind, Prober, Probes};
use trunk::{Seat, Trunk};
pub use variant::{Variant, Wrong};

/// A sweep under way.
#[derive(Debug)]
pub struct Sweep {
    front: Front,
    trunk: Option<Trunk>,
    /// As it was first, then one for each variant.
    lanes: Vec<Lane>,
    /// Every lane follows the trunk.
    all_follow: bool,
    flows: Flows,
    /// What the ends of each connection have said, where a lane sends probes.
    lines: Lines,
    /// The lanes that do.
    probing: Vec<usize>,
    routed: Option<Box<Routed>>,
    /// No probe is sent before this.
    probe_due: Moment,
    opened: u64,
    begins: Option<Moment>,
    ends: Moment,
}

/// The connections, for a lane to look one up.
#[derive(Clone, Copy, Debug)]
struct Known<'a> {
    front: &'a Front,
    flows: &'a Flows,
}

impl<'a> Known<'a> {
    /// A connection by the original direction of its entry, and its number.
    fn named(self, original: &Tuple) -> Option<(u32, &'a Flow)> {
        let number = self.flows.number(&self.front.flow(original))?;
        Some((number, self.flows.at(number)?))
    }
}

/// A captured packet on its way through the lanes.
#[derive(Clone, Copy, Debug)]
struct Passing {
    number: u64,
    at: Moment,
    /// The connection it goes by.
    flow: u32,
    /// The connection whose entry decides about it: of an ICMP error the one it is about.
    subject: u32,
    /// How its answers arrive, where it is known to be translated.
    reply: Option<Translation>,
    /// What rules say of how it leaves.
    way: Way,
    packet: Packet,
}

/// What the trunk makes of a packet.
#[derive(Clone, Copy, Debug)]
struct Shared<'a> {
    judged: &'a Judged,
    /// Where the entry stands that the packet's connection has by now.
    entry: Option<(&'a Trunk, &'a Flow)>,
}

impl Shared<'_> {
    /// That entry, as it is for a lane with this seat.
    fn entry_for(&self, number: u32, seat: Seat) -> Option<Entry> {
        let (trunk, flow) = self.entry?;
        trunk.entry_for(number, flow, seat)
    }
}

impl Passing {
    fn flags(&self) -> u8 {
        self.packet.flags()
    }

    fn opens(&self) -> bool {
        opens(self.flags())
    }
}

impl Sweep {
    /// Lanes for `was`, the settings the capture was taken under, and for each variant of them.
    pub fn new(was: Settings, kernel: Kernel, variants: Vec<Variant>) -> Self {
        let as_it_was = Variant { name: "as captured".to_owned(), settings: was, probes: None };
        let all: Vec<Variant> = std::iter::once(as_it_was).chain(variants).collect();
        let (trunk, seats) = Trunk::new(&all, kernel.rules());
        let all_follow = seats.iter().all(Option::is_some);
        let probing = (0..).zip(&all).filter(|(_, v)| v.probes.is_some()).map(|(at, _)| at);
        let probing = probing.collect();
        let lane = |(variant, seat)| Lane::new(variant, seat, kernel.rules());
        Self {
            front: Front::new(),
            lanes: all.into_iter().zip(seats).map(lane).collect(),
            trunk,
            all_follow,
            flows: Flows::default(),
            lines: Lines::default(),
            probing,
            routed: None,
            probe_due: Moment::from_ns(i64::MAX),
            opened: 0,
            begins: None,
            ends: Moment::from_ns(i64::MIN),
        }
    }

    /// Wrong checksums count, as for a box whose network card verifies none.
    #[must_use]
    pub fn verifying_checksums(mut self) -> Self {
        self.front.verify_checksums = true;
        self
    }

    /// As [`super::Replay::behind`], for every lane. How connections are translated is as it was
    /// when the capture was taken; without interfaces rules of translation are not asked.
    #[must_use]
    pub fn behind(mut self, firewall: Firewall) -> Self {
        let firewall = Arc::new(firewall);
        for lane in &mut self.lanes {
            lane.behind(Arc::clone(&firewall));
        }
        self.routed = Some(Box::new(Routed::new(firewall)));
        self
    }

    /// As [`super::Replay::unsaid`].
    pub fn unsaid(&self) -> Option<(usize, &CannotSay)> {
        self.routed.as_ref()?.unsaid()
    }

    /// As [`super::Replay::start_from`], for every lane.
    pub fn start_from(
        &mut self,
        entries: &[dump::Entry],
        taken_at: Moment,
        begins: Moment,
    ) -> Taken {
        start::take(entries, (taken_at, begins), |start| match start {
            Start::Translation(original, reply) => {
                self.translate(original, reply);
                true
            }
            Start::Entry(entry) => {
                if !self.lanes.iter_mut().all(|lane| lane.insert(entry)) {
                    return false;
                }
                self.translate(entry.original, entry.reply);
                self.stand(entry, begins);
                true
            }
        })
    }

    /// As [`super::Replay::translate`], for every lane.
    pub fn translate(&mut self, original: Tuple, reply: Tuple) {
        if self.front.translate(original, reply) {
            let tables = self.lanes.iter_mut().map(Lane::table_mut);
            for table in tables.chain(self.trunk.as_mut().map(Trunk::table_mut)) {
                table.translate(original, reply);
            }
        }
    }

    /// What became of the packets as the capture was taken.
    pub const fn tally(&self) -> &Tally {
        &self.front.tally
    }

    /// Shows one packet to every lane.
    pub fn packet(&mut self, captured: &capture::Packet<'_>, file: usize) {
        let Some((packet, _)) = self.front.packet(captured, file) else { return };
        if self.routed.is_some() && self.route(&packet, captured.at) {
            self.front.tally.leaving += 1;
            return;
        }
        self.arrives((captured.number, captured.at), packet);
    }

    /// Asks the rules how a connection leaves that a packet may begin; true for a copy of one that
    /// left, and tells which port was drawn.
    fn route(&mut self, packet: &Packet, at: Moment) -> bool {
        let tuple = packet.tuple;
        if self.front.knows(&tuple) || self.had(&tuple, at) {
            return false;
        }
        let Some(mut routed) = self.routed.take_if(|routed| routed.knows_addresses()) else {
            return false;
        };
        let left = routed.left_as(&tuple).and_then(|original| Some((original, tuple.inverse()?)));
        let told = left.or_else(|| {
            let reply = routed.opens(packet, &|other| self.had(other, at))?;
            Some((tuple, reply))
        });
        self.routed = Some(routed);
        if let Some((original, reply)) = told {
            self.front.translate_arrived(original, reply);
            let number = self.flows.number(&self.front.flow(&original));
            if let Some(flow) = number.and_then(|number| self.flows.at_mut(number)) {
                flow.reply = Some(Box::new(Translation { original, reply }));
            }
            let tables = self.lanes.iter_mut().map(Lane::table_mut);
            for table in tables.chain(self.trunk.as_mut().map(Trunk::table_mut)) {
                table.translate(original, reply);
                if left.is_some() {
                    table.answers_as(&original, reply);
                }
            }
        }
        left.is_some()
    }

    /// Whether the table as it was has an entry for such packets.
    fn had(&self, tuple: &Tuple, at: Moment) -> bool {
        let Some(first) = self.lanes.first() else { return false };
        let number = self.flows.number(&self.front.flow(tuple));
        let flow = number.and_then(|number| Some((number, self.flows.at(number)?)));
        let entry = match (flow, first.seat(), &self.trunk) {
            (Some((number, flow)), Some(seat), Some(trunk)) if !first.has_left(number) => {
                trunk.entry_for(number, flow, seat)
            }
            _ => first.table().find(tuple).map(|(entry, _)| *entry),
        };
        entry.is_some_and(|e| e.expires > at && (e.original == *tuple || e.reply == *tuple))
    }

    /// The same for a packet as it arrives at the box.
    fn arrives(&mut self, (number, at): (u64, Moment), packet: Packet) {
        self.front.tally.judged += 1;
        let at = self.ends.max(at);
        self.ends = at;
        self.begins.get_or_insert(at);
        if self.probe_due < at {
            self.send_probes(at);
        }
        let arrived = self.time_in_trunk(at, &packet);
        let flow = arrived.flow.unwrap_or_else(|| self.flow_of(&packet.tuple, at));
        let subject = self.subject(&packet).unwrap_or(flow);
        let way = Way::default();
        let mut passing = Passing { number, at, flow, subject, reply: None, way, packet };
        self.leave_where_gone(subject, at);
        let apart = |n: u32| self.flows.at(n).is_some_and(|flow| flow.apart);
        let apart = apart(subject) || apart(flow);
        if apart || !self.all_follow {
            self.pass_time(at, apart);
        }
        self.note(&passing);
        if arrived.place.is_none() && self.routed.is_some() {
            self.tell_way(&mut passing);
        }
        let shared = self.in_trunk(&passing, arrived.place);
        // Whether lanes left it with this packet is known by now.
        let apart = apart || self.flows.at(subject).is_some_and(|flow| flow.apart);
        let missed = self.flows.at_mut(flow).is_some_and(|f| std::mem::take(&mut f.missed));
        let accepted = shared.as_ref().is_some_and(|judged| judged.verdict == Verdict::Accept);
        let alike = accepted && !apart && !missed;
        if alike && self.all_follow {
            return;
        }
        self.tell_way(&mut passing);
        match shared.filter(|_| alike) {
            Some(judged) => {
                for lane in self.lanes.iter_mut().filter(|lane| lane.seat().is_none()) {
                    lane.packet(&passing, Some(&judged));
                }
            }
            None => self.in_lanes(&passing, shared.as_ref()),
        }
    }

    /// Adds what is known of how a packet leaves.
    fn tell_way(&self, passing: &mut Passing) {
        let flow = self.flows.at(passing.flow);
        passing.reply = flow.and_then(|flow| flow.reply.as_deref().copied());
        if let Some(routed) = &self.routed {
            passing.way = routed.way(&passing.packet.tuple);
        }
    }

    /// The number of a packet's connection, which may begin here.
    fn flow_of(&mut self, tuple: &Tuple, at: Moment) -> u32 {
        let known = self.flows.len();
        let number = self.flows.number_of(tuple, at, &self.front);
        self.opened += (self.flows.len() - known) as u64;
        number
    }

    /// The connection an ICMP error is about.
    fn subject(&self, packet: &Packet) -> Option<u32> {
        let Body::IcmpError { about: Some(about) } = packet.body else { return None };
        self.flows.number(&self.front.flow(&about.inverse()?))
    }

    /// Lets end in lanes what ends before a packet, while its connection is still as it was
    /// before it: in those with a table of their own, or in all.
    fn pass_time(&mut self, at: Moment, all: bool) {
        let known = Known { front: &self.front, flows: &self.flows };
        for lane in self.lanes.iter_mut().filter(|lane| all || lane.seat().is_none()) {
            lane.advance_to(at, known);
        }
    }

    /// Lets lanes send the probes that are due before a packet.
    fn send_probes(&mut self, until: Moment) {
        let mut soonest = Moment::from_ns(i64::MAX);
        for index in self.probing.clone() {
            let due = |sweep: &mut Self| sweep.lanes.get_mut(index)?.due(until, &sweep.lines);
            while let Some(next) = due(self) {
                self.leave_to_probe(index, next.flow, next.at);
                let known = Known { front: &self.front, flows: &self.flows };
                if let Some(lane) = self.lanes.get_mut(index) {
                    lane.send(next, known);
                }
            }
            let next = self.lanes.get(index).and_then(Lane::next_probe);
            soonest = next.map_or(soonest, |next| soonest.min(next));
        }
        self.probe_due = soonest;
    }

    /// Shows a packet to each lane; `shared` is what the trunk makes of it.
    fn in_lanes(&mut self, passing: &Passing, shared: Option<&Judged>) {
        if let Some(flow) = self.flows.at_mut(passing.flow) {
            flow.apart |= passing.flow != passing.subject;
        }
        let entry = match (&self.trunk, self.flows.at(passing.flow)) {
            (Some(trunk), Some(flow)) => Some((trunk, flow)),
            _ => None,
        };
        let shared = shared.map(|judged| Shared { judged, entry });
        let Some((first, others)) = self.lanes.split_first_mut() else { return };
        let was = first.meets(passing, (None, shared));
        let verdict = was.as_ref().map(|was| was.verdict);
        self.front.tally.invalid += u64::from(verdict == Some(Verdict::Invalid));
        self.front.tally.ignored += u64::from(verdict == Some(Verdict::Ignore));
        for lane in others {
            lane.meets(passing, (was.as_ref(), shared));
        }
    }

    /// Keeps what every lane needs of the packet's connection.
    fn note(&mut self, passing: &Passing) {
        let Passing { at, flow, .. } = *passing;
        let anew = self.flows.at_mut(flow).is_some_and(|f| f.note(at, passing.flags()));
        self.opened += u64::from(anew);
        if self.probing.is_empty() {
            return;
        }
        let Some(line) = self.lines.take(at, flow, &passing.packet) else { return };
        for index in &self.probing {
            if let Some(lane) = self.lanes.get_mut(*index) {
                lane.awaits_probe(flow, line);
                let next = lane.next_probe();
                self.probe_due = next.map_or(self.probe_due, |next| self.probe_due.min(next));
            }
        }
        line.is_asked();
    }

    /// Whether the trunk held as many entries as the box allows: rows with longer timers than it
    /// was set to are then not exact.
    pub fn was_full(&self) -> bool {
        self.trunk.as_ref().is_some_and(Trunk::was_full)
    }

    /// The rows, as it was first. Time stops at the last packet.
    pub fn rows(mut self) -> Vec<Row> {
        self.close_trunk();
        let Self { lanes, flows, front, opened, begins, ends, .. } = self;
        let known = Known { front: &front, flows: &flows };
        let span = begins.map_or(0.0, |begins| ends.since(begins).secs_f64());
        lanes.into_iter().map(|lane| lane.row(known, (opened, span, ends))).collect()
    }
}
