//! One table of a sweep, and the row it becomes.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde::Serialize;

use super::probe::{Exchange, Injector, Line, Lines};
use super::trunk::Seat;
use super::{Flow, Known, Passing, Shared, Variant};
use crate::conntrack::entry::Entry;
use crate::conntrack::hash::Quick;
use crate::conntrack::judged::{Event, Gone, Judged, Verdict};
use crate::conntrack::nat::Firewall;
use crate::conntrack::packet::{Body, Packet, Tcp, flag};
use crate::conntrack::reach::Reaches;
use crate::conntrack::record::{Decided, Ends};
use crate::conntrack::routed::{self, Way};
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
    /// What a rule of the box does with it; absent where no rules are known or they cannot say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ruled: Option<Decided>,
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
    /// What a rule of the box does with it; absent where no rules are known or they cannot say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ruled: Option<Decided>,
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
    /// Where it follows the trunk.
    seat: Option<Seat>,
    /// Connections for which it no longer does.
    left: HashSet<u32, Quick>,
    table: Table,
    /// The box's rules, where they are known.
    firewall: Option<Arc<Firewall>>,
    injector: Option<Injector>,
    /// Connections whose ends would by now say something else.
    parted: HashSet<u32, Quick>,
    /// Entries that ran out, by connection, until they are needed or it begins anew.
    gone: HashMap<u32, RanOut, Quick>,
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
    pub(super) fn new(variant: Variant, seat: Option<Seat>, rules: Rules) -> Self {
        let row = Row {
            name: variant.name,
            added: variant.probes.map(|_| 0),
            vanished_s: variant.settings.tcp.established,
            ..Row::default()
        };
        Self {
            table: Table::new(variant.settings, rules),
            firewall: None,
            injector: variant.probes.map(Injector::new),
            seat,
            left: HashSet::default(),
            parted: HashSet::default(),
            gone: HashMap::default(),
            stayed: Stayed::default(),
            row,
        }
    }

    /// An entry that stood before the capture, for a lane with a table of its own.
    pub(super) fn insert(&mut self, entry: Entry) -> bool {
        self.seat.is_some() || self.table.insert(entry)
    }

    pub(super) fn behind(&mut self, firewall: Arc<Firewall>) {
        self.firewall = Some(firewall);
    }

    pub(super) const fn table(&self) -> &Table {
        &self.table
    }

    pub(super) const fn table_mut(&mut self) -> &mut Table {
        &mut self.table
    }

    pub(super) const fn seat(&self) -> Option<Seat> {
        self.seat
    }

    /// From now on it judges this connection itself, beginning with this entry.
    pub(super) fn leave(&mut self, flow: u32, entry: Option<Entry>) {
        if self.left.insert(flow)
            && let Some(entry) = entry
        {
            self.table.insert(entry);
        }
    }

    /// It judges this connection itself.
    pub(super) fn has_left(&self, flow: u32) -> bool {
        self.seat.is_none() || (!self.left.is_empty() && self.left.contains(&flow))
    }

    /// It judges this packet itself. The connection an ICMP error goes by is not the one whose
    /// entry decides about it.
    fn judges(&self, passing: &Passing) -> bool {
        self.has_left(passing.subject)
            || (!self.parted.is_empty() && self.parted.contains(&passing.flow))
    }

    /// The earliest moment it may send a probe.
    pub(super) fn next_probe(&self) -> Option<Moment> {
        self.injector.as_ref()?.next()
    }

    /// The next probe it sends before `until`.
    pub(super) fn due(&mut self, until: Moment, lines: &Lines) -> Option<Exchange> {
        self.injector.as_mut()?.due(until, lines)
    }

    /// Takes note of when a connection will want a probe.
    pub(super) fn awaits_probe(&mut self, flow: u32, line: &Line) {
        if let Some(injector) = &mut self.injector {
            injector.awaits(flow, line);
        }
    }

    /// A recorded packet: `was` is its fate when the capture was taken, `shared` what the trunk
    /// makes of it.
    pub(super) fn meets(
        &mut self,
        passing: &Passing,
        (was, shared): (Option<&Judged>, Option<Shared<'_>>),
    ) -> Option<Judged> {
        match (shared, self.seat) {
            (Some(shared), Some(seat)) if !self.judges(passing) => {
                let judged = shared.judged;
                self.count(passing, judged, Some(passing.number));
                if let Some(was) = was
                    && self.differ(passing, was, judged)
                {
                    self.leave(passing.flow, shared.entry_for(passing.flow, seat));
                    self.part(passing, was, judged);
                }
                Some(*judged)
            }
            _ => self.packet(passing, was),
        }
    }

    /// Judges a recorded packet, `was` being its fate when the capture was taken. `None` if it
    /// would not have been sent.
    pub(super) fn packet(&mut self, passing: &Passing, was: Option<&Judged>) -> Option<Judged> {
        if !self.parted.is_empty() && self.parted.contains(&passing.flow) {
            if !passing.opens() {
                self.row.unsent += 1;
                return None;
            }
            self.parted.remove(&passing.flow);
        }
        let mut packet = passing.packet;
        if let Some(injector) = &mut self.injector {
            injector.shift(passing.at, passing.flow, &mut packet);
        }
        let judged = self.judge(passing, &packet, Some(passing.number));
        if let Some(was) = was
            && self.differ(passing, was, &judged)
        {
            self.part(passing, was, &judged);
        }
        Some(judged)
    }

    /// Moves its time on to `at`, before the connection of a packet at that time is looked at.
    pub(super) fn advance_to(&mut self, at: Moment, known: Known<'_>) {
        self.table.advance_to(at);
        self.take_events(known);
    }

    /// Sends a probe that is due, and what answers it.
    pub(super) fn send(&mut self, probe: Exchange, known: Known<'_>) {
        let Exchange { at, flow, packets } = probe;
        self.advance_to(at, known);
        let reply = known.flows.at(flow).and_then(|flow| flow.reply.as_deref().copied());
        for packet in packets {
            let (subject, way) = (flow, Way::default());
            let probe = Passing { number: 0, at, flow, subject, reply, way, packet };
            let judged = self.judge(&probe, &packet, None);
            self.row.added = self.row.added.map(|added| added + 1);
            if !self.fate(&probe, &judged).through {
                // Nothing was recorded to compare it with: such a packet would have passed.
                self.note_turn(&probe, Turn::Cut, &judged, None);
                return;
            }
        }
    }

    fn judge(&mut self, passing: &Passing, packet: &Packet, number: Option<u64>) -> Judged {
        let judged = self.table.packet(passing.at, packet);
        if judged.created && self.fate(passing, &judged).is_stopped() {
            // Dropped before its entry is confirmed.
            self.table.remove(&packet.tuple);
        }
        self.count(passing, &judged, number);
        judged
    }

    /// What becomes of a judged packet.
    fn fate(&self, passing: &Passing, judged: &Judged) -> Fate {
        let tuple = passing.packet.tuple;
        let mut reaches = Reaches::of(passing.reply, &tuple, judged);
        let told = (passing.way, reaches);
        let surely = |f: &Firewall| routed::surely(f, (tuple, passing.flags()), judged, told);
        let ruled = self.firewall.as_deref().and_then(surely);
        let stopped = routed::is_stopped(ruled.as_slice());
        if stopped {
            reaches = Reaches::Nobody;
        } else if judged.created && !passing.opens() && passing.way.drawn.is_some() {
            // It leaves with a port its peer never heard of.
            reaches = Reaches::Stranger;
        }
        let through = match (judged.verdict, &ruled) {
            // What drops INVALID packets stands on most boxes that track.
            (Verdict::Drop, _) | (Verdict::Invalid, None) => false,
            _ => reaches == Reaches::Peer,
        };
        Fate { reaches, through, ruled: ruled.and_then(Decided::of) }
    }

    /// Whether one of two verdicts lets a packet come to its peer, and the other does not.
    fn differ(&self, passing: &Passing, was: &Judged, is: &Judged) -> bool {
        let seen =
            |judged: &Judged| (judged.verdict, judged.ct_state, judged.leaves_as, judged.created);
        seen(was) != seen(is) && self.fate(passing, was).through != self.fate(passing, is).through
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
        let Fate { reaches, through, ruled } = self.fate(passing, judged);
        self.row.run_out += 1;
        self.row.taken_up +=
            u64::from(judged.created && ruled.as_ref().is_none_or(Decided::passes));
        self.row.lost += u64::from(!through);
        self.row.first_run_out.get_or_insert(RunOut {
            at_ns: event.at,
            original: Ends(event.original),
            tcp_state: event.tcp_state.map(State::name),
            packet,
            verdict: judged.verdict,
            reaches,
            ruled,
        });
    }

    /// The packet meets another fate than when the capture was taken.
    fn part(&mut self, passing: &Passing, was: &Judged, judged: &Judged) {
        if !self.fate(passing, judged).through {
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
        self.parted.insert(passing.flow);
        if let Some(injector) = &mut self.injector {
            injector.stop(passing.flow);
        }
        match turn {
            Turn::Saved => self.row.saved += 1,
            Turn::Cut => self.row.cut += 1,
        }
        if self.row.first_parted.is_some() {
            return;
        }
        let Fate { reaches, ruled, .. } = self.fate(passing, odd);
        let rules = self.table.rules();
        self.row.first_parted = Some(Parted {
            turn,
            packet,
            at_ns: passing.at,
            arrives_as: Ends(passing.packet.tuple),
            reason: odd.reason.map(|reason| words(&reason, rules)),
            reaches,
            ruled,
            stands_until_ns: None,
        });
    }

    fn take_events(&mut self, known: Known<'_>) {
        let events: Vec<Event> = self.table.drain_events().collect();
        for event in events {
            let Some((number, flow)) = known.named(&event.original) else { continue };
            self.ended(number, flow, event);
        }
    }

    /// An entry is gone.
    pub(super) fn ended(&mut self, number: u32, flow: &Flow, event: Event) {
        let stay = (!self.parted.contains(&number)).then(|| flow.stay(event.at));
        if event.gone == Gone::Expired {
            self.gone.insert(number, RanOut { event, stay });
        } else if let Some(stay) = stay {
            self.stayed.add(stay);
        }
    }

    /// An entry stands when the capture ends, and would go at `expires`.
    pub(super) fn stands(&mut self, number: u32, flow: &Flow, expires: Moment) {
        self.row.standing += 1;
        if flow.over && !self.parted.contains(&number) {
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
            if let Some((number, flow)) = known.named(&entry.original) {
                self.stands(number, flow, entry.expires);
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

/// What becomes of a judged packet.
struct Fate {
    reaches: Reaches,
    /// It comes to the other end as a packet of its connection.
    through: bool,
    ruled: Option<Decided>,
}

impl Fate {
    fn is_stopped(&self) -> bool {
        self.ruled.as_ref().is_some_and(|ruled| !ruled.passes())
    }
}

const fn refused(judged: &Judged) -> bool {
    matches!(judged.verdict, Verdict::Invalid | Verdict::Drop)
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
