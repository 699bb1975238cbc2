//! A capture through the table: packets in order of time become lines of a replay.
//!
//! The capture is taken for what arrives at the box. A packet seen at several places is judged
//! once; a copy that leaves the box translated is judged as it arrived. Refused: fragments, which
//! the kernel puts together first, and checksums, which a capture on the sending host or behind
//! receive offload shows wrong (unless asked for).

use std::collections::HashMap;
use std::sync::Arc;

use super::front::Front;
pub use super::front::Tally;
use super::hash::Quick;
use super::judged::{Event, Judged, Verdict};
use super::nat::{CannotSay, Firewall};
use super::packet::{Body, Packet, Tuple, flag};
use super::reach::Reaches;
use super::record::{Line, Record, TimerRecord};
use super::routed::{Leaves, Routed, is_stopped};
use super::settings::Settings;
pub use super::start::Taken;
use super::start::{self, Start};
use super::table::Table;
use super::version::Kernel;
use crate::capture;
use crate::dump::conntrack as dump;
use crate::dump::rules::ask::Ruled;
use crate::time::Moment;

/// One packet that the table saw.
#[derive(Clone, Copy, Debug)]
pub struct Sight {
    /// Its ends as the capture shows them.
    pub arrived: Tuple,
    /// Its ends as it arrives at the box.
    pub tuple: Tuple,
    /// Its TCP flags; 0 for other protocols.
    pub flags: u8,
    /// The table's answer.
    pub judged: Judged,
    /// An earlier packet of the flow met another fate than when the capture was taken.
    pub simulated: bool,
    /// How it leaves, beside what the table says.
    pub leaves: Leaves,
    /// What a rule surely does with it, where rules are known.
    pub ruled: Option<Ruled>,
}

/// A replay under way.
#[derive(Clone, Debug)]
pub struct Replay {
    table: Table,
    /// The same under the settings the capture was taken with, for a what-if.
    as_it_was: Option<Table>,
    /// Flows whose fate differs between the two.
    parted: HashMap<Tuple, (), Quick>,
    /// TCP flows met so far, by one of their tuples.
    met: HashMap<Tuple, (), Quick>,
    front: Front,
    routed: Option<Box<Routed>>,
}

impl Replay {
    /// An empty table with these settings and the rules of this kernel.
    pub fn new(settings: Settings, kernel: Kernel) -> Self {
        Self {
            table: Table::new(settings, kernel.rules()),
            as_it_was: None,
            parted: HashMap::default(),
            met: HashMap::default(),
            front: Front::new(),
            routed: None,
        }
    }

    /// The box has these rules and interfaces: they say how connections leave that no dump tells
    /// of, and which packets are stopped.
    #[must_use]
    pub fn behind(mut self, firewall: Firewall) -> Self {
        self.routed = Some(Box::new(Routed::new(Arc::new(firewall))));
        self
    }

    /// Connections of which the rules do not say how they leave, and why, of the first.
    pub fn unsaid(&self) -> Option<(usize, &CannotSay)> {
        self.routed.as_ref()?.unsaid()
    }

    /// The settings are a what-if; the capture was taken under these.
    #[must_use]
    pub fn taken_under(mut self, settings: Settings) -> Self {
        if settings != self.table.settings {
            self.as_it_was = Some(Table::new(settings, *self.table.rules()));
        }
        self
    }

    /// Wrong checksums count, as for a box whose network card verifies none.
    #[must_use]
    pub fn verifying_checksums(mut self) -> Self {
        self.front.verify_checksums = true;
        self
    }

