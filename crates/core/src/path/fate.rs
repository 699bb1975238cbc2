//! What became of a packet that one capture has and the other does not: lost on the way, made on
//! the way, or missed by a capture.
//!
//! A capture's silence is weak evidence, so what the ends did is asked first. Bytes that were
//! acknowledged before any copy of them was seen had passed: the capture missed them. Bytes sent
//! again had not, or not in time. A reset whose sender goes on was not its sender's. Only where
//! nothing of that kind is there does silence speak, as loudly as the capture is complete.

use super::clock::Clock;
use super::pieces::without;
use super::record::{Fate, Mark};
use super::same::{Item, Same};
use crate::terms::Side;
use crate::time::Moment;
use crate::wire::Flags;

/// Of packets on their way when a capture begins or ends, so much beyond the usual.
const SLACK_NS: i64 = 100_000_000;
/// A single packet's absence counts while captures miss no more than this share.
pub(super) const DOUBT_MAX: f64 = 0.05;
/// Of bare acknowledgements there are so many that a capture which misses more than this share of
/// packets has missed some of them.
const DOUBT_MANY_MAX: f64 = 0.001;
/// Copies that begin further back than so many segments are not looked for: a segment of 64 kB may
/// be there in as many pieces.
const BACK_MAX: usize = 256;
/// A TTL this far from the usual one is another machine's.
const TTL_APART: i16 = 2;

/// A fate, and what it rests on.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Judged {
    pub fate: Fate,
    /// It rests on one capture's silence, and this is how often that one misses packets.
    pub doubt: f64,
    pub because: Vec<Mark>,
}

impl Judged {
    fn of(fate: Fate, because: Mark) -> Self {
        Self { fate, doubt: 0.0, because: vec![because] }
    }

    fn plain(fate: Fate) -> Self {
        Self { fate, doubt: 0.0, because: Vec::new() }
    }
}

/// What is known of the captures as wholes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Around<'a> {
    pub clock: Option<&'a Clock>,
    /// First and last moment each covers, by its own clock.
    pub spans: [(i64, i64); 2],
    /// How often each misses a packet.
    pub doubts: [f64; 2],
}

/// Bytes of one side in one capture: where they begin and end relative to `base`, and when.
#[derive(Debug, Default)]
struct Bytes {
    base: u32,
    all: Vec<(i32, i32, i64)>,
    /// The highest number the side itself has spoken of, but for resets.
    next: Option<i32>,
}

/// How far one side had acknowledged, at growing moments: relative to `base` of the other's bytes.
#[derive(Debug, Default)]
struct Acks(Vec<(i32, i64)>);

/// One connection, with what it takes to judge its packets.
#[derive(Debug)]
pub(super) struct Judge<'a> {
    same: &'a Same,
    nearer: Option<usize>,
    /// By capture and side, client first.
    bytes: [[Bytes; 2]; 2],
    acks: [[Acks; 2]; 2],
    ttls: [[Option<u8>; 2]; 2],
}

fn index(side: Side) -> usize {
    usize::from(side == Side::Server)
}

impl<'a> Judge<'a> {
    pub(super) fn of(same: &'a Same, nearer: Option<usize>) -> Self {
        let mut judge = Self {
            same,
            nearer,
            bytes: Default::default(),
            acks: Default::default(),
            ttls: Default::default(),
        };
        for side in [Side::Client, Side::Server] {
            let all = || same.items.iter().flatten();
            let base = all().find(|i| i.side == side && i.seen.length() > 0).map(|i| i.seq);
            let base = base.or_else(|| all().find(|i| i.side == side.peer()).map(|i| i.ack));
            let base = base.unwrap_or(0);
            for point in [0, 1] {
                judge.gather(point, side, base);
            }
        }
        judge
    }

    fn gather(&mut self, point: usize, side: Side, base: u32) {
        let Some(items) = self.same.items.get(point) else { return };
        let relative = |seq: u32| seq.wrapping_sub(base).cast_signed();
        let own = items.iter().filter(|i| i.side == side);
        let mut all: Vec<(i32, i32, i64)> = own
            .clone()
            .filter(|i| i.seen.length() > 0)
            .map(|i| (relative(i.seq), relative(i.end()), i.seen.at))
            .collect();
        all.sort_unstable();
        let spoken = own.clone().filter(|i| !i.seen.flags().rst());
        let next = spoken.map(|i| relative(i.seq)).max();
        let mut acks: Vec<(i32, i64)> = Vec::new();
        for item in items.iter().filter(|i| i.side != side && i.seen.flags().ack()) {
            let to = relative(item.ack);
            if acks.last().is_none_or(|(last, _)| to > *last) {
                acks.push((to, item.seen.at));
            }
        }
        let mut counts = [0_u32; 256];
        for item in own.filter(|i| !i.seen.flags().rst()) {
            if let Some(count) = counts.get_mut(usize::from(item.seen.ttl)) {
                *count += 1;
            }
        }
        let usual = counts.iter().enumerate().max_by_key(|(_, count)| **count);
        let usual = usual.filter(|(_, count)| **count > 0).map(|(ttl, _)| ttl as u8);
        let at = index(side);
        let place = self.bytes.get_mut(point).and_then(|b| b.get_mut(at));
        if let Some(place) = place {
            *place = Bytes { base, all, next };
        }
        if let Some(place) = self.acks.get_mut(point).and_then(|a| a.get_mut(at)) {
            *place = Acks(acks);
        }
        if let Some(place) = self.ttls.get_mut(point).and_then(|t| t.get_mut(at)) {
            *place = usual;
        }
    }

