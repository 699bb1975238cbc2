//! A connection while it is being watched: two halves, and on the side what only some have.

use super::again::APART_MAX;
use super::elsewhere::{Elsewhere, OneSided};
use super::ends::{End, Ends};
use super::half::{Half, Kind, Known, set};
use super::reset::{Prompt, RstSeen};
use super::small::{Small, SmallMark};
use super::{BySide, IcmpNote, KnownBy, Mark, Said};
use crate::terms::Side;
use crate::time::Gap;
use crate::wire::{Segment, Seq};
use std::collections::BTreeMap;

/// Sendings of one segment whose gaps are kept.
const GAPS_MAX: usize = 15;
/// Notes kept of each kind.
pub(super) const NOTES_MAX: usize = 8;

/// The same segment sent again and again without the other side acknowledging it.
#[derive(Clone, Debug)]
pub(super) struct Stuck {
    pub seq: Seq,
    pub payload: u32,
    pub first: Mark,
    pub last: Mark,
    pub sendings: u32,
    pub gaps: Vec<Gap>,
}

/// The segments of one side that ask for an answer, since the other side last spoke. Of one side
/// only: whatever the other says ends it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tail {
    by: Side,
    pub count: u32,
    first: SmallMark,
    pub ack: Seq,
    /// Silence before it, in nanoseconds, of anything and of payload; negative when nothing was
    /// before.
    pub idle: i64,
    pub payload_idle: i64,
}

impl Tail {
    const NONE: Self = Self {
        by: Side::Client,
        count: 0,
        first: SmallMark::NONE,
        ack: Seq(0),
        idle: -1,
        payload_idle: -1,
    };

    /// Its first segment.
    pub(super) fn first(&self) -> Mark {
        self.first.mark()
    }

    /// A silence before it, where there is a tail and something stood before it.
    fn gap(&self, ns: i64) -> Option<Gap> {
        (self.count > 0 && ns >= 0).then_some(Gap::from_ns(ns))
    }
}

/// Keepalive probes of one side.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Probing {
    pub sent: u64,
    pub answered: u64,
    pub outstanding: u64,
    pub first_outstanding: Option<Mark>,
    pub last: Option<Mark>,
    pub first_after: Option<Gap>,
    pub every: Option<Gap>,
}

/// What was known when the first FIN or RST came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Closing {
    pub by: Side,
    pub mark: Mark,
    pub ttl: u8,
    pub last: BySide<Mark>,
    pub last_payload: BySide<Mark>,
    /// Keepalive probes that had no answer then.
    pub probes: BySide<u32>,
}

/// What only some connections have.
#[derive(Clone, Debug, Default)]
pub(super) struct Rare {
    pub fin: BySide<u64>,
    pub rst: BySide<u64>,
    pub ttls: BySide<BTreeMap<u8, u64>>,
    /// The client's SYN, where something was seen before it.
    pub late_syn: Option<Mark>,
    pub first_fin: Option<Box<Closing>>,
    pub first_rst: Option<Box<Closing>>,
    pub fins: BySide<Option<Mark>>,
    pub payload_after_fin: u64,
    pub reset: Option<Box<RstSeen>>,
    pub more_resets: BySide<u64>,
    pub data_after_reset: BySide<u64>,
    pub stuck: BySide<Option<Box<Stuck>>>,
    pub holes: BySide<Option<(Seq, Seq)>>,
    pub probing: BySide<Probing>,
    pub icmp: Vec<IcmpNote>,
    pub said: Vec<Said>,
}

/// A connection being watched.
#[derive(Clone, Debug)]
pub(super) struct Life {
    own: Ends,
    pub halves: BySide<Half>,
    tail: Tail,
    pub first: Mark,
    /// The server's SYN; the client's is the first packet, or on the side.
    accepted: SmallMark,
    longest: (Small<8>, SmallMark),
    /// One bit a file, the 64th for all beyond.
    pub files: u64,
    pub known_by: KnownBy,
    pub rare: Option<Box<Rare>>,
    pub elsewhere: Option<Box<Elsewhere>>,
}

