//! One table of a sweep, and the row it becomes.

use std::collections::HashMap;

use serde::Serialize;

use super::probe::Injector;
use super::{Flow, Known, Passing, Shared, Variant};
use crate::conntrack::entry::Entry;
use crate::conntrack::hash::Quick;
use crate::conntrack::judged::{Event, Gone, Judged, Verdict};
use crate::conntrack::packet::{Body, Packet, Tcp, Tuple, flag};
use crate::conntrack::reach::Reaches;
use crate::conntrack::record::Ends;
use crate::conntrack::rules::Rules;
use crate::conntrack::state::State;
use crate::conntrack::table::Table;
use crate::time::{Gap, Moment};

/// Reasons told of one lane; the rest are counted among `more`.
const SAID_MAX: usize = 8;

/// Ended connections that make a rate and a mean worth quoting.
pub const ENOUGH: u64 = 30;

/// Packets that did not count, all for one reason.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Said {
    /// `ignore` or `invalid`.
    pub verdict: Verdict,
    /// Why, with the numbers of the first of them.
    pub reason: String,
    /// How many.
    pub count: u64,
    /// The first of them; null for a packet that was never recorded.
    pub packet: Option<u64>,
    #[serde(skip)]
    kind: std::mem::Discriminant<crate::conntrack::Reason>,
}

/// Which way a connection's fate turned.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Turn {
    /// A packet passes that was refused when the capture was taken.
    Saved,
    /// A packet is refused that passed when the capture was taken.
    Cut,
}

/// The first packet of a connection that meets another fate than when the capture was taken.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Parted {
    /// Which way.
    pub turn: Turn,
    /// Its number; null for a packet that was never recorded.
    pub packet: Option<u64>,
    /// When, nanoseconds since the epoch.
    pub at_ns: Moment,
    /// As it arrives.
    pub arrives_as: Ends,
    /// Why the one verdict of the two is not `accept`.
    pub reason: Option<String>,
    /// Whom the refused one of the two packets reaches.
    pub reaches: Reaches,
    /// When its entry now goes unless something sets its timer, nanoseconds since the epoch; null
    /// where the packet is refused.
    pub stands_until_ns: Option<Moment>,
}

/// An entry whose time was up, and that was needed afterwards.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct RunOut {
    /// When it went, nanoseconds since the epoch.
    pub at_ns: Moment,
    /// Its original direction.
    pub original: Ends,
    /// Its last state.
    pub tcp_state: Option<&'static str>,
    /// The packet that found none; null for one that was never recorded.
    pub packet: Option<u64>,
    /// What became of that packet.
    pub verdict: Verdict,
    /// Whom it reaches.
    pub reaches: Reaches,
}

/// What one variant did.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Row {
    /// The variant; `as captured` for what was.
    pub name: String,
    /// Connections and other flows opened.
    pub opened: u64,
    /// TCP entries that ran out and were needed afterwards.
    pub run_out: u64,
    /// The first of them.
    pub first_run_out: Option<RunOut>,
    /// Of these, how many a packet without SYN made anew (`tcp_loose`).
    pub taken_up: u64,
    /// Of these, how many were then not served: the packet did not come through to its peer.
    pub lost: u64,
    /// Connections that a refused packet parts from what was captured.
    pub cut: u64,
    /// Connections that a packet which now passes parts from what was captured.
    pub saved: u64,
    /// Of the saved, how many only for a while: neither the packet nor what answers it sets the
    /// timer, so that the same end comes later.
    pub moved: u64,
    /// The first of the two.
    pub first_parted: Option<Parted>,
    /// Packets INVALID or dropped.
    pub invalid: u64,
    /// Packets that passed without effect.
    pub ignored: u64,
    /// Why, the most frequent first.
    pub reasons: Vec<Said>,
    /// Recorded packets that would not have been sent, or not so.
    pub unsent: u64,
    /// Probes and answers that the variant adds; null where it asks for none.
    pub added: Option<u64>,
    /// Packets nobody recorded, probes aside: reactions of the ends.
    pub simulated: u64,
    /// Entries when the capture ends.
    pub standing: usize,
    /// Mean seconds an entry outlives its connection's last packet, of connections that were
    /// closed, reset or left to run out; null if there were none.
    pub outlives_s: Option<f64>,
    /// Entries to be expected for ever at the capture's rate of openings: rate times mean stay
    /// (Little's law); null where fewer than [`ENOUGH`] connections ended.
    pub entries_at_this_rate: Option<f64>,
    /// Seconds an entry stays when both its ends vanish without a word.
    pub vanished_s: u32,
}

