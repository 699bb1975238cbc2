//! One capture under many settings: a row each for how the table would have served the same
//! connections.
//!
//! Every lane is exact up to the first packet of a connection that meets another fate than it met
//! when the capture was taken. From there the ends would have sent something else: the lane
//! plays the one reaction that RFC 9293 leaves no choice about (an acknowledgement of data that
//! now arrives), feeds no more of that connection's recorded packets to the table, and counts them
//! as `unsent`. Refused: a guess at what the ends would have said later.

mod lane;
mod probe;
mod variant;

use std::collections::HashMap;

use super::front::{Front, Tally};
use super::hash::Quick;
use super::judged::Verdict;
use super::packet::{Body, Packet, Tuple, flag};
use super::reach::Translation;
use super::replay::{Taken, entry_of, translation_of};
use super::settings::Settings;
use super::version::Kernel;
use crate::capture;
use crate::dump::conntrack as dump;
use crate::time::Moment;
use lane::Lane;
pub use lane::{ENOUGH, Parted, Row, RunOut, Said, Turn};
pub use probe::{Kind, Prober, Probes};
pub use variant::{Variant, Wrong};

/// A sweep under way.
#[derive(Debug)]
pub struct Sweep {
    front: Front,
    /// As it was first, then one for each variant.
    lanes: Vec<Lane>,
    flows: HashMap<Tuple, Flow, Quick>,
    opened: u64,
    begins: Option<Moment>,
    ends: Moment,
}

/// What every lane needs to know of a connection.
#[derive(Clone, Copy, Debug)]
struct Flow {
    first: Moment,
    last: Moment,
    /// Its ends closed or reset it.
    over: bool,
    reply: Option<Translation>,
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
        let all = std::iter::once(as_it_was).chain(variants);
        Self {
            front: Front::new(),
            lanes: all.map(|variant| Lane::new(variant, kernel.rules())).collect(),
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
        let mut taken = Taken::default();
        if taken_at > begins {
            for (original, reply) in entries.iter().filter_map(translation_of) {
                self.translate(original, reply);
                taken.translations += 1;
            }
            return taken;
        }
        for told in entries {
            let Some(entry) = entry_of(told, taken_at) else {
                taken.skipped += 1;
                continue;
            };
            if entry.expires <= begins && !entry.status.offload {
                taken.over += 1;
            } else if self.lanes.iter_mut().all(|lane| lane.insert(entry)) {
                taken.entries += 1;
                self.translate(entry.original, entry.reply);
            } else {
                taken.skipped += 1;
            }
        }
        taken
    }

    /// As [`super::Replay::translate`], for every lane.
    pub fn translate(&mut self, original: Tuple, reply: Tuple) {
        if self.front.translate(original, reply) {
            for lane in &mut self.lanes {
                lane.translate(original, reply);
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
        passing.reply = self.note(&passing);
        let Some((first, others)) = self.lanes.split_first_mut() else { return };
        let was = first.packet(&passing, None, &self.flows);
        if let Some(was) = &was {
            self.front.tally.judged += 1;
            self.front.tally.invalid += u64::from(was.verdict == Verdict::Invalid);
            self.front.tally.ignored += u64::from(was.verdict == Verdict::Ignore);
        }
        for lane in others {
            lane.packet(&passing, was.as_ref(), &self.flows);
        }
    }

    /// Keeps what every lane needs of the packet's connection; its translation.
    fn note(&mut self, passing: &Passing) -> Option<Translation> {
        let at = passing.at;
        let front = &self.front;
        let flow = self.flows.entry(passing.flow).or_insert_with(|| {
            self.opened += 1;
            Flow { first: at, last: at, over: false, reply: front.translation(&passing.flow) }
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

    /// The rows, as it was first. Time stops at the last packet.
    pub fn rows(self) -> Vec<Row> {
        let Self { lanes, flows, opened, begins, ends, .. } = self;
        let span = begins.map_or(0.0, |begins| ends.since(begins).secs_f64());
        lanes.into_iter().map(|lane| lane.row(&flows, (opened, span, ends))).collect()
    }
}
