//! The table: look-up, making and ending of entries, and their queue of expiries.
//!
//! An expired entry is never used, so here it is gone at its expiry; the kernel may keep counting
//! it until something walks over it. Refused: which entries `early_drop` would evict when the
//! table is full, since that depends on a keyed hash. Time never runs backwards: a packet stamped
//! before its predecessor is taken as simultaneous with it.

use std::cell::Cell;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use super::entry::{Counters, Entry, Proto, Status};
use super::hash::Quick;
use super::index::{Index, Place, hash_of};
use super::judged::{CtState, Event, Gone, Judged, Met, Verdict};
use super::packet::{Body, Checksum, Hook, Packet, Tuple, may_open};
use super::reason::Reason;
use super::rules::Rules;
use super::settings::Settings;
use super::state::{Dir, Kind};
use super::switch::Switches;
use super::tcp::{self, Step};
use super::timer;
use super::window::Under;
use crate::time::{Gap, Moment};

/// The conntrack table of one network namespace.
#[derive(Clone, Debug)]
pub struct Table {
    /// Sysctls; may be changed between packets, and then hold from the next packet on.
    pub settings: Settings,
    rules: Rules,
    slots: Vec<Option<Entry>>,
    free: Vec<u32>,
    index: Index,
    /// One element an entry at least: the moment to look at it, its slot, its number.
    queue: BinaryHeap<Reverse<(Moment, u32, u64)>>,
    now: Moment,
    made: u64,
    invalid: u64,
    events: Vec<Event>,
    /// How the answers of translated flows arrive, by the original direction.
    replies: HashMap<Tuple, Tuple, Quick>,
    /// Settings under which each refresh is computed as well, and what it gave last.
    others: Vec<Settings>,
    given: Vec<u32>,
    /// What the last verdict hung on.
    hung: Cell<Switches>,
    /// Entries are remembered as they were before such a verdict.
    remembers: bool,
    before: Option<Entry>,
}

impl Table {
    /// An empty table.
    pub fn new(settings: Settings, rules: Rules) -> Self {
        Self {
            settings,
            rules,
            slots: Vec::new(),
            free: Vec::new(),
            index: Index::default(),
            queue: BinaryHeap::new(),
            now: Moment::from_ns(i64::MIN),
            made: 0,
            invalid: 0,
            events: Vec::new(),
            replies: HashMap::default(),
            others: Vec::new(),
            given: Vec::new(),
            hung: Cell::default(),
            remembers: false,
            before: None,
        }
    }

    /// From now on each refresh is computed under these settings as well ([`Table::given`]), and
    /// an entry gets the longest of all: it is there as long as under any of them. What a verdict
    /// hung on is told by [`Table::hung`].
    pub(super) fn stand_for(&mut self, others: Vec<Settings>) {
        self.others = others;
        self.remembers = true;
    }

    /// What the last verdict hung on, and the entry as it was before, where it met one.
    pub(super) fn hung(&mut self) -> Option<(Switches, Option<Entry>)> {
        let hung = self.hung.take();
        if hung.is_none() { None } else { Some((hung, self.before.take())) }
    }

    /// Seconds that the last refresh gives under each of the other settings.
    pub(super) fn given(&self) -> &[u32] {
        &self.given
    }

    /// The rules it follows.
    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Entries alive.
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Whether no entry is alive.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The statistic `invalid`: packets left without an entry because they were INVALID.
    pub const fn invalid(&self) -> u64 {
        self.invalid
    }

    /// The latest moment the table has heard of.
    pub const fn now(&self) -> Moment {
        self.now
    }

