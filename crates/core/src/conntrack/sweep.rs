//! One capture under many settings: a row each for how the table would have served the same
//! connections.
//!
//! Lanes whose settings differ in timeouts alone share one table, the trunk, which keeps an entry
//! as long as the longest of them would. A lane leaves the trunk for a connection once its own
//! timer for it has run out, and judges it in a table of its own from then on. Other lanes have a
//! table of their own from the beginning.
//!
//! Every lane is exact up to the first packet of a connection that meets another fate than it met
//! when the capture was taken. From there the ends would have sent something else: the lane
//! plays the one reaction that RFC 9293 leaves no choice about (an acknowledgement of data that
//! now arrives), feeds no more of that connection's recorded packets to the table, and counts them
//! as `unsent`. Refused: a guess at what the ends would have said later.

mod lane;
mod probe;
mod trunk;
mod variant;

use std::collections::HashMap;

use super::entry::Entry;
use super::front::{Front, Tally};
use super::hash::Quick;
use super::judged::{Judged, Verdict};
use super::packet::{Body, Packet, Tuple, flag};
use super::reach::Translation;
use super::settings::Settings;
use super::start::{self, Start, Taken};
use super::version::Kernel;
use crate::capture;
use crate::dump::conntrack as dump;
use crate::time::Moment;
use lane::Lane;
pub use lane::{ENOUGH, Parted, Row, RunOut, Said, Turn};
pub use probe::{Kind, Prober, Probes};
use trunk::{Stands, Trunk};
pub use variant::{Variant, Wrong};

/// A sweep under way.
#[derive(Debug)]
pub struct Sweep {
    front: Front,
    trunk: Option<Trunk>,
    /// As it was first, then one for each variant.
    lanes: Vec<Lane>,
    flows: HashMap<Tuple, Flow, Quick>,
    opened: u64,
    begins: Option<Moment>,
    ends: Moment,
}

/// What every lane needs to know of a connection.
#[derive(Debug)]
struct Flow {
    first: Moment,
    last: Moment,
    /// Its ends closed or reset it.
    over: bool,
    reply: Option<Translation>,
    /// Its entry in the trunk.
    stands: Option<Stands>,
    /// Some lane may see it otherwise than the trunk.
    apart: bool,
}

/// The connections, for a lane to look one up.
#[derive(Clone, Copy, Debug)]
struct Known<'a> {
    front: &'a Front,
    flows: &'a HashMap<Tuple, Flow, Quick>,
}

impl<'a> Known<'a> {
    /// A connection by the original direction of its entry, and the name it goes by.
    fn named(self, original: &Tuple) -> Option<(Tuple, &'a Flow)> {
        let name = self.front.flow(original);
        self.flows.get(&name).map(|flow| (name, flow))
    }
}

/// A captured packet on its way through the lanes.
#[derive(Clone, Copy, Debug)]
struct Passing {
    number: u64,
    at: Moment,
    flow: Tuple,
    /// How its answers arrive, where it is known to be translated.
    reply: Option<Translation>,
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
    /// That entry, as it is in the lane of this place.
    fn entry_at(&self, place: usize) -> Option<Entry> {
        let (trunk, flow) = self.entry?;
        let (entry, goes) = trunk.entry_of(flow)?;
        goes.get(place).map(|at| Entry { expires: *at, ..entry })
    }
}

impl Passing {
    fn flags(&self) -> u8 {
        if let Body::Tcp(tcp) = &self.packet.body { tcp.flags } else { 0 }
    }

    fn opens(&self) -> bool {
        self.flags() & (flag::SYN | flag::ACK) == flag::SYN
    }
}

impl Sweep {
    /// Lanes for `was`, the settings the capture was taken under, and for each variant of them.
    pub fn new(was: Settings, kernel: Kernel, variants: Vec<Variant>) -> Self {
        let as_it_was = Variant { name: "as captured".to_owned(), settings: was, probes: None };
        let all: Vec<Variant> = std::iter::once(as_it_was).chain(variants).collect();
        let trunk = Trunk::new(&all, kernel.rules());
        let lane = |(at, variant)| {
            let place = trunk.as_ref().and_then(|trunk| trunk.place(at));
            Lane::new(variant, place, kernel.rules())
        };
        Self {
            front: Front::new(),
            lanes: all.into_iter().enumerate().map(lane).collect(),
            trunk,
            flows: HashMap::default(),
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
        self.ends = self.ends.max(captured.at);
        self.begins.get_or_insert(captured.at);
        let flow = self.front.flow(&packet.tuple);
        let (number, at) = (captured.number, self.ends);
        let mut passing = Passing { number, at, flow, reply: None, packet };
        self.pass_time(&passing);
        passing.reply = self.note(&passing);
        let shared = self.in_trunk(&passing);
        let flow = self.flows.get(&passing.flow);
        self.front.tally.judged += 1;
        let alike = flow.is_some_and(|flow| !flow.apart)
            && shared.as_ref().is_some_and(|judged| judged.verdict == Verdict::Accept)
            && self.trunk.as_ref().is_some_and(Trunk::carries_all);
        if !alike {
            self.in_lanes(&passing, shared.as_ref());
        }
    }

    /// Lets end what ends before a packet, while its connection is still as it was before it.
    fn pass_time(&mut self, passing: &Passing) {
        self.time_in_trunk(passing);
        let apart = self.flows.get(&passing.flow).is_some_and(|flow| flow.apart);
        if apart || !self.trunk.as_ref().is_some_and(Trunk::carries_all) {
            let known = Known { front: &self.front, flows: &self.flows };
            for lane in &mut self.lanes {
                lane.advance_to(passing.at, known);
            }
        }
    }

    /// Shows a packet to each lane; `shared` is what the trunk makes of it.
    fn in_lanes(&mut self, passing: &Passing, shared: Option<&Judged>) {
        let entry = match (&self.trunk, self.flows.get(&passing.flow)) {
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

    /// Keeps what every lane needs of the packet's connection; its translation.
    fn note(&mut self, passing: &Passing) -> Option<Translation> {
        let at = passing.at;
        let front = &self.front;
        let flow = self.flows.entry(passing.flow).or_insert_with(|| {
            self.opened += 1;
            let reply = front.translation(&passing.flow);
            Flow { first: at, last: at, over: false, reply, stands: None, apart: false }
        });
        if passing.opens() && flow.over {
            self.opened += 1;
            flow.first = at;
        }
        flow.over =
            !passing.opens() && (flow.over || passing.flags() & (flag::FIN | flag::RST) != 0);
        flow.last = at;
        flow.reply
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