/// Ports below this are given out by IANA; above are ephemeral ones (RFC 6335 §6).
const EPHEMERAL: u16 = 32_768;

/// Who opened, told from the first segment seen: the sender is the client or the server.
fn opener(segment: &Segment) -> (Side, KnownBy) {
    let flags = segment.flags;
    if flags.syn() {
        return if flags.ack() {
            (Side::Server, KnownBy::SynAck)
        } else {
            (Side::Client, KnownBy::Syn)
        };
    }
    let (src, dst) = (segment.src.port(), segment.dst.port());
    for limit in [1024, EPHEMERAL] {
        match (src < limit, dst < limit) {
            (true, false) => return (Side::Server, KnownBy::Port),
            (false, true) => return (Side::Client, KnownBy::Port),
            (true, true) | (false, false) => {}
        }
    }
    (Side::Client, KnownBy::FirstPacket)
}

impl Life {
    /// A connection that begins with `segment`, which is yet to be pushed.
    pub(super) fn new(segment: &Segment) -> Self {
        let (sender, known_by) = opener(segment);
        let (client, server) = match sender {
            Side::Client => (segment.src, segment.dst),
            Side::Server => (segment.dst, segment.src),
        };
        Self {
            own: Ends::new(client.into(), server.into()),
            tail: Tail::NONE,
            halves: BySide { client: Half::new(), server: Half::new() },
            first: Mark { packet: segment.packet, at: segment.at },
            accepted: SmallMark::NONE,
            longest: (Small::ZERO, SmallMark::NONE),
            files: 0,
            known_by,
            rare: None,
            elsewhere: None,
        }
    }

    /// The pair of ends it was first seen under, client first.
    pub(super) fn own_ends(&self) -> (End, End) {
        self.own.pair()
    }

    /// The pair of ends of this number.
    #[inline]
    pub(super) fn ends_as(&self, name: u8) -> Option<&Ends> {
        match usize::from(name).checked_sub(1) {
            None => Some(&self.own),
            Some(at) => Some(&self.elsewhere.as_ref()?.names().nth(at)?.ends),
        }
    }

    /// Reads a little of every part of it, so that all of it is near when it is asked for.
    #[inline]
    pub(super) fn touch(&self) -> u64 {
        let BySide { client, server } = &self.halves;
        client.touch() ^ server.touch() ^ self.files ^ self.longest.0.get()
    }

    /// The pair of ends of this number, client first.
    pub(super) fn ends(&self, name: u8) -> Option<(End, End)> {
        self.ends_as(name).map(Ends::pair)
    }

    /// Under which pair the packets of `side` come in.
    pub(super) fn enters(&self, side: Side) -> u8 {
        self.elsewhere.as_ref().map_or(0, |elsewhere| *elsewhere.enters.of(side))
    }

    /// Which side sends from `src` under the pair of this number.
    #[inline]
    pub(super) fn side_of(&self, src: End, name: u8) -> Side {
        let is_client = self.ends(name).is_some_and(|(client, _)| client == src);
        if is_client { Side::Client } else { Side::Server }
    }

    /// Learns that a packet of `side` first seen under the pair `from` was seen again as `segment`,
    /// under a pair not known before. Gives that pair's number; `None` when there are too many.
    pub(super) fn learn(&mut self, segment: &Segment, side: Side, from: u8) -> Option<u8> {
        let elsewhere = self.elsewhere.get_or_insert_default();
        let (src, dst) = (segment.src.into(), segment.dst.into());
        let (client, server) = if side == Side::Client { (src, dst) } else { (dst, src) };
        let to = elsewhere.name(Ends::new(client, server), segment.packet)?;
        elsewhere.learn(side, from, to);
        Some(to)
    }

    /// Counts a further sighting, under the pair `name`, of a packet.
    pub(super) fn seen_again(&mut self, segment: &Segment, side: Side, name: u8) {
        self.elsewhere.get_or_insert_default().again(segment, side, name);
    }

