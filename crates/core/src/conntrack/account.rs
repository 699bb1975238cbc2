//! What the table of a box made of single connections, from the headers a capture kept: when each
//! entry was refreshed last, which packets counted for nothing and why, when the entry was gone.
//!
//! An account says what the model did and nothing of causes. Refused: a connection whose opening
//! the capture does not hold (its windows are not known), and one of which only one direction was
//! captured; both are told as such.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::entry::Entry;
use super::hash::Quick;
use super::judged::{CtState, Event, Gone, Verdict};
use super::nat::Firewall;
use super::packet::{Tuple, flag};
use super::reach::{Reaches, Translation};
use super::reason::{Bound, Reason};
use super::record::Decided;
use super::replay::{Replay, Sight};
use super::routed::{self, Way};
use super::settings::Settings;
use super::state::{Dir, State};
use super::version::Kernel;
use crate::flow::{Headers, Mark};
use crate::time::{Gap, Moment};

/// Packet numbers kept of one kind of oddity: a person checks a few.
const PACKETS_MAX: usize = 20;
/// Kinds of oddity kept of one connection.
const ODD_MAX: usize = 8;

/// The box: what it is set to, and what is known of its translations.
#[derive(Clone, Debug)]
pub struct Place {
    /// Its sysctls.
    pub settings: Settings,
    /// Its kernel.
    pub kernel: Kernel,
    /// Original direction, and how answers to it arrive.
    pub translations: Vec<(Tuple, Tuple)>,
    /// Moments at which somebody printed the table.
    pub looks: Vec<Moment>,
    /// Its rules, where somebody printed them.
    pub firewall: Option<Firewall>,
}

/// One connection to account for.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// Client to server, as the capture shows it.
    pub flow: Tuple,
    /// Its first and last packet.
    pub packets: (u64, u64),
    /// The packet with which it ended.
    pub end: Option<Mark>,
}

/// Packets that did not count, all for one reason.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Odd {
    /// Ignored, or INVALID.
    pub verdict: Verdict,
    /// The first one's reason.
    pub reason: Reason,
    /// How the kernel would have logged the first one, or words.
    pub says: String,
    /// How many.
    pub count: u64,
    /// The first of them.
    pub packets: Vec<u64>,
}

/// The entry at a moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Look {
    /// When.
    pub at: Moment,
    /// Remaining seconds as printed, and the state; `None` when there is no entry.
    pub entry: Option<(u32, Option<State>)>,
    /// The capture reaches as far; otherwise this holds if nothing came after it.
    pub seen: bool,
}

/// An entry that ran out while the connection lived.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lost {
    /// When.
    pub at: Moment,
    /// Its last state.
    pub state: Option<State>,
    /// The packet that refreshed it last.
    pub refreshed: Option<Mark>,
    /// Seconds it was then given.
    pub given: u32,
    /// Packets that passed since then and refreshed nothing.
    pub passed: u64,
    /// The first of them.
    pub packets: Vec<u64>,
    /// The first packet that found no entry.
    pub found_none: Option<FoundNone>,
}

/// A packet that found no entry, though its connection needed one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FoundNone {
    /// Its number.
    pub packet: u64,
    /// What the table made of it.
    pub verdict: Verdict,
    /// Whom it reaches, where the connection's translation is known and no rule stops it.
    pub reaches: Option<Reaches>,
    /// What a rule surely does with it.
    pub ruled: Option<Decided>,
}

/// What became of one connection in the table.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// Packets judged, by direction: from the client, from the server.
    pub judged: [u64; 2],
    /// The packet that opened it, where the capture holds a SYN.
    pub opened: Option<u64>,
    /// Packets that did not count before the end, by reason.
    pub odd: Vec<Odd>,
    /// The packet that refreshed the entry last before the end.
    pub refreshed: Option<Mark>,
    /// Seconds it was then given.
    pub given: u32,
    /// Packets since then that refreshed nothing.
    pub since: u64,
    /// INVALID packets in the last exchange before the end, while there was an entry.
    pub refused_last: Vec<u64>,
    /// The entry was gone at the end.
    pub lost: Option<Lost>,
    /// Entries that were gone and came again before the end.
    pub came_again: u64,
    /// What remained on the entry at the end, in whole seconds.
    pub left_at_end: Option<u32>,
    /// When it would have gone, had nothing come after the end.
    pub would_go: Option<Moment>,
    /// The entry at each moment somebody looked, as far as the capture reaches.
    pub looks: Vec<Look>,
    /// Packets acknowledging what the capture does not show: it missed packets.
    pub unseen: u64,
}