#[derive(Debug)]
pub(super) struct Lane {
    /// Its place in the trunk, if it follows that.
    place: Option<usize>,
    /// Connections for which it no longer does.
    left: HashMap<Tuple, (), Quick>,
    table: Table,
    injector: Option<Injector>,
    /// Connections whose ends would by now say something else.
    parted: HashMap<Tuple, (), Quick>,
    /// Entries that ran out, by connection, until they are needed or it begins anew.
    gone: HashMap<Tuple, RanOut, Quick>,
    stayed: Stayed,
    row: Row,
}

/// An entry that ran out, and what its connection was by then.
#[derive(Clone, Copy, Debug)]
struct RanOut {
    event: Event,
    stay: Option<Stay>,
}

/// How long a connection lived, and its entry after it.
#[derive(Clone, Copy, Debug)]
struct Stay {
    lived: Gap,
    outlived: Gap,
}

/// Sums of stays; in whole nanoseconds, so that the order of adding makes no difference.
#[derive(Clone, Copy, Debug, Default)]
struct Stayed {
    lived_ns: i128,
    outlived_ns: i128,
    count: u64,
}

impl Stayed {
    fn add(&mut self, stay: Stay) {
        self.lived_ns += i128::from(stay.lived.ns());
        self.outlived_ns += i128::from(stay.outlived.ns());
        self.count += 1;
    }
}

/// States in which a connection still needs its entry.
pub(super) const fn is_open(state: Option<State>) -> bool {
    use State::{CloseWait, Established, FinWait, SynRecv};
    matches!(state, Some(SynRecv | Established | FinWait | CloseWait))
}

impl Lane {
    pub(super) fn new(variant: Variant, place: Option<usize>, rules: Rules) -> Self {
        let row = Row {
            name: variant.name,
            added: variant.probes.map(|_| 0),
            vanished_s: variant.settings.tcp.established,
            ..Row::default()
        };
        Self {
            table: Table::new(variant.settings, rules),
            injector: variant.probes.map(Injector::new),
            place,
            left: HashMap::default(),
            parted: HashMap::default(),
            gone: HashMap::default(),
            stayed: Stayed::default(),
            row,
        }
    }

    /// An entry that stood before the capture, for a lane with a table of its own.
    pub(super) fn insert(&mut self, entry: Entry) -> bool {
        self.place.is_some() || self.table.insert(entry)
    }

    pub(super) const fn table_mut(&mut self) -> &mut Table {
        &mut self.table
    }

    /// From now on it judges this connection itself, beginning with this entry.
    pub(super) fn leave(&mut self, flow: Tuple, entry: Option<Entry>) {
        if self.left.insert(flow, ()).is_none()
            && let Some(entry) = entry
        {
            self.table.insert(entry);
        }
    }

    /// It judges this connection itself.
    pub(super) fn has_left(&self, flow: &Tuple) -> bool {
        self.place.is_none() || (!self.left.is_empty() && self.left.contains_key(flow))
    }