    fn bytes(&self, point: usize, side: Side) -> Option<&Bytes> {
        self.bytes.get(point)?.get(index(side))
    }

    fn usual_ttl(&self, point: usize, side: Side) -> Option<u8> {
        *self.ttls.get(point)?.get(index(side))?
    }

    /// When a capture first saw the other side acknowledge up to `end`.
    fn acknowledged(&self, point: usize, side: Side, end: u32) -> Option<i64> {
        let bytes = self.bytes(point, side)?;
        let to = end.wrapping_sub(bytes.base).cast_signed();
        let acks = &self.acks.get(point)?.get(index(side))?.0;
        acks.get(acks.partition_point(|(acked, _)| *acked < to)).map(|(_, at)| *at)
    }

    /// Packets of a capture that hold some of these bytes: from where to where, and when.
    fn holding(&self, point: usize, item: &Item) -> impl Iterator<Item = (i32, i32, i64)> {
        static NONE: Bytes = Bytes { base: 0, all: Vec::new(), next: None };
        let bytes = self.bytes(point, item.side).unwrap_or(&NONE);
        let relative = |seq: u32| seq.wrapping_sub(bytes.base).cast_signed();
        let (from, to) = (relative(item.seq), relative(item.end()));
        let after = bytes.all.partition_point(|(start, _, _)| *start < to);
        let before = bytes.all.get(..after).unwrap_or_default().iter().rev().take(BACK_MAX);
        before.filter(move |(_, end, _)| *end > from).copied()
    }

    /// When a capture first had every one of these bytes, in one piece or in several.
    fn copied(&self, point: usize, item: &Item) -> Option<i64> {
        let mut all: Vec<(i32, i32, i64)> = self.holding(point, item).collect();
        all.sort_by_key(|(_, _, at)| *at);
        let base = self.bytes(point, item.side)?.base;
        let relative = |seq: u32| seq.wrapping_sub(base).cast_signed();
        let mut left = vec![(relative(item.seq), relative(item.end()))];
        all.into_iter().find_map(|(from, to, at)| {
            left = without(&left, &[(from, to)]);
            left.is_empty().then_some(at)
        })
    }

    /// A capture saw the sender speak from beyond these bytes.
    fn goes_beyond(&self, point: usize, item: &Item) -> bool {
        self.bytes(point, item.side).is_some_and(|bytes| {
            let to = item.end().wrapping_sub(bytes.base).cast_signed();
            bytes.next.is_some_and(|next| next >= to)
        })
    }

    /// What became of a packet that `point` has and the other capture does not, or of what the
    /// other capture lacks of it where it has it in pieces: of several such parts the worst.
    pub(super) fn judge_whole(
        &self,
        (item, at): (&Item, u32),
        point: usize,
        around: &Around<'_>,
    ) -> Judged {
        let pieces = self.same.pieces.get(point).and_then(|pieces| pieces.get(&at));
        let Some(pieces) = pieces else { return self.judge(item, point, around) };
        let parts = pieces.missing.iter().map(|(from, to)| {
            let mut part = *item;
            part.seq = *from;
            part.seen.payload = to.wrapping_sub(*from);
            part.seen.flags &= !Flags::FIN;
            self.judge(&part, point, around)
        });
        let worst = parts.min_by_key(|judged| match judged.fate {
            Fate::Lost | Fate::Made => 0,
            Fate::Missed => 1,
            Fate::Unclear => 2,
            Fate::Uncovered => 3,
            Fate::Both => 4,
        });
        worst.unwrap_or(Judged::plain(Fate::Both))
    }

    /// What became of a packet that `point` has and the other capture does not.
    fn judge(&self, item: &Item, point: usize, around: &Around<'_>) -> Judged {
        let other = 1 - point;
        let Some(nearer) = self.nearer else { return Judged::plain(Fate::Unclear) };
        let Some(there) = there(item.seen.at, point, around) else {
            return Judged::plain(Fate::Unclear);
        };
        if !covers(there, other, around) {
            return Judged::plain(Fate::Uncovered);
        }
        // It passes the point that is nearer to its sender first.
        let first = if item.side == Side::Client { nearer } else { 1 - nearer };
        let doubt = around.doubts.get(other).copied().unwrap_or(1.0);
        if first == point {
            self.set_out(item, (point, other), doubt)
        } else {
            self.arrived(item, (point, other), there, doubt)
        }
    }