impl Account {
    /// Whether the model can say anything: it saw the opening, and both directions.
    pub fn is_whole(&self) -> bool {
        self.opened.is_some() && self.judged.iter().all(|n| *n > 0)
    }
}

/// The last exchange before an end: as elsewhere, some round trips.
const LAST_EXCHANGE: Gap = Gap::from_secs(5);

/// Where one connection stands while packets go by.
#[derive(Debug)]
struct Watched {
    asked: Asked,
    /// Its tuple as the table knows it.
    original: Tuple,
    /// How it is translated, where that is known.
    reply: Option<Translation>,
    firewall: Option<Arc<Firewall>>,
    account: Account,
    /// Number of its entry.
    entry: Option<u64>,
    /// Since the last refresh.
    passed: Vec<u64>,
    /// INVALID ones, latest last.
    refused: VecDeque<Mark>,
    ended: bool,
}

/// Replays what was kept and tells of each connection asked for, in the same order.
pub fn accounts(headers: &Headers, place: &Place, asked: &[Asked]) -> Vec<Account> {
    let mut all = Watching::new(place, asked);
    let mut looks = place.looks.clone();
    looks.sort_unstable();
    looks.reverse();
    for captured in headers.packets() {
        while let Some(at) = looks.pop_if(|at| *at <= captured.at) {
            all.look(at, true);
        }
        all.ends_by(captured.number, captured.at);
        // Only what is asked about is judged: entries do not know of each other.
        let ours =
            super::read::read(captured.bytes).is_ok_and(|p| all.by_tuple.contains_key(&p.tuple));
        if ours && let Some(sight) = all.replay.judge(&captured, 0) {
            all.sight(Mark { packet: captured.number, at: captured.at }, &sight);
        }
    }
    all.ends_by(u64::MAX, Moment::from_ns(i64::MAX));
    while let Some(at) = looks.pop() {
        all.look(at, false);
    }
    all.watched.into_iter().map(|w| w.account).collect()
}

struct Watching {
    replay: Replay,
    watched: Vec<Watched>,
    /// Connections by each of their tuples; a port pair may be used again.
    by_tuple: HashMap<Tuple, Vec<usize>, Quick>,
    by_entry: HashMap<u64, usize>,
    first: Option<Moment>,
}

impl Watching {
    fn new(place: &Place, asked: &[Asked]) -> Self {
        let mut replay = Replay::new(place.settings, place.kernel);
        for (original, reply) in &place.translations {
            replay.translate(*original, *reply);
        }
        let mut by_tuple: HashMap<Tuple, Vec<usize>, Quick> = HashMap::default();
        let mut watched = Vec::new();
        let firewall = place.firewall.clone().map(Arc::new);
        for (index, asked) in asked.iter().enumerate() {
            let out = |t: &(Tuple, Tuple)| t.0 == asked.flow || t.1.inverse() == Some(asked.flow);
            let translation = place.translations.iter().find(|t| out(t));
            let (original, reply) = translation
                .copied()
                .unwrap_or_else(|| (asked.flow, asked.flow.inverse().unwrap_or(asked.flow)));
            let four = [Some(original), original.inverse(), Some(reply), reply.inverse()];
            for tuple in four.into_iter().flatten() {
                let own = by_tuple.entry(tuple).or_default();
                if !own.contains(&index) {
                    own.push(index);
                }
            }
            let reply = translation
                .map(|(original, reply)| Translation { original: *original, reply: *reply });
            let firewall = firewall.clone();
            watched.push(Watched { reply, firewall, ..Watched::new(*asked, original) });
        }
        Self { replay, watched, by_tuple, by_entry: HashMap::new(), first: None }
    }