    /// A recorded packet: `was` is its fate when the capture was taken, `shared` what the trunk
    /// makes of it.
    pub(super) fn meets(
        &mut self,
        passing: &Passing,
        (was, shared): (Option<&Judged>, Option<Shared<'_>>),
    ) -> Option<Judged> {
        match (shared, self.place) {
            (Some(shared), Some(place)) if !self.has_left(&passing.flow) => {
                let judged = shared.judged;
                self.count(passing, judged, Some(passing.number));
                if let Some(was) = was
                    && through(passing, was) != through(passing, judged)
                {
                    self.leave(passing.flow, shared.entry_at(place));
                    self.part(passing, was, judged);
                }
                Some(*judged)
            }
            _ => self.packet(passing, was),
        }
    }

    /// Judges a recorded packet, `was` being its fate when the capture was taken. `None` if it
    /// would not have been sent.
    fn packet(&mut self, passing: &Passing, was: Option<&Judged>) -> Option<Judged> {
        if !self.parted.is_empty() && self.parted.contains_key(&passing.flow) {
            if !passing.opens() {
                self.row.unsent += 1;
                return None;
            }
            self.parted.remove(&passing.flow);
        }
        let mut packet = passing.packet;
        if let Some(injector) = &mut self.injector {
            injector.shift(passing.at, &passing.flow, &mut packet);
        }
        let judged = self.judge(passing, &packet, Some(passing.number));
        if let Some(was) = was
            && through(passing, was) != through(passing, &judged)
        {
            self.part(passing, was, &judged);
        }
        Some(judged)
    }

    /// Moves its time on to `at`, before the connection of a packet at that time is looked at.
    pub(super) fn advance_to(&mut self, at: Moment, known: Known<'_>) {
        while let Some(next) = self.injector.as_mut().and_then(|i| i.due(at)) {
            self.table.advance_to(next.at);
            self.take_events(known);
            let reply = known.flows.get(&next.flow).and_then(|flow| flow.reply);
            for packet in next.packets {
                let (at, flow) = (next.at, next.flow);
                let probe = Passing { number: 0, at, flow, reply, packet };
                let judged = self.judge(&probe, &packet, None);
                self.row.added = self.row.added.map(|added| added + 1);
                if !through(&probe, &judged) {
                    // Nothing was recorded to compare it with: such a packet would have passed.
                    self.note_turn(&probe, Turn::Cut, &judged, None);
                    break;
                }
            }
        }
        self.table.advance_to(at);
        self.take_events(known);
    }

    fn judge(&mut self, passing: &Passing, packet: &Packet, number: Option<u64>) -> Judged {
        let judged = self.table.packet(passing.at, packet);
        self.count(passing, &judged, number);
        judged
    }

    fn count(&mut self, passing: &Passing, judged: &Judged, number: Option<u64>) {
        self.row.invalid += u64::from(refused(judged));
        self.row.ignored += u64::from(judged.verdict == Verdict::Ignore);
        if !matches!(judged.verdict, Verdict::Accept | Verdict::Untracked) {
            self.say(judged, number);
        }
        if !self.gone.is_empty() {
            self.needs(passing, judged, number);
        }
    }

    fn say(&mut self, judged: &Judged, packet: Option<u64>) {
        let Some(reason) = judged.reason else { return };
        let kind = std::mem::discriminant(&reason);
        let verdict = judged.verdict;
        let same = |s: &&mut Said| s.verdict == verdict && s.kind == kind;
        if let Some(said) = self.row.reasons.iter_mut().find(same) {
            said.count += 1;
        } else if self.row.reasons.len() < SAID_MAX {
            let reason = words(&reason, self.table.rules());
            self.row.reasons.push(Said { verdict, reason, count: 1, packet, kind });
        }
    }

    /// Whether a packet needed an entry that ran out.
    fn needs(&mut self, passing: &Passing, judged: &Judged, packet: Option<u64>) {
        let Some(RanOut { event, stay }) = self.gone.remove(&passing.flow) else { return };
        let flags = passing.flags();
        if flags & flag::SYN != 0 {
            // A new connection; the old one needed nothing any more.
            if let Some(stay) = stay {
                self.stayed.add(stay);
            }
            return;
        }
        if flags & flag::RST != 0 || !is_open(event.tcp_state) {
            return;
        }
        self.row.run_out += 1;
        self.row.taken_up += u64::from(judged.created);
        self.row.lost += u64::from(!through(passing, judged));
        self.row.first_run_out.get_or_insert(RunOut {
            at_ns: event.at,
            original: Ends(event.original),
            tcp_state: event.tcp_state.map(State::name),
            packet,
            verdict: judged.verdict,
            reaches: Reaches::of(passing.reply, &passing.packet.tuple, judged),
        });
    }

    /// The packet meets another fate than when the capture was taken.
    fn part(&mut self, passing: &Passing, was: &Judged, judged: &Judged) {
        if !through(passing, judged) {
            return self.note_turn(passing, Turn::Cut, judged, Some(passing.number));
        }
        self.note_turn(passing, Turn::Saved, was, Some(passing.number));
        // Data that arrives is acknowledged (RFC 9293 §3.10.7.4); more is not known.
        let mut refreshed = judged.refreshed;
        if let Some(answer) = acknowledgement(&passing.packet, judged, &self.table) {
            self.row.simulated += 1;
            refreshed |= self.judge(passing, &answer, None).refreshed;
        }
        self.row.moved += u64::from(!refreshed);
        if let Some(first) = self.row.first_parted.as_mut().filter(|f| f.at_ns == passing.at) {
            let found = self.table.find(&passing.packet.tuple);
            first.stands_until_ns = found.map(|(entry, _)| entry.expires);
        }
    }

    fn note_turn(&mut self, passing: &Passing, turn: Turn, odd: &Judged, packet: Option<u64>) {
        self.parted.insert(passing.flow, ());
        if let Some(injector) = &mut self.injector {
            injector.stop(&passing.flow);
        }
        match turn {
            Turn::Saved => self.row.saved += 1,
            Turn::Cut => self.row.cut += 1,
        }
        let rules = self.table.rules();
        self.row.first_parted.get_or_insert_with(|| Parted {
            turn,
            packet,
            at_ns: passing.at,
            arrives_as: Ends(passing.packet.tuple),
            reason: odd.reason.map(|reason| words(&reason, rules)),
            reaches: Reaches::of(passing.reply, &passing.packet.tuple, odd),
            stands_until_ns: None,
        });
    }

    fn take_events(&mut self, known: Known<'_>) {
        let events: Vec<Event> = self.table.drain_events().collect();
        for event in events {
            let Some((name, flow)) = known.named(&event.original) else { continue };
            self.ended(name, flow, event);
        }
    }

    /// An entry is gone.
    pub(super) fn ended(&mut self, name: Tuple, flow: &Flow, event: Event) {
        let stay = (!self.parted.contains_key(&name)).then(|| flow.stay(event.at));
        if event.gone == Gone::Expired {
            self.gone.insert(name, RanOut { event, stay });
        } else if let Some(stay) = stay {
            self.stayed.add(stay);
        }
    }

    /// An entry stands when the capture ends, and would go at `expires`.
    pub(super) fn stands(&mut self, name: Tuple, flow: &Flow, expires: Moment) {
        self.row.standing += 1;
        if flow.over && !self.parted.contains_key(&name) {
            self.stayed.add(flow.stay(expires));
        }
    }

    pub(super) fn row(
        mut self,
        known: Known<'_>,
        (opened, span_s, ends): (u64, f64, Moment),
    ) -> Row {
        self.table.advance_to(ends);
        self.take_events(known);
        let standing: Vec<Entry> = self.table.entries().copied().collect();
        for entry in &standing {
            if let Some((name, flow)) = known.named(&entry.original) {
                self.stands(name, flow, entry.expires);
            }
        }
        let mut stayed = self.stayed;
        self.gone.values().filter_map(|gone| gone.stay).for_each(|stay| stayed.add(stay));
        let mut row = self.row;
        row.opened = opened;
        row.reasons.sort_by_key(|said| std::cmp::Reverse(said.count));
        let Stayed { lived_ns, outlived_ns, count } = stayed;
        if count > 0 {
            let each = |sum: i128| sum as f64 / 1e9 / count as f64;
            row.outlives_s = Some(each(outlived_ns));
            let stay = each(lived_ns + outlived_ns);
            row.entries_at_this_rate =
                (span_s > 0.0 && count >= ENOUGH).then(|| opened as f64 / span_s * stay);
        }
        row
    }
}

impl Flow {
    fn stay(&self, until: Moment) -> Stay {
        let lived = self.last.since(self.first).max(Gap::ZERO);
        Stay { lived, outlived: until.since(self.last).max(Gap::ZERO) }
    }
}

const fn refused(judged: &Judged) -> bool {
    matches!(judged.verdict, Verdict::Invalid | Verdict::Drop)
}

/// Whether a packet comes to the other end as one of its connection. A refused one does not: what
/// drops INVALID packets stands on most boxes that track.
fn through(passing: &Passing, judged: &Judged) -> bool {
    let reaches = Reaches::of(passing.reply, &passing.packet.tuple, judged);
    !refused(judged) && reaches == Reaches::Peer
}

fn words(reason: &crate::conntrack::Reason, rules: &Rules) -> String {
    reason.log(rules).unwrap_or_else(|| reason.words().to_string())
}

/// What the receiver of data answers, by what the entry knows of it.
fn acknowledgement(packet: &Packet, judged: &Judged, table: &Table) -> Option<Packet> {
    let Body::Tcp(tcp) = &packet.body else { return None };
    if tcp.len == 0 || tcp.has(flag::RST) {
        return None;
    }
    let met = judged.entry?;
    let (entry, dir) = table.find(&packet.tuple)?;
    let tuple = *entry.tuple(met.dir.other());
    debug_assert_eq!(dir, met.dir);
    let answer =
        Tcp { flags: flag::ACK, seq: tcp.ack, ack: tcp.end(), win: tcp.win, ..Tcp::default() };
    let l3_len = packet.l3_len.saturating_sub(tcp.len);
    Some(Packet { tuple, l3_len, body: Body::Tcp(answer), ..*packet })
}