    /// Entries alive, in no particular order.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.slots.iter().flatten()
    }

    /// The live entry a packet with `tuple` would meet, and the packet's direction in it.
    pub fn find(&self, tuple: &Tuple) -> Option<(&Entry, Dir)> {
        let (slot, dir) = self.look_up(tuple)?;
        let entry = self.slots.get(slot as usize)?.as_ref()?;
        (entry.expires > self.now).then_some((entry, dir))
    }

    /// The entry that stands in a slot.
    pub(super) fn entry_in(&self, slot: u32) -> Option<&Entry> {
        self.slots.get(slot as usize)?.as_ref()
    }

    pub(super) fn look_up(&self, tuple: &Tuple) -> Option<Place> {
        self.index.find(hash_of(tuple), |(slot, dir)| {
            let entry = self.slots.get(slot as usize).and_then(Option::as_ref);
            entry.is_some_and(|entry| entry.tuple(dir) == tuple)
        })
    }

    /// Takes what has ended since the last call, in order of time.
    pub fn drain_events(&mut self) -> std::vec::Drain<'_, Event> {
        self.events.drain(..)
    }

    /// Changes an entry from outside, as ctnetlink does; false if no entry has this tuple. Tuples
    /// and number stay as they were.
    pub fn change(&mut self, tuple: &Tuple, change: impl FnOnce(&mut Entry)) -> bool {
        let Some((slot, _)) = self.look_up(tuple) else { return false };
        let Some(Some(entry)) = self.slots.get_mut(slot as usize) else { return false };
        let (id, original, reply) = (entry.id, entry.original, entry.reply);
        change(entry);
        (entry.id, entry.original, entry.reply) = (id, original, reply);
        self.requeue(slot);
        true
    }

    /// Puts an entry into the table, as a dump or ctnetlink tells of it; the number is assigned
    /// here. False if one of its tuples is taken.
    pub fn insert(&mut self, entry: Entry) -> bool {
        if self.look_up(&entry.original).or_else(|| self.look_up(&entry.reply)).is_some() {
            return false;
        }
        self.place(entry);
        true
    }

    /// Entries made by `original` from now on expect their answers as `reply`: what a NAT rule of
    /// the box makes of them. An address is translated for an entry's whole life.
    pub fn translate(&mut self, original: Tuple, reply: Tuple) {
        self.replies.insert(original, reply);
    }

    /// From now on answers of this entry arrive as `reply`: its port was drawn, and seen later.
    pub(super) fn answers_as(&mut self, original: &Tuple, reply: Tuple) {
        let Some((slot, _)) = self.look_up(original) else { return };
        let Some(Some(entry)) = self.slots.get_mut(slot as usize) else { return };
        let was = std::mem::replace(&mut entry.reply, reply);
        self.index.remove(hash_of(&was), (slot, Dir::Reply));
        self.index.insert(hash_of(&reply), (slot, Dir::Reply));
    }

    /// Removes an entry from outside, without an event; false if no entry has this tuple.
    pub fn remove(&mut self, tuple: &Tuple) -> bool {
        let Some((slot, _)) = self.look_up(tuple) else { return false };
        self.take_out(slot).is_some()
    }

    /// Moves the table's time; entries whose time is up are gone, with an event each.
    pub fn advance_to(&mut self, at: Moment) {
        self.now = self.now.max(at);
        while let Some(&Reverse((due, slot, id))) = self.queue.peek() {
            if due > self.now {
                return;
            }
            self.queue.pop();
            let Some(Some(entry)) = self.slots.get_mut(slot as usize) else { continue };
            if entry.id != id || entry.queued_for != due {
                continue; // a later or earlier element stands for this entry
            }
            if entry.expires > self.now {
                entry.queued_for = entry.expires;
                self.queue.push(Reverse((entry.expires, slot, id)));
                continue;
            }
            let at = entry.expires;
            self.end(slot, Gone::Expired, at);
        }
    }

    /// Judges one packet.
    pub fn packet(&mut self, at: Moment, packet: &Packet) -> Judged {
        self.advance_to(at);
        let judged = self.judge(packet);
        if judged.verdict == Verdict::Invalid {
            self.invalid += 1;
        }
        judged
    }

    fn judge(&mut self, packet: &Packet) -> Judged {
        match packet.body {
            Body::IcmpError { .. } | Body::Untracked
                if !checksum_holds(packet, (&self.settings, &self.hung)) =>
            {
                return refused(packet, Reason::BadChecksum);
            }
            Body::IcmpError { about } => return self.icmp_error(packet, about),
            Body::BrokenTcp { logged } => {
                let reason = if logged { Reason::Truncated } else { Reason::Short };
                return refused(packet, reason);
            }
            Body::BrokenUdp => return refused(packet, Reason::Short),
            Body::BrokenIcmp => return refused(packet, Reason::UnpairedIcmp),
            Body::Untracked => {
                let untracked = Judged {
                    verdict: Verdict::Untracked,
                    ct_state: CtState::Untracked,
                    ..refused(packet, Reason::NeverTracked)
                };
                return untracked;
            }
            Body::Tcp(_) | Body::Udp | Body::Icmp | Body::Other => {}
        }
        self.judge_at(self.look_up(&packet.tuple), packet)
    }

    /// Judges a packet of a kind that can have an entry, where the table's time has come to it and
    /// it was looked up.
    pub(super) fn judge_at(&mut self, place: Option<Place>, packet: &Packet) -> Judged {
        match place {
            Some((slot, dir)) => self.known(slot, dir, packet),
            None => self.fresh(packet),
        }
    }

    /// A packet of a flow without an entry.
    fn fresh(&mut self, packet: &Packet) -> Judged {
        if self.is_full() {
            return Judged { verdict: Verdict::Drop, ..refused(packet, Reason::TableFull) };
        }
        let Some(inverse) = packet.tuple.inverse() else {
            return refused(packet, Reason::UnpairedIcmp);
        };
        let translated =
            if self.replies.is_empty() { None } else { self.replies.get(&packet.tuple) };
        let reply = translated.copied().unwrap_or(inverse);
        let translated = translated.is_some();
        let mut entry = Entry {
            id: 0,
            original: packet.tuple,
            reply,
            status: Status::default(),
            expires: self.now,
            counted_original: Counters::default(),
            counted_reply: Counters::default(),
            proto: Proto::fresh(packet.tuple.proto, self.now),
            queued_for: self.now,
        };
        let under = Under { settings: &self.settings, rules: &self.rules, hung: &self.hung };
        let mut step = step(&mut entry, Dir::Original, packet, true, (under, self.now));
        if let (Step::Refresh(seconds), false) = (&mut step, self.others.is_empty()) {
            let (others, rules) = (&self.others, &self.rules);
            *seconds = give(&mut self.given, &entry, packet, (others, rules, self.now));
        }
        match step {
            Step::Invalid(reason) | Step::InvalidLowered(reason, _) => refused(packet, reason),
            _ => {
                apply(&mut entry, Dir::Original, packet, step, self.now);
                if translated && let Some((slot, _)) = self.look_up(&reply) {
                    // A port is given away when nobody has it, or its holder was closing (R24).
                    self.end(slot, Gone::Destroyed, self.now);
                }
                let (id, expires) = self.place(entry);
                entry.id = id;
                entry.expires = expires;
                let mut judged = judged(&entry, Dir::Original, packet, step, self.now);
                judged.ct_state = CtState::New;
                judged.created = true;
                judged.turned = true;
                judged
            }
        }
    }

    /// A packet of a flow with an entry.
    fn known(&mut self, slot: u32, dir: Dir, packet: &Packet) -> Judged {
        let Self { slots, settings, rules, now, others, given, hung, before, remembers, .. } = self;
        let Some(Some(entry)) = slots.get_mut(slot as usize) else {
            return refused(packet, Reason::UnpairedIcmp);
        };
        let (was, state) = ((entry.proto, entry.status), entry.tcp_state());
        if entry.status.offload {
            let mut judged = judged(entry, dir, packet, Step::Ignore(Reason::Offloaded), *now);
            judged.verdict = Verdict::Untracked;
            return judged;
        }
        let mut step = step(entry, dir, packet, false, (Under { settings, rules, hung }, *now));
        if *remembers && !hung.get().is_none() {
            *before = Some(Entry { proto: was.0, status: was.1, ..*entry });
        }
        if let (Step::Refresh(seconds), false) = (&mut step, others.is_empty()) {
            *seconds = give(given, entry, packet, (others, rules, *now));
        }
        if matches!(step, Step::Reopen) {
            self.end(slot, Gone::Destroyed, self.now);
            self.invalid += u64::from(self.rules.reopening_counted_invalid);
            return self.fresh(packet);
        }
        apply(entry, dir, packet, step, *now);
        let mut judged = judged(entry, dir, packet, step, *now);
        judged.turned = state != entry.tcp_state();
        if judged.verdict != Verdict::Invalid {
            let established = dir == Dir::Reply || was.1.seen_reply;
            judged.ct_state = if established { CtState::Established } else { CtState::New };
        }
        if matches!(step, Step::Kill) {
            judged.killed = true;
            self.end(slot, Gone::Destroyed, self.now);
        } else {
            self.requeue(slot);
        }
        judged
    }

    /// An ICMP error: RELATED to the flow it is about, of which nothing changes.
    fn icmp_error(&self, packet: &Packet, about: Option<Tuple>) -> Judged {
        let found = about.and_then(|tuple| self.find(&tuple.inverse()?));
        match found {
            Some((entry, dir)) if entry.tuple(dir).dst == packet.tuple.dst => Judged {
                verdict: Verdict::Accept,
                ct_state: CtState::Related,
                entry: Some(met(entry, dir, self.now)),
                reason: None,
                ..refused(packet, Reason::UnrelatedIcmp)
            },
            _ => refused(packet, Reason::UnrelatedIcmp),
        }
    }

    fn is_full(&self) -> bool {
        let Some(max) = self.settings.max else { return false };
        if max == 0 && self.rules.zero_max_is_unlimited {
            return false;
        }
        self.len() >= max as usize
    }

    /// Puts an entry into a slot, the index and the queue; returns its number and expiry.
    fn place(&mut self, mut entry: Entry) -> (u64, Moment) {
        self.made += 1;
        entry.id = self.made;
        entry.queued_for = entry.expires;
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        });
        self.index.insert(hash_of(&entry.original), (slot, Dir::Original));
        self.index.insert(hash_of(&entry.reply), (slot, Dir::Reply));
        self.queue.push(Reverse((entry.expires, slot, entry.id)));
        let told = (entry.id, entry.expires);
        if let Some(place) = self.slots.get_mut(slot as usize) {
            *place = Some(entry);
        }
        told
    }

    fn take_out(&mut self, slot: u32) -> Option<Entry> {
        let entry = self.slots.get_mut(slot as usize)?.take()?;
        self.free.push(slot);
        self.index.remove(hash_of(&entry.original), (slot, Dir::Original));
        self.index.remove(hash_of(&entry.reply), (slot, Dir::Reply));
        Some(entry)
    }

    fn end(&mut self, slot: u32, gone: Gone, at: Moment) {
        if let Some(entry) = self.take_out(slot) {
            let (original, tcp_state) = (entry.original, entry.tcp_state());
            self.events.push(Event { gone, at, entry: entry.id, original, tcp_state });
        }
    }

    /// An element is added only when the expiry moved before the one that stands.
    fn requeue(&mut self, slot: u32) {
        let Some(Some(entry)) = self.slots.get_mut(slot as usize) else { return };
        if entry.expires < entry.queued_for {
            entry.queued_for = entry.expires;
            self.queue.push(Reverse((entry.expires, slot, entry.id)));
        }
    }
}