    /// Which connection a packet belongs to: of those with its ends, the one of its time.
    fn whose(&self, tuple: &Tuple, packet: u64) -> Option<usize> {
        let own = self.by_tuple.get(tuple)?;
        let begun =
            |index: &&usize| self.watched.get(**index).is_some_and(|w| w.asked.packets.0 <= packet);
        own.iter()
            .filter(begun)
            .max_by_key(|index| self.watched.get(**index).map(|w| w.asked.packets.0))
            .or(own.first())
            .copied()
    }

    fn sight(&mut self, mark: Mark, sight: &Sight) {
        self.first.get_or_insert(mark.at);
        self.take_events();
        let Some(index) = self.whose(&sight.tuple, mark.packet) else { return };
        if let Some(entry) = sight.judged.entry {
            self.by_entry.insert(entry.id, index);
        }
        if let Some(watched) = self.watched.get_mut(index) {
            watched.sight(mark, sight, &self.replay);
        }
    }

    fn take_events(&mut self) {
        let events: Vec<Event> = self.replay.drain_events().collect();
        for event in events {
            let index = self.by_entry.remove(&event.entry);
            if let Some(watched) = index.and_then(|index| self.watched.get_mut(index)) {
                watched.gone(&event);
            }
        }
    }

    /// Lets time run to `at` and looks at every connection's entry.
    fn look(&mut self, at: Moment, seen: bool) {
        // Before the first packet nothing is known of the table.
        if self.first.is_none() {
            return;
        }
        self.replay.advance_quietly(at);
        self.take_events();
        let table = self.replay.table();
        for watched in &mut self.watched {
            let entry =
                table.find(&watched.original).map(|(e, _)| (e.remaining_s(at), e.tcp_state()));
            watched.account.looks.push(Look { at, entry, seen });
        }
    }

    /// Settles connections that end before a packet.
    fn ends_by(&mut self, packet: u64, at: Moment) {
        let due = |w: &Watched| {
            !w.ended && w.asked.end.is_some_and(|end| end.packet <= packet && end.at <= at)
        };
        if !self.watched.iter().any(due) {
            return;
        }
        let mut ends: Vec<(Moment, usize)> = Vec::new();
        for (index, watched) in self.watched.iter().enumerate().filter(|(_, w)| due(w)) {
            ends.extend(watched.asked.end.map(|end| (end.at, index)));
        }
        ends.sort_unstable();
        for (at, index) in ends {
            self.replay.advance_quietly(at);
            self.take_events();
            if let Some(watched) = self.watched.get_mut(index) {
                let found = self.replay.table().find(&watched.original).map(|(entry, _)| *entry);
                watched.end(at, found.as_ref());
            }
        }
    }
}

impl FoundNone {
    fn of(
        packet: u64,
        sight: &Sight,
        (reply, firewall): (Option<Translation>, Option<&Firewall>),
    ) -> Self {
        let judged = &sight.judged;
        let reaches = Reaches::of(reply, &sight.tuple, judged);
        let told = (Way::default(), reaches);
        let ruled = firewall
            .and_then(|rules| routed::surely(rules, (sight.tuple, sight.flags), judged, told))
            .and_then(Decided::of);
        let stopped = ruled.as_ref().is_some_and(|ruled| !ruled.passes());
        let reaches = reply.map(|_| reaches).filter(|_| !stopped);
        Self { packet, verdict: judged.verdict, reaches, ruled }
    }
}

impl Watched {
    fn new(asked: Asked, original: Tuple) -> Self {
        Self {
            asked,
            original,
            reply: None,
            firewall: None,
            account: Account::default(),
            entry: None,
            passed: Vec::new(),
            refused: VecDeque::new(),
            ended: false,
        }
    }