    /// A packet of `side` first seen under the pair `name` went through the box between, or came in
    /// after all: two interfaces may stand in the file the wrong way round. It is not one-sided.
    pub(super) fn both_sided(&mut self, packet: u64, side: Side, name: u8) {
        let Some(elsewhere) = self.elsewhere.as_mut().filter(|e| e.is_translated()) else {
            return;
        };
        if *elsewhere.enters.of(side) == name {
            return;
        }
        elsewhere.odd(side, |odd| &mut odd.one_sided, -1);
        let reset = self.rare.as_mut().and_then(|rare| rare.reset.as_mut());
        if let Some(reset) = reset.filter(|reset| reset.mark.packet == packet) {
            reset.one_sided = None;
        }
    }

    /// Counts packets of `side` that left with the ends they came with, or takes one back.
    pub(super) fn untranslated(&mut self, side: Side, more: i32) {
        if let Some(elsewhere) = &mut self.elsewhere
            && elsewhere.is_translated()
        {
            elsewhere.odd(side, |odd| &mut odd.untranslated, more);
        }
    }

    /// Whether the segment is a piece of one seen a moment ago before a router: receive offload
    /// joins segments before they are captured, and they are cut again on the way out.
    pub(super) fn is_piece(&self, segment: &Segment, side: Side) -> bool {
        let half = self.halves.of(side);
        let fell = half.last_ttl.wrapping_sub(segment.ttl);
        self.elsewhere.is_some()
            && segment.payload > 0
            && !segment.flags.rst()
            && (1..=2).contains(&fell)
            && segment.vantage != half.last_vantage
            && half.known.has(Known::NEXT)
            && !segment.end().is_after(half.next)
            && half.next.ahead_of(segment.seq) <= 1 << 20
            && segment.at.since(half.last().at).abs() <= APART_MAX
    }

    /// A SYN without ACK whose sequence number does not fit begins another connection on these
    /// ports. After a reset or a FIN the same number may be a new attempt, and is kept together.
    pub(super) fn is_another(&self, segment: &Segment, side: Side) -> bool {
        let half = self.halves.of(side);
        segment.flags.syn()
            && !segment.flags.ack()
            && half.known.has(Known::BASE)
            && half.base != segment.seq
    }

    pub(super) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// The longest silence before its end, and what ended it.
    pub(super) fn longest_silence(&self) -> Option<(Gap, Mark)> {
        let gap = Gap::from_ns(self.longest.0.get() as i64);
        set(self.longest.1.mark()).map(|mark| (gap, mark))
    }

    /// The later of both sides' last packets.
    pub(super) fn last(&self) -> Mark {
        later(self.halves.client.last(), self.halves.server.last())
    }

    pub(super) fn last_payload(&self) -> Mark {
        later(self.halves.client.last_payload(), self.halves.server.last_payload())
    }

    /// Takes a segment of `side` seen under the pair `name`.
    pub(super) fn push(&mut self, segment: &Segment, side: Side, name: u8) {
        let one_sided = self
            .elsewhere
            .as_ref()
            .and_then(|elsewhere| elsewhere.one_sided(segment.src.into(), side, name));
        if let Some(elsewhere) = &mut self.elsewhere {
            elsewhere.odd(side, |odd| &mut odd.one_sided, i32::from(one_sided.is_some()));
            elsewhere.seen(side, name);
        }
        let mark = Mark { packet: segment.packet, at: segment.at };
        let hole = self.rare.as_ref().and_then(|rare| *rare.holes.of(side));
        let kind = self.halves.of(side).kind_of(segment, hole);
        let with_payload = segment.payload > 0 && kind != Kind::Probe;
        self.note_silence(mark);
        self.note_opening(segment, side, mark);
        self.note_end(segment, side, mark, one_sided);
        self.note_hole(segment, side, kind);
        self.note_probe(side, mark, kind);
        self.note_stuck(segment, side, mark, kind);
        self.note_tail(segment, side, mark, kind);
        self.halves.of_mut(side).count(segment, kind);
        if !self.halves.of_mut(side).add_ttl(segment.ttl) {
            *self.rare().ttls.of_mut(side).entry(segment.ttl).or_default() += 1;
        }
        self.note_ack(segment, side);
        if with_payload {
            self.note_payload(segment, side, kind);
        }
        if let Some(words) = &segment.words {
            let rare = self.rare();
            if rare.said.len() >= NOTES_MAX {
                rare.said.remove(0);
            }
            rare.said.push(Said { by: side, mark, words: words.as_ref().clone() });
        }
        self.halves.of_mut(side).remember(segment, with_payload);
    }