/// What the protocol says; the entry is changed but for timer, accounting and SEEN_REPLY.
fn step(
    entry: &mut Entry,
    dir: Dir,
    packet: &Packet,
    first: bool,
    (under, now): (Under<'_>, Moment),
) -> Step {
    let settings = under.settings;
    let holds = checksum_holds(packet, (settings, under.hung));
    match packet.body {
        Body::Tcp(tcp) => match tcp::sane(&tcp, holds) {
            Some(reason) => Step::Invalid(reason),
            None if first => tcp::first(entry, &tcp, now, under),
            None => tcp::known(entry, dir, &tcp, now, under),
        },
        _ if !holds => Step::Invalid(Reason::BadChecksum),
        Body::Udp => udp(entry, settings, now),
        Body::Icmp => icmp(entry, packet, first, (settings, now)),
        _ => Step::Refresh(settings.generic),
    }
}

/// Checksums are looked at only where packets arrive, and only if the box is set to.
fn checksum_holds(packet: &Packet, (settings, hung): (&Settings, &Cell<Switches>)) -> bool {
    if packet.hook != Hook::Prerouting || packet.checksum != Checksum::Bad {
        return true;
    }
    hung.set(hung.get().and(Switches::CHECKSUM));
    !settings.checksum
}

/// UDP: a flow answered for longer than two seconds is a stream, and assured
/// (nf_conntrack_proto_udp.c, 6.18).
fn udp(entry: &mut Entry, settings: &Settings, now: Moment) -> Step {
    if is_stream(entry, now) {
        entry.status.assured = true;
    }
    Step::Refresh(other_timeout(entry, settings, now))
}

fn is_stream(entry: &Entry, now: Moment) -> bool {
    let Proto::Udp { stream_from } = entry.proto else { return false };
    entry.status.seen_reply && now > stream_from
}

/// The timeout of an entry that is not TCP's, after a packet that counts.
fn other_timeout(entry: &Entry, settings: &Settings, now: Moment) -> u32 {
    match entry.proto {
        Proto::Udp { .. } if is_stream(entry, now) => settings.udp_stream,
        Proto::Udp { .. } => settings.udp,
        Proto::Icmp if entry.original.proto == super::packet::proto::ICMP => settings.icmp,
        Proto::Icmp => settings.icmpv6,
        Proto::Tcp(_) | Proto::Other => settings.generic,
    }
}

/// What a refresh gives under each of `others`; the longest of them.
fn give(
    given: &mut Vec<u32>,
    entry: &Entry,
    packet: &Packet,
    (others, rules, now): (&[Settings], &Rules, Moment),
) -> u32 {
    given.clear();
    given.extend(others.iter().map(|settings| match (&entry.proto, &packet.body) {
        (Proto::Tcp(flow), Body::Tcp(tcp)) => {
            timer::tcp(flow, Kind::of(tcp), entry.status.seen_reply, (settings, rules))
        }
        _ => other_timeout(entry, settings, now),
    }));
    given.iter().copied().max().unwrap_or_default()
}

/// ICMP: questions open an entry, and every message of the exchange refreshes it
/// (nf_conntrack_proto_icmp.c and _icmpv6.c, 6.18).
fn icmp(entry: &Entry, packet: &Packet, first: bool, (settings, now): (&Settings, Moment)) -> Step {
    let kind = (packet.tuple.dport >> 8) as u8;
    if first && !may_open(packet.tuple.proto, kind) {
        return Step::Invalid(Reason::UnpairedIcmp);
    }
    Step::Refresh(other_timeout(entry, settings, now))
}

fn met(entry: &Entry, dir: Dir, now: Moment) -> Met {
    Met {
        id: entry.id,
        dir,
        tcp_state: entry.tcp_state(),
        timeout_s: entry.remaining_s(now),
        assured: entry.status.assured,
    }
}

fn judged(entry: &Entry, dir: Dir, packet: &Packet, step: Step, now: Moment) -> Judged {
    let mut judged = Judged {
        verdict: Verdict::Accept,
        ct_state: CtState::Established,
        reason: None,
        refreshed: false,
        lowered: None,
        entry: Some(met(entry, dir, now)),
        created: false,
        turned: false,
        killed: false,
        leaves_as: entry.tuple(dir.other()).inverse().unwrap_or(packet.tuple),
    };
    match step {
        Step::Refresh(_) => judged.refreshed = !entry.status.fixed_timeout,
        Step::Keep(reason) => judged.reason = Some(reason),
        Step::Ignore(reason) => {
            judged.verdict = Verdict::Ignore;
            judged.reason = Some(reason);
        }
        Step::Invalid(reason) | Step::InvalidLowered(reason, _) => {
            judged.verdict = Verdict::Invalid;
            judged.ct_state = CtState::Invalid;
            judged.reason = Some(reason);
            judged.leaves_as = packet.tuple;
            if let Step::InvalidLowered(_, lowered) = step {
                judged.lowered = Some(lowered);
            }
        }
        Step::Kill | Step::Reopen => {}
    }
    judged
}

/// What every step does beside the protocol: timer, accounting, SEEN_REPLY.
fn apply(entry: &mut Entry, dir: Dir, packet: &Packet, step: Step, now: Moment) {
    match step {
        Step::Refresh(seconds) => {
            if !entry.status.fixed_timeout {
                entry.expires = now.plus(Gap::from_secs(i64::from(seconds)));
            }
            entry.count(dir, packet.l3_len);
        }
        Step::InvalidLowered(_, lowered) => {
            entry.expires = now.plus(Gap::from_secs(i64::from(lowered.seconds)));
            return;
        }
        Step::Kill => entry.count(dir, packet.l3_len),
        Step::Invalid(_) => return,
        Step::Keep(_) | Step::Ignore(_) | Step::Reopen => {}
    }
    if dir == Dir::Reply {
        entry.status.seen_reply = true;
    }
}

/// A packet without an entry, refused.
const fn refused(packet: &Packet, reason: Reason) -> Judged {
    Judged::refused(packet.tuple, Some(reason))
}