    fn sight(&mut self, mark: Mark, sight: &Sight, replay: &Replay) {
        if self.ended {
            return;
        }
        let judged = &sight.judged;
        let from_client = sight.tuple == self.original;
        let account = &mut self.account;
        let [client, server] = &mut account.judged;
        *(if from_client { client } else { server }) += 1;
        let opens = sight.flags & (flag::SYN | flag::ACK) == flag::SYN;
        if opens && from_client && account.opened.is_none() {
            account.opened = Some(mark.packet);
        }
        if let Some(lost) = &mut account.lost {
            let (reply, firewall) = (self.reply, self.firewall.as_deref());
            lost.found_none
                .get_or_insert_with(|| FoundNone::of(mark.packet, sight, (reply, firewall)));
        }
        if judged.created {
            self.entry = judged.entry.map(|e| e.id);
        }
        // Taken up again and answered: the connection went on as before.
        let answered =
            judged.entry.is_some_and(|e| e.assured) && judged.ct_state == CtState::Established;
        if answered && account.lost.take().is_some() {
            account.came_again += 1;
        }
        if judged.refreshed {
            account.refreshed = Some(mark);
            account.given = judged.entry.map_or(0, |e| e.timeout_s);
            self.passed.clear();
            account.since = 0;
            return;
        }
        self.odd(mark, sight, replay);
    }

    /// A packet that refreshed nothing.
    fn odd(&mut self, mark: Mark, sight: &Sight, replay: &Replay) {
        let judged = &sight.judged;
        let account = &mut self.account;
        let Some(reason) = judged.reason else { return };
        account.unseen += u64::from(matches!(reason, Reason::Window(Bound::AckOver(_))));
        if judged.verdict == Verdict::Invalid && judged.entry.is_some() {
            self.refused.push_back(mark);
            if self.refused.len() > PACKETS_MAX {
                self.refused.pop_front();
            }
        } else if judged.verdict == Verdict::Ignore {
            account.since += 1;
            if self.passed.len() < PACKETS_MAX {
                self.passed.push(mark.packet);
            }
        }
        let same = |o: &&mut Odd| {
            o.verdict == judged.verdict
                && std::mem::discriminant(&o.reason) == std::mem::discriminant(&reason)
                && kind_of(&o.reason) == kind_of(&reason)
        };
        if let Some(odd) = account.odd.iter_mut().find(same) {
            odd.count += 1;
            if odd.packets.len() < PACKETS_MAX {
                odd.packets.push(mark.packet);
            }
        } else if account.odd.len() < ODD_MAX {
            let rules = replay.table().rules();
            let says = reason.log(rules).unwrap_or_else(|| reason.words().to_string());
            let packets = vec![mark.packet];
            account.odd.push(Odd { verdict: judged.verdict, reason, says, count: 1, packets });
        }
    }

    /// Its entry is gone.
    fn gone(&mut self, event: &Event) {
        if self.ended || self.entry != Some(event.entry) {
            return;
        }
        self.entry = None;
        // A reopening or a reset takes it away as it should be.
        if event.gone == Gone::Expired {
            self.account.lost = Some(Lost {
                at: event.at,
                state: event.tcp_state,
                refreshed: self.account.refreshed,
                given: self.account.given,
                passed: self.account.since,
                packets: std::mem::take(&mut self.passed),
                found_none: None,
            });
        }
    }

    fn end(&mut self, at: Moment, entry: Option<&Entry>) {
        self.ended = true;
        let account = &mut self.account;
        account.left_at_end = entry.map(|e| e.remaining_s(at));
        account.would_go = entry.map(|e| e.expires);
        let late = self.refused.iter().filter(|m| at.since(m.at) <= LAST_EXCHANGE);
        account.refused_last = late.map(|m| m.packet).collect();
    }
}

/// Which bound of the window was met; other reasons are told apart by their kind alone.
const fn kind_of(reason: &Reason) -> u8 {
    match reason {
        Reason::Window(Bound::SeqOver(_)) => 1,
        Reason::Window(Bound::AckOver(_)) => 2,
        Reason::Window(Bound::SeqUnder(_)) => 3,
        Reason::Window(Bound::AckUnder(_)) => 4,
        Reason::Window(Bound::Overshoot(_)) => 5,
        Reason::NotInState { dir: Dir::Original, .. } => 6,
        _ => 0,
    }
}