    /// Seen where it set out and not where it should have arrived.
    fn set_out(&self, item: &Item, (point, other): (usize, usize), doubt: f64) -> Judged {
        if item.seen.length() == 0 {
            let most = if item.seen.flags().rst() { DOUBT_MAX } else { DOUBT_MANY_MAX };
            return by_silence(Fate::Lost, doubt, most, Vec::new());
        }
        let copy = self.copied(other, item);
        let acknowledged = self.acknowledged(other, item.side, item.end());
        match (acknowledged, copy) {
            (Some(acked), copy) if copy.is_none_or(|at| acked < at) => {
                // Of several sendings one passed, and nothing tells which.
                match self.holding(point, item).count() {
                    0 | 1 => Judged::of(Fate::Missed, Mark::AcknowledgedUnseen),
                    _ => Judged::plain(Fate::Unclear),
                }
            }
            (_, Some(_)) => Judged::of(Fate::Lost, Mark::SentAgain),
            (_, None) => by_silence(Fate::Lost, doubt, DOUBT_MAX, vec![Mark::NeverAcknowledged]),
        }
    }

    /// Seen where it arrived and not where it should have set out.
    fn arrived(
        &self,
        item: &Item,
        (point, other): (usize, usize),
        there: i64,
        doubt: f64,
    ) -> Judged {
        let mut because = Vec::new();
        let usual = self.usual_ttl(point, item.side);
        let apart = usual.map_or(0, |ttl| (i16::from(ttl) - i16::from(item.seen.ttl)).abs());
        if apart >= TTL_APART {
            because.push(Mark::OtherTtl);
        }
        if item.seen.flags().rst() {
            if self.went_on(other, item.side, there) {
                because.push(Mark::SenderWentOn);
            }
            let proven = !because.is_empty();
            let doubt = if proven { 0.0 } else { doubt };
            return by_silence(Fate::Made, doubt, DOUBT_MAX, because);
        }
        let continues = self.holding(other, item).next().is_some() || self.goes_beyond(other, item);
        if item.seen.length() > 0 && continues {
            return Judged::of(Fate::Missed, Mark::SenderGoesOnBeyond);
        }
        // Boxes that make anything but resets are rarer than captures with holes.
        by_silence(Fate::Made, doubt, DOUBT_MANY_MAX, because)
    }

    /// A side sent something other than resets after a moment, a capture saw.
    fn went_on(&self, point: usize, side: Side, after: i64) -> bool {
        let items = self.same.items.get(point).map_or(&[][..], Vec::as_slice);
        let from = items.partition_point(|i| i.seen.at <= after);
        let later = items.get(from..).unwrap_or_default();
        later.iter().any(|i| i.side == side && !i.seen.flags().rst() && (i.seen.length() > 0))
    }

    /// A packet's TTL against its side's others at each of the two captures.
    pub(super) fn hops_differ(&self, one: &Item, other: &Item) -> bool {
        let usual = |point| self.usual_ttl(point, one.side).map(i16::from);
        let (Some(first), Some(second)) = (usual(0), usual(1)) else { return false };
        let fell = i16::from(one.seen.ttl) - i16::from(other.seen.ttl);
        (fell - (first - second)).abs() >= TTL_APART
    }
}

/// Silence says it, as far as the capture is to be believed.
fn by_silence(fate: Fate, doubt: f64, most: f64, because: Vec<Mark>) -> Judged {
    let fate = if doubt <= most { fate } else { Fate::Unclear };
    Judged { fate, doubt, because }
}

/// A moment of one capture's clock by the other's.
fn there(at: i64, point: usize, around: &Around<'_>) -> Option<i64> {
    let clock = around.clock?;
    let at = Moment::from_ns(at);
    Some(if point == 0 { at.ns() + clock.offset_at(at) } else { clock.by_first(at).ns() })
}

/// Whether a capture was recording at a moment of its clock, and long enough before and after.
fn covers(at: i64, point: usize, around: &Around<'_>) -> bool {
    let Some((first, last)) = around.spans.get(point) else { return false };
    let travel = around.clock.and_then(|c| c.round_trip_ns).unwrap_or(0);
    let error = around.clock.and_then(|c| c.error_ns).unwrap_or(SLACK_NS);
    let slack = travel.saturating_add(error).min(SLACK_NS * 10);
    at >= first.saturating_add(slack) && at <= last.saturating_sub(slack)
}