    fn ended(&self) -> bool {
        self.rare.as_ref().is_some_and(|r| r.first_fin.is_some() || r.first_rst.is_some())
    }

    fn note_silence(&mut self, mark: Mark) {
        if let Some(last) = set(self.last())
            && !self.ended()
        {
            let gap = mark.at.since(last.at);
            if u64::try_from(gap.ns()).is_ok_and(|ns| ns > self.longest.0.get()) {
                self.longest = (Small::new(gap.ns().unsigned_abs()), mark.into());
            }
        }
    }

    fn note_opening(&mut self, segment: &Segment, side: Side, mark: Mark) {
        if !segment.flags.syn() {
            return;
        }
        match side {
            Side::Server if set(self.accepted.mark()).is_none() => self.accepted = mark.into(),
            Side::Client if !segment.flags.ack() && self.known_by != KnownBy::Syn => {
                self.known_by = KnownBy::Syn;
                self.rare().late_syn = Some(mark);
            }
            Side::Server | Side::Client => {}
        }
    }

    /// Both SYNs, where they were seen.
    pub(super) fn opened(&self) -> BySide<Option<Mark>> {
        let late = self.rare.as_ref().and_then(|rare| rare.late_syn);
        let first = (self.known_by == KnownBy::Syn).then_some(self.first);
        BySide { client: late.or(first), server: set(self.accepted.mark()) }
    }

    /// All TTLs of one side.
    pub(super) fn ttls(&self, side: Side) -> BTreeMap<u8, u64> {
        let others = self.rare.as_ref().map(|rare| rare.ttls.of(side));
        self.halves.of(side).ttls_with(others)
    }

    /// Resets of one side.
    pub(super) fn resets(&self, side: Side) -> u64 {
        self.rare.as_ref().map_or(0, |rare| *rare.rst.of(side))
    }

    fn note_end(&mut self, segment: &Segment, side: Side, mark: Mark, one_sided: Option<OneSided>) {
        if !segment.flags.fin() && !segment.flags.rst() {
            return;
        }
        let closing = Closing {
            by: side,
            mark,
            ttl: segment.ttl,
            last: self.halves.map(|half| half.last()),
            last_payload: self.halves.map(|half| half.last_payload()),
            probes: self.rare.as_ref().map_or_else(BySide::default, |rare| {
                rare.probing.map(|p| u32::try_from(p.outstanding).unwrap_or(u32::MAX))
            }),
        };
        if segment.flags.fin() {
            let rare = self.rare();
            *rare.fin.of_mut(side) += 1;
            rare.first_fin.get_or_insert_with(|| Box::new(closing));
            rare.fins.of_mut(side).get_or_insert(mark);
        }
        if segment.flags.rst() {
            *self.rare().rst.of_mut(side) += 1;
            if self.rare().reset.is_none() {
                let mut seen = self.look_at(segment, side, mark);
                seen.one_sided = one_sided;
                let rare = self.rare();
                rare.first_rst = Some(Box::new(closing));
                rare.reset = Some(Box::new(seen));
            } else {
                let asked = self.halves.of(side.peer()).last_ack;
                let rare = self.rare();
                *rare.more_resets.of_mut(side) += 1;
                if let Some(reset) = &mut rare.reset {
                    reset.another(segment, side, mark, asked);
                }
            }
        }
    }