    /// Begins with the entries of a dump that was taken at `taken_at`, for a capture that begins
    /// at `begins`.
    ///
    /// A dump that was taken after the capture began tells translations and no more: the packets
    /// themselves make the entries. An older one tells neither windows nor their scales: both
    /// directions are initialised again by their next packets, and window verdicts are waived, as
    /// for a flow taken up mid-stream.
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
                if !self.table.insert(entry) {
                    return false;
                }
                if let Some(other) = &mut self.as_it_was {
                    other.insert(entry);
                }
                self.met.insert(self.front.flow(&entry.original), ());
                self.translate(entry.original, entry.reply);
                true
            }
        })
    }

    /// Makes a translation known, as a dump tells it: packets of `original` are answered as
    /// `reply`. Copies that leave translated are then told from packets that arrive.
    pub fn translate(&mut self, original: Tuple, reply: Tuple) {
        if !self.front.translate(original, reply) {
            return;
        }
        self.table.translate(original, reply);
        if let Some(other) = &mut self.as_it_was {
            other.translate(original, reply);
        }
    }

    /// The table as it stands.
    pub const fn table(&self) -> &Table {
        &self.table
    }

    /// What became of the packets so far.
    pub const fn tally(&self) -> &Tally {
        &self.front.tally
    }

    /// Whether some packet met another fate than under the settings the capture was taken with.
    pub fn has_parted(&self) -> bool {
        !self.parted.is_empty()
    }

    /// Judges one packet of the capture; `file` tells captures read together apart. Lines are
    /// appended: the timers that ran out before it, and the packet if the table sees it.
    pub fn packet(&mut self, captured: &capture::Packet<'_>, file: usize, lines: &mut Vec<Line>) {
        self.told(captured, file, (true, lines));
    }

    /// The same with the lines that matter alone ([`Line::matters`]): far quicker.
    pub fn what_matters(
        &mut self,
        captured: &capture::Packet<'_>,
        file: usize,
        lines: &mut Vec<Line>,
    ) {
        self.told(captured, file, (false, lines));
    }

    fn told(
        &mut self,
        captured: &capture::Packet<'_>,
        file: usize,
        (all, lines): (bool, &mut Vec<Line>),
    ) {
        let Some(sight) = self.judge(captured, file) else { return };
        lines.extend(self.table.drain_events().map(|e| Line::Timer(TimerRecord::from(&e))));
        if !all && !sight.judged.matters() {
            return;
        }
        let rules = self.table.rules();
        let (number, at) = (captured.number, captured.at);
        let mut record = Record::of(number, at, sight.arrived, &sight.judged, rules);
        record.simulated = sight.simulated;
        let known = self.front.translation(&self.front.flow(&sight.tuple));
        record.reaches = known.map(|_| Reaches::of(known, &sight.tuple, &sight.judged));
        record.routed(sight.leaves, sight.ruled);
        lines.push(Line::Packet(Box::new(record)));
    }

    /// Judges one packet and tells no lines; `None` if the table does not see it. What ended until
    /// then is for [`Replay::drain_events`].
    pub fn judge(&mut self, captured: &capture::Packet<'_>, file: usize) -> Option<Sight> {
        let (packet, arrived) = self.front.packet(captured, file)?;
        if self.route(&packet) {
            self.front.tally.leaving += 1;
            return None;
        }
        let (judged, simulated) = self.both(captured.at, &packet);
        let tally = &mut self.front.tally;
        tally.judged += 1;
        tally.invalid += u64::from(judged.verdict == Verdict::Invalid);
        tally.ignored += u64::from(judged.verdict == Verdict::Ignore);
        let flags = if let Body::Tcp(tcp) = &packet.body { tcp.flags } else { 0 };
        if judged.created || judged.entry.is_none() {
            self.note_midstream(&packet);
        }
        let (leaves, ruled) = self.ruled(&packet, &judged);
        Some(Sight { arrived, tuple: packet.tuple, flags, judged, simulated, leaves, ruled })
    }

    /// Asks the rules how a connection leaves that a packet may begin; true for a copy of one that
    /// left, and tells which port was drawn.
    fn route(&mut self, packet: &Packet) -> bool {
        let Some(routed) = &mut self.routed else { return false };
        let tuple = &packet.tuple;
        if self.front.knows(tuple) || self.table.find(tuple).is_some() {
            return false;
        }
        if let Some(original) = routed.left_as(tuple)
            && let Some(reply) = tuple.inverse()
        {
            self.front.translate_arrived(original, reply);
            for table in std::iter::once(&mut self.table).chain(&mut self.as_it_was) {
                table.translate(original, reply);
                table.answers_as(&original, reply);
            }
            return true;
        }
        let table = &self.table;
        if let Some(reply) = routed.opens(packet, &|tuple| table.find(tuple).is_some()) {
            self.front.translate_arrived(*tuple, reply);
            self.table.translate(*tuple, reply);
            if let Some(other) = &mut self.as_it_was {
                other.translate(*tuple, reply);
            }
        }
        false
    }

    /// How a packet leaves and what rules do with it; a first packet that is stopped leaves no
    /// entry.
    fn ruled(&mut self, packet: &Packet, judged: &Judged) -> (Leaves, Option<Ruled>) {
        let Some(routed) = &self.routed else { return (Leaves::AsJudged, None) };
        let (leaves, ruled) = routed.tell(packet, judged);
        if judged.created && is_stopped(&ruled) {
            self.table.remove(&packet.tuple);
        }
        let [one] = ruled.as_slice() else { return (leaves, None) };
        (leaves, Some(*one))
    }

    /// Moves time on to `at`; what ends until then is for [`Replay::drain_events`].
    pub fn advance_quietly(&mut self, at: Moment) {
        self.table.advance_to(at);
    }

    /// What has ended since it was last asked, in order of time.
    pub fn drain_events(&mut self) -> std::vec::Drain<'_, Event> {
        self.table.drain_events()
    }

    /// Moves time on to `at` and appends the timers that run out until then.
    pub fn advance_to(&mut self, at: Moment, lines: &mut Vec<Line>) {
        self.table.advance_to(at);
        lines.extend(self.table.drain_events().map(|e| Line::Timer(TimerRecord::from(&e))));
    }

    /// The table's answer, and whether the ends would have acted otherwise by now.
    fn both(&mut self, at: Moment, packet: &Packet) -> (Judged, bool) {
        let judged = self.table.packet(at, packet);
        let Some(other) = &mut self.as_it_was else { return (judged, false) };
        let was = other.packet(at, packet);
        other.drain_events();
        let flow = self.front.flow(&packet.tuple);
        let simulated = self.parted.contains_key(&flow);
        if fate(&was) != fate(&judged) {
            self.parted.insert(flow, ());
        }
        (judged, simulated)
    }

    /// For a packet that made its entry, or met none: only such can be the first of its flow.
    fn note_midstream(&mut self, packet: &Packet) {
        let Body::Tcp(tcp) = &packet.body else { return };
        let new = self.met.insert(self.front.flow(&packet.tuple), ()).is_none();
        if new && !tcp.has(flag::SYN) {
            self.front.tally.midstream += 1;
        }
    }
}

/// What the ends notice of a verdict: whether the packet went through, and as whose.
fn fate(judged: &Judged) -> (bool, Tuple) {
    (matches!(judged.verdict, Verdict::Invalid | Verdict::Drop), judged.leaves_as)
}