    /// Everything about a first reset that can only be seen now.
    fn look_at(&self, segment: &Segment, side: Side, mark: Mark) -> RstSeen {
        let own = self.halves.of(side);
        let victim = self.halves.of(side.peer());
        let tail = self.tail(side.peer());
        let own_fin = self.rare.as_ref().and_then(|rare| *rare.fins.of(side));
        let prompt = |mark: Mark, ack: Seq| {
            set(mark).map(|mark| Prompt {
                mark,
                seq: victim.last_seq,
                ack,
                length: victim.last_len(),
                with_payload: victim.last_payload().packet == mark.packet,
            })
        };
        RstSeen {
            by: side,
            mark,
            seq: segment.seq,
            ack: segment.ack,
            flags: segment.flags,
            window: segment.window,
            options_bytes: segment.options.bytes,
            timestamp: segment.options.timestamps.map(|(value, _)| value),
            ip_id: segment.ip_id,
            dont_fragment: segment.dont_fragment,
            ttl: segment.ttl,
            last_prompt: prompt(victim.last(), victim.last_ack),
            first_prompt: (tail.count > 1).then(|| prompt(tail.first(), tail.ack)).flatten(),
            expected: victim.known.has(Known::ACKED).then_some(victim.acked),
            victim_end: victim.known.has(Known::NEXT).then_some(victim.next),
            own_next: own.known.has(Known::NEXT).then_some(own.next),
            own_last: set(own.last()),
            own_packets: u64::from(own.packets),
            own_syn: own.syn > 0,
            own_ttls: self.ttls(side),
            own_timestamp: own.known.has(Known::TIMESTAMPS).then_some(own.timestamp),
            own_df: (u64::from(own.packets) >= self.resets(side)
                && !own.known.has(Known::MIXED_DF))
            .then_some(own.known.has(Known::DF)),
            own_id: (own.id_steps >= 2
                && u32::from(own.id_small) * 10 >= u32::from(own.id_steps) * 9)
                .then_some(own.ip_id),
            victim_syn: victim.syn > 0,
            victim_packets: u64::from(victim.packets),
            round_trip_us: (own.rtt_us != u32::MAX).then_some(own.rtt_us),
            own_fin,
            victim_payload_after_fin: own_fin
                .and(self.rare.as_ref())
                .map_or(0, |rare| rare.payload_after_fin),
            idle_before: tail.gap(tail.idle),
            payload_idle_before: tail.gap(tail.payload_idle),
            one_sided: None,
            others: Vec::new(),
            went_on: 0,
            answered_by_reset: None,
        }
    }

    fn note_hole(&mut self, segment: &Segment, side: Side, kind: Kind) {
        let half = self.halves.of(side);
        let next = half.next;
        if kind == Kind::New && half.known.has(Known::NEXT) && segment.seq.is_after(next) {
            *self.rare().holes.of_mut(side) = Some((next, segment.seq));
        }
        if kind == Kind::Late
            && let Some(rare) = &mut self.rare
            && let Some((from, to)) = *rare.holes.of(side)
        {
            // Of a hole filled in the middle the later part is kept.
            let rest = (segment.end(), to);
            let start = if segment.seq == from { rest } else { (from, segment.seq) };
            *rare.holes.of_mut(side) = (start.0 != start.1).then_some(start);
        }
    }

    fn note_probe(&mut self, side: Side, mark: Mark, kind: Kind) {
        if let Some(rare) = &mut self.rare {
            let other = rare.probing.of_mut(side.peer());
            if other.outstanding > 0 {
                other.answered += 1;
                (other.outstanding, other.first_outstanding) = (0, None);
            }
        }
        if kind != Kind::Probe {
            return;
        }
        let last_of_own = self.halves.of(side).last();
        let last = self.last();
        let probing = self.rare().probing.of_mut(side);
        match probing.last {
            // Nothing of its own since the last probe: a probe in a row.
            Some(before) if before.packet == last_of_own.packet => {
                let gap = mark.at.since(before.at);
                probing.every = Some(probing.every.map_or(gap, |known| known.min(gap)));
            }
            _ => {
                let gap = mark.at.since(last.at);
                probing.first_after = Some(probing.first_after.map_or(gap, |g| g.min(gap)));
            }
        }
        probing.sent += 1;
        probing.outstanding += 1;
        probing.first_outstanding.get_or_insert(mark);
        probing.last = Some(mark);
    }

    fn note_stuck(&mut self, segment: &Segment, side: Side, mark: Mark, kind: Kind) {
        if kind != Kind::Again {
            return;
        }
        let half = self.halves.of(side);
        let acknowledged = self.halves.of(side.peer());
        let news = !acknowledged.known.has(Known::ACKED)
            || !segment.end().is_before(acknowledged.acked.plus(1));
        if !news {
            return;
        }
        let tail = self.tail(side);
        let before = if half.last_seq == segment.seq || tail.count == 0 {
            half.last()
        } else {
            tail.first()
        };
        let stuck = self.rare().stuck.of_mut(side);
        match stuck {
            Some(stuck) if stuck.seq == segment.seq => {
                if stuck.gaps.len() >= GAPS_MAX {
                    stuck.gaps.remove(0);
                }
                stuck.gaps.push(mark.at.since(stuck.last.at));
                stuck.sendings = stuck.sendings.saturating_add(1);
                stuck.last = mark;
            }
            _ => {
                *stuck = Some(Box::new(Stuck {
                    seq: segment.seq,
                    payload: segment.payload,
                    first: before,
                    last: mark,
                    sendings: 2,
                    gaps: vec![mark.at.since(before.at)],
                }));
            }
        }
    }

    fn note_tail(&mut self, segment: &Segment, side: Side, mark: Mark, kind: Kind) {
        if self.tail.by != side {
            self.tail.count = 0;
        }
        if kind == Kind::Empty || kind == Kind::Late {
            return;
        }
        if self.tail.count == 0 {
            let since = |last| set(last).map_or(-1, |last| mark.at.since(last.at).ns());
            let (idle, payload_idle) = (since(self.last()), since(self.last_payload()));
            self.tail = Tail {
                by: side,
                count: 0,
                first: mark.into(),
                ack: segment.ack,
                idle,
                payload_idle,
            };
        }
        self.tail.count = self.tail.count.saturating_add(1);
    }

    /// What `side` sent since the other last spoke.
    pub(super) fn tail(&self, side: Side) -> &Tail {
        if self.tail.by == side { &self.tail } else { &Tail::NONE }
    }

    fn note_ack(&mut self, segment: &Segment, side: Side) {
        let half = self.halves.of_mut(side);
        let further = half.acknowledge(segment);
        if !segment.flags.ack() {
            return;
        }
        let other = self.halves.of_mut(side.peer());
        if !other.known.has(Known::BASE) {
            other.base = segment.ack.minus(1);
            other.known.set(Known::BASE, true);
        }
        if segment.flags.rst() {
            return;
        }
        let round_trip = other.acknowledged(segment.ack, segment.at);
        if let Some(round_trip) = round_trip {
            let half = self.halves.of_mut(side);
            half.rtt_us = half.rtt_us.min(round_trip);
        }
        if further
            && let Some(rare) = &mut self.rare
            && let Some(stuck) = rare.stuck.of(side.peer())
            && segment.ack.is_after(stuck.seq)
        {
            *rare.stuck.of_mut(side.peer()) = None;
        }
    }

    fn note_payload(&mut self, segment: &Segment, side: Side, kind: Kind) {
        let Some(rare) = &mut self.rare else {
            return;
        };
        if rare.first_fin.as_ref().is_some_and(|fin| fin.by != side) {
            rare.payload_after_fin += u64::from(segment.payload);
        }
        if let Some(reset) = &mut rare.reset {
            *rare.data_after_reset.of_mut(side) += 1;
            if kind == Kind::New {
                reset.data(segment, side);
            }
        }
    }
}

fn later(one: Mark, other: Mark) -> Mark {
    if one.packet >= other.packet { one } else { other }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A million connections fit into the memory promised for them.
    #[test]
    fn a_connection_stays_small() {
        let size = size_of::<Life>();
        let rare = size_of::<Rare>();
        assert!(rare <= 600, "{rare} bytes on the side");
        assert!(size <= 376, "{size} bytes, of which each half takes {}", size_of::<Half>());
        // What the allocator gives for one seen at two places: its size and a word, in sixteens.
        let elsewhere = size_of::<Elsewhere>();
        assert!(elsewhere <= 72, "{elsewhere} bytes where it is seen at two places");
    }
}
